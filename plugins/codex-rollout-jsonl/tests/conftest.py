"""Parts that the tests of this package share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from codex_plugin_sdk import RolloutLine, new_thread_id, uuid7_unix_ms
from codex_rollout_jsonl.layout import day_folder, rollout_name
from codex_rollout_jsonl.store import JsonlRolloutStore


class Home:
    """A CODEX_HOME with a store over it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = JsonlRolloutStore(str(path))

    def record(self, *payloads: Any, kind: str = "event_msg", thread_id: str | None = None) -> str:
        """A closed rollout of these payloads, one append each."""
        thread_id = thread_id or new_thread_id()
        writer = self.store.create(thread_id, uuid7_unix_ms(thread_id))
        for payload in payloads:
            writer.append([RolloutLine(type=kind, payload=orjson.dumps(payload))])
        writer.close()
        return thread_id

    def file_of(self, thread_id: str) -> Path:
        """Its file."""
        (found,) = self.path.rglob(f"rollout-*-{thread_id}.jsonl")
        return found

    def payloads(self, thread_id: str) -> list[Any]:
        """What it reads as."""
        return [json.loads(entry.payload) for entry in self.store.read(thread_id)]

    def put(self, content: bytes, thread_id: str | None = None) -> str:
        """A file that someone else wrote."""
        thread_id = thread_id or new_thread_id()
        at_ms = uuid7_unix_ms(thread_id)
        file = self.path / "sessions" / day_folder(at_ms) / rollout_name(thread_id, at_ms)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return thread_id


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty home."""
    return Home(tmp_path / "home")
