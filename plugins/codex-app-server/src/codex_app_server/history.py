"""The turns of a rollout, read line by line: nothing is held but the turn under way.

Lines that do not decode and kinds that are not known are passed over: a rollout may come from another version or
another program. Files of older versions have no `item_completed` lines; their turns are made of the messages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from codex_plugin_sdk import ErrorInfo, RolloutLine

from .items import wire_error
from .stored_items import agent_message, stored_item, user_message
from .translate import TurnRecord

VIEWS = ("notLoaded", "summary", "full")
_SPOKEN = (b'"UserMessage"', b'"AgentMessage"')
_TYPE_WITHIN = 64
_ITEM_WITHIN = 400


class StoredTurn(TurnRecord):
    """A turn of a rollout."""

    def add(self, item: dict[str, Any], start_ms: int | None, end_ms: int | None) -> None:
        """An item; one of the same id is replaced where it stands."""
        self.items[item["id"]] = item
        self.times[item["id"]] = (start_ms, end_ms)

    def forget(self, ids: Iterable[str]) -> None:
        """Take items out again."""
        for id in ids:
            del self.items[id], self.times[id]


def seen_items(items: list[dict[str, Any]], view: str) -> list[dict[str, Any]]:
    """The items of a turn that a view has."""
    if view == "full":
        return items
    if view == "notLoaded":
        return []
    last = [item for item in items if item["type"] == "agentMessage"][-1:]
    return [item for item in items if item["type"] == "userMessage"][:1] + last


def read_turns(lines: Iterable[RolloutLine], view: str = "full") -> Iterator[StoredTurn]:
    """The turns in order. With another view than `full`, only the messages are decoded. A turn that has no end is
    given as interrupted: whoever was to go on with it is gone."""
    reader = _Reader(view)
    for line in lines:
        if line.type == "event_msg":
            yield from reader.take(line)
        elif line.type == "session_meta" and not reader.started:
            reader.escaped_cwd = b'"codex_agent_schema"' not in line.payload
            reader.started = True
    yield from reader.end()


def read_head(lines: Iterable[RolloutLine]) -> RolloutLine | None:
    """The line that says who wrote the rollout; `read_turns` wants it in front of a part."""
    return next((line for line in lines if line.type == "session_meta"), None)


class _Reader:
    def __init__(self, view: str) -> None:
        self._spoken_only = view != "full"
        self._turn: StoredTurn | None = None
        self._count = 0
        self._items = 0
        self._older: list[str] = []
        self._modern = False  # the turn has messages as items; those of the older kind are the same ones again
        self._implied = False
        self._ended = False
        self.started = False
        self.escaped_cwd = False

    def take(self, line: RolloutLine) -> Iterator[StoredTurn]:
        """What this line completes."""
        payload = line.payload
        take = _TAKERS.get(_kind(payload))
        if take is None or (take is _Reader._item and self._spoken_only and not _is_spoken(payload)):
            return
        found = line.members()
        if found is not None:
            yield from take(self, found, line.timestamp)

    def end(self) -> Iterator[StoredTurn]:
        """The turn that is left."""
        turn, self._turn = self._turn, None
        if turn is not None:
            if turn.status == "inProgress":
                turn.status = "completed" if self._implied else "interrupted"
            yield turn

    def _begin(self, payload: Mapping[str, Any], stamp: str) -> Iterator[StoredTurn]:
        yield from self.end()
        self._count += 1
        started = payload.get("started_at")
        started_ms = started * 1000 if isinstance(started, int) else _unix_ms(stamp)
        id = payload.get("turn_id")
        self._turn = StoredTurn(id if isinstance(id, str) else f"turn-{self._count}", started_ms)
        self._implied = self._ended = self._modern = False
        self._older = []

    def _open(self, stamp: str) -> Iterator[StoredTurn]:
        """A turn for an item, where none has begun."""
        if self._turn is None:
            yield from self._begin({}, stamp)
            self._implied = True

    def _item(self, payload: Mapping[str, Any], stamp: str) -> Iterator[StoredTurn]:
        body = payload.get("item")
        if not isinstance(body, dict):
            return
        item = stored_item(body, escaped_cwd=self.escaped_cwd)
        if item is None:
            return
        yield from self._open(stamp)
        assert self._turn is not None
        if item["type"] in ("userMessage", "agentMessage") and not self._modern:
            self._modern = True
            self._turn.forget(self._older)
        self._turn.add(item, payload.get("started_at_ms"), payload.get("completed_at_ms"))

    def _said(self, payload: Mapping[str, Any], stamp: str) -> Iterator[StoredTurn]:
        """The user's message, as older versions wrote it; without a `task_started` line it begins a turn."""
        if self._turn is not None and (self._implied or self._ended):
            if self._modern:
                return
            yield from self.end()
        if self._modern and self._turn is not None:
            return
        yield from self._open(stamp)
        self._add(user_message(self._next_id(), str(payload.get("message") or ""), payload.get("images")), stamp)

    def _answered(self, payload: Mapping[str, Any], stamp: str) -> Iterator[StoredTurn]:
        if not self._modern:
            yield from self._open(stamp)
            self._add(agent_message(self._next_id(), str(payload.get("message") or "")), stamp)

    def _thought(self, payload: Mapping[str, Any], stamp: str) -> Iterator[StoredTurn]:
        if not self._modern and not self._spoken_only:
            yield from self._open(stamp)
            text = [str(payload.get("text") or "")]
            self._add({"type": "reasoning", "id": self._next_id(), "summary": text, "content": []}, stamp)

    def _add(self, item: dict[str, Any], stamp: str) -> None:
        assert self._turn is not None
        at = _unix_ms(stamp)
        self._older.append(item["id"])
        self._turn.add(item, at, at)

    def _next_id(self) -> str:
        self._items += 1
        return f"item-{self._items}"

    def _fail(self, payload: Mapping[str, Any], stamp: str) -> Iterator[StoredTurn]:
        if self._turn is not None:
            kind, status = payload.get("codex_error_info"), payload.get("http_status")
            info = ErrorInfo(
                message=str(payload.get("message") or ""),
                kind=kind if isinstance(kind, str) else "other",
                hint=str(payload.get("hint") or ""),
                http_status=status if isinstance(status, int) else None,
            )
            self._turn.error, self._turn.status = wire_error(info), "failed"
            self._close(payload)
        yield from ()

    def _complete(self, payload: Mapping[str, Any], stamp: str) -> Iterator[StoredTurn]:
        if self._turn is not None:
            self._turn.status = "completed" if self._turn.error is None else "failed"
            self._close(payload)
        yield from ()

    def _abort(self, payload: Mapping[str, Any], stamp: str) -> Iterator[StoredTurn]:
        if self._turn is not None:
            self._turn.status = "interrupted"
            self._close(payload)
        yield from ()

    def _close(self, payload: Mapping[str, Any]) -> None:
        assert self._turn is not None
        at, took = payload.get("completed_at"), payload.get("duration_ms")
        self._turn.completed_ms = at * 1000 if isinstance(at, int) else self._turn.completed_ms
        self._turn.duration_ms = took if isinstance(took, int) else self._turn.duration_ms
        self._ended = True


