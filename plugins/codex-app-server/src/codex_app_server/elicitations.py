"""What MCP servers ask of the user, and whether their tools may run: one kind of request, as in Codex."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codex_plugin_sdk import ApprovalAnswer, ApprovalRequested, ElicitationRequested, ReviewDecision, ToolIntent

from .wire import RpcError

MCP = "mcp__"
"""Names of tools of MCP servers begin so: `mcp__SERVER__TOOL`."""
APPROVAL_KIND = "mcp_tool_call"
CANCELLED = "user cancelled MCP tool call"
_ACTIONS = {
    "accept": ReviewDecision.APPROVED,
    "decline": ReviewDecision.DENIED,
    "cancel": ReviewDecision.ABORT,
}
_PERSIST = {"session": ReviewDecision.APPROVED_FOR_SESSION, "always": ReviewDecision.APPROVED_ALWAYS}


def elicited(request: ElicitationRequested) -> dict[str, Any]:
    """The params of a server's question, beside those that say where it comes up."""
    common = {"serverName": request.server, "_meta": request.raw.get("_meta"), "message": request.message}
    if request.url is not None:
        known = request.raw.get("elicitationId")
        id = known if isinstance(known, str) else str(request.approval_id)
        return {**common, "mode": "url", "url": request.url, "elicitationId": id}
    return {**common, "mode": "form", "requestedSchema": _form(request.schema or {})}


def _form(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The form without what clients have no word for, as a title of its own: they would take it for none."""
    found = {name: schema[name] for name in ("$schema", "required") if schema.get(name) is not None}
    return {"type": "object", "properties": dict(schema.get("properties") or {}), **found}


def answered(request: ElicitationRequested, answer: Any) -> ApprovalAnswer:
    """What the client answers. Raises `RpcError`."""
    action = answer.get("action") if isinstance(answer, Mapping) else None
    if not isinstance(action, str) or action not in _ACTIONS:
        raise RpcError(f"a question of {request.server} was answered with {answer!r:.200}")
    content = answer.get("content")
    if action != "accept" or request.url is not None:
        content = None
    elif not isinstance(content, Mapping | None):
        raise RpcError(f"the form of {request.server} was answered with {content!r:.200}, which is no object")
    return ApprovalAnswer(approval_id=request.approval_id, decision=_ACTIONS[action], content=content)


# -- approval of calls ---------------------------------------------------------------------------------


def mcp_call(intent: ToolIntent, item: Mapping[str, Any] | None) -> tuple[str, str] | None:
    """Server and tool of a call that is to be approved; None if it is no call of an MCP server's tool."""
    if item is not None and item.get("type") == "mcpToolCall":
        return item["server"], item["tool"]
    server, found, tool = intent.tool.removeprefix(MCP).partition("__")
    return (server, tool) if found and intent.tool.startswith(MCP) else None


def elicited_approval(about: tuple[str, str], intent: ToolIntent, reason: str) -> dict[str, Any]:
    """The params of the question whether a tool may run, beside those that say where it comes up. A `reason` of several
    lines is something to be read before it is answered, as how a tool has changed: it stands in the question."""
    server, tool = about
    question = f'Allow the {server} MCP server to run tool "{tool}"?'
    shown = [{"name": name, "value": given, "display_name": name} for name, given in intent.arguments.items()]
    return {
        "serverName": server,
        "mode": "form",
        "_meta": {
            "codex_approval_kind": APPROVAL_KIND,
            "persist": list(_PERSIST),
            "tool_name": tool,
            "tool_description": intent.summary,
            "tool_params": dict(intent.arguments),
            "tool_params_display": shown,
        },
        "message": f"{question}\n{reason}" if "\n" in reason else question,
        "requestedSchema": {"type": "object", "properties": {}},
    }


def approved(request: ApprovalRequested, answer: Any) -> ApprovalAnswer:
    """The decision. To cancel refuses this call: the turn goes on. Raises `RpcError`."""
    action = answer.get("action") if isinstance(answer, Mapping) else None
    if action == "cancel":
        return ApprovalAnswer(approval_id=request.approval_id, decision=ReviewDecision.DENIED, feedback=CANCELLED)
    if not isinstance(action, str) or action not in _ACTIONS:
        raise RpcError(f"an approval was answered with {answer!r:.200}, which was not offered")
    meta = answer.get("_meta")
    lasting = _PERSIST.get(str(meta.get("persist"))) if isinstance(meta, Mapping) else None
    decision = lasting if action == "accept" and lasting is not None else _ACTIONS[action]
    return ApprovalAnswer(approval_id=request.approval_id, decision=decision)
