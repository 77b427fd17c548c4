"""Drawing the application: not more often than a screen can show, and not at all while nothing happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from ..notify import TerminalTitle
from .rows import Rows
from .statusline import StatusLine
from .working import FRAME_S, queue_rows, working_rows

if TYPE_CHECKING:
    from textual.screen import Screen
    from textual.timer import Timer

    from .app import CodexApp

FRAMES_PER_S = 20
LEAST_LIVE_ROWS = 3


class Drawing:
    """Draws what is above and below the composer of an application, and the terminal's title. The clock runs only while
    time has to be seen passing."""

    def __init__(self, app: CodexApp) -> None:
        self._app = app
        section, environ = app.options.section, app.options.environ
        self._status_line = StatusLine(section.status_line, environ.get("HOME", ""))
        self._title = TerminalTitle(section.terminal_title, environ, app.write_title)
        self._timer: Timer | None = None
        self._clock: Timer | None = None

    def soon(self) -> None:
        """Something has changed."""
        if self._timer is None and self._app.is_running:
            self._timer = self._app.set_timer(1 / FRAMES_PER_S, self._due)

    def _due(self) -> None:
        self._timer = None
        self.now()

    def now(self) -> None:
        """Draw everything."""
        app = self._app
        width, height = app.size
        if not width or not app.screen_stack:  # a timer that comes while the application ends
            return
        base = app.screen_stack[0]
        if app.transcript_view is not None:
            app.transcript_view.changed()
        else:
            app.feed.flush(width)
        between = self._between(width)
        if app.transcript_view is None:
            self._draw_live(base, width, height - len(between))
        base.query_one("#between", Rows).show_rows(between)
        if (pager := getattr(app.screen, "pager", None)) is not None:  # of an overlay: the transcript goes on there
            pager.changed()
        self.status()
        self._title.update(app.session.status, animate=False)
        self._keep_time()

    def _draw_live(self, base: Screen[object], width: int, height: int) -> None:
        """What still changes, of which the end can be seen."""
        app = self._app
        taken = base.query_one("#bottom").outer_size.height + 1
        # what a question is about is shown with the question
        asked = {ask.item_id for ask in app.session.asks} if app.dialogs.open is not None else ()
        rows = app.feed.live_rows(width, max(LEAST_LIVE_ROWS, height - taken - 1), asked)
        base.query_one("#live", Rows).show_rows(rows)

    def _between(self, width: int) -> list[Text]:
        """What goes on, and what waits to be sent."""
        app = self._app
        session, keys = app.session, app.keymap.hint
        rows = [Text("")] if app.transcript_view is None else []
        rows += working_rows(
            session.status,
            app.colours,
            width,
            animate=app.options.section.animations,
            hint=f"{keys('global', 'interrupt')} to interrupt" if session.busy else "",
        )
        rows += queue_rows(
            session.queue, app.colours, width, hint=f"{keys('global', 'edit-queued')} edits the last one"
        )
        return rows

    def status(self) -> None:
        """Draw the last line."""
        app = self._app
        if not app.screen_stack:
            return
        composer = app.composer
        composer.busy = app.session.busy
        hint = app.hint
        if app.dialogs.held_back:
            hint = "a question waits until you stop typing"
        elif app.dialogs.too_new:
            hint = "a question"
        row = self._status_line.row(app.session.status, app.colours, app.size.width, mode=composer.mode, hint=hint)
        app.screen_stack[0].query_one("#status", Rows).show_rows([row])

    def _keep_time(self) -> None:
        """While something runs, time passes on the screen; while nothing does, nobody wakes up."""
        app = self._app
        wanted = app.session.busy or app.session.status.phase not in ("idle", "lost")
        if wanted and self._clock is None:
            every_s = FRAME_S if app.options.section.animations else 1.0
            self._clock = app.set_interval(every_s, self._tick)
        elif not wanted and self._clock is not None:
            self._clock.stop()
            self._clock = None

    def _tick(self) -> None:
        app = self._app
        if not app.screen_stack:
            return
        app.screen_stack[0].query_one("#between", Rows).show_rows(self._between(app.size.width))
        self.status()
        self._title.update(app.session.status, animate=app.options.section.animations)