_TAKERS: dict[bytes, Callable[[_Reader, Mapping[str, Any], str], Iterator[StoredTurn]]] = {
    b"task_started": _Reader._begin,
    b"turn_started": _Reader._begin,
    b"item_completed": _Reader._item,
    b"user_message": _Reader._said,
    b"agent_message": _Reader._answered,
    b"agent_reasoning": _Reader._thought,
    b"error": _Reader._fail,
    b"task_complete": _Reader._complete,
    b"turn_complete": _Reader._complete,
    b"turn_aborted": _Reader._abort,
}

_SKIPPED = rb'(?!\{"type":"(?!(?:%b)"))' % b"|".join(_TAKERS)
_SILENT = rb'(?!\{"type":"item_completed",(?:"\w+":"[^"\\]*",)*"item":\{"type":"(?!UserMessage"|AgentMessage"))'
_TELLING, _SPEAKING = re.compile(_SKIPPED), re.compile(_SKIPPED + _SILENT)


def telling(view: str) -> re.Pattern[bytes]:
    """How the payload of an event begins that `read_turns` looks at in this view; others may begin so, too."""
    return _TELLING if view == "full" else _SPEAKING


def _kind(payload: bytes) -> bytes:
    """The type of an event, which every writer puts first."""
    begin = payload.find(b'"type":"', 0, _TYPE_WITHIN)
    begin += 8
    if begin == 7:
        begin = payload.find(b'"type": "', 0, _TYPE_WITHIN) + 9
        if begin == 8:
            return b""
    return payload[begin : payload.find(b'"', begin)]


def _is_spoken(payload: bytes) -> bool:
    head = payload[:_ITEM_WITHIN]
    return any(mark in head for mark in _SPOKEN)


def _unix_ms(stamp: str) -> int:
    from datetime import datetime

    try:
        return int(datetime.fromisoformat(stamp).timestamp() * 1000)
    except ValueError:
        return 0
