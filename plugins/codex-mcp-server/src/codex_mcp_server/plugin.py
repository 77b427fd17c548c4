"""Offers the command `mcp-server`. What it needs is imported when it is called."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import CommandSpec, hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def codex_commands() -> Iterable[CommandSpec]:
    """One command."""
    yield CommandSpec(name="mcp-server", help="Offer the agent as an MCP server", load=_command)


def _command() -> click.Command:
    from .command import mcp_server

    return mcp_server
