"""The transcript as blocks, and what shows it in full-screen mode."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from rich.text import Text
from textual import events
from textual.message import Message

from ..keymap import keymap_of
from ..session.cells import AnyCell
from ..session.transcript import Transcript
from .blocks_view import WHEEL_ROWS, BlocksView
from .drawn import between

RenderCell = Callable[..., Sequence[Text]]
"""`render.render_cell`."""
Joins = Callable[[AnyCell | None, AnyCell], bool]
"""`render.joins`: whether a cell goes on with the one before it, without a row between."""
_GAP = Text("")


class TranscriptSource:
    """Blocks of the cells of a transcript, an empty row behind each that the next one does not join. `theme` may be set
    anew."""

    def __init__(
        self, transcript: Transcript, render_cell: RenderCell, theme: Any, *, joins: Joins | None = None
    ) -> None:
        self.transcript = transcript
        self.theme = theme
        self._render, self._joins = render_cell, joins
        self._unfolded: set[str] = set()

    @property
    def generation(self) -> int:
        """See `Blocks`."""
        return self.transcript.generation

    def __len__(self) -> int:
        return len(self.transcript.cells)

    def key(self, index: int) -> Hashable:
        """See `Blocks`."""
        return self.transcript.cells[index].key

    def stamp(self, index: int) -> Hashable:
        """What still changes tells how long it has been at it: it is made anew each second at least."""
        cell = self.transcript.cells[index]
        now = -1 if cell.done else int(time.monotonic())
        joined = (self._joined(index), self._joined(index + 1))
        return (id(cell), cell.version, now, cell.key in self._unfolded, id(self.theme), *joined)

    def rows(self, index: int, width: int) -> Sequence[Text]:
        """See `Blocks`."""
        cell = self.transcript.cells[index]
        more = {"joined": True} if self._joined(index) else {}
        rows = self._render(cell, width, self.theme, unfolded=cell.key in self._unfolded, **more)
        return (*rows, _GAP) if rows and not self._joined(index + 1) else rows

    def _joined(self, index: int) -> bool:
        cells = self.transcript.cells
        return self._joins is not None and 0 < index < len(cells) and self._joins(cells[index - 1], cells[index])

    def cell(self, index: int) -> AnyCell:
        """The cell of a block."""
        return self.transcript.cells[index]

    def toggle(self, index: int) -> None:
        """Unfold a cell, or fold it."""
        self._unfolded ^= {self.transcript.cells[index].key}


class TranscriptView(BlocksView):
    """Follows the end until the user scrolls up. The application calls `changed` when the transcript has changed, and
    `act` with global scroll actions; the wheel and clicks come here by themselves. With the focus, up and down point
    at cells, enter unfolds, and escape posts `TranscriptView.Left`."""

    class Left(Message):
        """The user wants to write again."""

    def __init__(self, source: TranscriptSource, *, wheel_rows: int = WHEEL_ROWS) -> None:
        super().__init__(source, follow=True, wheel_rows=wheel_rows)
        self._source = source
        self._seen = self._newest()

    @property
    def source(self) -> TranscriptSource:
        """What is shown."""
        return self._source

    def _newest(self) -> tuple[int, int]:
        count = len(self._source)
        return (count, self._source.cell(count - 1).version if count else 0)

    @property
    def new_below(self) -> bool:
        """Whether something has come that was not seen yet."""
        return not self.viewport.follow and self._newest() != self._seen

    def toggle(self, block: int) -> bool:
        """See `BlocksView`."""
        self._source.toggle(block)
        return True

    def bar(self, width: int) -> Text | None:
        """One row as long as the end is not followed: how far it is, and whether there is news."""
        if self.viewport.follow:
            self._seen = self._newest()
            return None
        hint = keymap_of(self).hint("global", "scroll-bottom")
        news = Text(
            "↓ new below" if self.new_below else "↓ more below", self.ink("pointed" if self.new_below else "bar")
        )
        place = Text(f"{int(100 * self.viewport.fraction)} %  {hint}", self.ink("bar"))
        return between(news, place, width)

    def on_click(self, event: events.Click) -> None:
        """On the row below, a click goes to the end. (Any other one comes to the base class as well.)"""
        offset = event.get_content_offset(self)
        if offset is not None and not self.viewport.follow and offset.y == self.content_size.height - 1:
            self.act("end")
            event.prevent_default()

    def on_key(self, event: events.Key) -> None:
        """Keys while it has the focus."""
        action = keymap_of(self).action("pager", event.key)
        if action in ("up", "down"):
            self.point(1 if action == "down" else -1)
        elif event.key == "enter":
            self._toggle(self.pointed)
        elif action == "close":
            self.post_message(self.Left())
        elif action is None or not self.act(action):
            return
        event.stop()
        event.prevent_default()
