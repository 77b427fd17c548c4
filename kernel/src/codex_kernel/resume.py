"""Reading a thread back from its rollout: history, settings and totals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs
import orjson

from .contracts.store import RolloutLine
from .history import History
from .protocol.response_items import HistoryEntry, ResponseItem, decode_item
from .protocol.usage import TokenUsage
from .protocol.value import Value, value

_LATE_BYTES = 4096
_PASSTHROUGH = "internal_chat_message_metadata_passthrough"


@value
class Recorded(Value):
    """What a rollout tells: the history as the model would read it now, the session's head and its last
    settings (`turn_context`), and the totals."""

    entries: tuple[HistoryEntry, ...]
    meta: Mapping[str, Any] = attrs.field(factory=dict)
    turn_context: Mapping[str, Any] = attrs.field(factory=dict)
    total: TokenUsage = attrs.field(factory=TokenUsage)
    compactions: int = 0


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
            payload = _decoded(entry.payload) or {}
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
    total = TokenUsage()
    compactions = 0
    for entry in lines:
        if entry.type not in ("response_item", "compacted", "turn_context", "session_meta", "event_msg"):
            continue
        if entry.type == "event_msg" and b'"token_count"' not in entry.payload[:200]:
            continue
        payload = _decoded(entry.payload)
        if payload is None:
            continue
        if entry.type == "response_item":
            history.add(_entry(payload, entry.payload))
        elif entry.type == "compacted":
            compactions += 1
            replacement = payload.get("replacement_history")
            if isinstance(replacement, list):
                history.replace(_entry(item, None) for item in replacement if isinstance(item, dict))
        elif entry.type == "turn_context":
            context = payload
        elif entry.type == "session_meta":
            meta = meta or payload
        else:
            total = _total(payload) or total
    return Recorded(entries=history.entries(), meta=meta, turn_context=context, total=total, compactions=compactions)


def _decoded(payload: bytes) -> dict[str, Any] | None:
    try:
        found = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _entry(raw: dict[str, Any], encoded: bytes | None) -> HistoryEntry:
    """A history entry; what Codex keeps beside an item for itself is not sent to the model."""
    if _PASSTHROUGH in raw:
        raw = {key: found for key, found in raw.items() if key != _PASSTHROUGH}
        encoded = None
    item = decode_item(raw)
    entry = HistoryEntry.of(item) if encoded is None else HistoryEntry(item=item, encoded=encoded)
    return entry if len(entry.encoded) < _LATE_BYTES else LateEntry(entry.encoded)


class LateEntry(HistoryEntry):
    """A long entry of a rollout, which is decoded each time that someone looks into it: a history of hundreds of
    megabytes is held once, not twice."""

    __slots__ = ()

    def __init__(self, encoded: bytes) -> None:
        object.__setattr__(self, "encoded", encoded)

    @property
    def item(self) -> ResponseItem:
        """The item."""
        return decode_item(orjson.loads(self.encoded))


def _total(payload: Mapping[str, Any]) -> TokenUsage | None:
    info = payload.get("info")
    found = info.get("total_token_usage") if isinstance(info, dict) else None
    if not isinstance(found, dict):
        return None
    names = TokenUsage().as_dict()
    return TokenUsage(**{name: found[name] for name in names if isinstance(found.get(name), int)})
