"""Where the rows of a text begin when it is wrapped, kept up to date change by change.

A key press costs what the rows around it cost: rows after a change are wrapped anew only until they fall into place
with the old ones, whose beginnings are then moved. No terminal.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from typing import NamedTuple

TAB_CELLS = 4
_HIDDEN = "\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff"
"""What is invisible, or turns the direction of what stands around it; a paste may have it in it."""
_SPECIAL = re.compile(f"[\n\t\ud800-\udfff{_HIDDEN}]")


class Piece(NamedTuple):
    """One character as a reader counts them: its place in the text, and the columns that it takes."""

    start: int
    end: int
    column: int
    cells: int


class Rows:
    """`width` is in cells. `label` gives what is shown for a part. `starts` are the places where rows begin."""

    def __init__(self, label: Callable[[str], str]) -> None:
        self.width = 80
        self.starts = [0]
        self._label = label
        self._text = ""

    def __len__(self) -> int:
        return len(self.starts)

    def wrap(self, text: str, width: int) -> None:
        """Wrap all of it."""
        self.width = max(1, width)
        self._text = text
        self.starts = [0]
        while (end := self._row_end(self.starts[-1])) is not None:
            self.starts.append(end)

    def changed(self, text: str, start: int, removed: int, inserted: int) -> None:
        """The text is now this: at `start`, so many characters went and so many came."""
        self._text = text
        old, shift = self.starts, inserted - removed
        first = max(0, bisect_right(old, start) - 4)  # what is shorter now may fit on a row before
        new = [old[first]]
        while (end := self._row_end(new[-1])) is not None:
            if end >= start + inserted:
                place = bisect_left(old, end - shift)
                if place < len(old) and old[place] == end - shift and place > first:
                    tail = old[place:] if not shift else [begin + shift for begin in old[place:]]
                    self.starts = old[:first] + new + tail
                    return
            new.append(end)
        self.starts = old[:first] + new

    def span(self, row: int) -> tuple[int, int]:
        """Where a row begins and ends, with the newline or blank that ends it."""
        end = self.starts[row + 1] if row + 1 < len(self.starts) else len(self._text)
        return self.starts[row], end

    def row_of(self, place: int) -> int:
        """The row in which a place is."""
        return bisect_right(self.starts, place) - 1

    def column_of(self, place: int) -> int:
        """The column of a place in its row, in cells."""
        start = self.starts[self.row_of(place)]
        column = 0
        for piece in self.pieces(start, place):
            column = piece.column + piece.cells
        return column

    def place_at(self, row: int, column: int) -> int:
        """The place in a row that is nearest to a column, going left."""
        start, end = self.span(row)
        place = start
        for piece in self.pieces(start, end):
            if piece.column + piece.cells > column or self._text[piece.start] == "\n":
                return piece.start
            place = piece.end
        # Behind the last character of a wrapped row is the next row.
        return place if row + 1 == len(self.starts) else max(start, place - 1)

    def pieces(self, start: int, end: int) -> Iterator[Piece]:
        """The characters from the beginning of a row on."""
        from rich.cells import split_graphemes

        column = 0
        place = start
        while place < end:
            special = _SPECIAL.search(self._text, place, end)
            stop = special.start() if special else end
            run = self._text[place:stop]
            if run.isascii():
                for offset in range(len(run)):
                    yield Piece(place + offset, place + offset + 1, column, 1)
                    column += 1
            else:
                for first, last, cells in split_graphemes(run)[0]:
                    yield Piece(place + first, place + last, column, cells)
                    column += cells
            if special:
                cells = self._special_cells(special[0], column)
                yield Piece(stop, stop + 1, column, cells)
                column += cells
            place = stop + 1 if special else stop

    def _special_cells(self, character: str, column: int) -> int:
        if character == "\n":
            return 0
        if character == "\t":
            return TAB_CELLS - column % TAB_CELLS
        return min(len(self._label(character)), self.width)

    def _row_end(self, start: int) -> int | None:
        """Where the row after the one that begins here begins, None if there is none."""
        text, width = self._text, self.width
        chunk = text[start : start + width + 1]
        if chunk.isascii() and "\t" not in chunk:
            newline = chunk.find("\n")
            if newline >= 0:
                return start + newline + 1
            if len(chunk) <= width:
                return None
            return start + ((chunk.rfind(" ") + 1) or width)
        return self._slow_row_end(start)

    def _slow_row_end(self, start: int) -> int | None:
        length = len(self._text)
        for reach in (self.width + 8, 8 * self.width + 64):  # the first nearly always suffices
            stop = min(length, start + reach)
            decided, end = self._row_end_within(start, stop)
            if decided or stop == length:
                return end
        # Only a pile of combining marks is so long and so narrow: it is broken wherever the window ends.
        return stop

    def _row_end_within(self, start: int, stop: int) -> tuple[bool, int | None]:
        """Whether the text up to `stop` decides where the row ends, and where."""
        blank = None
        for piece in self.pieces(start, stop):
            if piece.end == stop < len(self._text):
                break  # it may go on behind
            character = self._text[piece.start]
            if character == "\n":
                return True, piece.end
            part = "\ud800" <= character <= "\udfff"
            if part and piece.start > start:
                blank = piece.start  # a row may be broken before and behind a part
            if character == " " and piece.column <= self.width:
                blank = piece.end
            elif piece.column + piece.cells > self.width and piece.start > start:
                return True, blank if blank is not None else piece.start
            elif part:
                blank = piece.end
        return False, None
