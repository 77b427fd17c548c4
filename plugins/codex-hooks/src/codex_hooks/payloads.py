"""What a hook reads on stdin, and a tool's arguments as hooks know them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from codex_plugin_sdk import (
    ApprovalPolicy,
    EditIntent,
    LifecycleEvent,
    LifecycleSetup,
    NetworkIntent,
    RunIntent,
    ToolIntent,
)
from codex_plugin_sdk.hooks.matching import PATCH_TOOL, SHELL_TOOLS, tool_name

_WITHOUT_TURN = frozenset(("SessionStart", "SessionEnd"))
_WITHOUT_MODE = frozenset(("PreCompact", "PostCompact", "SessionEnd"))


def hook_input(event: LifecycleEvent, setup: LifecycleSetup) -> dict[str, Any]:
    """The JSON object that a hook of this event gets, with Codex's members in Codex's order."""
    found: dict[str, Any] = {"session_id": setup.thread_id}
    if event.name not in _WITHOUT_TURN:
        found["turn_id"] = event.turn_id or event.payload.get("turn_id", "")
    found |= {"transcript_path": setup.rollout_path, "cwd": setup.cwd, "hook_event_name": event.name}
    if event.name != "SessionEnd":
        found["model"] = setup.model
    if event.name not in _WITHOUT_MODE:
        # Codex knows five words here and uses two.
        never = setup.approval_policy == ApprovalPolicy.NEVER.value
        found["permission_mode"] = "bypassPermissions" if never else "default"
    return found | _own(event)


def _own(event: LifecycleEvent) -> dict[str, Any]:
    payload = event.payload
    match event.name:
        case "PreToolUse" | "PostToolUse":
            return _tool_use(payload)
        case "PermissionRequest":
            return _permission(event)
        case "SessionEnd":
            return {"reason": "other"}  # the one word that Codex has
        case "Notification":
            about = {"message": payload.get("message", ""), "notification_type": event.subject}
            return about | {key: payload[key] for key in ("input_messages", "last_assistant_message") if key in payload}
        case "SubagentStop":
            defaults = {"agent_transcript_path": None, "stop_hook_active": False, "last_assistant_message": None}
            return {**defaults, **payload}
        case _:
            return dict(payload)


def _tool_use(payload: Mapping[str, Any]) -> dict[str, Any]:
    name = payload["tool_name"]
    found = {"tool_name": tool_name(name), "tool_input": known_input(name, payload["tool_input"])}
    if "tool_response" in payload:
        found["tool_response"] = _response(name, payload["tool_response"])
    return found | {"tool_use_id": payload["tool_use_id"]}


def known_input(name: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """A tool's arguments as hooks know them: `command` for what a shell runs and for a patch."""
    if name in SHELL_TOOLS:
        command = given.get("cmd", given.get("command", ""))
        return {"command": shlex.join(map(str, command)) if isinstance(command, list) else command}
    if name == PATCH_TOOL:
        return {"command": given.get("input", "")}
    return given


def tool_input(name: str, given: Mapping[str, Any], updated: Any) -> Mapping[str, Any]:
    """A tool's arguments with what a hook changed; the other way of `known_input`. Raises `ValueError` for a
    change that cannot be carried out."""
    if name in SHELL_TOOLS or name == PATCH_TOOL:
        command = updated.get("command") if isinstance(updated, Mapping) else None
        if not isinstance(command, str):
            raise ValueError("updatedInput without string field `command`")
        if name == PATCH_TOOL:
            return {**given, "input": command}
        if "cmd" in given:
            return {**given, "cmd": command}
        shell = isinstance(given.get("command"), list)
        return {**given, "command": ["bash", "-lc", command] if shell else command}
    if not isinstance(updated, Mapping):
        raise ValueError("updatedInput that is not an object")
    return updated


def _response(name: str, text: str) -> str:
    """A command's own output, without what our tool tells about it."""
    if name not in SHELL_TOOLS:
        return text
    head, found, output = text.partition("\nOutput:\n")
    return output if found and head.startswith("Chunk ID:") else text


def _permission(event: LifecycleEvent) -> dict[str, Any]:
    intent, reason = event.intent, event.payload.get("reason", "")
    match intent:
        case RunIntent():
            name = "Bash"
            given: dict[str, Any] = {"command": intent.display or shlex.join(intent.argv)}
            reason = intent.justification or reason
        case EditIntent():
            name, given = PATCH_TOOL, {"command": intent.summary, "paths": list(intent.paths)}
        case NetworkIntent():
            name, given = "network", {"host": intent.host, "port": intent.port, "protocol": intent.protocol}
            given["command"] = intent.command
        case ToolIntent():
            name, given = intent.tool, dict(intent.arguments)
        case None:
            name, given = event.subject, {}
    if reason and "description" not in given:
        given["description"] = reason
    return {"tool_name": name, "tool_input": given}


def notify_input(event: LifecycleEvent, setup: LifecycleSetup) -> dict[str, Any]:
    """The last argument of the `notify` program."""
    payload = event.payload
    return {
        "type": "agent-turn-complete",
        "thread-id": setup.thread_id,
        "turn-id": payload.get("turn_id") or event.turn_id or "",
        "cwd": setup.cwd,
        **({"client": setup.originator} if setup.originator else {}),
        "input-messages": list(payload.get("input_messages", ())),
        "last-assistant-message": payload.get("last_assistant_message"),
    }
