"""The source of tools: all MCP servers of a thread, as the kernel sees them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import anyio

from codex_plugin_sdk import CodexError

from .config import ServerConfig, optional_grace_s, server_configs
from .servers import Servers

if TYPE_CHECKING:
    from codex_plugin_sdk import Tool, ToolSourceSetup

    from .inquiries import Inquiries
    from .session import Handlers
    from .toolbox import ToolBox


class McpBridge:
    """Implements `ToolSource`. Raises `ConfigError` for a server that is not configured well.

    `began_s` is when the thread began to wait for us, on the monotonic clock: from then on the grace counts, what is
    imported included.
    """

    def __init__(self, setup: ToolSourceSetup, began_s: float | None = None) -> None:
        self._setup = setup
        began_s = time.monotonic() if began_s is None else began_s
        self._grace_ends_s = began_s + optional_grace_s(setup.tools.config)
        self.servers = Servers(
            self._configs(setup.tools.config), setup, handlers=self._handlers, changed=self._on_change
        )
        self._box: ToolBox | None = None
        self._inquiries: Inquiries | None = None
        self._working = anyio.Event()
        self._grace_given = False

    def _configs(self, config: Mapping[str, Any]) -> tuple[ServerConfig, ...]:
        return server_configs(config, self._setup.servers)

    def _handlers(self, server: str) -> Handlers:
        assert self._box is not None
        return self._box.handlers(server)

    def _on_change(self) -> None:
        if self._box is not None:
            self._box.changed()

    async def run(self) -> None:
        """Start the servers and hold them, until cancelled; all that was started is gone then."""
        from .inquiries import Inquiries
        from .toolbox import ToolBox

        self._box = ToolBox(self.servers, self._setup, sees_images=self._setup.sees_images)
        async with anyio.create_task_group() as tasks:
            self._inquiries = Inquiries(self.servers, self._setup, tasks, self._configs)
            self._working.set()
            await self.servers.run()

    async def ready(self) -> None:
        """Wait for the servers that are required, and before the first request for the others a little.

        Raises `CodexError` naming each required server that did not start.
        """
        await self._working.wait()
        enabled = [server for server in self.servers.values() if server.config.enabled]
        required = [server for server in enabled if server.config.required]
        await self.servers.settled(server for server in required if not server.was_ready)
        missing = [f"{server.name}: {server.started.error}" for server in required if not server.was_ready]
        if missing:
            raise CodexError(
                f"required MCP servers failed to initialize: {', '.join(missing)}",
                hint="`codex mcp list` shows the servers; `required = false` goes on without one",
            )
        if not self._grace_given:
            with anyio.move_on_after(max(0.0, self._grace_ends_s - time.monotonic())):
                await self.servers.settled(enabled)
            self._grace_given = True

    def tools(self) -> Sequence[Tool]:
        """The tools of all servers that are there."""
        return self._box.tools() if self._box is not None else ()

    async def inquire(self, method: str, params: Mapping[str, Any]) -> Any:
        """Answer a frontend; see `Inquiries`."""
        await self._working.wait()
        assert self._inquiries is not None
        return await self._inquiries.answer(method, params)
