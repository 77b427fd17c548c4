"""Questions of a server as approval requests, and answers to them in the wire's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codex_kernel.protocol.events import ApprovalRequested, ElicitationRequested
from codex_kernel.protocol.ids import ApprovalId
from codex_kernel.protocol.ops import ApprovalAnswer
from codex_kernel.protocol.policy import (
    EditIntent,
    Intent,
    NetworkIntent,
    PolicyAmendment,
    ReviewDecision,
    RunIntent,
    ToolIntent,
)

from .items import read_words

COMMAND = "item/commandExecution/requestApproval"
PATCH = "item/fileChange/requestApproval"
ELICITATION = "mcpServer/elicitation/request"
MCP_CALL = "mcp_tool_call"

Asked = ApprovalRequested | ElicitationRequested
_WORDS = {
    ReviewDecision.APPROVED: "accept",
    ReviewDecision.APPROVED_FOR_SESSION: "acceptForSession",
    ReviewDecision.APPROVED_ALWAYS: "acceptForSession",
    ReviewDecision.DENIED: "decline",
    ReviewDecision.ABORT: "cancel",
}
_ACTIONS = dict.fromkeys(ReviewDecision, "accept") | {
    ReviewDecision.DENIED: "decline",
    ReviewDecision.ABORT: "cancel",
}
_PERSIST = {ReviewDecision.APPROVED_FOR_SESSION: "session", ReviewDecision.APPROVED_ALWAYS: "always"}


def approval_of(id: object, method: str, params: Mapping[str, Any]) -> Asked | None:
    """The request, under an id made of the server's; None for a question of another kind."""
    if method == ELICITATION:
        return _elicitation(ApprovalId(f"{id!r}"), params)
    if method not in (COMMAND, PATCH):
        return None
    prefix = params.get("proposedExecpolicyAmendment") or ()
    rule = PolicyAmendment(source="server", text=f"allow {' '.join(prefix)}", file="", prefix=tuple(prefix))
    return ApprovalRequested(
        approval_id=ApprovalId(f"{id!r}"),
        call_id=str(params.get("itemId") or ""),
        intent=_intent(method, params),
        reason=params.get("reason") or "",
        amendments=(rule,) if prefix else (),
    )


def answer_of(answer: ApprovalAnswer, request: Asked) -> dict[str, Any]:
    """The result that the server reads."""
    decision = answer.decision
    if isinstance(request, ElicitationRequested):
        accepted = decision not in (ReviewDecision.DENIED, ReviewDecision.ABORT)
        return {"action": _ACTIONS[decision], "content": answer.content if accepted else None}
    if isinstance(request.intent, ToolIntent):
        persist = {"persist": _PERSIST[decision]} if decision in _PERSIST else None
        return {"action": _ACTIONS[decision], "content": None, "_meta": persist}
    if decision is ReviewDecision.APPROVED_ALWAYS and request.amendments:
        prefix = list(request.amendments[0].prefix)
        return {"decision": {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": prefix}}}
    return {"decision": _WORDS[decision]}


def _elicitation(id: ApprovalId, params: Mapping[str, Any]) -> Asked:
    meta, server, message = params.get("_meta"), params.get("serverName") or "", params.get("message") or ""
    if isinstance(meta, Mapping) and meta.get("codex_approval_kind") == MCP_CALL:
        intent = ToolIntent(
            tool=f"mcp__{server}__{meta.get('tool_name') or ''}",
            arguments=meta.get("tool_params") or {},
            summary=meta.get("tool_description") or "",
        )
        return ApprovalRequested(approval_id=id, call_id="", intent=intent, reason=message)
    return ElicitationRequested(
        approval_id=id,
        call_id="",
        server=server,
        message=message,
        schema=params.get("requestedSchema"),
        url=params.get("url"),
        raw=dict(params),
    )


def _intent(method: str, params: Mapping[str, Any]) -> Intent:
    cwd, command = params.get("cwd") or "", params.get("command") or ""
    if method == PATCH:
        return EditIntent(paths=(), cwd=cwd, summary=params.get("reason") or "")
    if network := params.get("networkApprovalContext"):
        return NetworkIntent(
            host=network.get("host") or "", port=0, protocol=network.get("protocol") or "", command=command
        )
    return RunIntent(argv=read_words(command), cwd=cwd, display=command)
