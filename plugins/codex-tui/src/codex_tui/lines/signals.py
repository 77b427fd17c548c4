"""Signals of the process, told to the event loop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def handled(*, interrupt: Callable[[], None], end: Callable[[int], None], go_on: Callable[[], None]) -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP, SIGCONT meanwhile. ctrl+z is left to the system: there is nothing to put in order."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, interrupt)
    loop.add_signal_handler(signal.SIGCONT, go_on)
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, end, number)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGCONT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)
