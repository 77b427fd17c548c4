"""The client for plain code: the async one on an event loop of its own, in a thread of its own.

Each call hands its work to that loop and waits. So all of it may be called from several threads, and Ctrl-C ends the
wait and what was waited for: a `run` that is interrupted interrupts its turn.
"""

from __future__ import annotations

import concurrent.futures
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Generic, Self, TypeVar, Unpack

import anyio
from anyio.from_thread import BlockingPortal

from ._params import ListOptions, ThreadOptions, TurnOptions
from .approvals import Handlers
from .async_client import AsyncCodex, AsyncThread, AsyncTurnHandle
from .config import CodexConfig
from .errors import CodexSdkError
from .events import Event
from .inputs import RunInput
from .models import Account, Model, Page, ServerInfo, ThreadInfo, TurnResult
from .rpc import UNDO_S
from .transport import closed_by_us
from .turns import EventStream

T = TypeVar("T")
CLOSE_S = 15.0
"""Longer than a server may take to end."""


class _Job(Generic[T]):
    """Work for the loop, that can be cancelled before, while and after it is handed over."""

    def __init__(self, work: Callable[..., Awaitable[T]], args: tuple[Any, ...]) -> None:
        self._work, self._args = work, args
        self._scope: anyio.CancelScope | None = None
        self._cancelled = False
        self.ended = threading.Event()

    async def run(self) -> T:
        """Do it, unless it was cancelled."""
        try:
            if not self._cancelled:
                with anyio.CancelScope() as self._scope:
                    return await self._work(*self._args)
            raise closed_by_us()  # read by nobody
        finally:
            self.ended.set()

    async def cancel(self) -> None:
        """Called on the loop."""
        self._cancelled = True
        if self._scope is None:
            self.ended.set()  # it was never handed over
        else:
            self._scope.cancel()


