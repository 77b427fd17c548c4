"""The process namespace of one command, by its first process."""

from __future__ import annotations

import os
import re
import select
import signal
from contextlib import suppress

END_TIMEOUT_S = 5.0
"""How long the kernel may take to end what a namespace holds once its first process was killed."""
_CHILD = re.compile(rb'"child-pid"\s*:\s*(\d+)')


class Namespace:
    """Learns of the namespace's init from bubblewrap, which writes its number to a pipe when it is there.

    Init ends when bubblewrap does, and only after everything else in the namespace has ended.
    """

    def __init__(self) -> None:
        self._fd, self.told_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._init = 0

    @property
    def init(self) -> int:
        """Its process id as seen from here; 0 before it is there, or if it never was."""
        if not self._init and self._fd >= 0:
            with suppress(BlockingIOError):
                found = _CHILD.search(os.read(self._fd, 4096))
                self._init = int(found[1]) if found else 0
        return self._init

    def signal(self, signum: int) -> None:
        """Signal the group of the command, init's child. Init itself may be in that group: the kernel spares it
        everything but SIGKILL."""
        for pid in _children(self.init):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(os.getpgid(pid), signum)

    def kill(self) -> None:
        """End everything in it, at once."""
        if self.init:
            with suppress(ProcessLookupError):
                os.kill(self.init, signal.SIGKILL)

    def wait(self) -> None:
        """Return when nothing of it lives, for bubblewrap has ended. Blocks for as long as the kernel takes, a
        millisecond as a rule. Raises `TimeoutError`."""
        if not self.init:
            return
        try:
            handle = os.pidfd_open(self.init)
        except (ProcessLookupError, OSError):
            return
        try:
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            if not poll.poll(END_TIMEOUT_S * 1000):
                raise TimeoutError(f"processes of a confined command still live after {END_TIMEOUT_S:.0f} s")
        finally:
            os.close(handle)

    def close(self) -> None:
        """Let go of the pipe."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _children(pid: int) -> list[int]:
    if not pid:
        return []
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []
