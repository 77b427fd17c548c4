"""Questions of a server as approval requests, and answers to them in the wire's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codex_kernel.protocol.events import ApprovalRequested
from codex_kernel.protocol.ids import ApprovalId
from codex_kernel.protocol.policy import (
    EditIntent,
    Intent,
    NetworkIntent,
    PolicyAmendment,
    ReviewDecision,
    RunIntent,
)

from .items import read_words

COMMAND = "item/commandExecution/requestApproval"
PATCH = "item/fileChange/requestApproval"
_WORDS = {
    ReviewDecision.APPROVED: "accept",
    ReviewDecision.APPROVED_FOR_SESSION: "acceptForSession",
    ReviewDecision.APPROVED_ALWAYS: "acceptForSession",
    ReviewDecision.DENIED: "decline",
    ReviewDecision.ABORT: "cancel",
}


def approval_of(id: object, method: str, params: Mapping[str, Any]) -> ApprovalRequested | None:
    """The request, under an id made of the server's; None for a question of another kind."""
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


def answer_of(decision: ReviewDecision, request: ApprovalRequested) -> dict[str, Any]:
    """The result that the server reads."""
    if decision is ReviewDecision.APPROVED_ALWAYS and request.amendments:
        prefix = list(request.amendments[0].prefix)
        return {"decision": {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": prefix}}}
    return {"decision": _WORDS[decision]}


def _intent(method: str, params: Mapping[str, Any]) -> Intent:
    cwd, command = params.get("cwd") or "", params.get("command") or ""
    if method == PATCH:
        return EditIntent(paths=(), cwd=cwd, summary=params.get("reason") or "")
    if network := params.get("networkApprovalContext"):
        return NetworkIntent(
            host=network.get("host") or "", port=0, protocol=network.get("protocol") or "", command=command
        )
    return RunIntent(argv=read_words(command), cwd=cwd, display=command)
