"""Reading a thread back from its rollout: history, settings and totals."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from .contracts.store import RolloutLine, RolloutStore, RolloutTurns
from .history import History
from .protocol.response_items import HistoryEntry, ResponseItem, decode_item
from .protocol.usage import TokenUsage
from .protocol.value import Value, field, value

_LATE_BYTES = 4096
_PASSTHROUGH = "internal_chat_message_metadata_passthrough"
_MARK = f'"{_PASSTHROUGH}"'.encode()
_TYPES = frozenset({"response_item", "compacted", "turn_context", "session_meta", "event_msg"})
_COUNTS = re.compile(rb'(?!\{"type":"(?!token_count"))')
"""Events that may count tokens: those that say first that they are of another kind do not."""


@value
class Recorded(Value):
    """What a rollout tells: the history as the model would read it now, the session's head and its last
    settings (`turn_context`), and the totals."""

    entries: tuple[HistoryEntry, ...]
    meta: Mapping[str, Any] = field(factory=dict)
    turn_context: Mapping[str, Any] = field(factory=dict)
    total: TokenUsage = field(factory=TokenUsage)
    compactions: int = 0


def told_lines(store: RolloutStore, thread_id: str) -> Iterator[RolloutLine]:
    """The lines of a thread that `read_recorded` looks at, and perhaps others: a store that can leaves out the rest."""
    if isinstance(store, RolloutTurns):
        head = next(store.read_part(thread_id, 0), None)
        if head is not None and b'"history_base"' not in head.payload:
            return store.read_part(thread_id, 0, types=_TYPES, events=_COUNTS)
    return store.read(thread_id)


def cut(
    lines: Iterable[RolloutLine], *, before_compaction: int | None = None, before_turn: str | None = None
) -> Iterator[RolloutLine]:
    """The lines before the n-th compaction (from 1) or before a turn, whichever comes first; all if neither comes."""
    compactions = 0
    start = None if before_turn is None else orjson.dumps(before_turn)
    for entry in lines:
        if entry.type == "compacted":
            compactions += 1
            if compactions == before_compaction:
                return
        elif start is not None and entry.type == "event_msg" and start in entry.payload:
            payload = entry.members() or {}
            if payload.get("type") == "task_started" and payload.get("turn_id") == before_turn:
                return
        yield entry


def read_recorded(lines: Iterable[RolloutLine], *, before_compaction: int | None = None) -> Recorded:
    """Replay the lines. With `before_compaction` = n, stop before the n-th compaction (from 1), so that a
    fork starts from the full history. Lines that do not decode are passed over: a rollout may come from
    another version or another program."""
    lines = cut(lines, before_compaction=before_compaction)
    history = History()
    meta: Mapping[str, Any] = {}
    context: Mapping[str, Any] = {}
    counted: RolloutLine | None = None
    compactions = 0
    for entry in lines:
        if entry.type not in _TYPES:
            continue
        if entry.type == "event_msg":
            if b'"token_count"' in entry.payload[:200] and b'"total_token_usage"' in entry.payload:
                counted = entry
            continue
        payload = entry.members()
        if payload is None:
            continue
        if entry.type == "response_item":
            history.add(_recorded_entry(entry.payload, payload))
        elif entry.type == "compacted":
            compactions += 1
            replacement = payload.get("replacement_history")
            if isinstance(replacement, list):
                history.replace(_entry(item) for item in replacement if isinstance(item, dict))
        elif entry.type == "turn_context":
            context = payload
        else:
            meta = meta or payload
    total = _total((counted and counted.members()) or {}) or TokenUsage()
    return Recorded(entries=history.entries(), meta=meta, turn_context=context, total=total, compactions=compactions)


def _recorded_entry(encoded: bytes, raw: dict[str, Any]) -> HistoryEntry:
    """The entry of a line; its bytes are used where what is left out stands behind all else, as Codex writes it."""
    if _PASSTHROUGH not in raw:
        return LateEntry(encoded)
    at = encoded.find(_MARK)  # within texts quotes are escaped, so that a single mark is the member
    last = next(reversed(raw)) == _PASSTHROUGH and encoded.find(_MARK, at + 1) < 0 and encoded[at - 1 : at] == b","
    return LateEntry(encoded[: at - 1] + b"}") if last else _entry(raw)


def _entry(raw: dict[str, Any]) -> HistoryEntry:
    """A history entry; what Codex keeps beside an item for itself is not sent to the model."""
    encoded = orjson.dumps({key: found for key, found in raw.items() if key != _PASSTHROUGH})
    return LateEntry(bytes(memoryview(encoded)))  # the encoder's own buffers are up to three times as long


class LateEntry(HistoryEntry):
    """An entry of a rollout, which is decoded when someone looks into it. A long one is so each time: a history of
    hundreds of megabytes is held once, not twice."""

    __slots__ = ()

    def __init__(self, encoded: bytes) -> None:
        object.__setattr__(self, "encoded", encoded)

    def __eq__(self, other: object) -> bool:
        return self.encoded == other.encoded if isinstance(other, HistoryEntry) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.encoded)

    @property
    def item(self) -> ResponseItem:
        """The item."""
        kept: ResponseItem | None = self.__dict__.get("_kept")
        if kept is not None:
            return kept
        found = decode_item(orjson.loads(self.encoded))
        if len(self.encoded) < _LATE_BYTES:
            object.__setattr__(self, "_kept", found)
        return found


def _total(payload: Mapping[str, Any]) -> TokenUsage | None:
    info = payload.get("info")
    found = info.get("total_token_usage") if isinstance(info, dict) else None
    if not isinstance(found, dict):
        return None
    names = TokenUsage().as_dict()
    return TokenUsage(**{name: found[name] for name in names if isinstance(found.get(name), int)})
