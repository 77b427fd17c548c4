"""The contract of app servers, and of the methods that plugins add to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Protocol

from ..protocol.value import Value, field, value

if TYPE_CHECKING:
    from ..config import Config
    from ..invocation import Invocation

METHOD_NOT_FOUND = -32601


class AppConnection(Protocol):
    """A client's end of a connection to an app server, with the messages that any other client exchanges with it, as
    plain data; `initialize` comes first. What is received is shared with others: read it, do not change it. Everything
    is called on the event loop of the server, by any number of tasks but `next_message`, which one task calls."""

    async def request(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """The result of a request. Raises `ProtocolError` with the code and words of the server when it refuses, and
        `ConnectionLost`. When cancelled, the answer is dropped; what was asked for happens nevertheless."""
        ...

    async def notify(self, method: str) -> None:
        """A notification (`initialized`). Raises `ConnectionLost`."""
        ...

    async def answer(self, id: object, result: Any) -> None:
        """Answer a request of the server, such as an approval. Raises `ConnectionLost`."""
        ...

    async def refuse(self, id: object, message: str, code: int = METHOD_NOT_FOUND) -> None:
        """Tell the server that a request of its cannot be carried out. Raises `ConnectionLost`."""
        ...

    async def next_message(self) -> Mapping[str, Any]:
        """The next notification, or request (it has an `id`) of the server, in order. Raises `ConnectionLost` when all
        were read and no more will come. Cancelled, it loses none."""
        ...

    def waiting(self) -> int:
        """How many messages lie here unread."""
        ...


class AppServer(Protocol):
    """A server that runs. Threads outlive connections; at its end they are closed and can be resumed."""

    def connect(self) -> AbstractAsyncContextManager[AppConnection]:
        """One more client, for as long as the context lasts."""
        ...


@value
class ThreadFacts(Value):
    """A thread of the home. `active_turn` is the turn under way; a thread that is not `loaded` has none, and one
    without `rollout_path` is not recorded (yet)."""

    thread_id: str
    cwd: str
    loaded: bool
    rollout_path: str | None = None
    active_turn: str | None = None


@value
class AppMethodSetup(Value):
    """What the factory of a method gets, once per server. All of it raises `ProtocolError` for an unknown thread.

    `config` is the configuration with which a thread is open, else that of its folder. Under `released` a thread is
    closed, so that its rollout is free to be changed; afterwards it is open again for those who listen to it, if it was
    before. Its value is to be called when turns were taken back: then all clients are told (`thread/reverted`), before
    the answer. It raises `ProtocolError` while a turn runs. `tell` notifies all clients (method, params)."""

    invocation: Invocation = field(repr=False)
    codex_home: str
    thread: Callable[[str], Awaitable[ThreadFacts]] = field(repr=False)
    config: Callable[[str], Awaitable[Config]] = field(repr=False)
    released: Callable[[str], AbstractAsyncContextManager[Callable[[], None]]] = field(repr=False)
    tell: Callable[[str, Mapping[str, Any]], None] = field(repr=False)


AppMethod = Callable[[Mapping[str, Any]], Awaitable[Any]]
"""Carries out a request: gets the params, an object that it checks itself, and gives the result, plain data. What it
raises answers the request: a `ProtocolError` as it is, another `CodexError` by its words."""
