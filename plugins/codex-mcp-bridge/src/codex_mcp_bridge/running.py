"""The calls that a server is carrying out now: what it asks meanwhile is theirs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from codex_plugin_sdk import ToolContext


class CallClock:
    """The time that a call has left; it stands still while somebody else is waited for."""

    def __init__(self, timeout_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._left_s = timeout_s
        self._since = now()
        self._pauses = 0

    def remaining(self) -> float | None:
        """Seconds left, not below 0; None while the clock stands still."""
        return None if self._pauses else max(0.0, self._left_s - (self._now() - self._since))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The clock stands still within; may be nested and overlap."""
        left_s = self.remaining()
        if left_s is not None:
            self._left_s = left_s
        self._pauses += 1
        try:
            yield
        finally:
            self._pauses -= 1
            self._since = self._now()


class RunningCall:
    """One call. `mode` is its approval mode; `asked` and `sampled` count what the server wanted meanwhile."""

    def __init__(self, ctx: ToolContext, tool: str, mode: str, clock: CallClock) -> None:
        self.ctx, self.tool, self.mode, self.clock = ctx, tool, mode, clock
        self.asked = self.sampled = 0
        self._scopes: list[anyio.CancelScope] = []

    @contextmanager
    def attached(self) -> Iterator[anyio.CancelScope]:
        """What runs within is cancelled when the call ends, and the clock stands still."""
        with self.clock.paused(), anyio.CancelScope() as scope:
            self._scopes.append(scope)
            try:
                yield scope
            finally:
                self._scopes.remove(scope)

    def end(self) -> None:
        """The call is over: nobody waits for answers any more."""
        for scope in self._scopes:
            scope.cancel()


class RunningCalls:
    """The calls of one server, the latest last."""

    def __init__(self) -> None:
        self._calls: list[RunningCall] = []
        self.turn = anyio.Lock()
        """Held while the server's question is before the user: it asks one thing at a time."""

    @contextmanager
    def entered(self, call: RunningCall) -> Iterator[None]:
        """The call runs within."""
        self._calls.append(call)
        try:
            yield
        finally:
            self._calls.remove(call)
            call.end()

    def latest(self) -> RunningCall | None:
        """The call that a question of the server belongs to. With several at once nobody can know which it is; it is
        taken to be the one that began last."""
        return self._calls[-1] if self._calls else None
