"""A thread that is told of, message by message, and what became of it in a form that can be compared."""

from __future__ import annotations

import json
import os
from contextlib import asynccontextmanager
from typing import Any

import anyio
import attrs

from codex_plugin_sdk import Invocation
from codex_plugin_sdk.testing.harness import manager
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer
from codex_tui.session.reader import Reader
from codex_tui.session.status import Status
from codex_tui.session.transcript import Transcript

THREAD = "thread-1"
LIMIT_S = 60
HELLO = {
    "clientInfo": {"name": "tests", "version": "1"},
    "capabilities": {"experimentalApi": True, "kernelDetails": True},
}


class Told:
    """A reader with a clock of its own, and short words for what a server says."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.transcript, self.status, self.now = Transcript(), Status(), 100.0
        self.reader = Reader(self.transcript, self.status, THREAD, clock=lambda: self.now)

    def __call__(self, method: str, **params: Any) -> None:
        message = {"method": method, "params": {"threadId": THREAD, **params}, "emittedAtMs": 1}
        self.sent.append(message)
        self.reader.handle(message)

    def begin(self, turn: str = "t1") -> None:
        self("turn/started", turn={"id": turn, "items": [], "status": "inProgress", "startedAt": None})

    def end(self, status: str = "completed", turn: str = "t1", **more: Any) -> None:
        self("turn/completed", turn={"id": turn, "items": [], "status": status, "durationMs": 1500, **more})

    def item(self, kind: str, id: str = "i1", turn: str = "t1", /, *, ended: bool = False, **more: Any) -> None:
        method = "item/completed" if ended else "item/started"
        self(method, turnId=turn, item={"type": kind, "id": id, **more})

    def delta(self, kind: str, delta: str, id: str = "i1", turn: str = "t1", **more: Any) -> None:
        self(f"item/{kind}", turnId=turn, itemId=id, delta=delta, **more)

    def kinds(self) -> list[str]:
        return [type(cell).__name__.removesuffix("Cell") for cell in self.transcript]

    @property
    def last(self) -> Any:
        return self.transcript.cells[-1]

    def notices(self) -> list[tuple[str, str, str]]:
        return [(c.level, c.text, c.hint) for c in self.transcript if type(c).__name__ == "NoticeCell"]


def content(cell: Any) -> tuple[str, dict[str, Any]]:
    """All that a cell holds but its version."""
    found = {}
    for field in attrs.fields(type(cell)):
        if field.init and field.name != "version":
            name = field.name.lstrip("_")
            value = getattr(cell, name)
            if name == "output" and not isinstance(value, str):
                value = value.text
            found[name] = [attrs.asdict(part) for part in value] if name == "changes" else value
    return type(cell).__name__, found


class Link:
    """A client of a server in this process; `heard` is all that it was told."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.heard: list[dict[str, Any]] = []

    async def request(self, method: str, params: Any = None) -> Any:
        return await self._connection.request(method, params)

    async def until(self, method: str, wanted: Any = lambda params: True) -> dict[str, Any]:
        """The next message of a method."""
        while True:
            message = await self._connection.next_message()
            self.heard.append(json.loads(json.dumps(message)))
            if message["method"] == method and wanted(message["params"]):
                return message

    async def turn(self, thread: str, text: str = "go") -> str:
        """A whole turn; its id."""
        given = {"threadId": thread, "input": [{"type": "text", "text": text}]}
        turn = (await self.request("turn/start", given))["turn"]["id"]
        await self.until("turn/completed", lambda params: params["turn"]["id"] == turn)
        return turn


@asynccontextmanager
async def serving(root: Any, model: ScriptedResponsesServer, *lines: str):
    """A server with a home and a folder below `root`."""
    for name in ("codex-home", "home", "work/.git"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "work/.git/HEAD").write_text("ref: refs/heads/main\n")
    (root / "codex-home/config.toml").write_text(
        'model = "gpt-5.5"\nmodel_provider = "s"\nallow_login_shell = false\n'
        + "".join(f"{line}\n" for line in lines)
        + f'[model_providers.s]\nname = "S"\nbase_url = "{model.base_url}"\nwire_api = "responses"\n'
        "request_max_retries = 0\nstream_max_retries = 1\n"
    )
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(root / "home"),
        "CODEX_HOME": str(root / "codex-home"),
        "LANG": "C.UTF-8",
        "SHELL": "/bin/sh",
    }
    plugins = type(manager()).from_environment(env)
    try:
        invocation = Invocation(plugins=plugins, environ=env)
        with anyio.fail_after(LIMIT_S):
            async with plugins.app_server().factory(invocation) as server, server.connect() as connection:
                await connection.request("initialize", HELLO)
                yield Link(connection)
    finally:
        plugins.close()
