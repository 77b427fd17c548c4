"""The region of an inline application, as sequences for the terminal. Pure: rows in, one string out.

Everything moves relative to the cursor: where on the screen the region stands need not be known, and rows that leave
the screen at its top go to the terminal's own scrollback by themselves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

_REMEMBERED = 600
"""Rows above the region of which the width is known: more than a screen has."""


_CLEAR = "\x1b[K\x1b[C\x1b[J\r"
"""At the begin of a row: it and all below it become empty. Not in one go from the corner of the screen, since tmux puts
a screen that is erased so into its scrollback."""


class Row(NamedTuple):
    """One row, ready to be written: no newline in it, styles reset at its end. `width` in cells."""

    text: str
    width: int


class Painter:
    """What is on the screen, and how to get from there to what is wanted."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.columns = 80
        self._x = 0
        self._y = 0
        self._above: deque[int] = deque(maxlen=_REMEMBERED)
        self._all_ours = False

    @property
    def height(self) -> int:
        """Rows of the region that is drawn."""
        return len(self.rows)

    def forget(self) -> None:
        """The cursor stands somewhere at the beginning of a row: the next frame begins there."""
        self.rows = []
        self._x = self._y = 0
        self._above.clear()
        self._all_ours = False

    def frame(self, rows: Sequence[Row], cursor: tuple[int, int], above: Sequence[Row] = ()) -> str:
        """Write `above` into the scrollback, draw the region `rows` below; `cursor` is x and y in the region. Empty
        where nothing is another than before."""
        out: list[str] = []
        if above:
            self._draw_below(out, rows, above)
        else:
            self._draw_changed(out, rows)
        self.rows = list(rows)
        self._go(out, min(cursor[1], max(0, len(rows) - 1)), cursor[0])
        return "".join(out)

    def anew(self, top: int, rows: Sequence[Row], cursor: tuple[int, int], above: Sequence[Row], *, whole: bool) -> str:
        """All from row `top` of the screen (from 0) on: `above`, then the region. `whole`: all that is visible is ours,
        so what is above `above` is as well."""
        self._above.clear()
        self._all_ours = whole
        self.rows, self._x, self._y = [], 0, 0
        return f"\x1b[{top + 1};1H{_CLEAR}" + self.frame(rows, cursor, above)

    def redraw(self, top: int, rows: Sequence[Row], cursor: tuple[int, int], above: Sequence[Row]) -> str:
        """The region alone, which stands in row `top` of the screen; what was written above it stays."""
        self.rows, self._x, self._y = [], 0, 0
        return f"\x1b[{top + 1};1H{_CLEAR}" + self.frame(rows, cursor, above)

    def erase(self) -> str:
        """Take the region away; the cursor stands where it began."""
        out: list[str] = []
        self._go(out, 0, 0)
        self.rows = []
        return "".join([*out, "\r", _CLEAR])

    def tops(self, cursor_row: int, columns: int, *, reflows: bool) -> tuple[int, int | None]:
        """After the terminal's width became `columns`, with its cursor now in `cursor_row`: the rows of the screen in
        which the region, and all that was written above it, begin. None: above the top of the screen."""
        over = sum(_height(row.width, columns, reflows) for row in self.rows[: self._y])
        region = cursor_row - over - (self._x // columns if reflows else 0)
        row = region
        for width in reversed(self._above):
            row -= _height(width, columns, reflows)
            if row < 0:
                break
        ours = None if row < 0 or self._all_ours or len(self._above) == _REMEMBERED else row
        return max(0, region), ours

    def _draw_below(self, out: list[str], rows: Sequence[Row], above: Sequence[Row]) -> None:
        self._go(out, 0, 0)
        long = any(row.width >= self.columns for row in above)
        if long or len(above) + len(rows) < len(self.rows):
            # What the terminal wraps covers more rows than are counted here: begin with an empty screen below.
            out.append(_CLEAR)
        for row in above:
            out.append(row.text + self._rest(row) + "\r\n")
            self._above.append(row.width)
        for index, row in enumerate(rows):
            out.append(("\r\n" if index else "") + row.text + self._rest(row))
        self._x, self._y = -1, max(0, len(rows) - 1)

    def _draw_changed(self, out: list[str], rows: Sequence[Row]) -> None:
        old = self.rows
        if len(rows) < len(old):
            self._go(out, len(rows), 0)
            out.append(_CLEAR)
        for index, (before, row) in enumerate(zip(old, rows, strict=False)):
            if before != row:
                self._go(out, index, 0)
                out.append(row.text + self._rest(row))
                self._x = -1
        for index in range(len(old), len(rows)):
            if index:
                self._go(out, index - 1, 0)
                out.append("\n")
            self._y = index
            out.append("\r" + rows[index].text + self._rest(rows[index]))
            self._x = -1

    def _rest(self, row: Row) -> str:
        """Nothing of what stood there before is left. At the right margin the sequence would erase the last cell."""
        return "\x1b[K" if row.width < self.columns else ""

    def _go(self, out: list[str], y: int, x: int) -> None:
        if (x, y) == (self._x, self._y):
            return
        if y != self._y:
            out.append(f"\x1b[{y - self._y}B" if y > self._y else f"\x1b[{self._y - y}A")
        out.append("\r")
        if x:
            out.append(f"\x1b[{x}C")
        self._x, self._y = x, y


def _height(width: int, columns: int, reflows: bool) -> int:
    return max(1, -(-width // columns)) if reflows else 1
