"""A command inside bubblewrap, as a process like any other."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress

import anyio
import orjson

from codex_plugin_sdk import Process

GRACE_S = 0.5
"""How long a command may take to end by itself after SIGTERM."""


class ConfinedProcess:
    """Implements the `Process` contract over bubblewrap's own process.

    The command lives in a process namespace of its own and in a session of its own. Signals go to its processes
    and not to bubblewrap, whose end would end the command at once; when bubblewrap's init ends, everything does.
    """

    def __init__(self, outer: Process, status_fd: int, notices: Callable[[], list[str]]) -> None:
        self._outer = outer
        self._status_fd = status_fd
        self._init = 0
        self._notices = notices

    def __repr__(self) -> str:
        return f"<ConfinedProcess in {self._outer!r}>"

    @property
    def pid(self) -> int:
        """Process id of bubblewrap, for display."""
        return self._outer.pid

    @property
    def returncode(self) -> int | None:
        """Exit status once known; 128 + n after signal n."""
        return self._outer.returncode

    @property
    def notices(self) -> list[str]:
        """What was put right after the command, for the user and the model."""
        return self._notices()

    async def read(self, max_bytes: int = 65536) -> bytes:
        """The next output; empty at its end."""
        return await self._outer.read(max_bytes)

    async def write(self, data: bytes) -> None:
        """Feed stdin."""
        await self._outer.write(data)

    async def close_stdin(self) -> None:
        """End of input."""
        await self._outer.close_stdin()

    def resize(self, rows: int, cols: int) -> None:
        """Change the terminal's size."""
        self._outer.resize(rows, cols)

    async def wait(self) -> int:
        """Exit status of the command."""
        return await self._outer.wait()

    def signal(self, signum: int) -> None:
        """Send a signal to the command's process group."""
        if self._outer.returncode is not None:
            return
        _signal_command(self._find_init(), signum)

    async def kill_tree(self) -> None:
        """End everything in the command's namespace; returns when gone."""
        with anyio.CancelScope(shield=True):
            init = self._find_init()
            if self._outer.returncode is None and init:
                _signal_command(init, signal.SIGTERM)
                with anyio.move_on_after(GRACE_S):
                    await self._outer.wait()
                with suppress(ProcessLookupError):
                    if _parent(init) == self._outer.pid or self._outer.returncode is None:
                        os.kill(init, signal.SIGKILL)
            await self._outer.kill_tree()
            self.release()

    def release(self) -> None:
        """Let go of the status pipe."""
        if self._status_fd >= 0:
            os.close(self._status_fd)
            self._status_fd = -1

    def _find_init(self) -> int:
        """The namespace's first process, as bubblewrap tells it; 0 before it is there or after the end."""
        if not self._init and self._status_fd >= 0:
            with suppress(BlockingIOError, ValueError, KeyError):
                line = os.read(self._status_fd, 4096).partition(b"\n")[0]
                self._init = int(orjson.loads(line)["child-pid"])
        return self._init


def _signal_command(init: int, signum: int) -> None:
    """Signal the group of the command that runs under the namespace's init. Init itself may be in that group:
    the kernel spares it everything but SIGKILL."""
    for pid in _children(init):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(os.getpgid(pid), signum)


def _children(pid: int) -> list[int]:
    if not pid:
        return []
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def _parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0
