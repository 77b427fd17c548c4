"""A client in the same process: the same methods and messages, as Python objects instead of JSON."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

import anyio

from codex_plugin_sdk import ConnectionLost, ProtocolError
from codex_plugin_sdk.remote.refusal import read_refusal

from .client import Client
from .server import Server
from .wire import Answer, Id, Incoming, Notification, Request, RpcError

if TYPE_CHECKING:
    from codex_plugin_sdk import AppConnection, AppServer, Invocation

Message = Mapping[str, Any]
METHOD_NOT_FOUND = -32601
MAX_WAITING = 65_536
"""Messages that may wait to be read; beyond it those that only stream are dropped, and beyond twice as many the
client is given up."""


class Connection(Client):
    """Both ends at once: the server sees a client, its user calls `request` and iterates over `messages`. What comes
    out is shared with other listeners: read it, do not change it."""

    def __init__(self) -> None:
        super().__init__("in-process")
        self._inbox: deque[Message] = deque()
        self._dropped = 0
        self._filled = anyio.Event()
        self._outgoing: deque[Incoming] = deque()
        self._given = anyio.Event()
        self._ids = itertools.count(1)
        self._requests: dict[Id, _Waiting] = {}
        self._over = False

    # -- for the user ----------------------------------------------------------------------------

    async def request(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """The result of a request. Raises `RpcError`, `ConnectionLost`."""
        id = next(self._ids)
        waiting = self._requests[id] = _Waiting()
        try:
            self._hand_in(Request(id=id, method=method, params=params))
            await waiting.settled.wait()
        finally:
            del self._requests[id]
        if waiting.error is not None:
            raise waiting.error
        return waiting.result

    def notify_server(self, method: str) -> None:
        """A notification of ours (`initialized`). Raises `ConnectionLost`."""
        self._hand_in(Notification(method=method, params=None))

    def respond(self, request: Message, result: Any) -> None:
        """Answer a request of the server, such as an approval. Raises `ConnectionLost`."""
        self.settle(request["id"], result)

    def settle(self, id: object, result: Any = None, error: Any = None) -> None:
        """As `respond`, or with an error. Raises `ConnectionLost`."""
        self._hand_in(Answer(id=cast("Id", id), result=result, error=error))

    async def next_message(self) -> Message:
        """The next notification, or request of the server (it has an `id`), in order. Raises `ConnectionLost` once
        there are no more."""
        while True:
            if self._inbox:
                return self._inbox.popleft()
            if self._dropped:
                count, self._dropped = self._dropped, 0
                return _dropped(count)
            if self._over:
                raise _lost()
            self._filled = anyio.Event()
            await self._filled.wait()

    @property
    def unread(self) -> int:
        """How many messages lie here."""
        return len(self._inbox) + bool(self._dropped)

    async def messages(self) -> AsyncIterator[Message]:
        """Notifications, and requests of the server (they have an `id`), in order; ends with the connection."""
        with suppress(ConnectionLost):
            while True:
                yield await self.next_message()

    def close(self) -> None:
        """Leave."""
        self._over = True
        self._filled.set()
        self._given.set()

    # -- for the server --------------------------------------------------------------------------

    def send(self, message: Message, *, droppable: bool = False) -> None:
        """Take a message of the server."""
        if self._over:
            return
        if "method" not in message:
            self._settle(message)
            return
        if droppable and len(self._inbox) >= MAX_WAITING:
            self._dropped += 1
            return
        if len(self._inbox) >= 2 * MAX_WAITING:
            self.leave()
            return
        if self._dropped:
            count, self._dropped = self._dropped, 0
            self._inbox.append(_dropped(count))
        self._inbox.append(message)
        self._filled.set()

    def leave(self) -> None:
        """The connection has ended: who waits is told."""
        super().leave()
        self._over = True
        self._filled.set()
        self._given.set()
        for waiting in self._requests.values():
            if not waiting.settled.is_set():
                waiting.error = _lost()
                waiting.settled.set()

    async def receive(self) -> Incoming | None:
        """What the user hands in; None once it has left."""
        while not self._outgoing:
            if self._over:
                return None
            self._given = anyio.Event()
            await self._given.wait()
        return self._outgoing.popleft()

    def _hand_in(self, message: Incoming) -> None:
        if self._over:
            raise _lost()
        self._outgoing.append(message)
        self._given.set()

    def _settle(self, message: Message) -> None:
        waiting = self._requests.get(message["id"])
        if waiting is None:
            return  # who asked was cancelled
        error = message.get("error")
        if error is not None:
            waiting.error = RpcError(**read_refusal(error))
        else:
            waiting.result = message["result"]
        waiting.settled.set()


class _Waiting:
    def __init__(self) -> None:
        self.settled = anyio.Event()
        self.result: Any = None
        self.error: ProtocolError | None = None


def _dropped(count: int) -> Message:
    text = f"{count} notifications were dropped, because they were not read fast enough"
    return {"method": "warning", "params": {"threadId": None, "message": text}}


def _lost() -> ConnectionLost:
    return ConnectionLost("the connection was closed")


class InProcess:
    """The contract `AppConnection`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.request = connection.request
        self.next_message = connection.next_message

    async def notify(self, method: str) -> None:
        """A notification."""
        self._connection.notify_server(method)

    async def answer(self, id: object, result: Any) -> None:
        """Answer a request of the server."""
        self._connection.settle(id, result)

    async def refuse(self, id: object, message: str, code: int = METHOD_NOT_FOUND) -> None:
        """Refuse a request of the server."""
        self._connection.settle(id, error={"code": code, "message": message})

    def waiting(self) -> int:
        """How many messages lie unread."""
        return self._connection.unread


class InProcessServer:
    """The contract `AppServer`."""

    def __init__(self, server: Server) -> None:
        self._server = server

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AppConnection]:
        """One more client."""
        async with connected(self._server) as connection:
            yield InProcess(connection)


@asynccontextmanager
async def app_server(invocation: Invocation) -> AsyncIterator[AppServer]:
    """What `AppServerSpec` offers."""
    async with open_server(invocation) as server:
        yield InProcessServer(server)


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[Connection]:
    """One more client of a server that runs. `initialize` is up to the user, as over any transport."""
    connection = Connection()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, connection, connection.receive, _unused)
        try:
            yield connection
        finally:
            connection.close()


@asynccontextmanager
async def open_server(invocation: Invocation) -> AsyncIterator[Server]:
    """A server of our own, for `connected`; its threads are closed at the end."""
    server = Server(invocation)
    async with anyio.create_task_group() as tasks:
        ready, over = anyio.Event(), anyio.Event()

        async def until_over() -> None:
            ready.set()
            await over.wait()

        tasks.start_soon(server.run, until_over)
        await ready.wait()
        try:
            yield server
        finally:
            over.set()


async def _unused(messages: list[bytes]) -> None:
    raise AssertionError("nothing is encoded in process")
