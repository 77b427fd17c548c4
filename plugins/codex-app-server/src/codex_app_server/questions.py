"""The questions of one thread: each goes to every listener, and the first answer counts."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from codex_plugin_sdk import ApprovalAnswer, ApprovalRequested, ApprovalResolved

from .approvals import Asked, question_of, refused
from .client import ClientLeft
from .wire import Id, RpcError

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from .client import Client

NOBODY = "no client is there to answer"


class Questions:
    """`listeners` are the thread's, `submit` hands an answer to it, `cwd` tells its folder, `item` what clients know by
    an id."""

    def __init__(
        self,
        thread_id: str,
        listeners: set[Client],
        submit: Callable[[ApprovalAnswer], Coroutine[Any, Any, None]],
        cwd: Callable[[], str],
        item: Callable[[str], Mapping[str, Any] | None],
    ) -> None:
        self._thread_id, self._listeners, self._submit, self._cwd = thread_id, listeners, submit, cwd
        self._item = item
        self._open: dict[str, _Question] = {}

    def ask(self, turn_id: str, request: Asked, at_ms: int, tasks: TaskGroup) -> None:
        """Put a question to all who listen; `tasks` lives as long as the thread."""
        question = self._open[request.approval_id] = _Question(request, turn_id, at_ms, tasks)
        for client in self._listeners:
            tasks.start_soon(self._put, question, client)
        self._give_up_alone()

    def resolve(self, msg: ApprovalResolved) -> Asked | None:
        """A question has its answer: whoever else was asked is told. Gives the question, None if it is not known."""
        question = self._open.pop(msg.approval_id, None)
        if question is None:
            return None
        question.withdraw()
        return question.request

    def join(self, client: Client) -> None:
        """Somebody new listens: ask what is open."""
        for question in self._open.values():
            question.tasks.start_soon(self._put, question, client)

    def leave(self, client: Client) -> None:
        """One listens no more. An approval waits for who comes back; a free question has failed with the last."""
        for question in self._open.values():
            question.withdraw(client)
        self._give_up_alone()

    def _give_up_alone(self) -> None:
        for question in self._open.values():
            if not self._listeners and not isinstance(question.request, ApprovalRequested):
                question.tasks.start_soon(self._submit, refused(question.request, NOBODY))

    async def _put(self, question: _Question, client: Client) -> None:
        request = question.request
        method, params, read = question_of(
            self._thread_id,
            question.turn_id,
            request,
            question.at_ms,
            self._cwd(),
            item=self._item(request.call_id),
            details=client.approval_details,
        )
        with question.asking(client):
            try:
                answer = read(await client.ask(method, params, partial(question.note, client)))
            except ClientLeft:
                return  # the others, or it when it is back, may answer
            except RpcError as error:
                question.useless.add(client)
                if self._listeners - question.useless:
                    return  # others may know what to answer
                what = "approval request" if isinstance(request, ApprovalRequested) else "question"
                answer = refused(request, f"the {what} failed: {error.message}")
            await self._submit(answer)


class _Question:
    def __init__(self, request: Asked, turn_id: str, at_ms: int, tasks: TaskGroup) -> None:
        self.request, self.turn_id, self.at_ms, self.tasks = request, turn_id, at_ms, tasks
        self._scopes: dict[Client, anyio.CancelScope] = {}
        self._ids: dict[Client, Id] = {}
        self.useless: set[Client] = set()
        """Clients whose answer could not be used."""

    def note(self, client: Client, id: Id) -> None:
        """By which id a client knows the question."""
        self._ids[client] = id

    @contextmanager
    def asking(self, client: Client) -> Iterator[None]:
        """While a client is asked; ends early when the question is withdrawn."""
        with anyio.CancelScope() as scope:
            self._scopes[client] = scope
            try:
                yield
            finally:
                if self._scopes.get(client) is scope:
                    del self._scopes[client]

    def withdraw(self, client: Client | None = None) -> None:
        """Ask no more, or this client no more."""
        for asked, scope in self._scopes.items():
            if client is None or asked is client:
                scope.cancel()
                if (id := self._ids.pop(asked, None)) is not None:
                    asked.withdraw(id)  # now: what is told next may be the end of the turn
