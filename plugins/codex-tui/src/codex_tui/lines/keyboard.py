"""Lines from standard input. The terminal edits them itself (cooked mode): nothing here is drawn anew.

Python's readline is not used, not even on a terminal that could: it redraws the line with control sequences, which this
mode promises not to write, and a question that comes while it waits could not take the half line away from it.
"""

from __future__ import annotations

import asyncio
import os
import re
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import anyio

READ_BYTES = 65_536
MAX_LINE_BYTES = 4 << 20
"""A line that is longer counts as several."""
MAX_DRAIN_BYTES = 1 << 20
MOST_AT_ONCE = 200
"""Reads before others have their turn."""
_ENDS = re.compile(rb"\r\n|\n|\r")
_EOF_MARK = b"\0"
"""What Linux keeps for a ctrl+d that nobody has read yet."""


class Keyboard:
    """`on_line` gets each line without its end, `on_end` is called once, at the end of the input. `fd` -1: there is
    none."""

    def __init__(self, fd: int, on_line: Callable[[str], None], on_end: Callable[[], None]) -> None:
        self._fd = fd
        self._on_line, self._on_end = on_line, on_end
        self._rest = b""
        self._ended = False
        self._reads = anyio.Event()
        self._reads.set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.read_at = 0.0
        """When the last lines were read, by the loop's clock: those that lay there together were read together."""
        self.is_tty = fd >= 0 and _is_tty(fd)

    async def run(self) -> None:
        """Read until the end, or until it is cancelled."""
        try:
            self._watch()
        except PermissionError:  # a file, or /dev/null: they never block, and cannot be waited for
            await self._read_file()
        except OSError:  # closed
            self._end()
        else:
            try:
                await anyio.sleep_forever()
            finally:
                self._unwatch()

    def pause(self) -> None:
        """Leave what comes where it is."""
        self._unwatch()
        if self._reads.is_set():
            self._reads = anyio.Event()

    def resume(self) -> None:
        """Go on after `pause`."""
        if not self._reads.is_set():
            self._reads.set()
            if not self._ended:
                with suppress(PermissionError):
                    self._watch()

    def drain(self) -> tuple[list[str], str]:
        """What was typed so far and not read: whole lines, and the one that has begun, which the terminal then no
        longer has."""
        data = self._rest + (b"" if self._ended else self._pull())
        self._rest = b""
        *lines, begun = _ENDS.split(data)
        return [_decoded(line) for line in lines], _decoded(begun)

    @contextmanager
    def hidden(self) -> Iterator[bool]:
        """What is typed is not shown meanwhile; gives whether that is possible."""
        if not self.is_tty or self._ended or self._is_in_background:
            yield False
            return
        import termios

        saved = termios.tcgetattr(self._fd)
        silent = termios.tcgetattr(self._fd)
        silent[3] = (silent[3] & ~termios.ECHO) | termios.ECHONL
        termios.tcsetattr(self._fd, termios.TCSANOW, silent)
        try:
            yield True
        finally:
            with suppress(termios.error):  # the terminal is gone
                termios.tcsetattr(self._fd, termios.TCSANOW, saved)

    # -- reading ---------------------------------------------------------------------------------

    def _watch(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd if self._fd >= 0 else _no_fd(), self._readable)

    def _unwatch(self) -> None:
        if self._loop is not None and self._fd >= 0:
            self._loop.remove_reader(self._fd)

    def _readable(self) -> None:
        self.read_at = asyncio.get_running_loop().time()
        # What was there may have been drained since: a read would wait then. A terminal gives one line at a time.
        for _ in range(MOST_AT_ONCE):
            if self._ended or not select.select([self._fd], [], [], 0)[0]:
                break
            self._take(self._read())

    async def _read_file(self) -> None:
        while not self._ended:
            await self._reads.wait()
            self._take(self._read())
            await anyio.lowlevel.checkpoint()

    def _read(self) -> bytes:
        try:
            return os.read(self._fd, READ_BYTES)
        except OSError:  # the terminal is gone: there is no more input than at its end
            return b""

    def _take(self, data: bytes) -> None:
        if not data:
            self._end()
            return
        *lines, rest = _ENDS.split(self._rest + data)
        self._rest = rest
        if len(rest) > MAX_LINE_BYTES:
            lines.append(rest)
            self._rest = b""
        for line in lines:
            self._on_line(_decoded(line))

    def _end(self) -> None:
        if self._ended:
            return
        self._ended = True
        self._unwatch()
        if self._rest:
            self._on_line(_decoded(self._rest))
            self._rest = b""
        self._on_end()

    # -- what was typed so far -------------------------------------------------------------------

    def _pull(self) -> bytes:
        if not self.is_tty:
            return self._pull_ready()
        if self._is_in_background:
            return b""
        import termios

        try:
            with self._uncooked():
                data = self._pull_ready()
        except termios.error:  # the terminal is gone, which reading it tells as well
            return b""
        data, mark, _ = data.partition(_EOF_MARK)
        if mark and self._loop is not None:
            self._loop.call_soon(self._end)
        return data

    @property
    def _is_in_background(self) -> bool:
        """Whether the terminal is another job's now: to change it would stop us."""
        try:
            return os.tcgetpgrp(self._fd) != os.getpgrp()
        except OSError:  # it controls nobody's jobs, at least not ours
            return False

    def _pull_ready(self) -> bytes:
        found = bytearray()
        while len(found) < MAX_DRAIN_BYTES and select.select([self._fd], [], [], 0)[0]:
            data = self._read()
            if not data:
                break
            found += data
        return bytes(found)

    @contextmanager
    def _uncooked(self) -> Iterator[None]:
        """For a moment the terminal has no lines: what has begun can be read then."""
        import termios

        saved = termios.tcgetattr(self._fd)
        bare = termios.tcgetattr(self._fd)
        bare[3] &= ~termios.ICANON
        bare[6][termios.VMIN] = bare[6][termios.VTIME] = 0
        termios.tcsetattr(self._fd, termios.TCSANOW, bare)
        try:
            yield
        finally:
            termios.tcsetattr(self._fd, termios.TCSANOW, saved)


def _no_fd() -> int:
    raise OSError("there is no standard input")


def _is_tty(fd: int) -> bool:
    try:
        return os.isatty(fd)
    except OSError:
        return False


def _decoded(line: bytes) -> str:
    return line.decode("utf-8", "replace")
