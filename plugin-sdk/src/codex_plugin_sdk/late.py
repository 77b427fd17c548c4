"""A tool whose code is imported when it is first called: every thread offers all tools, few threads call them all."""

from __future__ import annotations

from collections.abc import Callable

from codex_kernel.contracts.model import ToolDefinition
from codex_kernel.contracts.tool import Tool, ToolCall, ToolContext, ToolOutput


class LateTool:
    """Stands in for the tool that `make` gives. `parallel_safe` must be what that tool says."""

    def __init__(self, definition: ToolDefinition, make: Callable[[], Tool], *, parallel_safe: bool) -> None:
        self.definition = definition
        self.parallel_safe = parallel_safe
        self._make = make
        self._tool: Tool | None = None

    async def run(self, call: ToolCall, ctx: ToolContext) -> ToolOutput:
        """Run the tool, made with the first call."""
        if self._tool is None:
            self._tool = self._make()
        return await self._tool.run(call, ctx)

    async def aclose(self) -> None:
        """Close the tool if it was ever made."""
        if self._tool is not None:
            await self._tool.aclose()
