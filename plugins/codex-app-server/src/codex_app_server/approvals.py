"""What a thread asks, as requests to clients, and what their answers mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from codex_plugin_sdk import (
    AdditionalPermissions,
    ApprovalAnswer,
    ApprovalRequested,
    EditIntent,
    ElicitationRequested,
    NetworkIntent,
    QuestionsAsked,
    ReviewDecision,
    RunIntent,
    ToolIntent,
)

from .elicitations import answered, approved, elicited, elicited_approval, mcp_call
from .items import shown_command
from .part_changes import DECISION, OFFERED, in_part
from .wire import RpcError

Asked = ApprovalRequested | QuestionsAsked | ElicitationRequested
Read = Callable[[Any], ApprovalAnswer]

_WORDS = {
    "accept": ReviewDecision.APPROVED,
    "acceptForSession": ReviewDecision.APPROVED_FOR_SESSION,
    "decline": ReviewDecision.DENIED,
    "cancel": ReviewDecision.ABORT,
}


def question_of(
    thread_id: str,
    turn_id: str,
    request: Asked,
    at_ms: int,
    cwd: str,
    *,
    item: Mapping[str, Any] | None = None,
    details: bool = False,
) -> tuple[str, dict[str, Any], Read]:
    """Method and params of the request to the client, and how to read its answer: raises `RpcError` for one that
    does not fit. `item` is what the request is about, as clients know it; `details` is for those that want to know
    what Codex does not tell, and may take a part of a change."""
    if isinstance(request, ElicitationRequested):
        params = {"threadId": thread_id, "turnId": turn_id or None, **elicited(request)}
        return "mcpServer/elicitation/request", params, lambda answer: answered(request, answer)
    place: dict[str, Any] = {"threadId": thread_id, "turnId": turn_id, "itemId": request.call_id}
    if isinstance(request, QuestionsAsked):
        params = {**place, "questions": _questions(request), "isBlocking": True, "autoResolutionMs": None}
        return "item/tool/requestUserInput", params, lambda answer: _answered(request, answer)
    common = {**place, "startedAtMs": at_ms, "reason": request.reason or None}
    rules = [{"text": rule.text, "file": rule.file} for rule in request.amendments]
    more: dict[str, Any] = {"source": request.source, "rules": rules} if details else {}
    common |= more
    match request.intent:
        case EditIntent():
            params = {**common, "grantRoot": None}
            if details and item is not None and item.get("changes"):
                params["availableDecisions"] = list(OFFERED)
                return "item/fileChange/requestApproval", params, lambda a: _decided_change(request, item, a)
            return "item/fileChange/requestApproval", params, lambda a: _decided(request, a)
        case ToolIntent(permissions=AdditionalPermissions() as asked):
            params = {**common, "cwd": cwd, "environmentId": None, "permissions": wire_permissions(asked)}
            params["reason"] = request.intent.summary or None
            return "item/permissions/requestApproval", params, lambda answer: _granted(request, answer)
        case ToolIntent() as intent if (about := mcp_call(intent, item)) is not None:
            params = {"threadId": thread_id, "turnId": turn_id or None, **more}
            params |= elicited_approval(about, intent, request.reason)
            return "mcpServer/elicitation/request", params, lambda answer: approved(request, answer)
        case intent:
            params = {**common, **_command(request, intent)}
            offered = params["availableDecisions"]
            return "item/commandExecution/requestApproval", params, lambda a: _decided(request, a, offered)


def refused(request: Asked, why: str) -> ApprovalAnswer:
    """The answer where clients give none that can be used."""
    decision = ReviewDecision.ABORT if isinstance(request, ElicitationRequested) else ReviewDecision.DENIED
    return ApprovalAnswer(approval_id=request.approval_id, decision=decision, feedback=why)


# -- commands and hosts --------------------------------------------------------------------------------


def _command(request: ApprovalRequested, intent: RunIntent | NetworkIntent | ToolIntent) -> dict[str, Any]:
    prefixes = [list(amendment.prefix) for amendment in request.amendments if amendment.prefix]
    hosts = [{"host": amendment.host, "action": "allow"} for amendment in request.amendments if amendment.host]
    offered: list[Any] = ["accept", "acceptForSession"]
    if len(prefixes) == 1:  # several have no place in one answer: the rules would have to be shown
        offered.append({"acceptWithExecpolicyAmendment": {"execpolicy_amendment": prefixes[0]}})
    offered += [{"applyNetworkPolicyAmendment": {"network_policy_amendment": host}} for host in hosts]
    found: dict[str, Any] = {
        "kind": "command",
        "approvalId": None,
        "environmentId": None,
        "availableDecisions": [*offered, "decline", "cancel"],
        "proposedExecpolicyAmendment": prefixes[0] if len(prefixes) == 1 else None,
        "proposedNetworkPolicyAmendments": hosts or None,
    }
    match intent:
        case RunIntent():
            text = intent.display or shown_command(intent.argv)
            found |= {"command": text, "cwd": intent.cwd, "commandActions": [{"type": "unknown", "command": text}]}
            if intent.additional:
                found["additionalPermissions"] = wire_permissions(intent.additional)
        case NetworkIntent():
            found |= {"command": intent.command or None, "cwd": None}
            found["networkApprovalContext"] = {"host": intent.host, "protocol": wire_protocol(intent.protocol)}
        case ToolIntent():
            text = f"{intent.tool}: {intent.summary}" if intent.summary else intent.tool
            found |= {"command": text, "cwd": None}
    return found


def wire_protocol(word: str) -> str:
    """How a host is reached."""
    return {"socks5_tcp": "socks5Tcp", "socks5_udp": "socks5Udp"}.get(word, word)


def _decided(request: ApprovalRequested, answer: Any, offered: list[Any] | None = None) -> ApprovalAnswer:
    """The decision. A rule counts only if it is the one that was proposed: no other has been looked at."""
    found = answer.get("decision") if isinstance(answer, Mapping) else None
    if isinstance(found, str) and found in _WORDS:
        return ApprovalAnswer(approval_id=request.approval_id, decision=_WORDS[found])
    if isinstance(found, Mapping) and found in (offered or ()):
        return ApprovalAnswer(approval_id=request.approval_id, decision=ReviewDecision.APPROVED_ALWAYS)
    if isinstance(found, Mapping) and _denies_host(found):
        return ApprovalAnswer(approval_id=request.approval_id, decision=ReviewDecision.DENIED)
    raise RpcError(f"an approval was answered with {found!r:.200}, which was not offered")


def _decided_change(request: ApprovalRequested, item: Mapping[str, Any], answer: Any) -> ApprovalAnswer:
    found = answer.get("decision") if isinstance(answer, Mapping) else None
    taken = found.get(DECISION) if isinstance(found, Mapping) else None
    return in_part(request, item, taken) if isinstance(taken, Mapping) else _decided(request, answer)


def _denies_host(found: Mapping[str, Any]) -> bool:
    rule = found.get("applyNetworkPolicyAmendment")
    inner = rule.get("network_policy_amendment") if isinstance(rule, Mapping) else None
    return isinstance(inner, Mapping) and inner.get("action") == "deny"


# -- permissions ---------------------------------------------------------------------------------------


def wire_permissions(asked: AdditionalPermissions) -> dict[str, Any]:
    """Permissions in the wire's words."""
    files: dict[str, Any] | None = None
    if asked.readable_roots or asked.writable_roots:
        places = [("read", path) for path in asked.readable_roots] + [("write", path) for path in asked.writable_roots]
        files = {
            "read": list(asked.readable_roots) or None,
            "write": list(asked.writable_roots) or None,
            "entries": [{"path": {"type": "path", "path": path}, "access": access} for access, path in places],
        }
    return {"network": {"enabled": True} if asked.network_access else None, "fileSystem": files}


