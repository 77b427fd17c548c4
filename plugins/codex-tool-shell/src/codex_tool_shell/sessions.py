"""The sessions of a thread, shared by its two tools."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from weakref import WeakValueDictionary

import anyio

from codex_plugin_sdk import CommandExecutionItem, Process, SandboxPolicy, ToolContext, ToolFailed, ToolSetup

from .limits import Limits
from .output import SpillFile
from .session import Session

MAX_SESSIONS = 64

_of_threads: WeakValueDictionary[str, Sessions] = WeakValueDictionary()


def sessions_of(setup: ToolSetup) -> Sessions:
    """The sessions of a thread: made by whichever of the tools comes first, kept alive by both."""
    found = _of_threads.get(setup.thread_id)
    if found is None:
        found = _of_threads[setup.thread_id] = Sessions(setup)
    return found


class Sessions:
    """Commands that run, or whose end the model has not read; and processes that they left in the background."""

    def __init__(self, setup: ToolSetup) -> None:
        self.limits = Limits.read(setup.config)
        self._thread_id = setup.thread_id
        self._spill_dir = setup.spill_dir
        self._sessions: dict[int, Session] = {}
        self._reserved: set[int] = set()
        self._finished: list[Process] = []
        self._closed = False

    async def reserve(self) -> tuple[int, str]:
        """A number for a new session, and what to tell the model about it, if anything.

        At the limit, ends the oldest session that has exited, else the one not used for the longest time.
        Numbers are random, so that one from before a resume does not mean another session now. Raises
        `ToolFailed` when all sessions are in use.
        """
        ended: list[str] = []
        while len(self._sessions) + len(self._reserved) >= MAX_SESSIONS:
            ended.append(await self._end_oldest())
        if self._closed:
            raise ToolFailed("the thread is closing: no command can be started")
        number = _random_number()
        while number in self._sessions or number in self._reserved:
            number = _random_number()
        self._reserved.add(number)
        if not ended:
            return number, ""
        return number, f"no more than {MAX_SESSIONS} sessions are kept; ended to make room: {', '.join(ended)}"

    async def _end_oldest(self) -> str:
        idle = [session for session in self._sessions.values() if not session.calls]
        if not idle:
            raise ToolFailed(f"{MAX_SESSIONS} commands are running at once; wait for some of them to end")
        oldest = min(idle, key=lambda session: (not session.ended.is_set(), session.last_used_s))
        self.forget(oldest)
        await oldest.interrupt()
        problem = f", which failed: {oldest.failure}" if oldest.failure is not None else ""
        return f"{oldest.id} (`{oldest.display[:60]}`){problem}"

    def release(self, number: int) -> None:
        """The command of a reserved number did not start."""
        self._reserved.discard(number)

    def start(
        self,
        number: int,
        process: Process,
        item: CommandExecutionItem,
        ctx: ToolContext,
        *,
        tty: bool,
        confinement: SandboxPolicy | None = None,
    ) -> Session:
        """Follow a process that has just been started under a reserved number."""
        session = Session(
            number,
            process,
            item,
            ctx,
            tty=tty,
            keep_bytes=self.limits.output_bytes,
            open_spill=lambda: SpillFile(self._spill_dir),
            confinement=confinement,
        )
        self._reserved.discard(number)
        self._sessions[number] = session
        return session

    def get(self, number: int) -> Session:
        """A session by its number. Raises `ToolFailed` when there is none."""
        session = self._sessions.get(number)
        if session is None:
            raise ToolFailed(f"write_stdin failed: there is no session {number}: its end was reported, or it never was")
        return session

    def forget(self, session: Session) -> None:
        """The model has read the session's end."""
        if self._sessions.pop(session.id, None) is not None:
            self._finished.append(session.process)

    async def aclose(self) -> None:
        """End every session, and what finished commands left in the background. May be called again."""
        self._closed = True
        if _of_threads.get(self._thread_id) is self:
            del _of_threads[self._thread_id]
        closers = [session.discard for session in self._sessions.values()]
        closers += [process.kill_tree for process in self._finished]
        self._sessions, self._finished = {}, []
        await _all(closers)


def _random_number() -> int:
    return 1000 + int.from_bytes(os.urandom(4), "big") % 99_000


async def _all(closers: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Call all at once, which lets them share their look at the process list; one that fails does not keep
    the others."""
    failures: list[Exception] = []

    async def one(close: Callable[[], Awaitable[None]]) -> None:
        try:
            await close()
        except Exception as error:  # noqa: BLE001 - raised below, after the others
            failures.append(error)

    async with anyio.create_task_group() as tasks:
        for close in closers:
            tasks.start_soon(one, close)
    if failures:
        raise ExceptionGroup("ending commands failed", failures)
