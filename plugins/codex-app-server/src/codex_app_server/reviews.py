"""What a reviewer other than the user looks at, and what it decides, as clients are told."""

from __future__ import annotations

from typing import Any

from codex_plugin_sdk import (
    ApprovalRequested,
    ApprovalResolved,
    EditIntent,
    NetworkIntent,
    ReviewDecision,
    RunIntent,
    ToolIntent,
)

from .approvals import wire_permissions, wire_protocol
from .items import shown_command

_APPROVED = (ReviewDecision.APPROVED, ReviewDecision.APPROVED_FOR_SESSION, ReviewDecision.APPROVED_ALWAYS)
_OTHERS = ("user", "turn")


def review_started(place: dict[str, Any], request: ApprovalRequested, at_ms: int, cwd: str) -> dict[str, Any]:
    """Params of item/autoApprovalReview/started; `place` names thread and turn."""
    return {
        **place,
        "reviewId": request.approval_id,
        "targetItemId": request.call_id,
        "startedAtMs": at_ms,
        "action": _action(request, cwd),
        "review": {"status": "inProgress", "rationale": None, "riskLevel": None, "userAuthorization": None},
    }


def review_completed(started: dict[str, Any], resolved: ApprovalResolved, at_ms: int) -> dict[str, Any]:
    """Params of item/autoApprovalReview/completed. A review that the user, or the end of the turn, was faster than
    is aborted."""
    status = "aborted" if resolved.reviewer in _OTHERS else "approved" if resolved.decision in _APPROVED else "denied"
    review = {**started["review"], "status": status, "rationale": resolved.reason or None}
    return {**started, "review": review, "completedAtMs": at_ms, "decisionSource": "agent"}


def _action(request: ApprovalRequested, cwd: str) -> dict[str, Any]:
    match request.intent:
        case RunIntent() as intent:
            text = intent.display or shown_command(intent.argv)
            return {"type": "command", "command": text, "cwd": intent.cwd, "source": "unifiedExec"}
        case EditIntent() as intent:
            return {"type": "applyPatch", "cwd": intent.cwd, "files": list(intent.paths)}
        case NetworkIntent() as intent:
            protocol = wire_protocol(intent.protocol)
            target = f"{intent.protocol}://{intent.host}:{intent.port}"
            found = {"type": "networkAccess", "host": intent.host, "port": intent.port}
            return {**found, "protocol": protocol, "target": target}
        case ToolIntent(permissions=None) as intent:
            server, _, tool = intent.tool.removeprefix("mcp__").rpartition("__")
            return {"type": "mcpToolCall", "server": server or "codex", "toolName": tool}
        case intent:
            assert intent.permissions is not None
            permissions = wire_permissions(intent.permissions)
            return {"type": "requestPermissions", "permissions": permissions, "reason": intent.summary or None}
