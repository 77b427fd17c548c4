"""A program in bubblewrap: how it is known to have started, how signals reach it, and when all of it has ended.

Bubblewrap outside is the parent of its init inside, which is the parent of the command. A signal that ends the
one outside ends everything at once, so signals are sent to the command's own group.
"""

from __future__ import annotations

import asyncio
import os
import re
import select
import signal
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import anyio

from codex_plugin_sdk import Process

from .bwrap_command import SetupFailed

GRACE_S = 0.5
"""How long a command may take to end by itself after SIGTERM."""
FORK_S = 0.5
"""How long after the release it may take until the command's process is there, on a machine that has much to do."""
NOT_EXECUTED = 127
"""The exit code of a command that bubblewrap could not execute, although it is there; shells have the same."""
_PID = re.compile(rb'"child-pid": (\d+)[,\s}]')
_COMMAND_PID_INSIDE = b"2"


class Start:
    """The conversation with bubblewrap about one start.

    Bubblewrap waits, with everything mounted, until it is released by a byte; that is sent only once it has told
    its init's number, which it does after it has bound its life to ours. Closing the byte's socket unread is a
    reset, read it is an end: so that a failure is told from success although bubblewrap says nothing of success.
    A second descriptor of our end, which it keeps, makes it wait rather than go on if we die before: its init binds
    its own life to that of bubblewrap outside only after the release, so that until then, and a moment longer,
    nobody but the guard of `spawn_process` ends it.
    """

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair()
        self._ours.setblocking(False)
        self.status, status_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.theirs = [status_end, theirs.detach(), os.dup(self._ours.fileno())]
        self.init = 0
        self.init_handle = -1
        self._released_at = 0.0
        self._talking = False
        self._given_up = False

    def arguments(self) -> list[str]:
        """What bubblewrap has to be told."""
        status, block, sync = map(str, self.theirs)
        return ["--json-status-fd", status, "--block-fd", block, "--sync-fd", sync]

    def close_theirs(self) -> None:
        """Bubblewrap has its own copies now, or has not been started."""
        while self.theirs:
            os.close(self.theirs.pop())

    def close(self) -> None:
        """Give up; at once, or as soon as nobody waits on the descriptors any more."""
        if self._talking:
            self._given_up = True
            return
        self.close_theirs()
        self._ours.close()
        for fd in (self.status, self.init_handle):
            if fd >= 0:
                os.close(fd)
        self.status = self.init_handle = -1

    async def finish(self) -> None:
        """Wait until the command may start. Raises `SetupFailed` when it will not."""
        self._talking = True
        try:
            await self._talk()
        finally:
            self._talking = False
            if self._given_up:
                self.close()

    async def _talk(self) -> None:
        said = b""
        while (match := _PID.search(said)) is None:
            await anyio.wait_readable(self.status)
            part = os.read(self.status, 4096)
            if not part:
                raise SetupFailed
            said += part
        self.init = int(match[1])
        with suppress(OSError):
            self.init_handle = os.pidfd_open(self.init)
        try:
            self._ours.send(b"x")
            await anyio.wait_readable(self._ours)
            if self._ours.recv(1):
                raise SetupFailed("it sent what nobody asked for")
        except (ConnectionResetError, BrokenPipeError) as error:
            raise SetupFailed from error
        self._ours.close()
        self._released_at = time.monotonic()

    def may_fork(self) -> bool:
        """Whether the command may be about to appear. For a signal right after the start."""
        if time.monotonic() > self._released_at + FORK_S:
            return False
        ended = select.poll()
        if self.init_handle >= 0:
            ended.register(self.init_handle, select.POLLIN)
        return not ended.poll(0)

    def executed(self) -> bool:
        """After the end: whether the command was executed at all. Bubblewrap tells its exit code only then."""
        said = b""
        with suppress(BlockingIOError):
            while part := os.read(self.status, 4096):
                said += part
        return b'"exit-code"' in said


