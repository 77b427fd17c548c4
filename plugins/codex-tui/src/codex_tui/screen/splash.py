"""The first frame, drawn by hand before textual is imported, which takes longer than all the rest of the start.

From here on the terminal is raw and echoes nothing. What is typed meanwhile stays with the terminal until textual reads
it. textual's first frame changes only the rows that differ. Standard library only.
"""

from __future__ import annotations

import gc
import signal
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NamedTuple

from .painter import Painter, Row
from .restore import Terminal


class Splash(NamedTuple):
    """What is on the screen. `TerminalApp(terminal=splash.terminal, painter=splash.painter)` goes on from it."""

    terminal: Terminal
    painter: Painter

    def cancel(self) -> None:
        """Nothing comes of it: the frame is erased, the terminal given back."""
        self.terminal.release(keep_typed=True)


def begin(
    rows: Callable[[int], Sequence[Row]],
    *,
    cursor: tuple[int, int] = (0, 0),
    full_screen: bool = False,
    terminal: Terminal | None = None,
) -> Splash:
    """Draw a frame. `rows` is called with the terminal's width in cells and gives the rows of the region, see `row`;
    `cursor` is a column and one of these rows. Raises `termios.error` when standard input is no terminal."""
    terminal = terminal or Terminal()
    painter = Painter()
    terminal.take()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, _leave)
    columns, lines = terminal.size()
    painter.columns = columns
    drawn = list(rows(columns))[-lines:]
    modes = ["alternate", "no-wrap", "alternate-keyboard"] if full_screen else ["keyboard"]
    start = "".join(map(terminal.on, [*modes, "paste", "focus"]))
    if full_screen:
        start += f"\x1b[{max(1, lines - len(drawn) + 1)};1H"
    else:
        terminal.farewell = painter.erase
    terminal.write_now(start + painter.frame(drawn, cursor))
    return Splash(terminal=terminal, painter=painter)


@contextmanager
def importing() -> Iterator[None]:
    """Around the imports of textual: without collecting garbage, of which there is none, they take a tenth less time;
    and what they make lives for good, so it is kept out of later collections."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if was_enabled:
            gc.enable()


def row(text: str, columns: int, style: str = "") -> Row:
    """A row of plain text, cut to the width; what would act on the terminal is shown as a sign. `style`: the numbers of
    an SGR sequence, as `2` for dim."""
    kept, width = [], 0
    for char in (char if char.isprintable() else "\ufffd" for char in text.rstrip()):
        size = _cells(char)
        if width + size > columns:
            break
        kept.append(char)
        width += size
    line = "".join(kept)
    return Row(f"\x1b[{style}m{line}\x1b[0m" if style and line else line, width)


def _cells(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in {"Cc", "Cf", "Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _leave(signum: int, frame: FrameType | None) -> None:
    """A signal to end, before the application listens: `atexit` gives the terminal back."""
    raise SystemExit(128 + signum)
