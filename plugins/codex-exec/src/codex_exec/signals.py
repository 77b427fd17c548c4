"""Signals that end a turn, even while output waits for a reader that does not read."""

from __future__ import annotations

import asyncio
import select
import signal
import sys
from collections import deque
from types import FrameType
from typing import Any, Self, TextIO

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STUCK_AFTER_MS = 200


class ReaderStuck(BrokenPipeError):
    """A write was given up: a signal came, and whoever should read the output did not."""


class SignalWatch:
    """A context, within a running event loop, in which `next()` yields the signals of `ENDING` as they come.

    The loop cannot notice a signal while a write blocks it, so the handler looks by itself: within `writing`, with
    a stream that stays full, it raises `ReaderStuck` out of the write. A signal that our parent ignores (`nohup`,
    a job in the background) stays ignored.
    """

    def __init__(self) -> None:
        self.writing = False
        self._arrived = asyncio.Event()
        self._numbers: deque[int] = deque()
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        for number in ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    async def next(self) -> int:
        """The number of the next signal."""
        while not self._numbers:
            self._arrived.clear()
            await self._arrived.wait()
        return self._numbers.popleft()

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self._numbers.append(number)
        self._loop.call_soon_threadsafe(self._arrived.set)
        if self.writing and (_full(sys.stdout) or _full(sys.stderr)):
            raise ReaderStuck


def _full(stream: TextIO | None) -> bool:
    try:
        descriptor = stream.fileno() if stream is not None else None
    except (OSError, ValueError):
        descriptor = None
    if descriptor is None:
        return False
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return not poll.poll(STUCK_AFTER_MS)
