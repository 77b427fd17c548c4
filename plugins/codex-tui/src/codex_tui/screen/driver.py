"""textual's way to the terminal, ours: no threads for input, frames of the inline region, suspension, hang-ups.

Private API of textual 8.2 that is used here: `_xterm_parser.XTermParser` with `_timeout_time` (a lone escape waits for
more), `Driver._size`.
"""

from __future__ import annotations

import asyncio
import codecs
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from textual import constants, events
from textual._xterm_parser import BRACKETED_PASTE_END, BRACKETED_PASTE_START, XTermParser
from textual.driver import Driver
from textual.geometry import Size
from textual.message import Message

from .output import Output
from .restore import Terminal

if TYPE_CHECKING:
    from .terminal import TerminalApp

_READ_BYTES = 4096
"""Parsed at a time: a paste of megabytes does not hold up the loop."""
_LAST_WORDS_S = 1.0
_QUERY_SYNC = "\x1b[?2026$p"


class TerminalDriver(Driver):
    """Inline while the terminal shows its main screen, full-screen while it shows the alternate one."""

    def __init__(self, app: TerminalApp[Any], terminal: Terminal, *, mouse: bool) -> None:
        super().__init__(app, mouse=mouse)
        self.terminal = terminal
        self.output: Output | None = None
        self.is_paused = True
        self._terminal_app = app
        self._position: asyncio.Future[int] | None = None
        self._tick: asyncio.TimerHandle | None = None
        self._parser = XTermParser()
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._pasted: list[str] | None = None
        self._reading = False
        self._had_overlay = False

    @property
    def is_inline(self) -> bool:
        """Whether frames are those of the inline region."""
        return not self.terminal.is_on("alternate")

    @property
    def can_suspend(self) -> bool:
        """Ctrl+z, and `App.suspend()` for an editor."""
        return True

    @property
    def is_busy(self) -> bool:
        """A frame would have to wait: the last one is still on its way."""
        return self.is_paused or self.output is None or self.output.is_busy

    def write(self, data: str) -> None:
        """Write sequences that move no cursor (title, bell, clipboard, …), or a whole frame."""
        if self.output is not None and not self.is_paused:
            self.output.write(data)

    def start_application_mode(self) -> None:
        """Take the terminal, ask what it can do, begin to read."""
        self.is_paused = False
        self.terminal.before_release = self._stop_output
        if not self._terminal_app.full_screen:
            self.terminal.farewell = self._terminal_app.painter.erase
        self.terminal.take()
        self.output = Output(
            self.terminal.output_fd,
            on_idle=self._from_thread(self._terminal_app.output_idle),
            on_lost=self._from_thread(self._lost),
        )
        modes = ["paste", "focus", "keyboard"]
        if self._terminal_app.full_screen:
            modes = [
                "alternate",
                "no-wrap",
                "paste",
                "focus",
                "alternate-keyboard",
                *(["mouse"] if self._mouse else []),
            ]
        query = "" if os.environ.get("TERM_PROGRAM") == "Apple_Terminal" else _QUERY_SYNC
        self.write("".join(map(self.terminal.on, modes)) + query)
        self._read(True)
        if self.terminal.typed:
            self._loop.call_soon(self._take_bytes, self.terminal.typed)
            self.terminal.typed = b""
        columns, rows = self.terminal.size()
        self._size = (columns, rows)
        if self._terminal_app.painter.rows and self._terminal_app.painter.columns != columns:
            self._terminal_app.resized()  # since the first frame was drawn by hand
        self._terminal_app.post_message(events.Resize(Size(columns, rows), Size(columns, rows)))

    def disable_input(self) -> None:
        """Read no more."""
        self._read(False)

    def stop_application_mode(self) -> None:
        """Write what is left to be written and give the terminal back."""
        self.disable_input()
        if not self.is_paused and self.output is not None:
            self._terminal_app.write_rest()
            self.output.drain(_LAST_WORDS_S)
        self.is_paused = True
        self.terminal.release()

    def suspend_application_mode(self) -> None:
        """Give the terminal to somebody else for a while."""
        self._had_overlay = self.terminal.is_on("alternate")
        self.stop_application_mode()

    def resume_application_mode(self) -> None:
        """Take it again: whatever happened on it, the region is drawn where the cursor is now."""
        self._terminal_app.forget_screen()
        self.start_application_mode()
        if self._had_overlay:
            self._terminal_app.enter_alternate()

    def stop_process(self) -> None:
        """SIGTSTP: give the terminal back and stop. SIGCONT brings `continue_process`."""
        if self._auto_restart and not self.is_paused:
            self.suspend_application_mode()
        os.kill(os.getpid(), signal.SIGSTOP)

    def continue_process(self) -> None:
        """SIGCONT. In the background taking the terminal stops us again, until the shell gives it to us."""
        if not self._auto_restart or self.terminal.is_lost:
            return
        if self.is_paused:
            self.resume_application_mode()
            self.process_message(self.SignalResume())
        else:
            # Stopped by SIGSTOP, without notice: the shell has changed the modes since.
            self.terminal.set_raw()
            self.write(self.terminal.again())
            self._terminal_app.forget_screen()
        self._terminal_app.resized()

    async def cursor_row(self, timeout_s: float) -> int | None:
        """The row of the screen (from 0) in which the cursor is; None when the terminal does not say in time."""
        self._position = self._loop.create_future()
        self.write("\x1b[6n")
        try:
            return await asyncio.wait_for(self._position, timeout_s)
        except TimeoutError:
            return None
        finally:
            self._position = None

    def send_message(self, message: Message) -> None:
        """Everything happens on the loop here: no detour."""
        self._app.post_message(message)

    def _from_thread(self, act: Callable[[], None]) -> Callable[[], None]:
        def call() -> None:
            try:
                self._loop.call_soon_threadsafe(act)
            except RuntimeError:  # the loop has ended meanwhile
                return

        return call

    def _stop_output(self) -> None:
        self.is_paused = True
        if self.output is not None:
            self.output.stop()

    def _lost(self) -> None:
        self.terminal.is_lost = True
        self._read(False)
        self._terminal_app.hung_up()

    def _read(self, wanted: bool) -> None:
        if wanted and not self._reading:
            self._loop.add_reader(self.terminal.input_fd, self._readable)
        elif self._reading and not wanted:
            self._loop.remove_reader(self.terminal.input_fd)
        self._reading = wanted

    def _readable(self) -> None:
        try:
            data = os.read(self.terminal.input_fd, _READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._lost()
            return
        self._take_bytes(data)

    def _take_bytes(self, data: bytes) -> None:
        self._feed(self._decode(data))
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
        if self._parser._timeout_time is not None:
            self._tick = self._loop.call_later(constants.ESCAPE_DELAY + 0.001, self._escape_alone)

    def _escape_alone(self) -> None:
        self._tick = None
        for message in self._parser.tick():
            self._take(message)

    def _feed(self, text: str) -> None:
        """Text within a bracketed paste is taken as it is: the parser takes microseconds for each character of it."""
        while text:
            if self._pasted is None:
                before, mark, text = text.partition(BRACKETED_PASTE_START)
                for message in self._parser.feed(before) if before else ():
                    self._take(message)
                self._pasted = [] if mark else None
                continue
            self._pasted.append(text)
            # The end may have come in two pieces.
            tail = "".join(self._pasted[-2:])
            if BRACKETED_PASTE_END not in tail:
                return
            pasted, _, text = "".join(self._pasted).partition(BRACKETED_PASTE_END)
            self._pasted = None
            self.process_message(events.Paste(pasted.replace("\x00", "")))

    def _take(self, message: Message) -> None:
        if isinstance(message, events.CursorPosition):
            if self._position is not None and not self._position.done():
                self._position.set_result(message.y)
        else:
            self.process_message(message)
            if isinstance(message, events.Key):
                self._terminal_app.typed()
