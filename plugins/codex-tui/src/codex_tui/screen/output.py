"""Writes to the terminal from a thread, so that a slow terminal never holds up the event loop."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable


class Output:
    """One block after the other. Who writes frames asks `is_busy` first and waits for `on_idle`: so at most a frame and
    a few short control sequences lie here, however slow the terminal is.

    `on_idle` and `on_lost` (the terminal has gone) are called from the thread.
    """

    def __init__(self, fd: int, *, on_idle: Callable[[], None], on_lost: Callable[[], None]) -> None:
        self._fd = fd
        self._on_idle = on_idle
        self._on_lost = on_lost
        self._changed = threading.Condition()
        self._blocks: list[str] = []
        self._writing = False
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="codex-tui-output", daemon=True)
        self._thread.start()

    @property
    def is_busy(self) -> bool:
        """Something is not written yet."""
        return self._writing or bool(self._blocks)

    def write(self, data: str) -> None:
        """Write a block in its turn."""
        if data:
            with self._changed:
                if not self._stopped:
                    self._blocks.append(data)
                    self._changed.notify_all()

    def drain(self, timeout_s: float) -> bool:
        """Wait until all is written. False when that takes too long."""
        with self._changed:
            return self._changed.wait_for(lambda: self._stopped or not self.is_busy, timeout_s)

    def stop(self, timeout_s: float = 0.5) -> None:
        """Take no more; what is begun may end within the time, the rest is dropped."""
        with self._changed:
            self._stopped = True
            self._blocks.clear()
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            while self._write_next():
                pass
        except OSError:
            with self._changed:
                self._stopped = True
                self._writing = False
                self._blocks.clear()
                self._changed.notify_all()
            self._on_lost()

    def _write_next(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or bool(self._blocks))
            if self._stopped:
                return False
            data = "".join(self._blocks).encode("utf-8", "replace")
            self._blocks.clear()
            self._writing = True
        while data and not self._stopped:
            data = data[os.write(self._fd, data) :]
        with self._changed:
            self._writing = False
            idle = not self._blocks
            self._changed.notify_all()
        if idle and not self._stopped:
            self._on_idle()
        return True
