"""One TCP connection as coroutines: bounded reads, sends that wait for the peer, and an eye on idleness.

Plain sockets rather than streams: a chunk is read into place and sent from there, nothing is queued, so the
slower side sets the pace, and an idle connection holds no buffer.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import anyio

from .faults import Malformed
from .limits import Limits

_BARE_LF = re.compile(rb"(?<!\r)\n")
_TURNS = 4


class Idleness:
    """Cancels what is done within `watch` when for `idle_s` nothing was read or written."""

    def __init__(self, idle_s: float) -> None:
        self._idle_s = idle_s
        self._last = 0.0
        self._paused = 0

    def touch(self) -> None:
        """Something happened."""
        self._last = asyncio.get_running_loop().time()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Time does not count: a person is being asked."""
        self._paused += 1
        try:
            yield
        finally:
            self._paused -= 1
            self.touch()

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Within it, idleness ends the work."""
        loop = asyncio.get_running_loop()
        self.touch()
        timers: list[asyncio.TimerHandle] = []
        with anyio.CancelScope() as scope:

            def look() -> None:
                left = self._idle_s if self._paused else self._last + self._idle_s - loop.time()
                if left <= 0:
                    scope.cancel()
                else:
                    timers[:] = [loop.call_later(left, look)]

            timers.append(loop.call_later(self._idle_s, look))
            try:
                yield
            finally:
                timers[0].cancel()


class SendFailed(OSError):
    """The peer takes no more."""


class Wire:
    """A connected, non-blocking socket, which it owns, and what was read from it ahead of need."""

    def __init__(self, sock: socket.socket, limits: Limits, idle: Idleness) -> None:
        self._sock = sock
        self._chunk_bytes = limits.chunk_bytes
        self._idle = idle
        self._ahead = b""
        self._turn = 0

    async def receive(self, at_most: int | None = None) -> bytes:
        """Some bytes, b"" at the end of the stream."""
        at_most = self._chunk_bytes if at_most is None else min(at_most, self._chunk_bytes)
        if self._ahead:
            data, self._ahead = self._ahead[:at_most], self._ahead[at_most:]
            return data
        self._turn += 1
        if self._turn % _TURNS == 0:  # two fast peers would never let the event loop do anything else
            await asyncio.sleep(0)
        data = await asyncio.get_running_loop().sock_recv(self._sock, at_most)
        self._idle.touch()
        return data

    async def exactly(self, size: int) -> bytes:
        """So many bytes. Raises `EOFError`."""
        parts = []
        while size:
            data = await self.receive(size)
            if not data:
                raise EOFError
            parts.append(data)
            size -= len(data)
        return b"".join(parts)

    async def head(self, limit: int) -> bytes | None:
        """The lines up to an empty one, without it; None if the stream ends before the first byte. An empty
        line in front is passed over. Raises `Malformed` for more bytes than `limit`, for a line that does not
        end in CR LF, and for a stream that ends within."""
        data = bytearray()
        while True:
            more = await self.receive(limit + 4)
            if not more:
                if not data:
                    return None
                raise Malformed("the header ends too early")
            searched = max(0, len(data) - 3)  # what was looked at already is not looked at again
            data += more
            if data[:2] == b"\r\n":
                del data[:2]
                searched = 0
            end = data.find(b"\r\n\r\n", searched)
            if _BARE_LF.search(data, searched, len(data) if end < 0 else end):
                raise Malformed("a header line does not end in CR LF")
            lines = data if end < 0 else data[:end]
            if len(lines) > limit:
                raise Malformed(f"the header is longer than {limit} bytes", status=431)
            if end >= 0:
                self.unread(bytes(data[end + 4 :]))
                return bytes(lines)

    def unread(self, data: bytes) -> None:
        """Give back what belongs to the next reader."""
        self._ahead = data + self._ahead

    async def send(self, data: bytes) -> None:
        """Send it all; waits as long as the peer does not take it. Raises `SendFailed`."""
        try:
            await asyncio.get_running_loop().sock_sendall(self._sock, data)
        except OSError as error:
            raise SendFailed(*error.args) from error
        self._idle.touch()

    def end(self) -> None:
        """Say that no more will be sent; the peer may still send."""
        with suppress(OSError):  # the peer may be gone
            self._sock.shutdown(socket.SHUT_WR)

    @property
    def quiet(self) -> bool:
        """Whether the peer neither hung up nor sent something that nobody asked for."""
        if self._ahead:
            return False
        try:
            self._sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    async def linger(self, seconds: float, at_most: int = 1 << 20) -> None:
        """End, and throw away what still comes for a moment: closing with bytes unread would reset the
        connection, and the peer would lose the answer."""
        self.end()
        with anyio.move_on_after(seconds), suppress(OSError):
            while at_most > 0:
                data = await self.receive()
                if not data:
                    return
                at_most -= len(data)

    def close(self) -> None:
        """Release the descriptor. May be called twice."""
        self._sock.close()
