"""What is typed while textual is loaded is shown at once: between two imports somebody looks whether there is any.

It is only shown here. The bytes are kept, and the driver takes them first, so that what they mean is decided in one
place. Standard library only.
"""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .splash import Splash, row

_EVERY_S = 0.004
_MOST_BYTES = 4096
_BACKSPACE = "\x7f"


class EarlyKeys:
    """Looks at the keys for a frame that was drawn by hand; `mark` stands in front of what is written, in row `line` of
    the frame. Of the keys only letters and backspace are shown, up to the first other one."""

    def __init__(self, splash: Splash, mark: str, line: int) -> None:
        self._terminal, self._painter = splash
        self._mark, self._line = mark, line
        self._look_at = 0.0
        self._shown = ""

    @contextmanager
    def between_imports(self) -> Iterator[None]:
        """Look each time that a module is searched for."""
        sys.meta_path.insert(0, self)
        try:
            yield
        finally:
            sys.meta_path.remove(self)

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """What is asked before each import. No module comes from here."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + _EVERY_S
            self.look()

    def look(self) -> None:
        """Take what was typed, and show it."""
        try:
            if not select.select([self._terminal.input_fd], [], [], 0)[0]:
                return
            data = os.read(self._terminal.input_fd, _MOST_BYTES)
        except (OSError, ValueError):
            data = b""
        if not data:
            self._look_at = float("inf")  # the terminal has gone: the driver will find that out
            return
        self._terminal.typed += data
        self._show(_written(self._terminal.typed.decode("utf-8", "ignore")))

    def _show(self, text: str) -> None:
        rows, columns = list(self._painter.rows), self._painter.columns
        if text == self._shown or self._line >= len(rows) or self._terminal.size()[0] != columns:
            return
        self._shown = text
        rows[self._line] = drawn = row(self._mark + text, columns)
        self._terminal.write_now(self._painter.frame(rows, (min(drawn.width, columns - 1), self._line)))


def _written(typed: str) -> str:
    """The letters of these keys."""
    found: list[str] = []
    for char in typed:
        if char == _BACKSPACE:
            del found[-1:]
        elif char.isprintable():
            found.append(char)
        else:
            break
    return "".join(found)
