"""The terminal as it was found, and the way back to it. Standard library only: it runs before the heavy imports.

Every path out of the program ends in `Terminal.release`, which undoes exactly what was switched on, and only once.
"""

from __future__ import annotations

import atexit
import os
import select
import termios
import time
from collections.abc import Callable
from typing import Any

_RELEASE_S = 0.5
"""How long an unwilling terminal may hold up the way out."""

_MODES = {
    "paste": ("\x1b[?2004h", "\x1b[?2004l"),
    "focus": ("\x1b[?1004h", "\x1b[?1004l"),
    "keyboard": ("\x1b[>1u", "\x1b[<u"),
    "alternate": ("\x1b[?1049h", "\x1b[?1049l"),
    # Terminals keep one stack of keyboard modes for each of the two screens.
    "alternate-keyboard": ("\x1b[>1u", "\x1b[<u"),
    "mouse": (
        "\x1b[?1000h\x1b[?1002h\x1b[?1006h",
        "\x1b[?1006l\x1b[?1002l\x1b[?1000l",
    ),
    "no-wrap": ("\x1b[?7l", "\x1b[?7h"),
    "hidden-cursor": ("\x1b[?25l", "\x1b[?25h"),
    "title": ("\x1b[22;0t", "\x1b[23;0t"),
}
"""What can be switched on, and how it is undone."""


class Terminal:
    """The terminal on two file descriptors. `take` makes it raw, `release` gives it back as it was.

    `farewell` gives what is written last of all, on the main screen (the region of an inline application is erased so).
    `before_release` is called first: who writes from a thread stops there.
    """

    def __init__(self, input_fd: int = 0, output_fd: int = 1) -> None:
        self.input_fd = input_fd
        self.output_fd = output_fd
        self.farewell: Callable[[], str] = str
        self.before_release: Callable[[], None] = _nothing
        self.is_lost = False
        """The other side has hung up: nothing more is written."""
        self.typed = b""
        """Keys that were read before there was an application. Who reads keys takes these first."""
        self._found: list[Any] | None = None
        self._taken = False
        self._on: dict[str, str] = {}
        self._registered = False

    @property
    def is_taken(self) -> bool:
        """Between `take` and `release`."""
        return self._taken

    def take(self) -> None:
        """Raw mode without echo. What has been typed before is kept. Raises `termios.error` for what is no terminal."""
        if self._found is None:
            self._found = termios.tcgetattr(self.input_fd)
        self._taken = True
        if not self._registered:
            self._registered = True
            atexit.register(self.release)
        self.set_raw()

    def set_raw(self) -> None:
        """Raw mode again, after somebody else has had the terminal."""
        attributes = termios.tcgetattr(self.input_fd)
        attributes[0] &= ~(termios.IXON | termios.IXOFF | termios.ICRNL | termios.INLCR | termios.IGNCR)
        attributes[3] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN | termios.ISIG)
        attributes[6][termios.VMIN] = 1
        attributes[6][termios.VTIME] = 0
        termios.tcsetattr(self.input_fd, termios.TCSANOW, attributes)

    def on(self, mode: str) -> str:
        """What switches `mode` on; empty when it is on. The caller writes it."""
        if mode in self._on:
            return ""
        switch, self._on[mode] = _MODES[mode]
        return switch

    def off(self, mode: str) -> str:
        """What switches `mode` off; empty when it is not on."""
        return self._on.pop(mode, "")

    def is_on(self, mode: str) -> bool:
        """Whether `on` was called, and `off` not since."""
        return mode in self._on

    def again(self) -> str:
        """What switches on once more all that is on: somebody may have reset the terminal."""
        return "".join(_MODES[mode][0] for mode in self._on if mode not in {"keyboard", "alternate-keyboard", "title"})

    def size(self) -> tuple[int, int]:
        """Columns and rows; 80 by 24 when it does not say."""
        for fd in (self.output_fd, self.input_fd):
            try:
                columns, rows = os.get_terminal_size(fd)
            except OSError:
                continue
            if columns > 0 and rows > 0:
                return columns, rows
        return 80, 24

    def release(self, *, keep_typed: bool = False) -> None:
        """Give the terminal back. Safe to call again, from `atexit`, and when it is gone. What was typed and not yet
        read was not meant for the shell: it is dropped unless `keep_typed`."""
        if not self._taken:
            return
        self._taken = False
        self.before_release()
        undo = "".join(reversed(self._on.values()))
        self._on.clear()
        if not self.is_lost:
            # The end of a synchronised update first: until then some terminals show nothing.
            self.write_now("\x1b[?2026l" + undo + "\x1b[0m" + self.farewell() + "\x1b[?25h", within_s=_RELEASE_S)
        try:
            if self._found is not None:
                termios.tcsetattr(self.input_fd, termios.TCSANOW, self._found)
            if not keep_typed:
                termios.tcflush(self.input_fd, termios.TCIFLUSH)
        except (termios.error, OSError):
            self.is_lost = True

    def write_now(self, data: str, *, within_s: float = _RELEASE_S) -> bool:
        """Write at once and directly. False when the terminal takes no more within the time, or is gone."""
        left = data.encode("utf-8", "replace")
        until = time.monotonic() + within_s
        while left:
            try:
                _, ready, _ = select.select([], [self.output_fd], [], max(0.0, until - time.monotonic()))
                if not ready:
                    return False
                # A little at a time: a terminal that is ready takes some bytes without blocking, not any number.
                left = left[os.write(self.output_fd, left[:256]) :]
            except InterruptedError:
                continue
            except (OSError, ValueError):
                self.is_lost = True
                return False
        return True


def _nothing() -> None:
    """Nothing to stop yet."""