class BwrapProcess:
    """Implements the `Process` contract. `at_end` is called once, when nothing runs any more in the namespace,
    and says what the model should know."""

    def __init__(self, start: Start, at_end: Callable[[], Sequence[str]]) -> None:
        self._start = start
        self._at_end = at_end
        self._inner: Process | None = None
        self._ended = anyio.Event()
        self._executed = True
        self._loop = asyncio.get_running_loop()
        self.notices: Sequence[str] = ()

    def __repr__(self) -> str:
        return f"<BwrapProcess {self._inner!r}>"

    def adopt(self, inner: Process) -> None:
        """The process that `spawn_process` made of bubblewrap."""
        self._inner = inner

    @property
    def _bwrap(self) -> Process:
        assert self._inner is not None
        return self._inner

    # -- the end ---------------------------------------------------------------------------------------

    def leader_ended(self) -> None:
        """Called on the event loop when bubblewrap outside has ended: its init dies of that."""
        self._executed = self._start.executed()
        handle = self._start.init_handle
        if handle < 0:
            self._finish()
            return
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        self._loop.add_reader(handle, self._init_ended)

    def _init_ended(self) -> None:
        # Init's end is told only after that of every other process of the namespace.
        self._loop.remove_reader(self._start.init_handle)
        self._finish()

    def _finish(self) -> None:
        self._start.close()
        self.notices = tuple(self._at_end())
        self._ended.set()

    # -- the contract ----------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """Process id of bubblewrap, for display."""
        return self._bwrap.pid

    @property
    def returncode(self) -> int | None:
        """Exit status once known; 128 + n after signal n."""
        code = self._bwrap.returncode
        return NOT_EXECUTED if code == 1 and not self._executed else code

    async def read(self, max_bytes: int = 65536) -> bytes:
        """The next output; empty at its end."""
        return await self._bwrap.read(max_bytes)

    async def write(self, data: bytes) -> None:
        """Feed stdin or the terminal."""
        await self._bwrap.write(data)

    async def close_stdin(self) -> None:
        """End of input."""
        await self._bwrap.close_stdin()

    def resize(self, rows: int, cols: int) -> None:
        """Change the terminal's size."""
        self._bwrap.resize(rows, cols)

    async def wait(self) -> int:
        """Exit status, once nothing runs any more and what appeared in protected places is taken away."""
        await self._bwrap.wait()
        await self._ended.wait()
        code = self.returncode
        assert code is not None
        return code

    def signal(self, signum: int) -> None:
        """Send a signal to the command's group, or to the command alone if it shares ours."""
        if self._bwrap.returncode is not None:
            return
        # Released is not yet forked: right after the start there may be a fraction of a millisecond to wait.
        while not (pid := self._command()) and self._start.may_fork():
            time.sleep(0.0002)
        if pid:
            with suppress(ProcessLookupError):
                group = os.getpgid(pid)
                if group in (os.getpgrp(), self._bwrap.pid):
                    os.kill(pid, signum)
                else:
                    os.killpg(group, signum)  # init may be in it: the kernel spares it all but SIGKILL

    def _command(self) -> int:
        """The command's process id outside: the second process of its namespace. 0 if it has ended."""
        init = self._start.init
        with suppress(OSError):
            with open(f"/proc/{init}/task/{init}/children", "rb") as file:
                children = file.read().split()
            for child in children:
                with open(f"/proc/{int(child)}/status", "rb") as file:
                    if re.search(rb"^NSpid:.*\t" + _COMMAND_PID_INSIDE + rb"$", file.read(), re.MULTILINE):
                        return int(child)
        return 0

    async def kill_tree(self) -> None:
        """End the command, gently first, then everything in its namespace; returns when gone."""
        with anyio.CancelScope(shield=True):
            if self._bwrap.returncode is None:
                self.signal(signal.SIGTERM)
                self.signal(signal.SIGCONT)
                with anyio.move_on_after(GRACE_S):
                    await self._ended.wait()
                if self._start.init_handle >= 0 and not self._ended.is_set():
                    with suppress(ProcessLookupError):
                        signal.pidfd_send_signal(self._start.init_handle, signal.SIGKILL)
                    with anyio.move_on_after(GRACE_S):  # for bubblewrap outside to pass its exit code on
                        await self._ended.wait()
            await self._bwrap.kill_tree()
            await self._ended.wait()
