"""After the terminal's size has changed: wait for the end of it, find the region again, draw it and the rows above."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual import events
from textual.geometry import Size

from .driver import TerminalDriver
from .painter import Row

if TYPE_CHECKING:
    from .terminal import TerminalApp

_SETTLED_S = 0.05
_ANSWER_S = 0.25
"""How long the terminal may take to say where its cursor is."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Where the next frame begins. `region`: the row of the screen in which the region stands; None: unknown, there is
    only the cursor to go by. `ours`: the first row we wrote; None: that has left the screen."""

    region: int | None
    ours: int | None

    def frame(self, app: TerminalApp[Any], rows: Sequence[Row], cursor: tuple[int, int], above: Sequence[Row]) -> str:
        """The region, and above it the tail of the transcript at the new width."""
        painter = app.painter
        if self.region is None:
            return painter.erase() + painter.frame(rows, cursor, above)
        room = app.size.height - len(rows)
        tail: list[Row] = []
        if room > 0 and self.ours != self.region and not app.is_small():
            tail = [app.row(given) for given in app.transcript_tail(app.size.width, room)][-room:]
        if not tail:
            return painter.redraw(self.region, rows, cursor, above)
        return painter.anew(self.ours or 0, rows, cursor, [*tail, *above], whole=self.ours is None)


class Resizing:
    """From the first SIGWINCH until the frame of the new size nothing is drawn: no one knows where the region is."""

    def __init__(self, app: TerminalApp[Any]) -> None:
        self._app = app
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._plan: Plan | None = None
        self.is_frozen = False
        self.was_resized_in_alternate = False

    def begin(self) -> None:
        """The size has changed, perhaps not for the last time."""
        self.is_frozen = True
        self._plan = None
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
        self._timer = asyncio.get_running_loop().call_later(_SETTLED_S, self._settled)

    def take_plan(self) -> Plan | None:
        """For the first frame after the resize."""
        plan, self._plan = self._plan, None
        return plan

    def _settled(self) -> None:
        self._timer = None
        self._task = asyncio.ensure_future(self._redraw())

    async def _redraw(self) -> None:
        app, driver = self._app, self._app._driver
        if not isinstance(driver, TerminalDriver) or driver.is_paused:
            self.is_frozen = False
            return
        size = Size(*app.terminal.size())
        if driver.is_inline:
            self.was_resized_in_alternate = False
            row = await driver.cursor_row(_ANSWER_S)
            self._plan = Plan(region=None, ours=None)
            if row is not None:
                region, ours = app.painter.tops(row, size.width, reflows=app.ability.reflows)
                self._plan = Plan(region=region, ours=ours)
        else:
            self.was_resized_in_alternate = True
        driver._size = (size.width, size.height)
        self.is_frozen = False
        app.post_message(events.Resize(size, size))
        app.call_later(app.draw_now)
