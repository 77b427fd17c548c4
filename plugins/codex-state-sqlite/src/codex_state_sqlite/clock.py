"""What time it is, for processes that must agree on it."""

from __future__ import annotations

import os
import time


class Clock:
    """The time of day, which may be put back, and a clock that never is, but is this machine's alone and begins anew
    when it starts: `name` says whose."""

    def __init__(self) -> None:
        self.name = _boot()

    def now_ms(self) -> int:
        """Unix milliseconds."""
        return time.time_ns() // 1_000_000

    def mono_ms(self) -> int:
        """Milliseconds on the machine's own clock, which all its processes share."""
        return time.monotonic_ns() // 1_000_000


def _boot() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except (OSError, UnicodeDecodeError):
        import socket

        # A later start of the machine is told by its clock, which is behind then.
        return f"{socket.gethostname()}-{os.name}"
