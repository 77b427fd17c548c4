"""The bounded queue between a thread and who listens to it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .protocol.events import Event

if TYPE_CHECKING:
    import anyio


class EndOfThread(Exception):
    """No event will follow."""


class EventQueue:
    """First in, first out, at most `capacity` events: a full queue makes the thread wait, so that a slow
    reader costs time and never memory. Cheaper per event than a memory object stream, which hands each item
    through the scheduler."""

    def __init__(self, capacity: int = 1024) -> None:
        self._events: deque[Event] = deque()
        self._capacity = capacity
        self._closed = False
        self._detached = False
        self._filled: anyio.Event | None = None
        self._drained: anyio.Event | None = None

    def put_nowait(self, event: Event) -> None:
        """Append without waiting, beyond the capacity if need be: for the few events of an ending."""
        if not self._detached:
            self._events.append(event)
        if self._filled is not None:
            self._filled.set()
            self._filled = None

    async def put(self, event: Event) -> None:
        """Append, waiting while the queue is full."""
        if len(self._events) >= self._capacity:
            import anyio

            while len(self._events) >= self._capacity and not self._detached:
                if self._drained is None:
                    self._drained = anyio.Event()
                await self._drained.wait()
        self.put_nowait(event)

    async def get(self) -> Event:
        """The next event. Raises `EndOfThread` once closed and empty. Cancelling loses nothing."""
        while not self._events:
            if self._closed:
                raise EndOfThread
            import anyio

            if self._filled is None:
                self._filled = anyio.Event()
            await self._filled.wait()
        event = self._events.popleft()
        if self._drained is not None and len(self._events) < self._capacity:
            self._drained.set()
            self._drained = None
        return event

    def close(self) -> None:
        """No event will follow."""
        self._closed = True
        if self._filled is not None:
            self._filled.set()
            self._filled = None

    def detach(self) -> None:
        """Nobody reads any more: drop what is there and what comes, and let waiting writers go on."""
        self._detached = True
        self._events.clear()
        if self._drained is not None:
            self._drained.set()
            self._drained = None
