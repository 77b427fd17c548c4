"""An app server in this process, in a thread of its own: whatever it does, the user interface goes on.

Both sides have an event loop. What the server says lies in a queue that both can reach; when the UI does not take it,
the server's side waits, and its connection drops what only streams.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from codex_plugin_sdk import CodexError, __version__

from . import Message
from .errors import LinkLost

if TYPE_CHECKING:
    from concurrent.futures import Future

    from codex_plugin_sdk import AppConnection, AppServerSpec, Invocation

T = TypeVar("T")
MAX_WAITING = 4096
"""Messages that lie between the two; then the server's side waits."""
CLOSE_S = 10.0
CLIENT = {"name": "codex-tui", "title": "Codex terminal UI", "version": __version__}
CAPABILITIES = {"experimentalApi": True, "kernelDetails": True, "approvalDetails": True}


class LocalLink:
    """A `Link`. `start` may be called before there is an event loop of the UI; the rest after `bind`, on that loop."""

    name = "here"
    is_local = True

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._inbox: deque[Message] = deque()
        self._filled = asyncio.Event()
        self._settled = asyncio.Event()
        """The server runs, or has failed to."""
        self._woken = False
        self._lost: BaseException | None = None
        self._pending: set[Future[Any]] = set()
        self._thread: threading.Thread | None = None
        # of the server's side
        self._engine: asyncio.AbstractEventLoop | None = None
        self._connection: AppConnection | None = None
        self._over: anyio.Event | None = None
        self._room: anyio.Event | None = None

    # -- the side of the UI ----------------------------------------------------------------------

    def start(self, invocation: Invocation) -> None:
        """Begin to start the server: the first request waits for it."""
        self._thread = threading.Thread(target=_run, args=(self, invocation), name="codex-engine", daemon=True)
        self._thread.start()

    def bind(self) -> None:
        """From now on this event loop is told what comes."""
        self._loop = asyncio.get_running_loop()
        self._woken = False  # who came before there was a loop could wake nobody
        if self._connection is not None or self._lost is not None:
            self._settled.set()
        if self._inbox:
            self._filled.set()

    async def close(self) -> None:
        """End the server: its threads are closed, what they have said is recorded. Waits for it, up to `CLOSE_S`."""
        thread = self._thread
        if thread is None:
            return
        with anyio.CancelScope(shield=True), anyio.move_on_after(CLOSE_S):
            await self._settled.wait()
            if self._over is not None and self._lost is None:
                with suppress(CodexError):
                    self._call(self._over.set)
            await anyio.to_thread.run_sync(thread.join, CLOSE_S, abandon_on_cancel=True)

    async def request(self, method: str, params: Message | None = None) -> Any:
        """See `Link`."""
        await self._settled.wait()
        return await self._there(self._connected().request(method, params))

    async def answer(self, id: object, result: Any) -> None:
        """See `Link`."""
        await self._there(self._connected().answer(id, result))

    async def refuse(self, id: object, message: str) -> None:
        """See `Link`."""
        await self._there(self._connected().refuse(id, message))

    async def next_message(self) -> Message:
        """See `Link`."""
        while not self._inbox:
            if self._lost is not None:
                raise self._gone()
            self._filled.clear()
            if not self._inbox:
                await self._filled.wait()
        message = self._inbox.popleft()
        if len(self._inbox) == MAX_WAITING // 2 and (room := self._room) is not None:
            self._call(room.set)
        return message

    def waiting(self) -> int:
        """See `Link`."""
        return len(self._inbox)

    def _connected(self) -> AppConnection:
        if self._lost is not None or self._connection is None:
            raise self._gone()
        return self._connection

    def _gone(self) -> CodexError:
        if isinstance(self._lost, CodexError):
            return self._lost
        return LinkLost("the app server in this process has ended", hint="the log says more: run with --debug")

    async def _there(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something on the server's side."""
        assert self._engine is not None
        try:
            future = asyncio.run_coroutine_threadsafe(work, self._engine)
        except RuntimeError as error:  # its loop is closed
            work.close()
            raise self._gone() from error
        self._pending.add(future)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if self._lost is not None:
                raise self._gone() from None
            raise
        finally:
            self._pending.discard(future)

    def _call(self, function: Callable[[], object]) -> None:
        assert self._engine is not None
        try:
            self._engine.call_soon_threadsafe(function)
        except RuntimeError as error:
            raise self._gone() from error

    # -- the server's side -----------------------------------------------------------------------

    async def serve(self, spec: AppServerSpec, invocation: Invocation) -> None:
        """Run the server until `close`."""
        self._engine, self._over, self._room = asyncio.get_running_loop(), anyio.Event(), anyio.Event()
        async with spec.factory(invocation) as server, server.connect() as connection:
            await connection.request("initialize", {"clientInfo": CLIENT, "capabilities": CAPABILITIES})
            self._connection = connection
            self._tell_ui(self._settled.set)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._pump, connection)
                await self._over.wait()
                tasks.cancel_scope.cancel()
            for future in tuple(self._pending):
                future.cancel()

    async def _pump(self, connection: AppConnection) -> None:
        while True:
            self._inbox.append(await connection.next_message())
            if not self._woken:
                self._woken = True
                self._tell_ui(self._wake)
            while len(self._inbox) >= MAX_WAITING:
                self._room = anyio.Event()
                if len(self._inbox) >= MAX_WAITING:
                    await self._room.wait()

    def _wake(self) -> None:
        self._woken = False
        self._filled.set()

    def _tell_ui(self, function: Callable[[], object]) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the UI has ended: nobody is left to be told
                self._loop.call_soon_threadsafe(function)

    def ended(self, error: BaseException | None) -> None:
        """The thread is over; `error` is why, if it was not asked to."""
        self._lost = error or LinkLost("the connection is closed")
        self._tell_ui(self._settled.set)
        self._tell_ui(self._filled.set)


def _run(link: LocalLink, invocation: Invocation) -> None:
    error: BaseException | None = None
    try:
        anyio.run(link.serve, _spec(invocation), invocation)
    except BaseException as found:
        error = _innermost(found)
        import logging

        logging.getLogger("codex.tui").error("the app server has ended", exc_info=found)
    link.ended(error)


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _spec(invocation: Invocation) -> AppServerSpec:
    return invocation.plugins.app_server()
