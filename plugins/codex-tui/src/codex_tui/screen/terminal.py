"""The textual application below ours: an inline region with the terminal's own scrollback above it, or a full screen.

Private API of textual 8.2 that is used here, and nowhere else in `screen` but in driver.py: `App._display` (a frame is
handed over), `_build_driver`, `_filters`, `_batch_count`, `_running`, `_closed`, `_sync_available`, `_fatal_error`,
`_handle_exception`, `_exit_renderables`, `_refresh_truecolor_filter`, `_watch_app_focus`, `Screen._refresh_layout`
(lay out and draw now) and `_layout_required`, `_compositor.InlineUpdate/CompositorUpdate` (what a frame is).
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

import rich
from rich.console import RenderableType
from rich.segment import Segments
from rich.text import Text
from textual import messages
from textual._compositor import CompositorUpdate, InlineUpdate
from textual.app import App
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.filter import Monochrome, NoColor
from textual.geometry import Size
from textual.screen import Screen
from textual.strip import Strip
from textual.theme import Theme

from . import resizing
from .ansi import bare_row
from .capabilities import SMALLEST, Capabilities, capabilities
from .driver import TerminalDriver
from .painter import Painter, Row
from .region import RegionScreen
from .restore import Terminal
from .rows import strip_of

ResultT = TypeVar("ResultT")

_FRAME_S = 1 / 60
_ECHO_S = 0.003
"""From a key to its frame: by then its widget has dealt with it."""
_CHUNK_S = 0.005
"""Time spent on rows for the scrollback before the loop gets its turn again."""


class TerminalApp(App[ResultT]):
    """Base of the application. Run it with `codex_tui.screen.run.run_app`.

    Inline, its screen is as high as its content; overlays fill the terminal after `enter_alternate`.
    A widget that has the focus and a `cursor_screen_offset` (TextArea, Input) gets the hardware cursor, unless its
    `hide_hardware_cursor` is true.
    """

    INLINE_PADDING = 0
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+z", "suspend_process", show=False, priority=True)]
    DEFAULT_CSS = """
    TerminalApp Screen:inline { border: none; height: auto; min-height: 1; overflow: hidden hidden; }
    TerminalApp Screen:inline:ansi { border: none; }
    """

    def __init__(
        self,
        *,
        terminal: Terminal | None = None,
        full_screen: bool = False,
        ability: Capabilities | None = None,
        painter: Painter | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        # With NO_COLOR textual makes all colours shades of grey, black on black among them.
        self._filters = [NoColor() if isinstance(one, Monochrome) else one for one in self._filters]
        self.terminal = terminal or Terminal()
        self.full_screen = full_screen
        self.ability = ability or capabilities(os.environ, True)
        self.painter = painter or Painter()
        self.written: list[Text | Strip] = []
        """Without a terminal (tests): what `print_above` was given."""
        self.resizing = resizing.Resizing(self)
        self._sync_available = self.ability.synchronised
        self._pending_above: deque[Text | Strip] = deque()
        self._region_strips: list[Strip] = []
        self._frame_timer: asyncio.TimerHandle | None = None
        self._putting = False
        self._frame_due = False
        self._last_flush = 0.0
        self._leave_task: asyncio.Task[None] | None = None

    # What the application overrides.

    def transcript_tail(self, width: int, count: int) -> Sequence[Text | Strip]:
        """After a resize: the last rows (at most `count`) of what was printed above, for the new width. They are drawn
        where the old ones are visible. Nothing: these stay as the terminal has them."""
        return ()

    async def on_terminate(self, signum: int) -> None:
        """SIGTERM, SIGHUP, SIGINT from outside, or the terminal has hung up (SIGHUP). Has two seconds."""

    # What the application calls.

    def begin_with(self, theme: Theme) -> None:
        """The theme to start with. Chosen when the application runs, every style would be made a second time."""
        self.register_theme(theme)
        self.set_reactive(App.theme, theme.name)
        self.set_class(theme.dark, "-dark-mode", update=False)
        self.set_class(not theme.dark, "-light-mode", update=False)
        self.set_class(True, f"-theme-{theme.name}", update=False)
        self.stylesheet.set_variables(self.get_css_variables())
        self._refresh_truecolor_filter(self.ansi_theme)

    def print_above(self, rows: Sequence[Text | Strip]) -> None:
        """Write rows for good into the scrollback above the region, in one frame with what has changed in the region
        by then. Rows that are wider than the terminal are wrapped by it. In the alternate screen they wait.
        """
        if self._driver is not None and not isinstance(self._driver, TerminalDriver):
            self.written.extend(rows)
            return
        self._pending_above.extend(rows)
        self._frame_soon()

    def enter_alternate(self) -> None:
        """Fill the terminal, as for a pager; the main screen stays as it is below."""
        self._switch_screen(["alternate", "alternate-keyboard", "no-wrap"], on=True)

    def leave_alternate(self) -> None:
        """Back to the region, where it was."""
        if not self.full_screen:
            self._switch_screen(["no-wrap", "alternate-keyboard", "alternate"], on=False)

    def write_control(self, sequence: str) -> None:
        """Write a sequence of ours that moves no cursor: OSC 9, the bell, … At any time."""
        if isinstance(self._driver, TerminalDriver):
            self._driver.write(sequence)

    def write_title(self, sequence: str) -> None:
        """Write a sequence that sets the window's title: the one before is there again when the application ends."""
        self.write_control(self.terminal.on("title") + sequence)

    # What the driver and the signals call.

    def output_idle(self) -> None:
        """The terminal has taken all: what came meanwhile is drawn."""
        if self._frame_due or (self._pending_above and self._frame_timer is None):
            self._put_frame()

    def typed(self) -> None:
        """A key is on its way to its widget, or there: show the effect at once, not when textual's clock comes by."""
        self._frame_soon(_ECHO_S, gap_s=_ECHO_S)

    def forget_screen(self) -> None:
        """Something else has been on the screen: draw the region anew, where the cursor is."""
        self._region_strips = []
        self.painter.forget()

    def resized(self) -> None:
        """The terminal has another size, or may have."""
        self.resizing.begin()

    def hung_up(self) -> None:
        """The terminal has gone."""
        self.leave(signal.SIGHUP)

    def leave(self, signum: int) -> None:
        """End because of a signal: the hook first, then the exit code 128 + signal."""
        if self._leave_task is None:
            self._leave_task = asyncio.ensure_future(self._leave_by(signum))

    def write_rest(self) -> None:
        """Before the terminal is given back: everything that was to be above."""
        self.leave_alternate()
        driver = self._driver
        while self._pending_above and isinstance(driver, TerminalDriver) and driver.is_inline:
            driver.write(self.painter.frame(self.painter.rows, (0, 0), self._take_above()))

    def holds_frames(self) -> bool:
        """Whether a frame would be dropped now, not kept: the next one is a whole one. While rows for above wait, only
        the flush draws, so that what they replace in the region goes in the same frame."""
        driver = self._driver
        if not isinstance(driver, TerminalDriver):
            return False
        held = (
            driver.is_busy
            or self.resizing.is_frozen
            or (bool(self._pending_above) and driver.is_inline and not self._putting)
        )
        self._frame_due = self._frame_due or held
        return held

    def draw_now(self) -> None:
        """Lay out and draw everything, now."""
        self._frame_due = True
        self._put_frame()

    def is_small(self) -> bool:
        """There is no room for more than a notice."""
        return self.size.width < SMALLEST[0] or self.size.height < SMALLEST[1]

    def row(self, given: Text | Strip) -> Row:
        """A row as it is written: with the colours of this terminal, without blanks at its end."""
        strip = given if isinstance(given, Strip) else strip_of(given)
        for line_filter in self._filters:
            if line_filter.enabled:
                strip = strip.apply_filter(line_filter, self.background_colors[1])
        return bare_row(strip, self.console)

    # textual's own.

    def get_default_screen(self) -> Screen[Any]:
        """See textual."""
        return RegionScreen(id="_default")

    def action_suspend_process(self) -> None:
        """Ctrl+z: stop all of the job, as the terminal would do."""
        if isinstance(self._driver, TerminalDriver):
            self._suspend_signal()
            os.killpg(0, signal.SIGTSTP)

    def _watch_app_focus(self, focus: bool) -> None:
        """textual takes the focus from the composer when the window loses it; a terminal that does not tell when it is
        back would take no keys."""
        self.screen.update_node_styles()

    def _on_terminal_supports_synchronized_output(self, message: messages.TerminalSupportsSynchronizedOutput) -> None:
        self._sync_available = True

    def _fatal_error(self) -> None:
        """textual shows local variables, which may be secrets."""
        from rich.traceback import Traceback

        trace = Traceback(show_locals=False, width=None, suppress=[rich])
        self._exit_renderables.append(Segments(self.console.render(trace, self.console.options)))
        self._close_messages_no_wait()

    def _handle_exception(self, error: Exception) -> None:
        import logging

        logging.getLogger("codex_tui").error("the terminal UI has ended by an error", exc_info=error)
        try:
            raise error  # textual shows what is being handled, and this may have come out of a task
        except type(error):
            super()._handle_exception(error)

    def _build_driver(self, headless: bool, inline: bool, mouse: bool, size: tuple[int, int] | None) -> Driver:
        if headless:
            return super()._build_driver(headless, inline, mouse, size)
        driver = self._driver = TerminalDriver(self, self.terminal, mouse=mouse)
        return driver

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        driver = self._driver
        if not isinstance(driver, TerminalDriver):
            super()._display(screen, renderable)
            return
        try:
            if (
                renderable is None
                or self._batch_count
                or not self._running
                or self._closed
                or screen is not self.screen
            ):
                return
            if self.holds_frames():
                return
            self._frame_due = False
            if isinstance(renderable, InlineUpdate) and driver.is_inline:
                if not any(strip.cell_length for strip in renderable.strips):
                    self._frame_soon()  # a screen that textual has not laid out itself yet
                    return
                self._write_frame(driver, self._inline_frame(renderable.strips))
            elif isinstance(renderable, CompositorUpdate) and not driver.is_inline:
                frame = (
                    "\x1b[2J" + self._small_notice() if self.is_small() else renderable.render_segments(self.console)
                )
                x, y = self._cursor_place()
                self._write_frame(driver, f"{frame}\x1b[{y + 1};{x + 1}H")
        finally:
            self.post_display_hook()

    def _inline_frame(self, strips: Sequence[Strip]) -> str:
        painter = self.painter
        painter.columns = self.size.width
        if self.is_small():
            rows, above, self._region_strips = [Row(self._small_notice(), len(self._small_notice()))], [], []
        else:
            rows, above = self._region_rows(strips), self._take_above()
        plan = self.resizing.take_plan()
        if plan is None:
            return painter.frame(rows, self._cursor_place(), above)
        return plan.frame(self, rows, self._cursor_place(), above)

    def _region_rows(self, strips: Sequence[Strip]) -> list[Row]:
        """Most rows of a frame are those of the last one."""
        before = self._region_strips if len(self._region_strips) == len(self.painter.rows) else []
        rows = [
            self.painter.rows[index] if index < len(before) and before[index] == strip else self.row(strip)
            for index, strip in enumerate(strips)
        ]
        self._region_strips = list(strips)
        return rows

    def _take_above(self) -> list[Row]:
        rows: list[Row] = []
        until = time.monotonic() + _CHUNK_S
        while self._pending_above and (len(rows) % 8 or time.monotonic() < until):
            rows.append(self.row(self._pending_above.popleft()))
        return rows

    def _write_frame(self, driver: TerminalDriver, frame: str) -> None:
        frame += driver.terminal.off("hidden-cursor") if self._has_cursor() else driver.terminal.on("hidden-cursor")
        if frame:
            driver.write(f"\x1b[?2026h{frame}\x1b[?2026l" if self._sync_available else frame)

    @property
    def has_terminal_cursor(self) -> bool:
        """Whether the cursor that is seen is the terminal's own."""
        return isinstance(self._driver, TerminalDriver)

    def _has_cursor(self) -> bool:
        widget = self.focused
        return hasattr(widget, "cursor_screen_offset") and not getattr(widget, "hide_hardware_cursor", False)

    def _cursor_place(self) -> tuple[int, int]:
        widget: Any = self.focused
        if self.is_small() or not self._has_cursor():
            return 0, 0
        x, y = widget.cursor_screen_offset
        return max(0, min(x, self.size.width - 1)), max(0, min(y, self.size.height - 1))

    def _small_notice(self) -> str:
        notice = "terminal too small" if self.size.width > 18 else "too small"
        return notice[: max(1, self.size.width - 1)]

    def _frame_soon(self, least_s: float = 0.0, *, gap_s: float = _FRAME_S) -> None:
        """Draw after `least_s`, and `gap_s` after the last frame, unless that is going to happen earlier."""
        if not self._running:
            return
        now, timer = time.monotonic(), self._frame_timer
        at = max(now + least_s, self._last_flush + gap_s)
        if timer is not None:
            if timer.when() <= at:
                return
            timer.cancel()
        self._frame_timer = asyncio.get_running_loop().call_later(at - now, self._put_frame)

    def _put_frame(self) -> None:
        if self._frame_timer is not None:
            self._frame_timer.cancel()
            self._frame_timer = None
        driver = self._driver
        if not isinstance(driver, TerminalDriver) or not self._running or self._closed or not self._screen_stack:
            return
        if driver.is_busy or self.resizing.is_frozen:
            self._frame_due = True
            return
        if self._batch_count:
            self._frame_soon()
            return
        self._last_flush = time.monotonic()
        self._putting, missed = True, self._frame_due
        try:
            with self._context():
                self.screen._refresh_layout(Size(*self.size))
                self.screen._layout_required = False  # else textual's clock does it once more
                self.screen.check_idle()
                if missed and not driver.is_inline:
                    self.screen.refresh()
        except Exception as error:  # noqa: BLE001 - a timer of asyncio calls this, which would only log it
            self._handle_exception(error)
        finally:
            self._putting = False

    def _switch_screen(self, modes: Sequence[str], *, on: bool) -> None:
        driver = self._driver
        if not isinstance(driver, TerminalDriver) or driver.terminal.is_on("alternate") == on:
            return
        driver.write("".join(map(driver.terminal.on if on else driver.terminal.off, modes)))
        with self._context():
            self.refresh_css(animate=False)
        if not on and self.resizing.was_resized_in_alternate:
            self.resizing.begin()
        self._frame_due = True
        self._frame_soon()

    async def _leave_by(self, signum: int) -> None:
        try:
            async with asyncio.timeout(2):
                await self.on_terminate(signum)
        except TimeoutError:
            self.log.warning("on_terminate took more than two seconds")
        finally:
            self.exit(return_code=128 + signum)
