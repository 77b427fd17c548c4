"""The end of a recorded session, as rows: what the resume picker shows beside the list. No textual in it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from .link import Link

if TYPE_CHECKING:
    from rich.text import Text

    from .render import Theme
    from .session.cells import AnyCell

TURNS = 3
KEPT = 48


class Previews:
    """Reads and renders previews; the last ones are kept. Cells are known by a key of the caller's, which is another
    one when the session has gone on."""

    def __init__(self, link: Link, theme: Theme) -> None:
        self._link, self._theme = link, theme
        self._cells: OrderedDict[Hashable, Sequence[AnyCell]] = OrderedDict()
        self._made: tuple[Hashable, list[Text]] | None = None

    def known(self, key: Hashable) -> bool:
        """Whether `rows` has something for this key."""
        return key in self._cells

    async def load(self, thread_id: str, key: Hashable) -> None:
        """Read the last turns: what the user said and what came of it. May be cancelled. Raises `ProtocolError`,
        `LinkLost`."""
        from .session.load import load_turns
        from .session.transcript import Transcript

        wanted = {"threadId": thread_id, "limit": TURNS, "itemsView": "summary"}
        page = await self._link.request("thread/turns/list", wanted)
        transcript = Transcript()
        load_turns(transcript, list(reversed(page["data"])))
        self._cells[key] = tuple(transcript)
        if len(self._cells) > KEPT:
            self._cells.popitem(last=False)

    def rows(self, key: Hashable, width: int, height: int) -> list[Text]:
        """The last `height` rows; none if nothing is known yet."""
        wanted = (key, width, height)
        if self._made is None or self._made[0] != wanted:
            cells = self._cells.get(key)
            if cells is None:
                return []
            self._made = (wanted, self._render(cells, width, height))
        return self._made[1]

    def _render(self, cells: Sequence[AnyCell], width: int, height: int) -> list[Text]:
        from rich.text import Text

        from .render import render_cell

        found: list[Text] = []
        for cell in reversed(cells):
            if len(found) >= height:
                break
            rows = render_cell(cell, width, self._theme)
            found[:0] = [*rows, Text()] if rows and found else rows
        return found[-height:]