def _granted(request: ApprovalRequested, answer: Any) -> ApprovalAnswer:
    """What the client grants, for the turn or the session. What it does not name it does not grant; the kernel
    takes no more of it than was asked for."""
    profile = answer.get("permissions") if isinstance(answer, Mapping) else None
    if not isinstance(profile, Mapping):
        raise RpcError(f"a request for permissions was answered with {answer!r:.200}")
    files, network = profile.get("fileSystem") or {}, profile.get("network") or {}
    session = answer.get("scope") == "session"
    return ApprovalAnswer(
        approval_id=request.approval_id,
        decision=ReviewDecision.APPROVED_FOR_SESSION if session else ReviewDecision.APPROVED,
        granted=AdditionalPermissions(
            writable_roots=_paths(files, "write"),
            readable_roots=_paths(files, "read"),
            network_access=network.get("enabled") is True,
        ),
    )


def _paths(files: Mapping[str, Any], access: str) -> tuple[str, ...]:
    found = [path for path in files.get(access) or () if isinstance(path, str)]
    for entry in files.get("entries") or ():
        place = entry.get("path") if isinstance(entry, Mapping) else None
        if isinstance(place, Mapping) and entry.get("access") == access and isinstance(place.get("path"), str):
            found.append(place["path"])
    return tuple(dict.fromkeys(path for path in found if path.startswith("/")))


# -- questions -----------------------------------------------------------------------------------------


def _questions(request: QuestionsAsked) -> list[dict[str, Any]]:
    return [
        {
            "id": question.id,
            "header": question.header,
            "question": question.question,
            "isOther": bool(question.options),
            "isSecret": False,
            "options": [{"label": option.label, "description": option.description} for option in question.options]
            or None,
        }
        for question in request.questions
    ]


def _answered(request: QuestionsAsked, answer: Any) -> ApprovalAnswer:
    given = answer.get("answers") if isinstance(answer, Mapping) else None
    if not isinstance(given, Mapping):
        raise RpcError(f"a question was answered with {answer!r:.200}")
    answers: dict[str, tuple[str, ...]] = {}
    for question in request.questions:
        entry = given.get(question.id)
        texts = entry.get("answers") if isinstance(entry, Mapping) else None
        if isinstance(texts, list) and all(isinstance(text, str) for text in texts):
            answers[question.id] = tuple(texts)
    return ApprovalAnswer(approval_id=request.approval_id, decision=ReviewDecision.APPROVED, answers=answers)
