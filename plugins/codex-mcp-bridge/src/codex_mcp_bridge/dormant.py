"""The source of tools of a thread that was opened without a server: nearly nothing, until its servers are reloaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from codex_plugin_sdk import Tool, ToolSourceSetup

    from .bridge import McpBridge

RELOAD = "config/mcpServer/reload"


class DormantBridge:
    """Implements `ToolSource`: a `McpBridge` that is made when there is something for it to do."""

    def __init__(self, setup: ToolSourceSetup) -> None:
        self._setup = setup
        self._bridge: McpBridge | None = None
        self._woken = anyio.Event()

    async def run(self) -> None:
        """Wait until there is a server, and hold all until cancelled."""
        await self._woken.wait()
        assert self._bridge is not None
        await self._bridge.run()

    async def ready(self) -> None:
        """As the bridge, once there is one."""
        if self._bridge is not None:
            await self._bridge.ready()

    def tools(self) -> Sequence[Tool]:
        """None without a server."""
        return self._bridge.tools() if self._bridge is not None else ()

    async def inquire(self, method: str, params: Mapping[str, Any]) -> Any:
        """Answer a frontend; a reload that brings no server is answered at once."""
        if self._bridge is None and method == RELOAD and not (params.get("config") or {}).get("mcp_servers"):
            return {}
        return await self._awake().inquire(method, params)

    def _awake(self) -> McpBridge:
        if self._bridge is None:
            import time

            from .bridge import McpBridge

            self._bridge = McpBridge(self._setup, time.monotonic())
            self._woken.set()
        return self._bridge
