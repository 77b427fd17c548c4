"""One client of the server: its handshake, what it listens to, and the questions that it was asked."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any

import anyio

from codex_plugin_sdk.remote.events import DETAIL

from .outbox import ClientTooSlow, Outbox
from .wire import Answer, Id, RpcError


class ClientLeft(RpcError):
    """It will not answer any more."""


class Client:
    """`version` is None until the handshake. All methods are called on the event loop."""

    def __init__(self, transport: str) -> None:
        self.transport = transport
        self.outbox = Outbox()
        self.initialized = False
        self.name, self.version = "", ""
        self.experimental = self.approval_details = False
        self.silenced: frozenset[str] = frozenset((DETAIL,))
        self.threads: set[str] = set()
        self.gone = anyio.Event()
        self._numbers = itertools.count()
        self._asked: dict[Id, _Question] = {}

    def greet(self, params: Mapping[str, Any]) -> None:
        """Take over what the client says of itself."""
        info, capabilities = params["clientInfo"], params.get("capabilities") or {}
        self.name, self.version = info["name"], info["version"]
        self.experimental = bool(capabilities.get("experimentalApi"))
        self.approval_details = bool(capabilities.get("approvalDetails"))
        unasked = () if capabilities.get("kernelDetails") else (DETAIL,)
        self.silenced = frozenset((*(capabilities.get("optOutNotificationMethods") or ()), *unasked))
        self.initialized = True

    # -- to the client ---------------------------------------------------------------------------

    def send(self, message: Mapping[str, Any], *, droppable: bool = False) -> None:
        """Queue a message; a client that does not read is given up."""
        try:
            self.outbox.put(message, droppable=droppable)
        except ClientTooSlow:
            self.leave()

    def answer(self, id: Id, result: Any) -> None:
        """The answer to a request."""
        self.send({"id": id, "result": result})

    def refuse(self, id: Id, error: RpcError) -> None:
        """The answer to a request that could not be carried out."""
        self.send({"error": error.as_dict(), "id": id})

    def notify(self, method: str, params: Mapping[str, Any], *, droppable: bool = False) -> None:
        """A notification, unless the client does not want it."""
        if self.initialized and method not in self.silenced:
            stamp = int(time.time() * 1000)
            self.send({"method": method, "params": params, "emittedAtMs": stamp}, droppable=droppable)

    async def ask(self, method: str, params: Mapping[str, Any], asked: Callable[[Id], None] | None = None) -> Any:
        """The client's answer to a request of ours, whose id `asked` is told. Raises `ClientLeft`, and `RpcError` for
        an error as the answer. When cancelled, the question is withdrawn."""
        id = next(self._numbers)
        question = self._asked[id] = _Question(params.get("threadId"))
        if asked is not None:
            asked(id)
        try:
            self.send({"id": id, "method": method, "params": params})
            await question.settled.wait()
        finally:
            self.withdraw(id)
        answer = question.answer
        if answer is None:
            raise ClientLeft("the client left")
        if answer.error is not None:
            raise RpcError(f"the client answered with an error: {answer.error}")
        return answer.result

    def withdraw(self, id: Id) -> None:
        """An answer to this request is not expected any more; nothing if none is."""
        question = self._asked.pop(id, None)
        if question is not None and question.thread_id is not None:
            self.notify("serverRequest/resolved", {"threadId": question.thread_id, "requestId": id})

    # -- from the client -------------------------------------------------------------------------

    def take_answer(self, answer: Answer) -> None:
        """Hand an answer to who waits for it; one that nobody waits for is dropped."""
        question = self._asked.get(answer.id)
        if question is not None:
            question.answer = answer
            question.settled.set()

    def leave(self) -> None:
        """Nothing more is sent or expected."""
        self.gone.set()
        self.outbox.close()
        for question in self._asked.values():
            question.settled.set()


class _Question:
    def __init__(self, thread_id: str | None) -> None:
        self.thread_id = thread_id
        self.settled = anyio.Event()
        self.answer: Answer | None = None
