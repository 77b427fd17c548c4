"""A window onto rows that are made when they are looked at. No textual in it.

What is shown comes in blocks, such as the cells of a transcript, of which only those that are seen are made into rows.
The place is kept as a block and a row in it, not as a number of rows from the start: so nothing has to be known of
the blocks above, and it stays what it is when they change.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Protocol

import anyio.lowlevel
import attrs
from rich.text import Text

KEPT = 256
"""Blocks whose rows are kept."""
SLICE_S = 0.008
"""A search goes on for so long before others have a turn."""


class Blocks(Protocol):
    """What is shown. `generation` changes when blocks have gone away or have come in between."""

    @property
    def generation(self) -> int:
        """See above."""
        ...

    def __len__(self) -> int: ...

    def key(self, index: int) -> Hashable:
        """By what a block is known when others have come before it."""
        ...

    def stamp(self, index: int) -> Hashable:
        """Something else each time that the rows of the block have to be made anew."""
        ...

    def rows(self, index: int, width: int) -> Sequence[Text]:
        """The rows of a block; it may have none."""
        ...


@attrs.frozen
class Row:
    """A row that is seen: of which block, and the how manieth of it."""

    block: int
    row: int
    text: Text


Place = tuple[int, int]


class Viewport:
    """`follow`: stay at the end while it grows. Widths and heights in cells; whoever shows it says them in `page`, and
    all moves refer to the last ones."""

    def __init__(self, blocks: Blocks, *, follow: bool = False) -> None:
        self.blocks = blocks
        self.follow = follow
        self._top: Place = (0, 0)
        self._key: Hashable = None
        self._generation = blocks.generation
        self._width, self._height = 80, 24
        self._made: OrderedDict[Hashable, tuple[Hashable, int, Sequence[Text]]] = OrderedDict()

    # -- what is seen ----------------------------------------------------------------------------

    def page(self, width: int, height: int) -> list[Row]:
        """The rows that are seen, at most `height`."""
        self._settle(max(1, width), max(1, height))
        found: list[Row] = []
        block, first = self._top
        while block < len(self.blocks) and len(found) < self._height:
            rows = self._rows(block)
            until = min(len(rows), first + self._height - len(found))
            found += [Row(block, number, rows[number]) for number in range(first, until)]
            block, first = block + 1, 0
        return found

    def _settle(self, width: int, height: int) -> None:
        """Find the place again when something has changed."""
        if self._generation != self.blocks.generation:
            self._generation = self.blocks.generation
            self._top = (self._found_again(), self._top[1])
        before = self._made.get(self._key)
        if width != self._width and before is not None and self._top[1]:
            self._width = width
            rows = self._rows(self._top[0]) if self._top[0] < len(self.blocks) else ()
            self._top = (self._top[0], self._top[1] * len(rows) // max(1, len(before[2])))
        self._width, self._height = width, height
        self._clamp()

    def _found_again(self) -> int:
        count = len(self.blocks)
        near = min(self._top[0], count)
        # From the former place outwards: it has seldom moved far.
        for distance in range(max(near, count - near) + 1):
            for index in (near - distance, near + distance):
                if 0 <= index < count and self.blocks.key(index) == self._key:
                    return index
        return max(0, min(self._top[0], count - 1))

    def _clamp(self) -> None:
        last = self._last_top()
        if self.follow or self._top >= last:
            self._top = last
        else:
            block, row = self._top
            self._top = (block, min(row, max(0, len(self._rows(block)) - 1)))
        self._key = self.blocks.key(self._top[0]) if self._top[0] < len(self.blocks) else None

    def _last_top(self) -> Place:
        """Where the window begins when it shows the end."""
        return self._back((len(self.blocks), 0), self._height)

    def _back(self, place: Place, rows: int) -> Place:
        block, row = place
        while rows > row and block > 0:
            rows -= row
            block -= 1
            row = len(self._rows(block))
        return (block, max(0, row - rows))

    def _forth(self, place: Place, rows: int) -> Place:
        block, row = place
        while block < len(self.blocks):
            here = len(self._rows(block))
            if row + rows < here:
                return (block, row + rows)
            rows -= max(0, here - row)
            block, row = block + 1, 0
        return (block, row)

    def _rows(self, index: int) -> Sequence[Text]:
        key, stamp = self.blocks.key(index), self.blocks.stamp(index)
        made = self._made.get(key)
        if made is not None and made[0] == stamp and made[1] == self._width:
            self._made.move_to_end(key)
            return made[2]
        rows = self.blocks.rows(index, self._width)
        self._made[key] = (stamp, self._width, rows)
        self._made.move_to_end(key)
        if len(self._made) > KEPT:
            self._made.popitem(last=False)
        return rows

    # -- moves -----------------------------------------------------------------------------------

    @property
    def at_end(self) -> bool:
        """Whether the end is seen."""
        return self._top >= self._last_top()

    @property
    def fraction(self) -> float:
        """How much of it lies above the window's end, 0 to 1, in blocks."""
        if not len(self.blocks) or self.at_end:
            return 1.0
        return self._top[0] / len(self.blocks)

    @property
    def height(self) -> int:
        """Rows of the window."""
        return self._height

    def scroll(self, rows: int) -> None:
        """Move by rows, downwards if positive. At the end of what follows it is followed again."""
        followed = self.follow
        self.follow = False
        self._top = self._forth(self._top, rows) if rows >= 0 else self._back(self._top, -rows)
        self._clamp()
        self.follow = self.at_end and (rows > 0 or followed)

    def home(self) -> None:
        """To the start."""
        followed, self.follow = self.follow, False
        self._top = (0, 0)
        self._clamp()
        self.follow = followed and self.at_end

    def end(self) -> None:
        """To the end, and stay there."""
        self.follow = True
        self._clamp()

    def go(self, block: int, row: int = 0, *, lead: int = 0) -> None:
        """Make a row the first that is seen, with `lead` rows before it."""
        self.follow = False
        self._top = self._back((max(0, min(block, len(self.blocks))), row), lead)
        self._clamp()

    @property
    def top(self) -> Place:
        """Block and row of the first row that is seen."""
        return self._top

    # -- search ----------------------------------------------------------------------------------

    async def find(self, wanted: str, place: Place, *, backward: bool = False) -> Place | None:
        """The next row behind (before) a place that has this text, case aside; goes round. None if there is none.
        All blocks are made into rows for that, a few at a time: others go on meanwhile, and it may be cancelled."""
        letters, count = wanted.casefold(), len(self.blocks)
        step = -1 if backward else 1
        until = time.monotonic() + SLICE_S
        for distance in range(count + 1):
            block = (place[0] + step * distance) % max(1, count)
            if block < len(self.blocks):
                rows = self._glance(block)
                numbers = [number for number, row in enumerate(rows) if letters in row.plain.casefold()]
                if distance == 0:
                    numbers = [n for n in numbers if (n < place[1] if backward else n > place[1])]
                if numbers:
                    return (block, numbers[-1 if backward else 0])
            if time.monotonic() > until:
                await anyio.lowlevel.checkpoint()
                until = time.monotonic() + SLICE_S
        return None

    def _glance(self, index: int) -> Sequence[Text]:
        """The rows of a block, which are not kept for that."""
        made = self._made.get(self.blocks.key(index))
        if made is not None and made[0] == self.blocks.stamp(index) and made[1] == self._width:
            return made[2]
        return self.blocks.rows(index, self._width)
