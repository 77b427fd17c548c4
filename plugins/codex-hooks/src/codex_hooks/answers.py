"""What a hook said: its exit code and output, taken as Codex takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from codex_plugin_sdk import Decision, LifecycleOutcome, Value, value

MAX_CONTEXT_CHARS = 10_000
"""How much text of one hook reaches the model or the user."""

_GOING_ON = frozenset(("Stop", "SubagentStop"))
_BLOCKABLE = frozenset(("PreToolUse", "PostToolUse", "UserPromptSubmit", "PermissionRequest")) | _GOING_ON
_PLAIN_CONTEXT = frozenset(("SessionStart", "UserPromptSubmit", "SubagentStart"))
_NO_REASON = "the hook gave no reason"

_Kind = type | tuple[str, ...]
_COMMON: dict[str, _Kind] = {"continue": bool, "stopReason": str, "suppressOutput": bool, "systemMessage": str}
_BLOCK: dict[str, _Kind] = {"decision": ("block",), "reason": str}
_CONTEXT: dict[str, _Kind] = {"hookEventName": str, "additionalContext": str}
_SPECIFIC: dict[str, dict[str, _Kind]] = {
    "SessionStart": _CONTEXT,
    "SubagentStart": _CONTEXT,
    "UserPromptSubmit": _CONTEXT,
    "PostToolUse": _CONTEXT,
    "PreToolUse": {
        **_CONTEXT,
        "permissionDecision": ("allow", "deny"),
        "permissionDecisionReason": str,
        "updatedInput": object,
    },
    "PermissionRequest": {"hookEventName": str, "decision": dict},
}
_MEMBERS: dict[str, dict[str, _Kind]] = {
    "PreToolUse": {"decision": ("approve", "block"), "reason": str},
    **dict.fromkeys(("PostToolUse", "UserPromptSubmit", "Stop", "SubagentStop"), _BLOCK),
}


class HookFailed(Exception):
    """A hook did not give an answer that can be understood, or none at all."""


@value
class Finished(Value):
    """How a hook ended; `status` is 128 + n after signal n."""

    status: int
    stdout: str = ""
    stderr: str = ""


def answer(
    event: str, finished: Finished, updated: Callable[[Any], Mapping[str, Any]] | None = None
) -> LifecycleOutcome:
    """What a hook of this event said; `updated` makes a tool's arguments of its `updatedInput`. Raises
    `HookFailed`."""
    if finished.status == 2 and event in _BLOCKABLE:
        reason = finished.stderr.strip()
        if not reason and event in _GOING_ON:
            raise HookFailed("it exited with code 2 and told no reason on stderr")
        return _blocked(event, bounded(reason))
    if finished.status:
        raise HookFailed(_ending(finished))
    text = finished.stdout.strip()
    if text.startswith(("{", "[")):
        return _from_json(event, _checked(event, _parsed(text)), updated)
    if text and event in _GOING_ON:
        raise HookFailed(f"its output is not JSON: {text[:80]!r}")
    return LifecycleOutcome(context=(bounded(text),) if text and event in _PLAIN_CONTEXT else ())


def said(outcome: LifecycleOutcome, failure: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """How a hook did, in Codex's words, and what it said, by kind."""
    if failure:
        return "failed", (("error", failure),)
    entries = [("warning", text) for text in outcome.messages] + [("context", text) for text in outcome.context]
    if outcome.stop:
        return "stopped", (*entries, ("stop", outcome.stop))
    if outcome.block:
        return "blocked", (*entries, ("feedback", outcome.block))
    return "completed", tuple(entries)


