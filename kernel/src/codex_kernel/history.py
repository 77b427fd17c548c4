"""The history of a thread: a projection of what was recorded, as the model will read it."""

from __future__ import annotations

from collections.abc import Iterable

from .protocol.ids import new_item_id
from .protocol.response_items import (
    AnyToolCall,
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    HistoryEntry,
    Message,
    ResponseItem,
)

BYTES_PER_TOKEN = 4
ABORTED = "aborted by user"


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
        answered = {
            e.item.call_id for e in self._entries if isinstance(e.item, FunctionCallOutput | CustomToolCallOutput)
        }
        return [
            e.item
            for e in self._entries
            if isinstance(e.item, FunctionCall | CustomToolCall) and e.item.call_id not in answered
        ]

    def texts(self) -> frozenset[str]:
        """All texts of developer and user messages: what the model has been told already."""
        return frozenset(
            part.text
            for entry in self._entries
            if isinstance(entry.item, Message) and entry.item.role != "assistant"
            for part in entry.item.content
            if part.text is not None
        )


def output_for(call: AnyToolCall, output: str) -> ResponseItem:
    """The output item that answers a call with text."""
    if isinstance(call, CustomToolCall):
        return CustomToolCallOutput(call_id=call.call_id, output=output, id=new_item_id("ctco"))
    return FunctionCallOutput(call_id=call.call_id, output=output, id=new_item_id("fco"))


def aborted_output(call: AnyToolCall, wall_time_s: float = 0.0) -> ResponseItem:
    """The output of a call that an interrupt stopped."""
    return output_for(call, f"Wall time: {wall_time_s:.1f} seconds\n{ABORTED}")
