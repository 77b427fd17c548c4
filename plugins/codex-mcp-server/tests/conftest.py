"""A real `codex mcp-server` process, the official MCP client and a raw one for it, a scripted model behind it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from codex_plugin_sdk import FunctionCall
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer

PROGRAM = Path(sys.executable).with_name("codex")
LIMIT_S = 30.0
HANDSHAKE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {"elicitation": {}},
    "clientInfo": {"name": "tests", "version": "1"},
}


class Raw:
    """JSON-RPC over the pipes of a process, without any library's opinion. `heard` is all that the server sent."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.heard: list[dict[str, Any]] = []
        self._looked_at = 0

    async def send(self, message: dict[str, Any] | bytes) -> None:
        """One message, or bytes as they are."""
        if isinstance(message, dict):
            message = json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n"
        self.process.stdin.write(message)
        await self.process.stdin.drain()

    async def greet(self, **capabilities: Any) -> dict[str, Any]:
        """The handshake; the result of `initialize`."""
        params = HANDSHAKE | ({"capabilities": capabilities} if capabilities else {})
        answer = await self.call(0, "initialize", params)
        await self.send({"method": "notifications/initialized"})
        return answer["result"]

    async def call(self, id: int, method: str, params: Any = None) -> dict[str, Any]:
        """Send a request, wait for its answer."""
        await self.send({"id": id, "method": method, **({} if params is None else {"params": params})})
        return await self.answer(id)

    async def tool(self, id: int, name: str, arguments: Any = None, **more: Any) -> None:
        """Send a tool call."""
        given = {} if arguments is None else {"arguments": arguments}
        await self.send({"id": id, "method": "tools/call", "params": {"name": name, **given, **more}})

    async def answer(self, id: int) -> dict[str, Any]:
        """The answer to a request."""
        return await self.until(lambda message: message.get("id") == id and "method" not in message)

    async def asked(self) -> dict[str, Any]:
        """The next elicitation."""
        return await self.until(lambda message: message.get("method") == "elicitation/create")

    async def event(self, kind: str) -> dict[str, Any]:
        """The params of the next `codex/event` of a kind."""
        found = await self.until(
            lambda message: message.get("method") == "codex/event" and message["params"]["msg"]["type"] == kind
        )
        return found["params"]

    async def until(self, wanted: Any) -> dict[str, Any]:
        """The next message that is wanted and was not looked at."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                while self._looked_at < len(self.heard):
                    self._looked_at += 1
                    if wanted(message := self.heard[self._looked_at - 1]):
                        return message
                line = await self.process.stdout.readline()
                assert line, "the server ended"
                self.heard.append(json.loads(line))

    def kinds(self) -> list[str]:
        """The kinds of all events so far."""
        return [m["params"]["msg"]["type"] for m in self.heard if m.get("method") == "codex/event"]


class Host:
    """Where servers are started: a home, a folder, a model."""

    def __init__(self, root: Path, model: ScriptedResponsesServer) -> None:
        self.root, self.model = root, model
        self.home, self.work = root / "codex-home", root / "work"
        for folder in (self.home, self.work, root / "home"):
            folder.mkdir()
        self.write_config()
        self.env = {
            "PATH": f"{PROGRAM.parent}:{os.environ.get('PATH', os.defpath)}",
            "HOME": str(root / "home"),
            "CODEX_HOME": str(self.home),
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
        (self.home / "config.toml").write_text("\n".join(text) + "\n")

    def script(self, *answers: list[Any]) -> None:
        """What the model answers, request by request: items."""
        self.model.play(*(self.model.answer(*items) for items in answers))

    def outputs(self) -> list[str]:
        """What the model was told of its calls, with the last request."""
        items = self.model.requests[-1].json["input"]
        return [str(item["output"]) for item in items if item["type"].endswith("_output")]

    @asynccontextmanager
    async def process(self, *args: str, **options: Any):
        """A server process, gone at the end."""
        process = await asyncio.create_subprocess_exec(
            str(PROGRAM),
            "mcp-server",
            *args,
            env=self.env,
            cwd=self.work,
            limit=256 * 1024 * 1024,
            **options,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(LIMIT_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
            process._transport.close()

    @asynccontextmanager
    async def raw(self, *args: str, greet: bool = True):
        """A server on pipes with a raw client."""
        pipe = asyncio.subprocess.PIPE
        async with self.process(*args, stdin=pipe, stdout=pipe) as process:
            raw = Raw(process)
            if greet:
                await raw.greet()
            yield raw

    @asynccontextmanager
    async def listening(self, *args: str, listen: str = "http://127.0.0.1:0"):
        """A server on a port; gives its URL and process."""
        streams = {"stdin": asyncio.subprocess.DEVNULL, "stderr": asyncio.subprocess.PIPE}
        async with self.process("--listen", listen, *args, **streams) as process:
            async with asyncio.timeout(LIMIT_S):
                told = b""
                while b"listening on: " not in told:
                    line = await process.stderr.readline()
                    assert line, f"the server ended: {told.decode()}"
                    told += line
            yield told.decode().partition("listening on: ")[2].strip(), process
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(LIMIT_S):
                await process.communicate()

    @asynccontextmanager
    async def client(self, kind: str, *args: str, **options: Any):
        """The official client: `kind` is `stdio` or `http`, with ` legacy` for the handshake protocol."""
        from mcp.client.client import Client
        from mcp.client.stdio import StdioServerParameters

        transport, _, mode = kind.partition(" ")
        options["mode"] = mode or "auto"
        if transport == "stdio":
            server = StdioServerParameters(
                command=str(PROGRAM), args=["mcp-server", *args], env=self.env, cwd=str(self.work)
            )
            async with Client(server, **options) as client:
                yield client
            return
        async with self.listening(*args) as (url, _process), Client(url, **options) as client:
            yield client


KINDS = ("stdio", "stdio legacy", "http", "http legacy")


@pytest.fixture(params=KINDS)
def every_kind(request):
    """Each transport with each generation of the protocol."""
    return request.param


@pytest.fixture(params=("stdio", "http legacy"))
def kind(request):
    """Each transport and each generation of the protocol once: a process of ours takes more than a second."""
    return request.param


@pytest.fixture
def model():
    """A scripted model server."""
    with ScriptedResponsesServer() as server:
        yield server


@pytest.fixture
def host(tmp_path, model):
    """A place with a home, a folder and a model."""
    return Host(tmp_path, model)


def escalated(path: Path, call_id: str = "call_1") -> FunctionCall:
    """A command that has to be approved: it creates a file, outside the sandbox."""
    given = {"cmd": f"touch {path}", "sandbox_permissions": "require_escalated", "justification": "the test wants it"}
    return FunctionCall(name="exec_command", call_id=call_id, arguments=json.dumps(given))


@pytest.fixture(name="escalated")
def _escalated():
    return escalated
