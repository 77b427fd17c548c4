"""Offers the MCP servers that come with the program; each is started where its table `[mcp_servers.NAME]` says so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import McpServerSpec, hookimpl

if TYPE_CHECKING:
    from mcp.server.lowlevel.server import Server


@hookimpl
def codex_mcp_servers() -> Iterable[McpServerSpec]:
    """One server, `docs`. Off by default: a session that did not ask for it must not pay half a second for `mcp`."""
    yield McpServerSpec(name="docs", factory=_docs, default_enabled=False)


def _docs() -> Server[Any]:
    from .docs import docs_server

    return docs_server()
