"""Runs the application so that every way out of it gives the terminal back."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from .driver import TerminalDriver
from .terminal import TerminalApp

_STUCK_S = 5.0
"""After a signal to end: two seconds for the hook, the rest for the application. Then it ends without."""
_ENDS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def run_app(app: TerminalApp[Any], *, stuck_s: float = _STUCK_S) -> int:
    """Run until it ends; the exit code. The terminal is given back whatever happens; an error is shown after that.
    `stuck_s`: after a signal to end, how long until the process ends without the loop's help."""
    try:
        with _guard(app, stuck_s), _signals(app):
            asyncio.run(app.run_async(mouse=app.full_screen))
    finally:
        app.terminal.release()
    return app.return_code or 0


@contextmanager
def _signals(app: TerminalApp[Any]) -> Iterator[None]:
    """Handlers of the process, for the time of the application. They only tell the loop."""
    received: set[int] = set()

    def tell(act: Callable[..., Any], *args: Any) -> bool:
        loop = app._loop
        if loop is None or loop.is_closed():
            return False
        loop.call_soon_threadsafe(act, *args)
        return True

    def end(signum: int, frame: FrameType | None) -> None:
        # Asked twice, what goes on after the application is given up; and before the loop runs nothing is to be ended.
        if (signum in received and not app.terminal.is_taken) or not tell(app.leave, signum):
            raise SystemExit(128 + signum)
        received.add(signum)

    def resized(signum: int, frame: FrameType | None) -> None:
        tell(app.resized)

    def stop(signum: int, frame: FrameType | None) -> None:
        tell(_driver(app, "stop_process"))

    def go_on(signum: int, frame: FrameType | None) -> None:
        tell(_driver(app, "continue_process"))

    handlers: dict[signal.Signals, Callable[[int, FrameType | None], None]] = dict.fromkeys(_ENDS, end)
    handlers |= {signal.SIGWINCH: resized, signal.SIGTSTP: stop, signal.SIGCONT: go_on}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _driver(app: TerminalApp[Any], name: str) -> Callable[..., Any]:
    driver = app._driver
    return getattr(driver, name) if isinstance(driver, TerminalDriver) else int


@contextmanager
def _guard(app: TerminalApp[Any], stuck_s: float) -> Iterator[None]:
    """A thread that hears of signals even when the main one sits in a call that does not return: no Python handler
    runs then."""
    ear, mouth = os.pipe()
    os.set_blocking(mouth, False)
    before = signal.set_wakeup_fd(mouth, warn_on_full_buffer=False)
    thread = threading.Thread(target=_listen, args=(app, stuck_s, ear), name="codex-tui-signals", daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.write(mouth, b"\0")
        thread.join()
        os.close(ear)
        os.close(mouth)


def _listen(app: TerminalApp[Any], stuck_s: float, ear: int) -> None:
    signum, until = 0, 0.0
    while True:
        wait = max(0.0, until - time.monotonic()) if signum else None
        if not select.select([ear], [], [], wait)[0]:
            _give_up(app, signum)
            signum = 0
            continue
        for number in os.read(ear, 64):
            if number == 0:
                return
            if number in _ENDS and not signum:
                signum, until = number, time.monotonic() + stuck_s


def _give_up(app: TerminalApp[Any], signum: int) -> None:
    """The loop does not answer: the terminal is given back from here. When it is given back already, what goes on is no
    longer in the user's way and may take its time."""
    if app.terminal.is_taken:
        app.terminal.release()
        os._exit(128 + signum)
