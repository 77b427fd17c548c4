"""What was rendered, as long as it holds."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from rich.text import Text

from ..session.cells import Cell
from .cells import render_cell
from .theme import Theme

_Key = tuple[str, str | None, int, int, bool, bool]


class _Kept(NamedTuple):
    cell: Cell
    version: int
    done: bool
    theme: Theme
    rows: list[Text]


class RenderCache:
    """Rows of cells, by key, width, theme and folding, as long as their version is the same. The rows kept are
    bounded, not the cells: what was used longest ago goes first."""

    def __init__(self, max_rows: int = 20_000) -> None:
        self._max_rows = max_rows
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()
        self._rows = 0

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def rows_kept(self) -> int:
        """How many rows are held."""
        return self._rows

    def rows(self, cell: Cell, width: int, theme: Theme, *, unfolded: bool = False, joined: bool = False) -> list[Text]:
        """The rows of a cell, as `render_cell` gives them; the list must not be changed."""
        key = (cell.key, cell.sub_agent, width, id(theme), unfolded, joined)
        found = self._kept.get(key)
        if found is not None:
            if found[:4] == (cell, cell.version, cell.done, theme):
                self._kept.move_to_end(key)
                return found.rows
            self._drop(self._kept.pop(key))
        made = render_cell(cell, width, theme, unfolded=unfolded, joined=joined)
        self._kept[key] = _Kept(cell, cell.version, cell.done, theme, made)
        self._rows += len(made) + 1
        while self._rows > self._max_rows and len(self._kept) > 1:
            self._drop(self._kept.popitem(last=False)[1])
        return made

    def _drop(self, kept: _Kept) -> None:
        self._rows -= len(kept.rows) + 1

    def forget(self) -> None:
        """Drop everything."""
        self._kept.clear()
        self._rows = 0
