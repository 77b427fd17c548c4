"""A real `codex app-server` process, a client for it, and a scripted model behind it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from codex_app_server.notifications import NOTIFICATIONS
from codex_app_server.results import RESULTS
from codex_app_server.server_requests import SERVER_REQUESTS
from codex_app_server.shapes import fault
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer

PROGRAM = Path(sys.executable).with_name("codex")
LIMIT_S = 30.0
HANDSHAKE = {"clientInfo": {"name": "tests", "version": "1.0"}, "capabilities": {"experimentalApi": True}}


SCHEMA = Path(__file__).parents[4] / "shared" / "protocol" / "app_server" / "schema-experimental.json"


class Recorded:
    """The schema that was recorded from Codex. Without it, everything fits. Validators are made once."""

    def __init__(self) -> None:
        self._schema = json.loads(SCHEMA.read_text()) if SCHEMA.is_file() else {"definitions": {"v2": {}}}
        self._validators: dict[str, Any] = {}

    def check(self, name: str, found: Any) -> Any:
        """`found`, which fits the definition `name` (`v2/NAME`, or `NAME` for any). Raises `ValidationError`."""
        definitions = self._schema["definitions"]
        short = name.removeprefix("v2/")
        name = f"v2/{short}" if short in definitions["v2"] else short
        if name == short and short not in definitions:
            assert len(definitions) == 1, f"{short} is not in the recorded schema"
            return found
        if name not in self._validators:
            from jsonschema import Draft7Validator

            self._validators[name] = Draft7Validator({**self._schema, "$ref": f"#/definitions/{name}"})
        self._validators[name].validate(found)
        return found


RECORDED = Recorded()


STREAMED = 100
"""So many notifications of a kind are held against the recorded schema for each client: a test may hear a million."""


def check_message(message: dict[str, Any], method: str | None, *, recorded: bool) -> None:
    """Assert that a message of the server, the answer to a request with `method` (None: not known) or one of its own
    accord, is as we declare it, and with `recorded` as the recorded schema has it."""
    if "error" in message:
        error = message["error"]
        assert set(message) == {"id", "error"}
        assert isinstance(error["code"], int)
        assert isinstance(error["message"], str)
        assert set(error) <= {"code", "message", "data"}
        return
    if "method" not in message:
        assert set(message) == {"id", "result"}
        if method is None:
            return
        assert method in RESULTS, f"results.py does not say what {method} answers with"
        shape, found = RESULTS[method], message["result"]
    elif "id" in message:
        assert set(message) == {"id", "method", "params"}
        assert message["method"] in SERVER_REQUESTS, f"server_requests.py does not declare {message['method']}"
        (shape, _), found = SERVER_REQUESTS[message["method"]], message["params"]
    else:
        assert set(message) == {"method", "params", "emittedAtMs"}
        assert message["method"] in NOTIFICATIONS, f"notifications.py does not declare {message['method']}"
        shape, found = NOTIFICATIONS[message["method"]], message["params"]
    wrong = fault(shape, found, closed=True)
    assert not wrong, f"{shape.definition}: {wrong} in {found}"
    if recorded:
        RECORDED.check(shape.definition, found)


class RpcFailed(Exception):
    """The server answered with an error; `error` is its member."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.error = error


