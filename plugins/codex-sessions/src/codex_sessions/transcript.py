"""The turns of a rollout as this plugin shows, searches and exports them: one at a time, whoever wrote the file.

Codex since 0.169 and we write what happened as `item_completed` lines. Older files have `user_message` and
`agent_message` lines and calls as response items, and the oldest nothing but response items: a turn without items is
made of these. Lines that do not decode and kinds that are not known are passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import orjson

from codex_plugin_sdk import RolloutLine

from .entries import entry_of_item
from .older import OlderEntries
from .wording import utc

USAGE = (
    "input_tokens",
    "cached_input_tokens",
    "cache_write_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
    "total_tokens",
)
_KIND_WITHIN = 64
_ENDS = {
    b"task_complete": "completed",
    b"turn_complete": "completed",
    b"turn_aborted": "interrupted",
    b"error": "failed",
}


class Turn:
    """A turn. `entries` are JSON-ready, their `type` in the words of `codex exec --json`; `usage` is what the turn
    took, not the thread; `status` is completed, interrupted, failed or unfinished."""

    def __init__(self, number: int, id: str, started_ms: int) -> None:
        self.number = number
        self.id = id
        self.started_ms = started_ms
        self.duration_ms: int | None = None
        self.status = "unfinished"  # until its end is met: it is under way, or whoever did it is gone
        self.model = ""
        self.error = ""
        self.entries: list[dict[str, Any]] = []
        self.usage: dict[str, int] = {}

    def body(self) -> dict[str, Any]:
        """The turn as JSON."""
        return {
            "number": self.number,
            "id": self.id,
            "started_at": utc(self.started_ms),
            "duration_ms": self.duration_ms,
            "status": self.status,
            "error": self.error or None,
            "model": self.model or None,
            "items": self.entries,
            "usage": self.usage or None,
        }


class Transcript:
    """Reads turns and, as it goes, what the thread has taken in all (`usage`). `wanted` is asked for the payload of an
    item before it is decoded."""

    def __init__(self, lines: Iterable[RolloutLine], wanted: Callable[[bytes], bool] | None = None) -> None:
        self.usage: dict[str, int] = {}
        self._lines = lines
        self._wanted = wanted
        self._turn: Turn | None = None
        self.count = 0
        self._modern = self._implied = self._ended = False
        self._older = OlderEntries()

    def turns(self) -> Iterator[Turn]:
        """The turns in order, each when it is complete."""
        for line in self._lines:
            if line.type == "event_msg":
                yield from self._event(line)
            elif line.type == "response_item" and not self._modern:
                yield from self._response(line)
            elif line.type == "turn_context" and self._turn is not None and not self._turn.model:
                self._turn.model = _text(_decoded(line.payload).get("model"))
        yield from self._finish()

    # -- lines ---------------------------------------------------------------------------------------

    def _event(self, line: RolloutLine) -> Iterator[Turn]:
        kind = _kind(line.payload)
        if kind in (b"task_started", b"turn_started"):
            yield from self._begin(_decoded(line.payload), line.timestamp)
        elif kind == b"item_completed":
            yield from self._item(line)
        elif kind == b"token_count":
            self._count_tokens(_decoded(line.payload))
        elif kind == b"user_message":
            yield from self._asked(line)
        elif kind in (b"agent_message", b"agent_reasoning"):
            if not self._modern:
                yield from self._open(line.timestamp)
                self._older.told(_decoded(line.payload))
        elif kind in _ENDS:
            self._end(kind, _decoded(line.payload))

    def _begin(self, payload: Mapping[str, Any], stamp: str) -> Iterator[Turn]:
        yield from self._finish()
        self.count += 1
        started, id = payload.get("started_at"), payload.get("turn_id")
        started_ms = started * 1000 if isinstance(started, int) else unix_ms(stamp)
        self._turn = Turn(self.count, _text(id) or f"turn-{self.count}", started_ms)

    def _open(self, stamp: str) -> Iterator[Turn]:
        """A turn for an entry, where none has begun."""
        if self._turn is None:
            yield from self._begin({}, stamp)
            self._implied = True

    def _item(self, line: RolloutLine) -> Iterator[Turn]:
        yield from self._open(line.timestamp)
        assert self._turn is not None
        if not self._modern:
            self._modern = True
            self._older = OlderEntries()
        if self._wanted is not None and not self._wanted(line.payload):
            return
        item = _decoded(line.payload).get("item")
        entry = entry_of_item(item) if isinstance(item, dict) else None
        if entry is not None:
            self._turn.entries.append(entry)

    def _asked(self, line: RolloutLine) -> Iterator[Turn]:
        """The user's message of older files; without a line of its own for its beginning it begins a turn."""
        if self._modern and not self._ended:
            return
        if self._turn is not None and (self._ended or (self._implied and self._older.answered)):
            yield from self._finish()
        yield from self._open(line.timestamp)
        self._older.told(_decoded(line.payload))

    def _response(self, line: RolloutLine) -> Iterator[Turn]:
        item = _decoded(line.payload)
        if self._turn is None or self._ended or (self._implied and self._older.begins_another(item)):
            if not self._older.is_prompt(item):
                return  # context, or what is written behind the end of a turn
            yield from self._finish()
            yield from self._open(line.timestamp)
        self._older.add(item)

    def _count_tokens(self, payload: Mapping[str, Any]) -> None:
        info = payload.get("info")
        total = info.get("total_token_usage") if isinstance(info, dict) else None
        if not isinstance(total, dict):
            return
        now = {name: total[name] for name in USAGE if isinstance(total.get(name), int)}
        if self._turn is not None:
            for name, count in now.items():
                more = max(count - self.usage.get(name, 0), 0)
                self._turn.usage[name] = self._turn.usage.get(name, 0) + more
        self.usage = now

    def _end(self, kind: bytes, payload: Mapping[str, Any]) -> None:
        turn = self._turn
        if turn is None:
            return
        if kind == b"error":
            turn.error = _text(payload.get("message"))
        turn.status = "failed" if turn.error else _ENDS[kind]
        duration = payload.get("duration_ms")
        turn.duration_ms = duration if isinstance(duration, int) else turn.duration_ms
        self._ended = True

    def _finish(self) -> Iterator[Turn]:
        turn, self._turn = self._turn, None
        if turn is not None:
            if not self._modern:
                turn.entries = self._older.entries()
            if self._implied and not self._ended:
                turn.status = "completed"  # the oldest files say nothing of an end
            yield turn
        self._modern = self._implied = self._ended = False
        self._older = OlderEntries()


def unix_ms(stamp: str) -> int:
    """Unix milliseconds of an ISO time; 0 for what is none."""
    from datetime import datetime

    try:
        return int(datetime.fromisoformat(stamp).timestamp() * 1000)
    except (ValueError, OverflowError):
        return 0


def _kind(payload: bytes) -> bytes:
    """The type of an event, which every writer puts first."""
    for mark in (b'"type":"', b'"type": "'):
        at = payload.find(mark, 0, _KIND_WITHIN)
        if at >= 0:
            at += len(mark)
            return payload[at : payload.find(b'"', at)]
    return b""


def _decoded(payload: bytes) -> Mapping[str, Any]:
    try:
        found = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""
