"""The table `[mcp]` of the configuration."""

from __future__ import annotations

from codex_plugin_sdk import Value, value


@value
class McpSection(Value):
    """How tools of MCP servers are offered: `defer_tools_above_tokens` is how large their definitions may be, in
    tokens, before the model has to search for them; None is a tenth of the model's window, or a hundred tools."""

    defer_tools_above_tokens: int | None = None
