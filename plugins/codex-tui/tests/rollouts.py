"""Recorded sessions, written as a session of Codex leaves them."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path


def session_id(number: int) -> str:
    """The id of a session; later ones have higher numbers."""
    millis = f"{0x19A00000000 + number * 60_000:012x}"
    return f"{millis[:8]}-{millis[8:]}-7000-8000-{number:012x}"


def write_session(
    home: Path,
    number: int,
    text: str,
    *,
    answer: str = "Done.",
    cwd: str = "/w",
    branch: str = "main",
    ago_s: float = 0,
) -> str:
    """Write a session in which the user said something once; gives its id."""
    id = session_id(number)
    moment = time.gmtime(int(id[:13].replace("-", ""), 16) / 1000)
    folder = home / "sessions" / time.strftime("%Y/%m/%d", moment)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"rollout-{time.strftime('%Y-%m-%dT%H-%M-%S', moment)}-{id}.jsonl"
    path.write_text("".join(_lines(id, text, answer, cwd, branch)), encoding="utf-8")
    changed = time.time() - ago_s
    os.utime(path, (changed, changed))
    return id


def _lines(id: str, text: str, answer: str, cwd: str, branch: str):
    stamp = "2026-11-21T02:54:55.638Z"
    head = {"id": id, "timestamp": stamp, "cwd": cwd, "originator": "codex_cli_rs", "cli_version": "0.169.0"}
    head |= {"source": "cli", "model_provider": "mock", "git": {"branch": branch}}
    said = {"type": "text", "text": text, "text_elements": []}
    for ordinal, (kind, payload) in enumerate(
        [
            ("session_meta", head),
            ("event_msg", {"type": "task_started", "turn_id": "t1", "started_at": 1795229695}),
            ("event_msg", _item("UserMessage", "i1", content=[said])),
            ("event_msg", _item("AgentMessage", "i2", content=[{"type": "Text", "text": answer}])),
            ("event_msg", {"type": "task_complete", "turn_id": "t1", "completed_at": 1795229696, "duration_ms": 5}),
        ]
    ):
        row = {"timestamp": stamp, "ordinal": ordinal, "type": kind, "payload": payload}
        yield json.dumps(row, separators=(",", ":"), ensure_ascii=False) + "\n"


def _item(kind: str, id: str, **more):
    return {"type": "item_completed", "thread_id": "", "turn_id": "t1", "item": {"type": kind, "id": id, **more}}
