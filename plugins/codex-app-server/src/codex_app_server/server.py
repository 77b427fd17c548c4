"""The server: clients in, requests to methods in the order that their scopes ask for, threads that outlive clients."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

from codex_plugin_sdk import Engine, Invocation, ThreadOptions, __version__

from .accept import require_files
from .client import Client
from .faults import log, told
from .loaded import LoadedThread
from .methods import EXTRA, METHODS, Method, load_all
from .scopes import Ticket, Turnstiles
from .shapes import check
from .unserved import not_served
from .wire import OVERLOADED, Answer, Incoming, Refused, Request, RpcError, decode, refusal

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from .extensions import Extensions

MAX_OPEN_REQUESTS = 1024
"""Of one client; more are refused with `OVERLOADED`."""
MAX_OPEN_BYTES = 128 * 1024 * 1024
"""Of one client, in the requests that are open, as they were sent; more are refused with `OVERLOADED`."""
RETRY_AFTER_MS = 250
TAKE_AT_ONCE = 64
"""Messages of a client that sends without a pause, until others have their turn."""
MAX_SHOWN_CHARS = 200
HANDSHAKE = "initialize"


class Reply:
    """A result, and what is to happen once it has been sent."""

    def __init__(self, result: Any, then: Callable[[], Awaitable[None]] | None = None) -> None:
        self.result, self.then = result, then


class Server:
    """Serves any number of clients. `run` is entered once; `serve` for each client."""

    def __init__(self, invocation: Invocation) -> None:
        load_all()
        self.invocation = invocation
        self.version = __version__
        self.turnstiles = Turnstiles()
        self.threads: dict[str, LoadedThread] = {}
        self.clients: set[Client] = set()
        self.over = anyio.Event()
        """Set when the server ends: what runs beside the requests goes, too."""
        self._tasks: TaskGroup | None = None
        self._extensions: Extensions | None = None

    # -- clients ---------------------------------------------------------------------------------

    async def serve(
        self,
        client: Client,
        receive: Callable[[], Awaitable[bytes | str | Incoming | None]],
        send: Callable[[list[bytes]], Awaitable[None]],
    ) -> None:
        """Serve one client until it leaves: `receive` gives its next message, encoded or not, None at
        the end."""
        self.clients.add(client)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._write, client, send, tasks)
                await self._read(client, receive, tasks)
                client.leave()
        finally:
            client.leave()
            self.clients.discard(client)
            for thread_id in list(client.threads):
                if (loaded := self.threads.get(thread_id)) is not None:
                    loaded.unsubscribe(client)

    async def _write(self, client: Client, send: Callable[[list[bytes]], Awaitable[None]], tasks: TaskGroup) -> None:
        try:
            while (messages := await client.outbox.take()) is not None:
                await send(messages)
        except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            client.leave()
            tasks.cancel_scope.cancel()

    async def _read(
        self, client: Client, receive: Callable[[], Awaitable[bytes | str | Incoming | None]], tasks: TaskGroup
    ) -> None:
        load, taken = _Load(), 0

        async def carry_out(request: Request, size: int, method: Method, ticket: Ticket) -> None:
            try:
                await self._carry_out(client, request, method, ticket)
            finally:
                load.less(size)

        async def until_gone() -> None:
            await client.gone.wait()
            tasks.cancel_scope.cancel()

        tasks.start_soon(until_gone)
        while (data := await receive()) is not None:
            taken += 1
            if taken % TAKE_AT_ONCE == 0:
                await anyio.lowlevel.checkpoint()
            found, size = (decode(data), len(data)) if isinstance(data, bytes | str) else (data, 0)
            match found:
                case Answer():
                    client.take_answer(found)
                case Request():
                    method = self._admitted(client, found, load, size)
                    if method is not None:
                        load.more(size)
                        ticket = self.turnstiles.ticket(method.scope, found.params or {})
                        if method.name == HANDSHAKE:  # what comes right behind it counts on it
                            await carry_out(found, size, method, ticket)
                        else:
                            tasks.start_soon(carry_out, found, size, method, ticket)
                case Refused() if found.id is not None or client.initialized:
                    client.send(refusal(found))
                case _:
                    continue

    def _admitted(self, client: Client, request: Request, load: _Load, size: int) -> Method | None:
        """The method, with params that fit; else the request is refused, and None."""
        try:
            method = METHODS.get(request.method) or EXTRA.get(request.method) or self._extension(request.method)
            if method is None:
                if (unserved := not_served(request.method)) is not None:
                    raise unserved if client.initialized else RpcError("Not initialized")
                known = ", ".join(f"`{name}`" for name in METHODS)
                shown = request.method[:MAX_SHOWN_CHARS]
                raise RpcError(f"Invalid request: unknown variant `{shown}`, expected one of {known}")
            if not client.initialized and method.name != HANDSHAKE:
                raise RpcError("Not initialized")
            check(method.params, {} if request.params is None else request.params)
            if method.experimental and not client.experimental:
                raise RpcError(f"{method.name} requires experimentalApi capability")
            if load.is_too_much_with(size):
                data = {"retryable": True, "retryAfterMs": RETRY_AFTER_MS}
                raise RpcError("Server overloaded; retry later.", OVERLOADED, data)
        except RpcError as error:
            client.refuse(request.id, error)
            return None
        return method

    def _extension(self, name: str) -> Method | None:
        if self._extensions is None:
            from .extensions import Extensions

            self._extensions = Extensions(self)
        return self._extensions.find(name)

    async def _carry_out(self, client: Client, request: Request, method: Method, ticket: Ticket) -> None:
        answered = False
        try:
            async with ticket:
                result = await method.run(self, client, request.params or {})
                reply = result if isinstance(result, Reply) else Reply(result)
                client.answer(request.id, reply.result)
                answered = True
                if reply.then is not None:
                    await reply.then()
        except Exception as error:  # noqa: BLE001 - the client is told, and `told` logs
            refused = told(error, request.method)
            if answered:  # and a request has one answer
                client.notify("warning", {"threadId": None, "message": f"{request.method}: {refused.message}"})
            else:
                client.refuse(request.id, refused)

    # -- threads ---------------------------------------------------------------------------------

    async def run(self, ready: Callable[[], Awaitable[None]]) -> None:
        """Keep threads alive while `ready` (the transports) runs; then close them."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            try:
                await ready()
            finally:
                self.over.set()
                for loaded in list(self.threads.values()):
                    loaded.close()

    def open(self, engine: Engine, options: ThreadOptions) -> LoadedThread:
        """Open a thread. Raises `CodexError` for what stands in the way, `RpcError` when files are short."""
        assert self._tasks is not None
        require_files()
        loaded = LoadedThread(self, engine, engine.prepare(options), ephemeral=options.ephemeral)
        self.threads[loaded.id] = loaded
        self._tasks.start_soon(loaded.run)
        return loaded

    async def open_recorded(self, engine: Engine, options: ThreadOptions) -> LoadedThread:
        """As `open`, for a thread with a past: reading it takes a while, and others go on meanwhile."""
        assert self._tasks is not None
        require_files()
        opened = await anyio.to_thread.run_sync(engine.prepare, options)
        loaded = LoadedThread(self, engine, opened, ephemeral=options.ephemeral)
        self.threads[loaded.id] = loaded
        self._tasks.start_soon(loaded.run)
        return loaded

    def loaded(self, thread_id: str) -> LoadedThread:
        """An open thread. Raises `RpcError`."""
        check_thread_id(thread_id)
        found = self.threads.get(thread_id)
        if found is None:
            raise RpcError(f"thread not found: {thread_id}")
        return found

    def forget(self, loaded: LoadedThread) -> None:
        """A thread has ended."""
        if self.threads.get(loaded.id) is loaded:
            del self.threads[loaded.id]

    def start(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run something beside the requests, which ends by itself or when the server is `over`. What goes wrong is
        logged and hurts no one."""
        assert self._tasks is not None

        async def guarded() -> None:
            try:
                await run()
            except Exception as error:  # noqa: BLE001 - threads and clients go on
                log("what was started beside the requests failed", error)

        self._tasks.start_soon(guarded)

    def tell_all(self, method: str, params: Mapping[str, Any]) -> None:
        """Notify every client."""
        for client in self.clients:
            client.notify(method, params)


class _Load:
    """What one client has asked for and not got yet."""

    def __init__(self) -> None:
        self._count = self._bytes = 0

    def is_too_much_with(self, size: int) -> bool:
        """Whether another request of so many bytes is too much. A single one never is."""
        return self._count >= MAX_OPEN_REQUESTS or (self._count > 0 and self._bytes + size > MAX_OPEN_BYTES)

    def more(self, size: int) -> None:
        self._count += 1
        self._bytes += size

    def less(self, size: int) -> None:
        self._count -= 1
        self._bytes -= size


def check_thread_id(thread_id: str) -> None:
    """Raise `RpcError` for what is no thread id."""
    import uuid

    try:
        uuid.UUID(thread_id)
    except ValueError as error:
        raise RpcError(f"invalid thread id: {thread_id}: {error}") from error
