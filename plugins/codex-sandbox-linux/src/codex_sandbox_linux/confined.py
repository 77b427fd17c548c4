"""A command inside bubblewrap, as a process like any other."""

from __future__ import annotations

import signal
from collections.abc import Sequence

import anyio

from codex_plugin_sdk import Process

from .namespace import Namespace

GRACE_S = 0.5
"""How long a command may take to end by itself after SIGTERM."""


class ConfinedProcess:
    """Implements the `Process` contract over bubblewrap's own process.

    The command lives in a process namespace and a session of its own. Signals go to its processes and not to
    bubblewrap, whose end would end the command at once.
    """

    def __init__(self, outer: Process, namespace: Namespace, notices: Sequence[str]) -> None:
        self._outer = outer
        self._namespace = namespace
        self.notices = notices
        """What was found and put right after the command, for the user and the model; filled when it ends."""

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
        if self._outer.returncode is None:
            self._namespace.signal(signum)

    async def kill_tree(self) -> None:
        """End everything in the command's namespace; returns when gone."""
        with anyio.CancelScope(shield=True):
            if self._outer.returncode is None and self._namespace.init:
                self._namespace.signal(signal.SIGTERM)
                with anyio.move_on_after(GRACE_S):
                    await self._outer.wait()
                if self._outer.returncode is None:
                    self._namespace.kill()
                    with anyio.move_on_after(GRACE_S):
                        await self._outer.wait()
            await self._outer.kill_tree()