class App:
    """One client over stdio. `heard` are all notifications and requests of the server in order."""

    def __init__(self, process: asyncio.subprocess.Process, root: Path) -> None:
        self.process = process
        self.root, self.home, self.work = root, root / "codex-home", root / "work"
        self.heard: list[dict[str, Any]] = []
        self._numbers = iter(range(1, 1_000_000))
        self._looked_at = 0
        self._answers: dict[Any, dict[str, Any]] = {}
        self._sent: dict[Any, str] = {}
        self._heard: Counter[str] = Counter()

    async def send(self, message: dict[str, Any] | bytes) -> None:
        """One message, or raw bytes."""
        data = message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n"
        self._note(message)
        self.process.stdin.write(data)
        await self.process.stdin.drain()

    async def call(self, method: str, params: Any = None, *, id: Any = None) -> Any:
        """The result of a request. Raises `RpcFailed`."""
        id = await self.begin(method, params, id=id)
        return await self.result(id)

    async def begin(self, method: str, params: Any = None, *, id: Any = None) -> Any:
        """Send a request; returns its id, for `result`."""
        id = next(self._numbers) if id is None else id
        await self.send({"id": id, "method": method, **({} if params is None else {"params": params})})
        return id

    async def result(self, id: Any) -> Any:
        """The answer to a request that was sent. Raises `RpcFailed`."""
        async with asyncio.timeout(LIMIT_S):
            while id not in self._answers:
                await self._read()
        answer = self._answers.pop(id)
        if "error" in answer:
            raise RpcFailed(answer["error"])
        return answer["result"]

    async def until(self, method: str, **wanted: Any) -> dict[str, Any]:
        """The next message of the server with this method, not looked at before, whose params hold these."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                while self._looked_at < len(self.heard):
                    message = self.heard[self._looked_at]
                    self._looked_at += 1
                    params = message.get("params") or {}
                    if message["method"] == method and all(params.get(k) == v for k, v in wanted.items()):
                        return message
                await self._read()

    async def answer(self, request: dict[str, Any], result: Any) -> None:
        """Answer a request of the server."""
        await self.send({"id": request["id"], "result": result})

    def _note(self, message: dict[str, Any] | bytes) -> None:
        if isinstance(message, bytes) and len(message) < 10_000:
            try:
                message = json.loads(message)
            except (ValueError, RecursionError):
                return
        if isinstance(message, dict) and "method" in message and isinstance(message.get("id"), int | str):
            self._sent[message["id"]] = message["method"]

    async def _read(self) -> None:
        message = json.loads(await self._receive())
        kind = message.get("method", "")
        self._heard[kind] += 1
        answered = self._sent.get(message.get("id"))
        check_message(message, answered, recorded=not kind or self._heard[kind] <= STREAMED)
        if "method" in message:
            self.heard.append(message)
        else:
            self._answers[message["id"]] = message

    async def _receive(self) -> bytes:
        line = await self.process.stdout.readline()
        assert line, "the server ended"
        return line

    def methods(self) -> list[str]:
        """The methods of all that was heard."""
        return [message["method"] for message in self.heard]

    async def thread(self, **params: Any) -> str:
        """A new thread's id."""
        found = await self.call("thread/start", {"cwd": str(self.work), **params})
        return found["thread"]["id"]

    async def turn(self, thread_id: str, text: str = "go", **params: Any) -> dict[str, Any]:
        """A whole turn; returns the params of its `turn/completed`."""
        given = {"threadId": thread_id, "input": [{"type": "text", "text": text}], **params}
        started = await self.call("turn/start", given)
        while True:
            done = (await self.until("turn/completed", threadId=thread_id))["params"]
            if done["turn"]["id"] == started["turn"]["id"]:
                return done


class SocketApp(App):
    """The same client over a web socket."""

    def __init__(self, socket: Any, root: Path) -> None:
        super().__init__(None, root)
        self.socket = socket

    async def send(self, message: dict[str, Any] | bytes) -> None:
        """One message, or one raw text frame."""
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        self._note(message)
        await self.socket.send(data, text=True)

    async def _receive(self) -> bytes:
        return await self.socket.recv(decode=False)


class Listening:
    """A server process on a socket; `address` is the path or URL that it told."""

    def __init__(self, process: asyncio.subprocess.Process, address: str, root: Path) -> None:
        self.process, self.address, self.root = process, address, root

    @asynccontextmanager
    async def connect(self, *, handshake: bool = True, path: str = "", **options: Any):
        """One more client."""
        from websockets.asyncio.client import connect, unix_connect

        options = {"max_size": None, "compression": None, "close_timeout": 1, "ping_interval": None, **options}
        if self.address.startswith("ws://"):
            opening = connect(self.address + path, proxy=None, **options)
        else:
            opening = unix_connect(self.address, uri="ws://localhost/", **options)
        async with opening as socket:
            app = SocketApp(socket, self.root)
            if handshake:
                await app.call("initialize", HANDSHAKE)
                await app.send({"method": "initialized"})
            yield app