class _Loop:
    """The thread with the event loop, and the client that lives there. Raises `ConnectError`."""

    def __init__(self, codex: AsyncCodex) -> None:
        self.codex = codex
        self._begun = threading.Event()
        self._opened: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._portal: BlockingPortal | None = None
        self._thread = threading.Thread(target=self._run, name="codex-sdk", daemon=True)
        self._thread.start()
        try:
            self._opened.result()
        except BaseException:  # Ctrl-C while it opens, too
            self.stop()
            raise

    def _run(self) -> None:
        try:
            anyio.run(self._main)
        except BaseException as error:  # noqa: BLE001 - it is raised where somebody waits
            self._fail(error)
        self._begun.set()

    async def _main(self) -> None:
        async with BlockingPortal() as portal:
            self._stopped = anyio.Event()
            self._portal = portal
            self._begun.set()
            try:
                with anyio.CancelScope() as self._opening:
                    async with self.codex:
                        self._opened.set_result(None)
                        await self._stopped.wait()
            except Exception as error:  # noqa: BLE001 - it is raised where somebody waits
                self._fail(error)
            self._fail(closed_by_us())
            await portal.stop(cancel_remaining=True)

    def _fail(self, error: BaseException) -> None:
        if not self._opened.done():
            self._opened.set_exception(error)

    async def _halt(self) -> None:
        self._stopped.set()
        if not self._opened.done():
            self._opening.cancel()

    def call(self, work: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Do this on the loop. Raises what it raises, and `TransportClosedError` once it is closed."""
        if threading.current_thread() is self._thread:
            raise CodexSdkError("this would wait for itself: async handlers use AsyncCodex, plain ones may call this")
        job = _Job(work, args)
        try:
            return self._result(job)
        except BaseException:
            if not job.ended.is_set():  # Ctrl-C, at whatever point
                self._cancel(job)
            raise

    def _result(self, job: _Job[T]) -> T:
        assert self._portal is not None
        try:
            future = self._portal.start_task_soon(job.run)
        except RuntimeError as error:
            raise closed_by_us() from error
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise closed_by_us() from None

    def _cancel(self, job: _Job[T]) -> None:
        """What the work has to put in order comes before what the caller does next."""
        assert self._portal is not None
        with suppress(RuntimeError):  # the loop has ended, and the work with it
            self._portal.start_task_soon(job.cancel)
            job.ended.wait(2 * UNDO_S)

    def stop(self) -> None:
        """Let the server go and end the thread. Possible from each thread, and more than once."""
        self._begun.wait()
        if self._portal is not None:
            with suppress(RuntimeError):  # it has ended
                self._portal.start_task_soon(self._halt)
        if threading.current_thread() is not self._thread:
            self._thread.join(CLOSE_S)


class Codex:
    """A server, started or connected to at once, and let go by `close` or at the end of `with Codex() as codex:`.
    The keywords are short for those of `CodexConfig`. Raises `ConnectError`. All methods may be called from several
    threads."""

    def __init__(
        self,
        config: CodexConfig | None = None,
        *,
        handlers: Handlers | None = None,
        codex_bin: str | None = None,
        address: str | None = None,
        token: str | None = None,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._codex = AsyncCodex(
            config, handlers=handlers, codex_bin=codex_bin, address=address, token=token, cwd=cwd, env=env
        )
        self._loop = _Loop(self._codex)
        self._finalizer = weakref.finalize(self, self._loop.stop)  # for those who forget it, at exit at the latest

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the server go; calls under way in other threads end with `TransportClosedError`."""
        self._finalizer()

    @property
    def metadata(self) -> ServerInfo:
        """What the server said of itself."""
        return self._codex.metadata

    def request(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Any request of the protocol, in its own words; its result. Raises `JsonRpcError`, `TransportClosedError`."""
        return self._loop.call(self._codex.request, method, params)

    def events(self) -> Events:
        """All that the server tells from now on: `with codex.events() as events: for event in events:`."""
        return Events(self, None)

    # -- threads ---------------------------------------------------------------------------------

    def thread_start(self, **options: Unpack[ThreadOptions]) -> Thread:
        """A new thread."""
        return Thread(self, self._loop.call(lambda: self._codex.thread_start(**options)))

    def thread_resume(self, thread_id: str, **options: Unpack[ThreadOptions]) -> Thread:
        """A recorded thread, to go on with; its turns are in `info`."""
        return Thread(self, self._loop.call(lambda: self._codex.thread_resume(thread_id, **options)))

    def thread_fork(self, thread_id: str, **options: Unpack[ThreadOptions]) -> Thread:
        """A new thread that begins with the history of another."""
        return Thread(self, self._loop.call(lambda: self._codex.thread_fork(thread_id, **options)))

    def thread_list(self, **options: Unpack[ListOptions]) -> Page[ThreadInfo]:
        """A page of recorded threads, the newest first; `cursor=page.next_cursor` for the next."""
        return self._loop.call(lambda: self._codex.thread_list(**options))

    def thread_archive(self, thread_id: str) -> None:
        """Put a thread aside."""
        self._loop.call(self._codex.thread_archive, thread_id)

    def thread_unarchive(self, thread_id: str) -> ThreadInfo:
        """Put it back."""
        return self._loop.call(self._codex.thread_unarchive, thread_id)

    def thread_delete(self, thread_id: str) -> None:
        """Remove a thread for good."""
        self._loop.call(self._codex.thread_delete, thread_id)

    # -- models, account -------------------------------------------------------------------------

    def models(
        self, *, include_hidden: bool = False, cursor: str | None = None, limit: int | None = None
    ) -> Page[Model]:
        """Models of the provider, the best first."""
        return self._loop.call(lambda: self._codex.models(include_hidden=include_hidden, cursor=cursor, limit=limit))

    def account(self, *, refresh_token: bool = False) -> Account:
        """Who is signed in."""
        return self._loop.call(lambda: self._codex.account(refresh_token=refresh_token))

    def login_api_key(self, api_key: str) -> None:
        """Sign in with an API key, which the server keeps."""
        self._loop.call(self._codex.login_api_key, api_key)

    def logout(self) -> None:
        """Forget what is kept."""
        self._loop.call(self._codex.logout)


class Thread:
    """One thread. `info` is what the server told of it when it was opened, `settings` the whole answer."""

    def __init__(self, codex: Codex, thread: AsyncThread) -> None:
        self._codex, self._thread = codex, thread
        self.info, self.settings = thread.info, thread.settings

    @property
    def id(self) -> str:
        """The thread's id."""
        return self._thread.id

    def __repr__(self) -> str:
        return f"Thread({self.id!r})"

    def turn(self, input: RunInput, **options: Unpack[TurnOptions]) -> TurnHandle:
        """Start a turn; it goes on by itself. No event of it is lost, however late they are read."""
        return TurnHandle(self._codex, self._codex._loop.call(lambda: self._thread.turn(input, **options)))

    def run(self, input: RunInput, **options: Unpack[TurnOptions]) -> TurnResult:
        """A whole turn. Raises `TurnFailedError`. Ctrl-C interrupts the turn."""
        return self._codex._loop.call(lambda: self._thread.run(input, **options))

    def steer(self, input: RunInput) -> None:
        """More input for the turn that was started last here."""
        self._codex._loop.call(self._thread.steer, input)

    def interrupt(self) -> None:
        """Stop the turn that was started last here."""
        self._codex._loop.call(self._thread.interrupt)

    def fork(self, **options: Unpack[ThreadOptions]) -> Thread:
        """A new thread that begins with the history of this one."""
        return self._codex.thread_fork(self.id, **options)

    def read(self, *, include_turns: bool = False) -> ThreadInfo:
        """The thread as it is now."""
        return self._codex._loop.call(lambda: self._thread.read(include_turns=include_turns))

    def set_name(self, name: str) -> None:
        """Give it a name."""
        self._codex._loop.call(self._thread.set_name, name)

    def compact(self) -> None:
        """Begin to shorten the history; `events` tell of the end."""
        self._codex._loop.call(self._thread.compact)

    def archive(self) -> None:
        """Put it aside."""
        self._codex.thread_archive(self.id)

    def unsubscribe(self) -> None:
        """Hear no more of it; it goes on."""
        self._codex._loop.call(self._thread.unsubscribe)

    def events(self) -> Events:
        """All that is told of this thread from now on; used as `Codex.events`."""
        return Events(self._codex, self._thread)


class TurnHandle:
    """A turn that was started. Events and result may both be asked for, in any order."""

    def __init__(self, codex: Codex, turn: AsyncTurnHandle) -> None:
        self._codex, self._turn = codex, turn

    @property
    def id(self) -> str:
        """The turn's id."""
        return self._turn.id

    @property
    def thread_id(self) -> str:
        """The thread's id."""
        return self._turn.thread_id

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._turn.done

    def __repr__(self) -> str:
        return f"TurnHandle({self.id!r})"

    def result(self) -> TurnResult:
        """Wait for the end. Raises `TurnFailedError`, `TransportClosedError`."""
        return self._codex._loop.call(self._turn.result)

    def events(self) -> Iterator[Event]:
        """The events of the turn, from its first to `TurnCompleted`; each is given once. Raises
        `TransportClosedError` when there is no end."""
        while events := self._codex._loop.call(self._turn._watch.take):
            yield from events

    def steer(self, input: RunInput) -> None:
        """More input, for the model to read before its next step."""
        self._codex._loop.call(self._turn.steer, input)

    def interrupt(self) -> None:
        """Stop it; it ends as interrupted."""
        self._codex._loop.call(self._turn.interrupt)

    # The names of the official SDK.
    run = result
    stream = events


class Events:
    """Events as they come, for `for`, inside of `with`: outside of it nobody listens."""

    def __init__(self, codex: Codex, thread: AsyncThread | None) -> None:
        self._codex = codex
        source = codex._codex if thread is None else thread
        self._stream: EventStream = codex._loop.call(_awaited(source.events))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        with suppress(CodexSdkError):  # then nobody listens anyway
            self._codex._loop.call(_awaited(self._stream.close))

    def __iter__(self) -> Iterator[Event]:
        while events := self._codex._loop.call(self._stream.take):
            yield from events


def _awaited(call: Callable[[], T]) -> Callable[[], Awaitable[T]]:
    """What is called on the loop, though it waits for nothing."""

    async def work() -> T:
        return call()

    return work
