"""Inline mode: what is finished goes into the terminal's own scrollback, what still changes stays in our region.

A cell is written once, when it is done: a command that runs for long does not hold back what comes after it. The
answer of the agent is written while it streams, row by row, as soon as a row can no longer change; until its end
nothing else is written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from ..render import RenderCache, joins, render_tail
from ..session.cells import AgentCell

if TYPE_CHECKING:
    from ..render.theme import Theme
    from ..session.cells import AnyCell
    from ..session.transcript import Transcript

Print = Callable[[Sequence[Text]], None]
LONG = 300
"""Cells of a session that is opened: older ones are counted, not written."""


class Feed:
    """Follows a transcript. `print_rows` writes into the scrollback."""

    def __init__(self, transcript: Transcript, print_rows: Print, theme: Theme, cache: RenderCache) -> None:
        self._transcript, self._print = transcript, print_rows
        self.theme, self._cache = theme, cache
        self._generation = transcript.generation
        self._next = 0
        self._live: list[AnyCell] = []
        self._printed: list[AnyCell] = []
        self._stream: _Stream | None = None
        self._thread = ""
        self._keys: set[str] = set()
        """What was written of this thread."""

    def follow(self, thread_id: str) -> None:
        """A thread is open. What was written of it already, before its server was lost, is not written again."""
        if thread_id != self._thread:
            self._thread = thread_id
            self._keys.clear()

    def flush(self, width: int) -> None:
        """Write what has become final."""
        self._follow()
        rows: list[Text] = []
        left: list[AnyCell] = []
        for place, cell in enumerate(self._live):
            if self._stream is not None and self._stream.cell is cell:
                rows += self._stream.fresh_rows(width, self.theme)
                if not cell.done:
                    left += self._live[place:]
                    break
                self._stream = None
                self._wrote(cell)
            elif cell.done:
                rows += self._whole(cell, width, self._last)
                self._wrote(cell)
            elif isinstance(cell, AgentCell) and not left:
                self._stream = _Stream(cell)
                rows += [_blank(), *self._stream.fresh_rows(width, self.theme)]
                left += self._live[place:]
                break
            else:
                left.append(cell)
        self._live = left
        if rows:
            self._print(rows)

    def _wrote(self, cell: AnyCell) -> None:
        self._printed.append(cell)
        self._keys.add(cell.key)

    @property
    def _last(self) -> AnyCell | None:
        return self._printed[-1] if self._printed else None

    def _follow(self) -> None:
        """Take over what is new in the transcript, and forget what is gone from it."""
        cells = self._transcript.cells
        if self._generation != self._transcript.generation:
            self._generation = self._transcript.generation
            there = {id(cell): place for place, cell in enumerate(cells)}
            self._printed = [cell for cell in self._printed if id(cell) in there]
            if self._printed:  # what is gone was taken back, and what comes may be called like it
                self._keys = {cell.key for cell in self._printed}
            self._live = [cell for cell in self._live if id(cell) in there]
            if self._stream is not None and id(self._stream.cell) not in there:
                self._stream = None
            # what was put before the first one that we know is older than all that is shown
            self._next = max((there[id(cell)] + 1 for cell in (*self._printed[-1:], *self._live)), default=0)
        fresh = cells[self._next :]
        self._next = len(cells)
        self._printed += [cell for cell in fresh if cell.key in self._keys]
        fresh = [cell for cell in fresh if cell.key not in self._keys]
        over = len(fresh) - LONG
        if over > 0:
            self._print([_blank(), Text(f"  … {over} earlier items: ctrl+t shows them", self.theme["dim"])])
            for cell in fresh[:over]:
                self._wrote(cell)
            fresh = fresh[over:]
        self._live += fresh

    def _whole(self, cell: AnyCell, width: int, before: AnyCell | None) -> list[Text]:
        """An empty row and the cell; the next step of a search goes below the one before."""
        joined = before is not None and joins(before, cell)
        rows = self._cache.rows(cell, width, self.theme, joined=joined)
        return rows if joined or not rows else [_blank(), *rows]

    def live_rows(self, width: int, most: int, hidden: Collection[str] = ()) -> list[Text]:
        """What still changes, its last `most` rows; not the items `hidden`, which are shown elsewhere."""
        found: list[Text] = []
        for cell in reversed(self._live):
            room = most - len(found)
            if room <= 0:
                break
            if cell.key.rpartition("/")[2] in hidden:
                continue
            found[:0] = self._tail(cell, width, room)[-room:]
        return found

    def _tail(self, cell: AnyCell, width: int, room: int) -> list[Text]:
        if self._stream is not None and self._stream.cell is cell:
            return self._stream.moving_rows(width, self.theme)
        rows = render_tail(cell, width, self.theme, room)
        return [_blank(), *rows] if rows else []

    def last_rows(self, width: int, most: int) -> list[Text]:
        """The newest `most` rows of what was written, for another width: what a screen shows again after a resize."""
        found: list[Text] = []
        if self._stream is not None:
            found = [_blank(), *self._stream.again(width, self.theme)]
        for place in range(len(self._printed) - 1, -1, -1):
            if len(found) >= most:
                break
            before = self._printed[place - 1] if place else None
            found[:0] = self._whole(self._printed[place], width, before)
        return found[-most:] if most else []


class _Stream:
    """An answer of which the first rows are written already."""

    def __init__(self, cell: AgentCell) -> None:
        from ..render import stream_of  # late: with it comes all that reads Markdown

        self.cell = cell
        self._stream_of = stream_of
        self._width = 0
        self._written = 0

    def fresh_rows(self, width: int, theme: Theme) -> list[Text]:
        """Rows that have become final."""
        stream = self._stream_of(self.cell, width, theme)
        if self._width not in (0, width):  # what was written counts as the final rows of the new width
            self._written = stream.stable_rows
        self._width = width
        fresh = stream.rows(self._written)[: stream.stable_rows - self._written]
        self._written += len(fresh)
        return fresh

    def moving_rows(self, width: int, theme: Theme) -> list[Text]:
        """Rows that may still change."""
        return self._stream_of(self.cell, width, theme).rows(self._written)

    def again(self, width: int, theme: Theme) -> list[Text]:
        """What is written already, at this width."""
        stream = self._stream_of(self.cell, width, theme)
        self._width, self._written = width, stream.stable_rows
        return stream.rows()[: self._written]


def _blank() -> Text:
    return Text("")
