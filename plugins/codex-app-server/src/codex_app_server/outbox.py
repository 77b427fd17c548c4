"""What waits to be sent to one client: bounded, so that a slow reader costs no memory, and told what it missed."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import anyio

from .wire import encode, warning

MAX_BYTES = 16 * 1024 * 1024
"""Beyond this, notifications that only stream are dropped."""
HARD_BYTES = 64 * 1024 * 1024
"""Beyond this the client is given up: it does not read what it has asked for. One message may be longer."""
BATCH_BYTES = 1024 * 1024
"""About as much is taken at once; what has been taken counts as waiting until more is taken."""


class ClientTooSlow(Exception):
    """More waits to be sent than may be kept."""


class Outbox:
    """A queue of encoded messages."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._taken_bytes = 0
        self._dropped = 0
        self._filled = anyio.Event()
        self._closed = False

    def put(self, message: Mapping[str, Any], *, droppable: bool = False) -> None:
        """Queue a message. Raises `ClientTooSlow`."""
        if self._closed:
            return
        if droppable and self._bytes > MAX_BYTES:
            self._dropped += 1
            return
        if self._bytes > HARD_BYTES:
            raise ClientTooSlow
        if self._dropped:
            self._tell_dropped()
        self._append(encode(message))

    def _append(self, data: bytes) -> None:
        self._bytes += len(data)
        self._waiting.append(data)
        self._filled.set()

    def _tell_dropped(self) -> None:
        """Tell of the gap before what comes behind it."""
        text = f"{self._dropped} notifications were dropped, because they were not read fast enough"
        self._dropped = 0
        self._append(encode(warning(text)))

    def close(self) -> None:
        """No more will be put; what waits may still be taken."""
        self._closed = True
        self._filled.set()

    async def take(self) -> list[bytes] | None:
        """The next that waits, together; None once it is closed and empty."""
        self._bytes -= self._taken_bytes
        self._taken_bytes = 0
        while not self._waiting:
            if self._dropped:
                self._tell_dropped()
                break
            if self._closed:
                return None
            self._filled = anyio.Event()
            await self._filled.wait()
        found: list[bytes] = []
        while self._waiting and self._taken_bytes < BATCH_BYTES:
            found.append(self._waiting.popleft())
            self._taken_bytes += len(found[-1])
        return found
