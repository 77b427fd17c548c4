"""Sessions: the threads that are open in this server, whoever asks for them."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from codex_plugin_sdk import (
    ApprovalRequested,
    CodexError,
    ElicitationRequested,
    EndOfThread,
    Engine,
    Event,
    Interrupt,
    Op,
    OpenedThread,
    QuestionsAsked,
    TextInput,
    Thread,
    ThreadOptions,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
    UserError,
    UserTurn,
)

from .definitions import Reply, Start
from .events import EventWords
from .questions import Asked, refused

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from codex_plugin_sdk import Invocation

ORIGINATOR = "codex_mcp_server"
SOURCE = "mcp"
CLIENT = "the client"
MAX_IDLE = 32
"""So many threads stay open between calls; the one that was used longest ago is closed, and can be resumed."""
STOPPING_S = 10.0
ENDS = (TurnCompleted, TurnFailed, TurnInterrupted)
ASKS = (ApprovalRequested, QuestionsAsked, ElicitationRequested)
NOBODY = "the client that could be asked has gone"


class Session:
    """One open thread. `turn` is the turn under way; whoever follows it reads its events, one reader at a time."""

    def __init__(self, opened: OpenedThread) -> None:
        self._opened = opened
        self.id = str(opened.state.recorder.thread_id)
        self.words = EventWords()
        self.turn: UserTurn | None = None
        self.thread: Thread | None = None
        self.closed = anyio.Event()
        self._ready = anyio.Event()
        self._stop = anyio.Event()
        self._idle = anyio.Event()
        self.followed = False
        self.open: dict[str, Asked] = {}
        """What the turn under way asks, by approval id."""
        self.token: str | None = None
        """By this a client comes back with answers."""

    async def run(self) -> None:
        """Open it, keep it until `stop`, close it. One that breaks does not hurt the others."""
        try:
            async with self._opened.running() as self.thread:
                self._ready.set()
                await self._stop.wait()
        except Exception as error:  # noqa: BLE001 - whatever it is, other sessions go on
            sys.stderr.write(f"thread {self.id} broke: {type(error).__name__}: {error}\n")
        finally:
            self._ready.set()
            self.closed.set()

    def stop(self) -> None:
        """End it: what runs is interrupted."""
        self._stop.set()

    async def begin(self, prompt: str) -> None:
        """Start a turn. Raises `UserError` while another one runs."""
        if self.turn is not None and not self.followed and self.token is None:
            with anyio.move_on_after(STOPPING_S):  # it has been told to stop
                await self.idle()
        if self.turn is not None:
            raise UserError(f"a turn of thread {self.id} is still running; wait for its result, or cancel its request")
        self.turn = UserTurn(input=(TextInput(text=prompt),))
        self._idle = anyio.Event()
        await self.submit(self.turn)

    async def idle(self) -> None:
        """Wait until no turn is under way."""
        while self.turn is not None and not self.closed.is_set():
            await self._idle.wait()

    async def submit(self, op: Op) -> None:
        """Hand in an op. Raises `UserError` when the thread has ended."""
        await self._ready.wait()
        if self.thread is None or self.closed.is_set():
            raise UserError(f"thread {self.id} has ended; call codex-reply again to resume it from its record")
        await self.thread.submit(op)

    async def next_event(self) -> Event:
        """The next event. Raises `UserError` when there will be none, because the thread broke."""
        await self._ready.wait()
        try:
            if self.thread is None:
                raise EndOfThread
            event = await self.thread.next_event()
        except EndOfThread:
            self.end_turn()
            raise UserError(f"thread {self.id} ended unexpectedly; codex-reply resumes it from its record") from None
        if isinstance(event.msg, ASKS):
            self.open[event.msg.approval_id] = event.msg
        return event

    def ends_turn(self, event: Event) -> bool:
        """Whether this is the end of the turn under way."""
        return self.turn is not None and event.turn_id == self.turn.turn_id and isinstance(event.msg, ENDS)

    def end_turn(self) -> None:
        """The turn is over."""
        self.turn = self.token = None
        self.open.clear()
        self._idle.set()


class Sessions:
    """All sessions of this process. `finish` says that turns whose client has gone are carried to their end."""

    def __init__(self, invocation: Invocation, *, finish: bool = False, answer_timeout_s: float = 1800.0) -> None:
        self._invocation = invocation
        self._answer_timeout_s = answer_timeout_s
        self._tasks: TaskGroup | None = None
        self._sessions: dict[str, Session] = {}
        self._waiting: dict[str, tuple[Session, anyio.CancelScope]] = {}
        self._opening = anyio.Lock()
        self.finish = finish

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sessions may be opened within; at its end, turns are ended as `finish` has it (interrupted, if cancelled) and
        all threads are closed."""
        async with anyio.create_task_group() as self._tasks:
            try:
                yield
                if self.finish:
                    for session in [each for each in self._sessions.values() if each.token is None]:
                        await session.idle()
            finally:
                with anyio.CancelScope(shield=True):
                    for session in list(self._sessions.values()):
                        session.stop()
                    for session in list(self._sessions.values()):
                        await session.closed.wait()
                self._tasks.cancel_scope.cancel()

    # -- opening ---------------------------------------------------------------------------------

    async def start(self, call: Start, *, can_ask: bool) -> Session:
        """A new session. Raises `CodexError`."""
        cwd = _folder(call.cwd)
        engine = self._engine(cwd, call)
        return await self._open(engine, self._options(cwd, can_ask=can_ask))

    async def resume(self, call: Reply, *, can_ask: bool) -> Session:
        """An open session, or a recorded one that is opened again. Raises `CodexError`."""
        async with self._opening:  # two that ask for one thread get the same
            session = self._sessions.get(call.thread_id)
            if session is None or session.closed.is_set():
                return await self._reopen(call, can_ask=can_ask)
            self._sessions[call.thread_id] = self._sessions.pop(call.thread_id)  # the newest is the last
            return session

    async def _reopen(self, call: Reply, *, can_ask: bool) -> Session:
        start = Start(prompt=call.prompt)
        store = self._engine(_folder(None), start).rollout_store()
        summary = await anyio.to_thread.run_sync(store.find, call.thread_id)
        if summary is None or summary.thread_id != call.thread_id:
            raise UserError(f"Session not found for thread_id: {call.thread_id}")
        cwd = _folder(summary.cwd, or_ours=True)
        options = self._options(cwd, can_ask=can_ask).replace(resume=summary.thread_id)
        return await self._open(self._engine(cwd, start), options)

    def _engine(self, cwd: str, call: Start) -> Engine:
        config = self._invocation.load_config(cwd=cwd, profile=call.profile)
        for key, found in call.settings:
            config.merge_key(key, found, CLIENT)
        return Engine(config=config, plugins=self._invocation.plugins, environ=self._invocation.environ)

    def _options(self, cwd: str, *, can_ask: bool) -> ThreadOptions:
        return ThreadOptions(cwd=cwd, source=SOURCE, originator=ORIGINATOR, want_deltas=True, answers_questions=can_ask)

    async def _open(self, engine: Engine, options: ThreadOptions) -> Session:
        assert self._tasks is not None
        opened = await anyio.to_thread.run_sync(engine.prepare, options)  # a long record takes a while to read
        session = Session(opened)
        self._make_room()
        self._sessions[session.id] = session
        self._tasks.start_soon(self._run, session)
        return session

    async def _run(self, session: Session) -> None:
        try:
            await session.run()
        finally:
            if self._sessions.get(session.id) is session:
                del self._sessions[session.id]

    def _make_room(self) -> None:
        idle = [session for session in self._sessions.values() if session.turn is None and not session.followed]
        for session in idle[: max(0, len(idle) - MAX_IDLE + 1)]:
            session.stop()

    # -- turns without a client ------------------------------------------------------------------

    def abandon(self, session: Session, *, interrupt: bool) -> None:
        """Nobody follows the turn any more: stop it, or let it go on to its end."""
        assert self._tasks is not None
        self._tasks.start_soon(self._drain, session, interrupt)

    def when_idle(self, session: Session, do: Callable[[], object]) -> None:
        """Do something when the turn is over."""
        assert self._tasks is not None

        async def wait() -> None:
            await session.idle()
            do()

        self._tasks.start_soon(wait)

    async def interrupt(self, session: Session) -> None:
        """Stop a turn that goes on without a client."""
        try:
            await session.submit(Interrupt())
        except CodexError:
            return  # it has ended

    async def _drain(self, session: Session, interrupt: bool) -> None:
        try:
            if interrupt:
                await session.submit(Interrupt())
            for asked in list(session.open.values()):
                await session.submit(refused(asked, NOBODY))
            while session.turn is not None:
                event = await session.next_event()
                if isinstance(event.msg, ASKS):
                    await session.submit(refused(event.msg, NOBODY))
                if session.ends_turn(event):
                    session.end_turn()
        except CodexError as error:
            session.end_turn()
            sys.stderr.write(f"{error}\n")

    # -- turns whose client comes back -----------------------------------------------------------

    def wait_for_client(self, session: Session) -> str:
        """A turn waits for answers that come with another request; returns the state by which that finds it."""
        assert self._tasks is not None
        token = session.token = secrets.token_urlsafe(24)
        scope = anyio.CancelScope()
        self._waiting[token] = session, scope
        self._tasks.start_soon(self._expire, token, scope)
        return token

    def back(self, token: str) -> Session:
        """The session that waits under this state, which is good for one use. Raises `UserError`."""
        session, scope = self._waiting.pop(token, (None, None))
        if scope is not None:
            scope.cancel()
        if session is None or session.turn is None:
            raise UserError("this answer is for a turn that does not wait for it any more; call codex-reply to go on")
        session.token = None
        return session

    async def _expire(self, token: str, scope: anyio.CancelScope) -> None:
        with scope:
            await anyio.sleep(self._answer_timeout_s)
            session, _ = self._waiting.pop(token)
            session.token = None
            await self._drain(session, True)


def _folder(path: str | None, *, or_ours: bool = False) -> str:
    """The folder, absolute; our own for None, and if so wanted, for one that is gone."""
    found = os.path.abspath(os.path.expanduser(path or "."))
    return os.path.abspath(".") if or_ours and not os.path.isdir(found) else found
