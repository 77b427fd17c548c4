"""A home with rollouts as Codex and we write them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from codex_state_sqlite.store import SqliteState


def row(kind: str, payload: object) -> str:
    stamp = {"timestamp": "2026-11-21T02:54:55.638Z", "type": kind, "payload": payload}
    return json.dumps(stamp, separators=(",", ":"), ensure_ascii=False) + "\n"


def item(kind: str, text: str) -> str:
    part = "text" if kind == "UserMessage" else "Text"
    body = {"type": kind, "id": "i", "content": [{"type": part, "text": text}]}
    return row("event_msg", {"type": "item_completed", "thread_id": "", "turn_id": "t", "item": body})


def thread_id(number: int) -> str:
    return f"019a0000-{number:04x}-7000-8000-{number:012x}"


class Rollouts:
    """Writes rollouts into a home."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def path(self, number: int, *, archived: bool = False) -> Path:
        folder = self.home / ("archived_sessions" if archived else f"sessions/2026/11/{number % 28 + 1:02}")
        return folder / f"rollout-2026-11-{number % 28 + 1:02}T03-00-00-{thread_id(number)}.jsonl"

    def put(self, number: int, *said: str, archived: bool = False, **meta: object) -> Path:
        path = self.path(number, archived=archived)
        path.parent.mkdir(parents=True, exist_ok=True)
        head = {"id": thread_id(number), "cwd": "/workspace", "source": "exec", "model_provider": "openai", **meta}
        lines = [row("session_meta", head | {"base_instructions": {"text": "Be an agent."}})]
        lines += [row("turn_context", {"model": "gpt-5.5"})]
        path.write_text("".join(lines) + self.talk(*said), encoding="utf-8")
        return path

    def talk(self, *said: str) -> str:
        kinds = ("UserMessage", "AgentMessage")
        return "".join(item(kinds[number % 2], text) for number, text in enumerate(said))

    def more(self, path: Path, *said: str) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(self.talk(*said))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def rollouts(home: Path) -> Rollouts:
    return Rollouts(home)


@pytest.fixture
def state(home: Path):
    opened = SqliteState(str(home))
    yield opened
    opened.close()


@pytest.fixture
def path(home: Path) -> Path:
    return home / "kernel" / "state.sqlite"


def mode(path: Path) -> int:
    return os.stat(path).st_mode & 0o777
