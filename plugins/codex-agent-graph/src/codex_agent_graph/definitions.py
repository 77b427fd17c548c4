"""The tools as the model sees them: Codex's names and parameters, as few words as will do, for they are part of every
request."""

from __future__ import annotations

from typing import Any

from codex_plugin_sdk import ToolDefinition

DEFAULT_WAIT_MS = 30_000
MAX_WAIT_MS = 3_600_000


def _text(description: str = "") -> dict[str, Any]:
    return {"type": "string", **({"description": description} if description else {})}


def _tool(name: str, description: str, required: tuple[str, ...] = (), **properties: Any) -> ToolDefinition:
    parameters: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        parameters["required"] = list(required)
    return ToolDefinition(name=name, description=description, parameters=parameters)


_ITEMS = {
    "type": "array",
    "description": "Instead of message: parts of input.",
    "items": {
        "type": "object",
        "properties": {name: {"type": "string"} for name in ("type", "text", "image_url", "path", "name")},
        "additionalProperties": False,
    },
}
_TARGET = _text("Id of an agent.")

DEFINITIONS = (
    _tool(
        "spawn_agent",
        "Start a sub-agent: another thread that works on its task beside you, in the same folder, with your sandbox "
        "and approvals, and answers when it is done. Only where the user, or instructions you follow, ask for agents, "
        "delegation or parallel work. Give it a task of its own with all it must know: it does not see this "
        "conversation unless forked, and must not edit the files that you or others edit. It takes a place until "
        "closed.",
        message=_text("The task."),
        items=_ITEMS,
        fork_context={"type": "boolean", "description": "Begin with a copy of this conversation."},
        model=_text("Only if it must be another than yours."),
        reasoning_effort=_text("Only if it must be another than yours."),
    ),
    _tool(
        "send_input",
        "Give an agent more to do: a running one reads it with its next step, an idle one begins anew.",
        ("target",),
        target=_TARGET,
        message=_text(),
        items=_ITEMS,
        interrupt={"type": "boolean", "description": "Stop what it does and begin with this."},
    ),
    _tool(
        "wait_agent",
        "Wait until one of these agents is done; tells how it stands with those that are. Do something useful before "
        "you wait, and wait long.",
        ("targets",),
        targets={"type": "array", "items": {"type": "string"}},
        timeout_ms={"type": "number", "description": f"{DEFAULT_WAIT_MS} if left out, up to {MAX_WAIT_MS}."},
    ),
    _tool("list_agents", "Your agents and how it stands with each."),
    _tool("interrupt_agent", "Stop what an agent does; it stays open.", ("target",), target=_TARGET),
    _tool("close_agent", "End an agent that is no longer needed, and its place is free.", ("target",), target=_TARGET),
    _tool("resume_agent", "Open an agent again that was closed.", ("id",), id=_TARGET),
)
