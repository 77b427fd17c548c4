"""The history of a thread: a projection of what was recorded, as the model will read it."""

from __future__ import annotations

import re
from collections.abc import Iterable

import orjson

from .protocol.ids import new_item_id
from .protocol.response_items import (
    AnyToolCall,
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    HistoryEntry,
    ResponseItem,
    item_to_dict,
)

BYTES_PER_TOKEN = 4
ABORTED = "aborted by user"
_CALLS = frozenset({"function_call", "custom_tool_call"})
_OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output"})
_KIND = re.compile(rb'"type":\s?"((?:function|custom_tool)_call(?:_output)?)"')
_FRONT = re.compile(
    rb'\{"type":"(\w+)",(?:"(?:id|name)":"[^"\\]*+",|"arguments":"(?:[^"\\]++|\\.)*+",)*+(?:"call_id":"([^"\\]+)")?'
)
_CALLS_AND_OUTPUTS = frozenset(map(str.encode, _CALLS | _OUTPUTS))
_CALL_ID = re.compile(rb'"call_id":\s?"((?:[^"\\]|\\.)*)"')


class History:
    """Entries, oldest first. Each is encoded once, when it is added."""

    def __init__(self, entries: Iterable[HistoryEntry] = ()) -> None:
        self._entries = list(entries)
        self._snapshot: tuple[HistoryEntry, ...] | None = None

    def add(self, entry: HistoryEntry) -> None:
        """Append an entry."""
        self._entries.append(entry)
        self._snapshot = None

    def replace(self, entries: Iterable[HistoryEntry]) -> None:
        """Put a shorter history in the place of this one."""
        self._entries = list(entries)
        self._snapshot = None

    def entries(self) -> tuple[HistoryEntry, ...]:
        """All entries."""
        if self._snapshot is None:
            self._snapshot = tuple(self._entries)
        return self._snapshot

    def __len__(self) -> int:
        return len(self._entries)

    def size_bytes(self) -> int:
        """Sum of the encoded sizes."""
        return sum(len(entry.encoded) for entry in self._entries)

    def estimated_tokens(self) -> int:
        """A rough count where the server has given none."""
        return self.size_bytes() // BYTES_PER_TOKEN

    def open_calls(self) -> list[AnyToolCall]:
        """Calls without an output, in order."""
        asked: dict[str, HistoryEntry] = {}
        answered: set[str] = set()
        for entry in self._entries:
            kind, call_id = _call_of(entry)
            if kind in _OUTPUTS:
                answered.add(call_id)
            elif kind in _CALLS:
                asked[call_id] = entry
        items = (entry.item for call_id, entry in asked.items() if call_id not in answered)
        return [item for item in items if isinstance(item, FunctionCall | CustomToolCall)]

    def texts(self) -> frozenset[str]:
        """All texts of developer and user messages: what the model has been told already."""
        messages = (entry.encoded for entry in self._entries if b'"message"' in entry.encoded)
        return frozenset(text for encoded in messages for text in _texts(encoded))


def _texts(encoded: bytes) -> list[str]:
    """Texts of a message that is not the model's, read from its bytes: an entry would keep the item decoded."""
    item = orjson.loads(encoded)
    content = item.get("content") if item.get("type") == "message" and item.get("role") != "assistant" else None
    texts = (part.get("text") for part in (content if isinstance(content, list) else ()) if isinstance(part, dict))
    return [text for text in texts if isinstance(text, str)]


def _call_of(entry: HistoryEntry) -> tuple[str, str]:
    """Type and call id of a call or an output, read from its bytes: within the texts of an item quotes are escaped, so
    that such a mark is a member. Where there are several, the item is decoded. Most tell it in front."""
    if (front := _FRONT.match(entry.encoded)) is not None and (front[2] or front[1] not in _CALLS_AND_OUTPUTS):
        return front[1].decode(), (front[2] or b"").decode("utf-8", "replace")
    kinds, ids = _KIND.findall(entry.encoded), _CALL_ID.findall(entry.encoded)
    if len(kinds) == 1 and len(ids) == 1 and b"\\" not in ids[0]:
        return kinds[0].decode(), ids[0].decode("utf-8", "replace")
    if not kinds:
        return "", ""
    found = item_to_dict(entry.item)
    return str(found.get("type")), str(found.get("call_id"))


def output_for(call: AnyToolCall, output: str) -> ResponseItem:
    """The output item that answers a call with text."""
    if isinstance(call, CustomToolCall):
        return CustomToolCallOutput(call_id=call.call_id, output=output, id=new_item_id("ctco"))
    return FunctionCallOutput(call_id=call.call_id, output=output, id=new_item_id("fco"))


def aborted_output(call: AnyToolCall, wall_time_s: float = 0.0) -> ResponseItem:
    """The output of a call that an interrupt stopped."""
    return output_for(call, f"Wall time: {wall_time_s:.1f} seconds\n{ABORTED}")
