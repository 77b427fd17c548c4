"""Lifecycle hooks in the wire's words."""

from __future__ import annotations

from typing import Any

from codex_plugin_sdk import HookRun

_OF_THE_THREAD = ("SessionStart", "SessionEnd")


def wire_event(name: str) -> str:
    """The name of an event: `PreToolUse` is `preToolUse`."""
    return name[:1].lower() + name[1:]


def wire_hook(thread_id: str, turn_id: str, run: HookRun, at_ms: int) -> tuple[str, dict[str, Any], bool]:
    """The notification for a handler that runs, or did. Times are whole seconds, as everywhere but in `…Ms`."""
    path, _, number = run.key.rpartition(":")
    done = run.status != "running"
    found = {
        "id": run.id,
        "eventName": wire_event(run.event),
        "handlerType": "command",
        "executionMode": "sync",
        "scope": "thread" if run.event in _OF_THE_THREAD else "turn",
        "sourcePath": path,
        "source": run.source,
        "displayOrder": int(number or 0),
        "status": run.status,
        "statusMessage": run.message or None,
        "startedAt": (at_ms - run.duration_ms) // 1000,
        "completedAt": at_ms // 1000 if done else None,
        "durationMs": run.duration_ms if done else None,
        "entries": [{"kind": kind, "text": text} for kind, text in run.entries],
    }
    params = {"threadId": thread_id, "turnId": turn_id or None, "run": found}
    return ("hook/completed" if done else "hook/started"), params, False
