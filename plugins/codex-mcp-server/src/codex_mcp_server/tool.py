"""The tool itself. Libraries that it wraps are imported here, inside the functions that use them."""

from __future__ import annotations

from codex_plugin_sdk import ToolCall, ToolContext, ToolDefinition, ToolFailed, ToolOutput

DEFINITION = ToolDefinition(
    name="mcp_server",
    description="Counts the lines, words and characters of a text.",
    parameters={
        "type": "object",
        "properties": {"text": {"type": "string", "description": "The text to count."}},
        "required": ["text"],
        "additionalProperties": False,
    },
)


class McpServerTool:
    """Made once per thread. What it learns in one call it may keep for the next."""

    @property
    def definition(self) -> ToolDefinition:
        """How the model sees the tool."""
        return DEFINITION

    @property
    def parallel_safe(self) -> bool:
        """True: calls change nothing, so they may run beside each other."""
        return True

    async def run(self, call: ToolCall, ctx: ToolContext) -> ToolOutput:
        """Count. Commands go through `ctx.exec` and file changes through `ctx.edit_files`, so that policy and
        sandbox hold for them; `ctx.authorize` asks for anything else that has an effect."""
        text = call.arguments.get("text")
        if not isinstance(text, str):
            raise ToolFailed("`text` must be a string.")
        return ToolOutput(output=f"{len(text.splitlines())} lines, {len(text.split())} words, {len(text)} characters")

    async def aclose(self) -> None:
        """Nothing outlives a call."""
