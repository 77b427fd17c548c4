"""Which requests wait for which: declared beside each method, in order of arrival."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any

import anyio

Key = tuple[str, str]
"""Family (`thread`, `command-exec`, …) and the name within it."""


class Scope:
    """A family of requests. Those with the same key run one after another in the order of their arrival; `shared`
    ones run together with other shared ones of the key."""

    def __init__(
        self, family: str, name: Callable[[Mapping[str, Any]], str] | None = None, *, shared: bool = False
    ) -> None:
        self.family = family
        self.shared = shared
        self._name = name

    def key(self, params: Mapping[str, Any]) -> Key:
        """What a request with these params waits for."""
        return self.family, self._name(params) if self._name is not None else ""


def _member(name: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda params: str(params.get(name, ""))


GLOBAL = Scope("global")
SHARED_READ = Scope("global", shared=True)
THREAD = Scope("thread", _member("threadId"))
THREAD_SHARED = Scope("thread", _member("threadId"), shared=True)
THREAD_PATH = Scope("thread-path", _member("path"))
COMMAND = Scope("command-exec", _member("processId"))
PROCESS = Scope("process", _member("processHandle"))
FILE_SEARCH = Scope("file-search", _member("sessionId"))
WATCH = Scope("fs-watch", _member("watchId"))
MCP_OAUTH = Scope("mcp-oauth", _member("name"))
ALONE: None = None
"""Waits for nothing and holds nobody up."""


class Turnstiles:
    """Hands out tickets. A ticket is taken when a request arrives, so that order is that of arrival."""

    def __init__(self) -> None:
        self._queues: dict[Key, deque[Ticket]] = {}

    def ticket(self, scope: Scope | None, params: Mapping[str, Any]) -> Ticket:
        """A ticket for a request; to be entered, and given back, by `async with`."""
        ticket = Ticket(self, scope.key(params) if scope is not None else None, shared=bool(scope and scope.shared))
        if ticket.key is not None:
            self._queues.setdefault(ticket.key, deque()).append(ticket)
            self._admit(ticket.key)
        return ticket

    def give_back(self, ticket: Ticket) -> None:
        """Let the next ones in."""
        if ticket.key is None:
            return
        queue = self._queues[ticket.key]
        queue.remove(ticket)
        if queue:
            self._admit(ticket.key)
        else:
            del self._queues[ticket.key]

    def _admit(self, key: Key) -> None:
        for index, ticket in enumerate(self._queues[key]):
            if index and not ticket.shared:
                return
            ticket.admitted.set()
            if not ticket.shared:
                return


class Ticket(AbstractAsyncContextManager["Ticket"]):
    """A place in a queue."""

    def __init__(self, turnstiles: Turnstiles, key: Key | None, *, shared: bool) -> None:
        self._turnstiles = turnstiles
        self.key = key
        self.shared = shared
        self.admitted = anyio.Event()

    async def __aenter__(self) -> Ticket:
        if self.key is not None:
            try:
                await self.admitted.wait()
            except BaseException:
                self._turnstiles.give_back(self)
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._turnstiles.give_back(self)
