"""What a thread asks, as elicitations of the client's user, and what the answers mean.

The fields named `codex_…` are those of Codex 0.151, for clients that know it. Others show `message`; they answer with
`action`: accept, decline (the agent goes on without), cancel (the turn stops).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from codex_plugin_sdk import (
    ApprovalAnswer,
    ApprovalRequested,
    EditIntent,
    ElicitationRequested,
    Intent,
    NetworkIntent,
    Question,
    QuestionsAsked,
    ReviewDecision,
    RunIntent,
)
from codex_plugin_sdk.quoting import command_line

Asked = ApprovalRequested | QuestionsAsked | ElicitationRequested
_ACTIONS = {
    "accept": ReviewDecision.APPROVED,
    "decline": ReviewDecision.DENIED,
    "cancel": ReviewDecision.ABORT,
}
_GRANTING = (ReviewDecision.APPROVED, ReviewDecision.APPROVED_FOR_SESSION, ReviewDecision.APPROVED_ALWAYS)


def elicitation(asked: Asked, *, thread_id: str, turn_id: str, call: str) -> dict[str, Any]:
    """The params of `elicitation/create`. `call` is the id of the tool call's request."""
    if isinstance(asked, ElicitationRequested):
        return _passed_on(asked)
    if isinstance(asked, QuestionsAsked):
        return {"message": _questions_text(asked.questions), "requestedSchema": _questions_schema(asked.questions)}
    place = {
        "threadId": thread_id,
        "codex_mcp_tool_call_id": call,
        "codex_event_id": turn_id,
        "codex_call_id": asked.call_id,
    }
    form = {"requestedSchema": {"type": "object", "properties": {}}}
    if isinstance(asked.intent, EditIntent):
        lines = [*([asked.reason] if asked.reason else []), "Allow Codex to apply proposed code changes?"]
        lines += [f"  {path}" for path in asked.intent.paths]
        edit = {"codex_reason": asked.reason or None, "codex_changes": proposed_changes(asked.intent)}
        return {"message": "\n".join(lines), **form, "codex_elicitation": "patch-approval", **place, **edit}
    command, cwd = command_of(asked.intent), getattr(asked.intent, "cwd", "")
    shown = {"codex_command": command, "codex_cwd": cwd, "codex_parsed_cmd": parsed(command)}
    return {"message": _message(asked), **form, "codex_elicitation": "exec-approval", **place, **shown}


def _message(asked: ApprovalRequested) -> str:
    match asked.intent:
        case RunIntent() as intent:
            text = f"Allow Codex to run `{command_line(intent.argv)}` in `{intent.cwd}`?"
        case NetworkIntent() as intent:
            text = f"Allow Codex to reach {intent.host}:{intent.port} ({intent.protocol})?"
        case intent:
            summary = getattr(intent, "summary", "")
            text = f"Allow Codex to use {intent.tool}{f': {summary}' if summary else ''}?"  # type: ignore[union-attr]
    return f"{text}\n{asked.reason}" if asked.reason else text


def command_of(intent: Intent) -> list[str]:
    """What is to be run, or a line of words for what is no command."""
    match intent:
        case RunIntent():
            return list(intent.argv)
        case NetworkIntent():
            return [f"{intent.protocol} {intent.host}:{intent.port}"]
        case EditIntent():
            return ["apply_patch", *intent.paths]
        case _:
            return [f"{intent.tool}: {intent.summary}" if intent.summary else intent.tool]


def parsed(command: Sequence[str]) -> list[dict[str, str]]:
    """What is known of a command: nothing but its text."""
    return [{"type": "unknown", "cmd": command[-1] if command else ""}]


def proposed_changes(intent: EditIntent) -> dict[str, dict[str, Any]]:
    """The files of an edit; what will be in them is not known before it is made."""
    return {
        path: {"type": "update", "unified_diff": "", "move_path": None}
        if os.path.exists(path)
        else {"type": "add", "content": ""}
        for path in intent.paths
    }


def _passed_on(asked: ElicitationRequested) -> dict[str, Any]:
    message = f"{asked.server}: {asked.message}"
    if asked.url is not None:
        return {"mode": "url", "message": message, "url": asked.url, "elicitationId": asked.approval_id}
    return {"message": message, "requestedSchema": dict(asked.schema or {"type": "object", "properties": {}})}


def _questions_text(questions: Sequence[Question]) -> str:
    lines = []
    for question in questions:
        lines.append(question.question)
        lines += [f"  {choice.label}: {choice.description}" for choice in question.options if choice.description]
    return "\n".join(lines)


def _questions_schema(questions: Sequence[Question]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for question in questions:
        fields[question.id] = {"type": "string", "title": question.header, "description": question.question}
        if question.options:
            fields[question.id]["enum"] = [choice.label for choice in question.options]
    return {"type": "object", "properties": fields, "required": list(fields)}


def refused(asked: Asked, why: str) -> ApprovalAnswer:
    """The answer where nobody gives one."""
    return ApprovalAnswer(approval_id=asked.approval_id, decision=ReviewDecision.DENIED, feedback=why)


def read_answer(asked: Asked, answer: object) -> ApprovalAnswer:
    """What a client's answer means: an `action`, a `decision` in Codex's words, or both, of which the stricter counts.
    What cannot be understood is a refusal."""
    if not isinstance(answer, Mapping):
        return refused(asked, "the client's answer could not be understood")
    action, decision = answer.get("action"), answer.get("decision")
    found = _ACTIONS.get(action) if isinstance(action, str) else None
    if decision is not None and (action is None or found is ReviewDecision.APPROVED):
        found = _decision(decision)
    if found is None:
        return refused(asked, "the client's answer could not be understood")
    return _filled(asked, found, answer.get("content"))


def _decision(found: object) -> ReviewDecision | None:
    if isinstance(found, Mapping) and "approved_execpolicy_amendment" in found:
        return ReviewDecision.APPROVED_ALWAYS
    if isinstance(found, str):
        return {word.value: word for word in ReviewDecision if word is not ReviewDecision.APPROVED_ALWAYS}.get(found)
    return None


def _filled(asked: Asked, decision: ReviewDecision, content: object) -> ApprovalAnswer:
    answer = ApprovalAnswer(approval_id=asked.approval_id, decision=decision)
    if decision not in _GRANTING or not isinstance(content, Mapping):
        return answer
    match asked:
        case ElicitationRequested():
            return answer.replace(content=dict(content))
        case QuestionsAsked():
            ids = {question.id for question in asked.questions}
            return answer.replace(answers={id: (str(text),) for id, text in content.items() if id in ids})
        case _:
            return answer
