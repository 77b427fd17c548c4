"""Real servers with a scripted model behind them, and a scripted server over a real pipe."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from codex_plugin_sdk.testing.servers import ScriptedResponsesServer
from codex_sdk import CodexConfig

OURS = Path(sys.executable).with_name("codex")
LIMIT_S = 30.0


class Place:
    """A home, a folder, a model, and a program that serves them."""

    def __init__(self, root: Path, model: ScriptedResponsesServer, program: str) -> None:
        self.root, self.model, self.program = root, model, program
        self.work = root / "work"
        self.is_ours = program == str(OURS)
        for name in ("codex-home", "work", "home"):
            (root / name).mkdir()
        text = [
            'model = "gpt-5.5"',
            'model_provider = "scripted"',
            "allow_login_shell = false",
            "[model_providers.scripted]",
            'name = "Scripted"',
            f'base_url = "{model.base_url}"',
            'wire_api = "responses"',
            "request_max_retries = 0",
            "stream_max_retries = 0",
        ]
        (root / "codex-home" / "config.toml").write_text("\n".join(text) + "\n")
        self.env = {
            "PATH": f"{Path(program).parent}:{os.environ.get('PATH', os.defpath)}",
            "HOME": str(root / "home"),
            "CODEX_HOME": str(root / "codex-home"),
            "SHELL": "/bin/sh",
        }
        self.config = CodexConfig(codex_bin=program, env=self.env, cwd=str(self.work))

    def script(self, *answers: list[Any]) -> None:
        """What the model answers, request by request: items."""
        self.model.play(*(self.model.answer(*items) for items in answers))

    def said(self) -> list[Any]:
        """The content parts of all messages of the last request to the model."""
        return [part for item in self.model.requests[-1].json["input"] for part in item.get("content") or []]

    def outputs(self) -> str:
        """The outputs of tools in the last request to the model."""
        return str([item["output"] for item in self.model.requests[-1].json["input"] if "output" in item])

    @asynccontextmanager
    async def listen(self, url: str, *args: str):
        """A server on a socket; gives its address."""
        process = await asyncio.create_subprocess_exec(
            self.program,
            "app-server",
            f"--listen={url}",
            *args,
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=self.env,
            cwd=self.work,
        )
        try:
            async with asyncio.timeout(LIMIT_S):
                told = b""
                while b"listening on: " not in told:
                    line = await process.stderr.readline()
                    assert line, f"the server ended: {told.decode()}"
                    told += line
            yield told.decode().partition("listening on: ")[2].strip(), process
        finally:
            if process.returncode is None:
                process.terminate()
            async with asyncio.timeout(LIMIT_S):
                await process.communicate()
            process._transport.close()


class Fake:
    """The scripted server: `config` starts it, `received` is what clients sent to it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.script()
        files = (str(root / "script.json"), str(root / "received.jsonl"))
        command = (sys.executable, str(Path(__file__).with_name("fake_server.py")), *files)
        self.config = CodexConfig(launch_args_override=command)

    def script(self, **steps: Any) -> None:
        """Acts by method, `turn_start` for `turn/start`; thread/start has a default."""
        thread = [[{"result": {"thread": {"id": "t1"}}}]]
        given = {name.replace("_", "/", 1): acts for name, acts in steps.items()}
        (self._root / "script.json").write_text(json.dumps({"thread/start": thread, **given}))

    def received(self) -> list[dict[str, Any]]:
        """All messages so far, in order."""
        file = self._root / "received.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture
def model():
    """A scripted model server."""
    with ScriptedResponsesServer() as server:
        yield server


@pytest.fixture
def place(tmp_path, model):
    """Our server."""
    return Place(tmp_path, model, str(OURS))


@pytest.fixture(params=["ours", "peer"])
def either(request, tmp_path, model):
    """Our server, and the program that the environment names as CODEX_PEER."""
    peer = os.environ.get("CODEX_PEER")
    if request.param == "peer" and not peer:
        pytest.skip("CODEX_PEER names no other codex")
    return Place(tmp_path, model, str(OURS) if request.param == "ours" else peer)


@pytest.fixture
def fake(tmp_path):
    """A scripted server."""
    return Fake(tmp_path)
