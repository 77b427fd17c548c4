"""The server: clients in, requests to methods in the order that their scopes ask for, threads that outlive clients."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

import anyio

from codex_plugin_sdk import CodexError, Engine, Invocation, ThreadOptions, __version__

from .client import Client
from .loaded import LoadedThread
from .methods import METHODS, Method, load_all
from .scopes import Ticket, Turnstiles
from .shapes import check
from .wire import INTERNAL_ERROR, OVERLOADED, Answer, Incoming, Notification, Request, RpcError, decode

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

MAX_OPEN_REQUESTS = 1024
"""Of one client; more are refused with `OVERLOADED`."""
RETRY_AFTER_MS = 250
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
        self._tasks: TaskGroup | None = None

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
        open_requests = 0

        async def carry_out(request: Request, method: Method, ticket: Ticket) -> None:
            nonlocal open_requests
            try:
                await self._carry_out(client, request, method, ticket)
            finally:
                open_requests -= 1

        async def until_gone() -> None:
            await client.gone.wait()
            tasks.cancel_scope.cancel()

        tasks.start_soon(until_gone)
        while (data := await receive()) is not None:
            found = decode(data) if isinstance(data, bytes | str) else data
            match found:
                case Answer():
                    client.take_answer(found)
                case Request():
                    method = self._admitted(client, found, open_requests)
                    if method is not None:
                        open_requests += 1
                        ticket = self.turnstiles.ticket(method.scope, found.params or {})
                        if method.name == HANDSHAKE:  # what comes right behind it counts on it
                            await carry_out(found, method, ticket)
                        else:
                            tasks.start_soon(carry_out, found, method, ticket)
                case Notification() | None:
                    continue

    def _admitted(self, client: Client, request: Request, open_requests: int) -> Method | None:
        """The method, with params that fit; else the request is refused, and None."""
        try:
            method = METHODS.get(request.method)
            if method is None:
                known = ", ".join(f"`{name}`" for name in METHODS)
                raise RpcError(f"Invalid request: unknown variant `{request.method}`, expected one of {known}")
            if not client.initialized and method.name != HANDSHAKE:
                raise RpcError("Not initialized")
            check(method.params, {} if request.params is None else request.params)
            if method.experimental and not client.experimental:
                raise RpcError(f"{method.name} requires experimentalApi capability")
            if open_requests >= MAX_OPEN_REQUESTS:
                data = {"retryable": True, "retryAfterMs": RETRY_AFTER_MS}
                raise RpcError("Server overloaded; retry later.", OVERLOADED, data)
        except RpcError as error:
            client.refuse(request.id, error)
            return None
        return method

    async def _carry_out(self, client: Client, request: Request, method: Method, ticket: Ticket) -> None:
        try:
            async with ticket:
                result = await method.run(self, client, request.params or {})
                reply = result if isinstance(result, Reply) else Reply(result)
                client.answer(request.id, reply.result)
                if reply.then is not None:
                    await reply.then()
        except RpcError as error:
            client.refuse(request.id, error)
        except CodexError as error:
            hint = f" ({error.hint})" if error.hint else ""
            client.refuse(request.id, RpcError(f"{error.message}{hint}"))
        except Exception as error:
            import logging

            logging.getLogger("codex.app_server").error("%s failed", request.method, exc_info=error)
            client.refuse(request.id, RpcError(f"internal error: {type(error).__name__}: {error}", INTERNAL_ERROR))

    # -- threads ---------------------------------------------------------------------------------

    async def run(self, ready: Callable[[], Awaitable[None]]) -> None:
        """Keep threads alive while `ready` (the transports) runs; then close them."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            try:
                await ready()
            finally:
                for loaded in list(self.threads.values()):
                    loaded.close()

    def open(self, engine: Engine, options: ThreadOptions) -> LoadedThread:
        """Open a thread. Raises `CodexError` for what stands in the way."""
        assert self._tasks is not None
        loaded = LoadedThread(self, engine, engine.prepare(options), ephemeral=options.ephemeral)
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
        """Run something beside the requests, until the server ends."""
        assert self._tasks is not None
        self._tasks.start_soon(run)

    def tell_all(self, method: str, params: Mapping[str, Any]) -> None:
        """Notify every client."""
        for client in self.clients:
            client.notify(method, params)


def check_thread_id(thread_id: str) -> None:
    """Raise `RpcError` for what is no thread id."""
    import uuid

    try:
        uuid.UUID(thread_id)
    except ValueError as error:
        raise RpcError(f"invalid thread id: {thread_id}: {error}") from error
