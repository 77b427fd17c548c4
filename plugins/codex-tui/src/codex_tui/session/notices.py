"""What the server says beside the items of a turn, in words for the user."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from .items import Malformed, bounded, mapping_of, mappings_of, text_of, texts_of

Params = Mapping[str, Any]
_TELLING = ("warning", "stop", "feedback", "error")


@attrs.frozen
class Said:
    """A notice: level (info, warning, error), text, and what to try."""

    level: str
    text: str
    hint: str = ""


def notice_of(method: str, params: Params) -> Said | None:
    """What a notification has to say; None if that is nothing. Raises `Malformed`."""
    return NOTICES[method](params)


def error_of(error: Params) -> tuple[str, str]:
    """Text and hint of an error of a turn."""
    return bounded(text_of(error, "message") or "the turn failed"), bounded(text_of(error, "additionalDetails"))


def decision_of(params: Params) -> tuple[str, bool] | None:
    """What a reviewer other than the user decided: a sentence, and whether it was a yes. None for a review that
    somebody was faster than."""
    review = mapping_of(params, "review")
    words = {"approved": "approved", "denied": "refused", "timedOut": "did not decide in time on"}
    verb = words.get(text_of(review, "status"))
    if verb is None:
        return None
    reason = text_of(review, "rationale")
    text = f"The reviewer {verb} {wanted_of(mapping_of(params, 'action'))}"
    return (f"{text}: {reason}" if reason else text), verb == "approved"


def wanted_of(action: Params) -> str:
    """What somebody wants to do, in a few words."""
    match action.get("type"):
        case "command":
            return text_of(action, "command") or "a command"
        case "execve":
            return text_of(action, "program") or "a program"
        case "applyPatch":
            files = texts_of(action, "files")
            return f"a change of {', '.join(files[:3])}{' …' if len(files) > 3 else ''}" if files else "a change"
        case "networkAccess":
            return f"access to {text_of(action, 'host') or text_of(action, 'target')}"
        case "mcpToolCall":
            return f"{text_of(action, 'server')}.{text_of(action, 'toolName')}"
        case "writeStdin":
            return "input for a command"
        case "requestPermissions":
            return "further permissions"
        case _:
            return "a request"


def _message(params: Params) -> Said:
    text = text_of(params, "message")
    if not text:
        raise Malformed("no message")
    return Said("warning", bounded(text))


def _config_warning(params: Params) -> Said:
    text, details = text_of(params, "summary"), text_of(params, "details")
    if not text:
        raise Malformed("no summary")
    line = mapping_of(mapping_of(params, "range"), "start").get("line")
    place = text_of(params, "path")
    place = f"{place}:{line}" if place and isinstance(line, int) else place
    return Said("warning", text, "\n".join(part for part in (place, details) if part))


def _deprecation(params: Params) -> Said:
    return _config_warning(params)


def _rerouted(params: Params) -> Said:
    asked, answers = text_of(params, "fromModel"), text_of(params, "toModel")
    if not answers:
        raise Malformed("no toModel")
    reason = text_of(params, "reason")
    return Said("warning", f"{answers} answers in place of {asked or 'the model'}", reason and f"reason: {reason}")


def _server_status(params: Params) -> Said | None:
    name, status = text_of(params, "name"), text_of(params, "status")
    if not name or not status:
        raise Malformed("no name or no status")
    if status != "failed":
        return None
    hint = "sign in again: codex mcp login " + name if params.get("failureReason") == "reauthenticationRequired" else ""
    return Said(
        "warning", f"The MCP server {name} did not start: {text_of(params, 'error') or 'no reason given'}", hint
    )


def _server_login(params: Params) -> Said:
    name = text_of(params, "name")
    if params.get("success") is True:
        return Said("info", f"Signed in at the MCP server {name}")
    return Said("warning", f"Not signed in at the MCP server {name}: {text_of(params, 'error') or 'no reason given'}")


def _hook(params: Params) -> Said | None:
    run = mapping_of(params, "run")
    status, event = text_of(run, "status"), text_of(run, "eventName")
    if not status or not event:
        raise Malformed("no run")
    entries = [text_of(entry, "text") for entry in mappings_of(run, "entries") if entry.get("kind") in _TELLING]
    words = "\n".join(entry for entry in entries if entry)
    if status == "completed":
        return Said("info", f"Hook {event}: {bounded(words)}") if words else None
    message = text_of(run, "statusMessage")
    return Said("warning", f"Hook {event} {status}" + (f": {message}" if message else ""), bounded(words))


def _closed(params: Params) -> Said:
    id = text_of(params, "threadId")
    return Said("warning", "The server has closed this session", f"codex resume {id} opens it again")


def _deleted(params: Params) -> Said:
    return Said("warning", "This session was deleted: what is said from now on is not recorded")


NOTICES: dict[str, Callable[[Params], Said | None]] = {
    "warning": _message,
    "guardianWarning": _message,
    "configWarning": _config_warning,
    "deprecationNotice": _deprecation,
    "model/rerouted": _rerouted,
    "mcpServer/startupStatus/updated": _server_status,
    "mcpServer/oauthLogin/completed": _server_login,
    "hook/completed": _hook,
    "thread/closed": _closed,
    "thread/deleted": _deleted,
}
"""Notifications that become a notice."""
