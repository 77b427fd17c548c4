"""Writing to stdout and stderr: whole, at once, and with the reader's end of the pipe in mind."""

from __future__ import annotations

import os
from typing import TextIO


class Writer:
    """Writes to a text stream past its buffer, so that one call is one write.

    A closed pipe raises `BrokenPipeError`. A stream in non-blocking mode (a parent may have left it so) is waited
    for instead of losing output. A stream without a file descriptor is written to as text.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._fd = _descriptor(stream)
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        if self._fd is not None:
            stream.flush()  # what was printed before comes before

    def text(self, text: str) -> None:
        """Write text in the stream's encoding; what it cannot hold is written as escapes."""
        if self._fd is None:
            self._stream.write(text)
            self._stream.flush()
        else:
            self._put(self._fd, text.encode(self._encoding, "backslashreplace"))

    def utf8(self, data: bytes) -> None:
        """Write UTF-8 as it is, whatever encoding the stream has."""
        if self._fd is None:
            self._stream.write(data.decode("utf-8"))
            self._stream.flush()
        else:
            self._put(self._fd, data)

    def _put(self, fd: int, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(fd, rest) :]
            except BlockingIOError:
                _wait_writable(fd)


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (AttributeError, OSError, ValueError):
        return None


def _wait_writable(fd: int) -> None:
    import select

    poll = select.poll()
    poll.register(fd, select.POLLOUT | select.POLLERR | select.POLLHUP)
    poll.poll()
