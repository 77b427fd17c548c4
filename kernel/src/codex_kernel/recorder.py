"""Recording before showing: the one place where events get their order and reach the rollout."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from .contracts.store import RolloutLine, RolloutWriter
from .event_queue import EventQueue
from .history import History
from .protocol.events import AgentMessageDelta, Event, EventMsg, OutputDelta, ReasoningDelta, ToolInputDelta
from .protocol.ids import ThreadId, TurnId
from .protocol.response_items import HistoryEntry, ResponseItem
from .rollout_lines import event_line, response_item_line

_DELTAS = (AgentMessageDelta, ReasoningDelta, OutputDelta, ToolInputDelta)


class Recorder:
    """Writes what happened to the rollout, then hands it to listeners, in one order.

    `observers` see every event but deltas, after the rollout; they must not raise.
    """

    def __init__(
        self,
        thread_id: ThreadId,
        writer: RolloutWriter | None,
        queue: EventQueue,
        history: History,
        observers: Sequence[Callable[[Event], None]] = (),
    ) -> None:
        self.thread_id = thread_id
        self.turn_id: TurnId | None = None
        self.history = history
        self._writer = writer
        self._queue = queue
        self._observers = observers
        self._seq = 0

    @property
    def path(self) -> str | None:
        """Where the rollout lies."""
        return self._writer.path if self._writer is not None else None

    def write(self, *lines: RolloutLine) -> None:
        """Lines that are no event. Raises `StoreError`."""
        if self._writer is not None:
            self._writer.append(lines)

    def remember(self, items: Iterable[ResponseItem]) -> list[HistoryEntry]:
        """Add response items to the rollout, then to the history. Raises `StoreError`; the history is
        then unchanged."""
        entries = [HistoryEntry.of(item) for item in items]
        if entries:
            self.write(*(response_item_line(entry) for entry in entries))
            for entry in entries:
                self.history.add(entry)
        return entries

    async def emit(self, *messages: EventMsg, turn_id: TurnId | None = None) -> None:
        """Record the events with one write, then show them. Raises `StoreError`; nothing is shown then.
        `turn_id` is the turn they belong to when that is not the present one."""
        for event in self._prepare(messages, turn_id):
            await self._queue.put(event)

    def emit_nowait(self, *messages: EventMsg) -> None:
        """As `emit`, without waiting for a slow reader: for endings, which come few and must not be cancelled."""
        for event in self._prepare(messages):
            self._queue.put_nowait(event)

    def show_nowait(self, *messages: EventMsg) -> None:
        """Show without recording: for telling that recording is what failed."""
        for event in self._number(messages):
            self._queue.put_nowait(event)

    async def stream(self, *messages: EventMsg) -> None:
        """Show deltas; they are not recorded."""
        for event in self._number(messages):
            await self._queue.put(event)

    def _prepare(self, messages: Iterable[EventMsg], turn_id: TurnId | None = None) -> list[Event]:
        first = self._seq
        events = self._number(messages, turn_id)
        lines = [found for event in events if (found := event_line(event)) is not None]
        if lines:
            try:
                self.write(*lines)
            except BaseException:
                self._seq = first  # never shown: the numbers stay without gaps
                raise
        for event in events:
            if not isinstance(event.msg, _DELTAS):
                for observer in self._observers:
                    observer(event)
        return events

    def _number(self, messages: Iterable[EventMsg], turn_id: TurnId | None = None) -> list[Event]:
        now = time.time_ns() // 1_000_000
        turn = turn_id or self.turn_id
        events = []
        for msg in messages:
            events.append(Event(thread_id=self.thread_id, turn_id=turn, seq=self._seq, at_ms=now, msg=msg))
            self._seq += 1
        return events
