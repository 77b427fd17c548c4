"""How the last turn of a session ended, from the end of its file."""

from __future__ import annotations

import os

import orjson

_STEPS = (64 * 1024, 1024 * 1024)
_ENDS = {
    "task_complete": "completed",
    "turn_complete": "completed",
    "turn_aborted": "interrupted",
    "task_started": "unfinished",
    "turn_started": "unfinished",
    "error": "failed",
}
_MARKS = tuple(f'"{kind}"'.encode() for kind in _ENDS)


def last_status(path: str) -> str:
    """completed, interrupted, failed, or unfinished: then it is under way, or whoever did it is gone. Empty where no
    turn has begun; `?` where the last megabyte does not tell, or the file cannot be read."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            for step in _STEPS:
                file.seek(max(size - step, 0))
                found = _status(file.read())
                if found:
                    return found
                if size <= step:
                    return ""
    except OSError:
        return "?"
    return "?"


def _status(data: bytes) -> str:
    """The last word on a turn in a part of a file."""
    for line in reversed(data.split(b"\n")):
        if not any(mark in line[:300] for mark in _MARKS):
            continue
        try:
            found = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        payload = found.get("payload") if isinstance(found, dict) and found.get("type") == "event_msg" else None
        kind = payload.get("type") if isinstance(payload, dict) else None
        if kind in _ENDS:
            return _ENDS[kind]
    return ""
