"""All MCP servers of a thread, each on its own: what befalls one does not touch the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import anyio

from codex_plugin_sdk import Notice

from .config import ServerConfig
from .link import reason_of
from .server import Server
from .session import Handlers

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from codex_plugin_sdk import ToolSourceSetup

_REASON_CHARS = 300


class Servers(Mapping[str, Server]):
    """The servers by name. They are there from the beginning and live while `run` does."""

    def __init__(
        self,
        configs: Iterable[ServerConfig],
        setup: ToolSourceSetup,
        *,
        handlers: Callable[[str], Handlers],
        changed: Callable[[], None],
    ) -> None:
        self._setup, self._handlers, self._changed = setup, handlers, changed
        self._servers = {config.name: self._made(config) for config in configs}
        self._tasks: TaskGroup | None = None

    def __getitem__(self, name: str) -> Server:
        return self._servers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._servers)

    def __len__(self) -> int:
        return len(self._servers)

    def _made(self, config: ServerConfig) -> Server:
        return Server(config, self._setup, handlers=self._handlers, changed=self._changed)

    async def run(self) -> None:
        """Start all at once and hold them, until cancelled."""
        async with anyio.create_task_group() as self._tasks:
            for server in self.values():
                self._launch(server)
            self._tasks.start_soon(self._sum_up)
            await anyio.sleep_forever()

    def _launch(self, server: Server) -> None:
        assert self._tasks is not None
        if server.config.enabled:
            _ = server.started
            self._tasks.start_soon(self._run_one, server)

    async def _run_one(self, server: Server) -> None:
        try:
            await server.run()
        except Exception as error:  # noqa: BLE001 - a fault of ours with one server is not to end the others
            self._warn(f"the MCP server {server.name} is given up: {reason_of(error)}")

    async def _sum_up(self) -> None:
        chosen = [server for server in self.values() if server.config.enabled]
        await self.settled(chosen)
        failed = [f"{server.name} ({server.error[:_REASON_CHARS]})" for server in chosen if server.status == "failed"]
        if failed:
            text = f"{len(failed)} of {len(chosen)} MCP servers did not start: {', '.join(failed)}"
            # A source of its own: who has shown each failure leaves it out.
            self._setup.tell(Notice(level="warning", message=text, source="mcp-startup"))

    async def settled(self, chosen: Iterable[Server]) -> None:
        """Wait until the last start of each of them has ended, well or not."""
        for server in chosen:
            await server.started.done.wait()

    def take_over(self, configs: Iterable[ServerConfig]) -> None:
        """Live with another configuration: what has changed is started anew, what failed once more, what is not
        configured any more ends."""
        wanted = {config.name: config for config in configs}
        for name, server in list(self._servers.items()):
            if wanted.get(name) == server.config:
                server.retry()
                continue
            server.stop()
            del self._servers[name]
        for name, config in wanted.items():
            if name not in self._servers:
                self._servers[name] = self._made(config)
                if self._tasks is not None:
                    self._launch(self._servers[name])
        self._changed()

    def _warn(self, text: str) -> None:
        self._setup.tell(Notice(level="warning", message=text, source="mcp"))
