"""Approval requests as questions to clients, and what their answers mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from codex_plugin_sdk import ApprovalRequested, EditIntent, NetworkIntent, ReviewDecision, RunIntent

from .items import shown_command
from .wire import RpcError

Read = Callable[[Any], tuple[ReviewDecision, str]]

_WORDS = {
    "accept": ReviewDecision.APPROVED,
    "acceptForSession": ReviewDecision.APPROVED_FOR_SESSION,
    "decline": ReviewDecision.DENIED,
    "cancel": ReviewDecision.ABORT,
}


def question_of(
    thread_id: str, turn_id: str, request: ApprovalRequested, at_ms: int
) -> tuple[str, dict[str, Any], Read]:
    """Method and params of the request to the client, and how to read its answer."""
    common = {
        "threadId": thread_id,
        "turnId": turn_id,
        "itemId": request.call_id,
        "startedAtMs": at_ms,
        "reason": request.reason or None,
    }
    match request.intent:
        case EditIntent():
            return "item/fileChange/requestApproval", {**common, "grantRoot": None}, _decision
        case RunIntent() as intent:
            text = intent.display or shown_command(intent.argv)
            params = {
                **common,
                "approvalId": None,
                "command": text,
                "cwd": intent.cwd,
                "commandActions": [{"type": "unknown", "command": text}],
                "proposedExecpolicyAmendment": list(intent.argv) if request.amendments else None,
                "availableDecisions": _available(request, intent),
            }
            return "item/commandExecution/requestApproval", params, _decision
        case NetworkIntent() as intent:
            params = {
                **common,
                "command": intent.command or None,
                "cwd": None,
                "networkApprovalContext": {"host": intent.host, "protocol": _protocol(intent.protocol)},
            }
            return "item/commandExecution/requestApproval", params, _decision
        case intent:
            text = f"{intent.tool}: {intent.summary}" if intent.summary else intent.tool
            return "item/commandExecution/requestApproval", {**common, "command": text, "cwd": None}, _decision


def _available(request: ApprovalRequested, intent: RunIntent) -> list[Any]:
    found: list[Any] = ["accept", "acceptForSession"]
    if request.amendments:
        found.append({"acceptWithExecpolicyAmendment": {"execpolicy_amendment": list(intent.argv)}})
    return [*found, "decline", "cancel"]


def _protocol(word: str) -> str:
    return {"socks5_tcp": "socks5Tcp", "socks5_udp": "socks5Udp"}.get(word, word)


def _decision(answer: Any) -> tuple[ReviewDecision, str]:
    found = answer.get("decision") if isinstance(answer, Mapping) else None
    if isinstance(found, str) and found in _WORDS:
        return _WORDS[found], ""
    if isinstance(found, Mapping) and ("acceptWithExecpolicyAmendment" in found):
        return ReviewDecision.APPROVED_ALWAYS, ""
    if isinstance(found, Mapping) and "applyNetworkPolicyAmendment" in found:
        return ReviewDecision.APPROVED_ALWAYS, ""
    raise RpcError(f"an approval was answered with {answer!r:.200}")
