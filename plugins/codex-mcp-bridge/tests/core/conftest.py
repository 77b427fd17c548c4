"""Servers of a thread without a thread, and programs to be servers."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from codex_mcp_bridge.config import ServerConfig, server_configs
from codex_mcp_bridge.servers import Servers
from codex_plugin_sdk import (
    EventMsg,
    ExecRequest,
    McpServerStatus,
    Process,
    SandboxMode,
    SandboxPolicy,
    ToolSetup,
    ToolSourceSetup,
    UnconfinedBackend,
)

SERVERS = Path(__file__).parent.parent / "servers"
RAW = SERVERS / "raw_server.py"
OFFICIAL = SERVERS / "official_server.py"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class FakeHandlers:
    """Answers what servers ask: a colour, a sentence, a folder."""

    async def elicit(self, params: Any) -> Any:
        from mcp.types import ElicitResult

        return ElicitResult(action="accept", content={"colour": "blue"})

    async def sample(self, params: Any) -> Any:
        from mcp.types import CreateMessageResult, TextContent

        return CreateMessageResult(role="assistant", model="m", content=TextContent(type="text", text="a sentence"))

    async def roots(self) -> Any:
        from mcp.types import ListRootsResult, Root

        return ListRootsResult(roots=[Root(uri="file:///w")])


class World:
    """What a source of tools is given, and what it has told."""

    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path
        self.events: list[EventMsg] = []
        self.told = anyio.Event()
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "SECRET_TOKEN": "s3cret", "LANG": "C.UTF-8"}
        self.in_process: dict[str, Callable[[], Any]] = {}

    def tell(self, event: EventMsg) -> None:
        self.events.append(event)
        told, self.told = self.told, anyio.Event()
        told.set()

    def statuses(self, name: str) -> list[str]:
        """The statuses of a server, in order."""
        return [event.status for event in self.events if isinstance(event, McpServerStatus) and event.server == name]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until what is told makes it true."""
        with anyio.fail_after(20):
            while not holds():
                await self.told.wait()

    def setup(self, servers: Mapping[str, Any] | None = None, **config: Any) -> ToolSourceSetup:
        async def spawn(request: ExecRequest) -> Process:
            return await UnconfinedBackend().spawn(request, SandboxPolicy(mode=SandboxMode.DANGER_FULL_ACCESS))

        home = self.path / "home"
        home.mkdir(exist_ok=True)
        tools = ToolSetup(
            thread_id="0199-test",  # type: ignore[arg-type]
            codex_home=str(home),
            spill_dir=str(self.path / "spill"),
            environ=self.environ,
            config={"mcp_servers": servers or {}, **config},
        )
        return ToolSourceSetup(tools=tools, cwd=str(self.path), tell=self.tell, spawn=spawn, servers=self.in_process)

    @asynccontextmanager
    async def running(self, tables: Mapping[str, Any] | Iterable[ServerConfig]) -> AsyncIterator[Servers]:
        """Servers that live as long as the block."""
        configs = server_configs({"mcp_servers": tables}, self.in_process) if isinstance(tables, Mapping) else tables
        servers = Servers(configs, self.setup(), handlers=lambda _: FakeHandlers(), changed=lambda: None)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(servers.run)
            try:
                yield servers
            finally:
                tasks.cancel_scope.cancel()

    def raw(self, mode: str = "ok", *more: str, **table: Any) -> dict[str, Any]:
        """The table of a raw server."""
        args = ["-S", "-E", str(RAW), mode, str(self.path / "raw.log"), *more]
        return {"command": sys.executable, "args": args, **table}

    def log(self) -> list[str]:
        """What raw servers have written into their log."""
        path = self.path / "raw.log"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def official() -> dict[str, Any]:
    """The table of a server over stdio that is written with the official package."""
    return {"command": sys.executable, "args": [str(OFFICIAL)]}


@asynccontextmanager
async def _over_http(port: int) -> AsyncIterator[str]:
    process = await anyio.open_process(
        [sys.executable, str(OFFICIAL), str(port)], stdout=None, stderr=-3, start_new_session=True
    )
    try:
        with anyio.fail_after(30):
            while True:
                try:
                    stream = await anyio.connect_tcp("127.0.0.1", port)
                except OSError:
                    await anyio.sleep(0.02)  # it does not say when it listens
                else:
                    await stream.aclose()
                    break
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        with anyio.CancelScope(shield=True):
            process.kill()
            await process.aclose()


@pytest.fixture
def over_http() -> Callable[[int], AbstractAsyncContextManager[str]]:
    """Runs that server over HTTP on a port and gives its address."""
    return _over_http


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(name="alive")
def _alive() -> Callable[[int], bool]:
    return alive