def bounded(text: str, limit: int = MAX_CONTEXT_CHARS) -> str:
    """The text, or its beginning and end with a note between."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[{len(text) - 2 * half} characters of a hook's output are left out]\n{text[-half:]}"


def _ending(finished: Finished) -> str:
    status = finished.status
    how = f"it was ended by signal {status - 128}" if status > 128 else f"it exited with code {status}"
    said = " ".join(finished.stderr.split())[:300]
    return f"{how}: {said}" if said else how


def _parsed(text: str) -> dict[str, Any]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise HookFailed(f"its output is not valid JSON: {error}") from error
    if not isinstance(found, dict):
        raise HookFailed("its output is not a JSON object")
    return found


def _checked(event: str, found: dict[str, Any]) -> dict[str, Any]:
    """The answer without members that are null. Raises `HookFailed` for one that means nothing here."""
    specific = _SPECIFIC.get(event)
    members = {**_COMMON, **_MEMBERS.get(event, {}), **({"hookSpecificOutput": dict} if specific else {})}
    kept = _members(found, members, "")
    if specific is not None and "hookSpecificOutput" in kept:
        inner = _members(kept["hookSpecificOutput"], specific, "hookSpecificOutput.")
        if inner.get("hookEventName") != event:
            raise HookFailed(f"hookSpecificOutput.hookEventName is {inner.get('hookEventName')!r}, not {event!r}")
        kept["hookSpecificOutput"] = inner
    return kept


def _members(found: Mapping[str, Any], known: Mapping[str, _Kind], path: str) -> dict[str, Any]:
    kept = {}
    for key, given in found.items():
        kind = known.get(key)
        if kind is None:
            raise HookFailed(f"{path}{key} is not known for this event")
        if given is None:
            continue
        if isinstance(kind, tuple):
            if given not in kind:
                raise HookFailed(f"{path}{key} is {given!r}, which is none of {', '.join(kind)}")
        elif not isinstance(given, kind):
            raise HookFailed(f"{path}{key} is not a {_WORDS[kind]}")
        kept[key] = given
    return kept


_WORDS = {bool: "boolean", str: "string", dict: "JSON object"}


def _from_json(
    event: str, found: Mapping[str, Any], updated: Callable[[Any], Mapping[str, Any]] | None
) -> LifecycleOutcome:
    outcome = LifecycleOutcome()
    specific: Mapping[str, Any] = found.get("hookSpecificOutput", {})
    if event == "PermissionRequest":
        outcome = _permission(specific.get("decision"))
    elif found.get("decision") == "block":
        outcome = _block(event, found.get("reason", ""))
    elif specific.get("permissionDecision") == "deny":
        outcome = _block(event, specific.get("permissionDecisionReason", ""))
    elif "updatedInput" in specific:
        outcome = _updating(specific, updated)
    if context := specific.get("additionalContext", "").strip():
        outcome = outcome.replace(context=(bounded(context),))
    if message := found.get("systemMessage", "").strip():
        outcome = outcome.replace(messages=(bounded(message),))
    return outcome if found.get("continue", True) else _stopped(event, outcome, found.get("stopReason", ""))


def _block(event: str, reason: str) -> LifecycleOutcome:
    if not reason.strip() and event in _GOING_ON:
        raise HookFailed("it said decision:block without a reason")
    return _blocked(event, bounded(reason.strip()))


def _blocked(event: str, reason: str) -> LifecycleOutcome:
    decision = Decision.FORBIDDEN if event == "PermissionRequest" else None
    return LifecycleOutcome(block=reason or _NO_REASON, decision=decision)


def _updating(specific: Mapping[str, Any], updated: Callable[[Any], Mapping[str, Any]] | None) -> LifecycleOutcome:
    if specific.get("permissionDecision") != "allow":
        raise HookFailed('updatedInput needs permissionDecision = "allow"')
    if updated is None:
        raise HookFailed("updatedInput means nothing here")
    try:
        return LifecycleOutcome(updated_input=updated(specific["updatedInput"]))
    except ValueError as error:
        # The hook meant to change what runs: running it unchanged would be worse than not at all.
        return LifecycleOutcome(block=f"a hook returned {error}")


def _permission(decision: Any) -> LifecycleOutcome:
    if decision is None:
        return LifecycleOutcome()
    kinds: dict[str, _Kind] = {"behavior": ("allow", "deny"), "message": str, "interrupt": bool}
    found = _members(decision, kinds, "decision.")
    if found.get("interrupt"):
        raise HookFailed("decision.interrupt is not supported")
    match found.get("behavior"):
        case "allow":
            return LifecycleOutcome(decision=Decision.ALLOW)
        case "deny":
            return _blocked("PermissionRequest", bounded(found.get("message", "").strip()))
        case _:
            raise HookFailed("decision.behavior is missing")


def _stopped(event: str, outcome: LifecycleOutcome, reason: str) -> LifecycleOutcome:
    text = bounded(reason.strip()) or f"a {event} hook stopped execution"
    if event == "PostToolUse":  # as Codex: the model gets this in place of the result, and goes on
        return outcome.replace(block=outcome.block or text)
    return outcome.replace(stop=text)
