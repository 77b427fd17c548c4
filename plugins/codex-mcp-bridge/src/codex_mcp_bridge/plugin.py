"""What the plugin offers. Nothing here does the work: a process that never uses the tool must not pay for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import ToolSpec, hookimpl

if TYPE_CHECKING:
    from codex_plugin_sdk import Tool, ToolSetup


@hookimpl
def codex_tools() -> Iterable[ToolSpec]:
    """Offer the tool `mcp_bridge`."""
    yield ToolSpec(name="mcp_bridge", factory=_open)


def _open(setup: ToolSetup) -> Tool:
    from .tool import McpBridgeTool

    return McpBridgeTool()