class Host:
    """Where servers are started: homes, a folder, a model."""

    def __init__(self, root: Path, model: ScriptedResponsesServer) -> None:
        self.root, self.model, self.program = root, model, PROGRAM
        for name in ("codex-home", "work", "home"):
            (root / name).mkdir()
        self.write_config()
        self.env = {
            "PATH": f"{PROGRAM.parent}:{os.environ.get('PATH', os.defpath)}",
            "HOME": str(root / "home"),
            "CODEX_HOME": str(root / "codex-home"),
            "LANG": "C.UTF-8",
            "SHELL": "/bin/sh",
        }

    def write_config(self, *lines: str) -> None:
        """config.toml with the scripted model, after these lines."""
        text = [
            *lines,
            'model = "gpt-5.5"',
            'model_provider = "scripted"',
            "allow_login_shell = false",
            "[model_providers.scripted]",
            'name = "Scripted"',
            f'base_url = "{self.model.base_url}"',
            'wire_api = "responses"',
            "request_max_retries = 0",
            "stream_max_retries = 0",
        ]
        (self.root / "codex-home" / "config.toml").write_text("\n".join(text) + "\n")

    def script(self, *answers: list[Any]) -> None:
        """What the model answers, request by request: items."""
        self.model.play(*(self.model.answer(*items) for items in answers))

    @asynccontextmanager
    async def start(
        self,
        *args: str,
        handshake: bool = True,
        command: tuple[str, ...] = ("app-server",),
        redirect: str = "",
    ):
        """A server process with a client. `redirect` is what a shell makes of its streams first: `2>&-`."""
        process = await asyncio.create_subprocess_exec(
            *(("/bin/sh", "-c", f'exec "$@" {redirect}', "sh") if redirect else ()),
            str(PROGRAM),
            *args,
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self.env,
            cwd=self.root / "work",
            limit=256 * 1024 * 1024,
        )
        app = App(process, self.root)
        try:
            if handshake:
                await app.call("initialize", HANDSHAKE)
                await app.send({"method": "initialized"})
            yield app
        finally:
            process.stdin.close()
            try:
                async with asyncio.timeout(LIMIT_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
            process._transport.close()

    @asynccontextmanager
    async def listen(self, url: str, *args: str, cwd: Path | None = None):
        """A server process on a socket."""
        process = await asyncio.create_subprocess_exec(
            str(PROGRAM),
            "app-server",
            f"--listen={url}",
            *args,
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=self.env,
            cwd=cwd or self.root / "work",
        )
        try:
            async with asyncio.timeout(LIMIT_S):
                told = b""
                while b"listening on: " not in told:
                    line = await process.stderr.readline()
                    assert line, f"the server ended: {told.decode()}"
                    told += line
            address = told.decode().partition("listening on: ")[2].strip().removeprefix("unix://")
            yield Listening(process, address, self.root)
        finally:
            if process.returncode is None:
                process.terminate()
            try:
                async with asyncio.timeout(LIMIT_S):
                    await process.communicate()
            except TimeoutError:
                process.kill()
                await process.wait()
            process._transport.close()


@pytest.fixture
def model():
    """A scripted model server."""
    with ScriptedResponsesServer() as server:
        yield server


@pytest.fixture
def host(tmp_path, model):
    """A place with homes, a folder and a model."""
    return Host(tmp_path, model)


@pytest.fixture
def short_url():
    """Where a server may listen, short enough for a socket's address."""
    with tempfile.TemporaryDirectory(prefix="cas-") as folder:
        yield f"unix://{folder}/s.sock"


@pytest.fixture
async def app(host, anyio_backend):
    """A server, greeted."""
    async with host.start() as found:
        yield found


@pytest.fixture
def fits():
    """`fits(NAME, found)`: what was found, checked against the recorded schema where that is at hand."""
    return RECORDED.check
