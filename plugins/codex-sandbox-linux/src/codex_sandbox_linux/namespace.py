"""The process namespace of a command that somebody starts without an event loop."""

from __future__ import annotations

import os
import re
import select
from contextlib import suppress

END_TIMEOUT_S = 5.0
"""How long the kernel may take to end what a namespace holds once its first process was killed."""
_CHILD = re.compile(rb'"child-pid"\s*:\s*(\d+)')


class Namespace:
    """Learns of the namespace's init from bubblewrap, which writes its number to `told_fd` when it is there.

    Init ends when bubblewrap does, and only after everything else in the namespace has ended.
    """

    def __init__(self) -> None:
        self._fd, self.told_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def wait(self) -> None:
        """Return when nothing of it lives, for bubblewrap has ended. Blocks for as long as the kernel takes, a
        millisecond as a rule. Raises `TimeoutError`."""
        init = self._init()
        if not init:
            return
        try:
            handle = os.pidfd_open(init)
        except ProcessLookupError:
            return
        try:
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            if not poll.poll(END_TIMEOUT_S * 1000):
                raise TimeoutError(f"processes of a confined command still live after {END_TIMEOUT_S:.0f} s")
        finally:
            os.close(handle)

    def _init(self) -> int:
        """Its process id as seen from here; 0 if it never was."""
        with suppress(BlockingIOError):
            found = _CHILD.search(os.read(self._fd, 4096))
            return int(found[1]) if found else 0
        return 0

    def close(self) -> None:
        """Let go of the pipe."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
