"""What the plugin offers. Nothing here does the work: a process without MCP servers must not pay for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import CommandSpec, ToolSourceSpec, hookimpl

if TYPE_CHECKING:
    import click

    from codex_plugin_sdk import ToolSource, ToolSourceSetup


@hookimpl
def codex_tool_sources() -> Iterable[ToolSourceSpec]:
    """Offer the tools of the configured MCP servers, and of those that plugins bring along."""
    yield ToolSourceSpec(name="mcp", factory=_open)


def _open(setup: ToolSourceSetup) -> ToolSource | None:
    if not setup.servers and not setup.tools.config.get("mcp_servers"):
        return None
    from .bridge import McpBridge

    return McpBridge(setup)


@hookimpl
def codex_commands() -> Iterable[CommandSpec]:
    """One command."""
    yield CommandSpec(name="mcp", help="Add, list, log in to and test MCP servers", load=_command)


def _command() -> click.Command:
    from .command import mcp

    return mcp
