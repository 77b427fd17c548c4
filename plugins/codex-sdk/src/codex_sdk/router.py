"""Who is told of what: each notification goes to those who listen, the early ones too.

A notification about a turn may come before the answer that names the turn. So before a turn is asked for, its thread
is listened to; once its id is known, what was about other turns is dropped and the rest belongs to it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import anyio
import attrs

from .errors import CodexSdkError

MAX_EVENTS = 16_384
MAX_BYTES = 32 * 1024 * 1024
DROPPED = "codex_sdk/eventsDropped"
"""The method of the notice that stands where notifications were dropped."""


@attrs.frozen
class Notice:
    """A notification as it came, and how long its message was."""

    method: str
    params: Mapping[str, Any]
    size_bytes: int = 0

    @property
    def thread_id(self) -> str | None:
        """The thread that it is about."""
        found = self.params.get("threadId")
        if found is None and isinstance(thread := self.params.get("thread"), dict):
            found = thread.get("id")
        return found if isinstance(found, str) else None

    @property
    def turn_id(self) -> str | None:
        """The turn that it is about."""
        found = self.params.get("turnId")
        if found is None and isinstance(turn := self.params.get("turn"), dict):
            found = turn.get("id")
        return found if isinstance(found, str) else None

    @property
    def only_streams(self) -> bool:
        """Whether nothing is lost for good with it: what it says comes again, whole."""
        return self.method.lower().endswith(("delta", "/progress"))


class Subscription:
    """Notifications that wait for one listener: bounded, and the listener is told of gaps.

    When too many wait, deltas are no longer kept; at twice as many the oldest of all go. So the end of a turn is
    never lost.
    """

    def __init__(self, wants: Callable[[Notice], bool], *, seen: Callable[[Notice], None] | None = None) -> None:
        self._wants, self.seen = wants, seen
        self._waiting: deque[Notice] = deque()
        self._bytes = 0
        self._dropped = 0
        self._changed = anyio.Event()
        self._ended = False
        self._error: Exception | None = None
        self._at_end: Callable[[], None] | None = None

    @property
    def error(self) -> Exception | None:
        """What it ended with, other than by being complete."""
        return self._error

    def on_end(self, call: Callable[[], None]) -> None:
        """Call this at the end, at once if it has ended."""
        self._at_end = call
        if self._ended:
            call()

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self._ended

    def offer(self, notice: Notice) -> None:
        """Keep it, if it is wanted."""
        if self._ended or not self._wants(notice):
            return
        if self.seen is not None:
            self.seen(notice)
        self._keep(notice)

    def _keep(self, notice: Notice) -> None:
        if notice.only_streams and (len(self._waiting) >= MAX_EVENTS or self._bytes >= MAX_BYTES):
            self._dropped += 1
            return
        while len(self._waiting) > 1 and (len(self._waiting) >= 2 * MAX_EVENTS or self._bytes >= 2 * MAX_BYTES):
            oldest = self._waiting.popleft()
            self._bytes -= oldest.size_bytes
            self._dropped += oldest.params["count"] if oldest.method == DROPPED else 1
        if self._dropped and not notice.only_streams:
            self._tell_dropped()
        self._waiting.append(notice)
        self._bytes += notice.size_bytes
        self._changed.set()

    def _tell_dropped(self) -> None:
        self._waiting.append(Notice(DROPPED, {"count": self._dropped}))
        self._dropped = 0

    def narrow(self, wants: Callable[[Notice], bool], seen: Callable[[Notice], None]) -> None:
        """Keep only what is wanted from now on, of what waits as well; `seen` is called for each of it."""
        self._wants, self.seen = wants, seen
        waiting, self._waiting, self._bytes = self._waiting, deque(), 0
        was_ended, self._ended = self._ended, False
        for notice in waiting:
            if notice.method == DROPPED:
                self._waiting.append(notice)
            else:
                self.offer(notice)
        if was_ended and not self._ended:
            self._ended = True
        elif self._ended:
            self._error = None  # all of it had come before the connection ended

    def end(self, error: Exception | None = None) -> None:
        """Nothing more will come; what waits can still be taken."""
        if not self._ended:
            self._ended, self._error = True, error
            self._changed.set()
            if self._at_end is not None:
                self._at_end()

    async def take(self) -> list[Notice]:
        """All that waits, at least one; an empty list at the end. Raises what it ended with."""
        while not self._waiting:
            if self._ended:
                if self._error is not None:
                    raise self._error
                return []
            self._changed = anyio.Event()
            await self._changed.wait()
        if self._dropped:
            self._tell_dropped()
        found = list(self._waiting)
        self._waiting.clear()
        self._bytes = 0
        return found


class Router:
    """All subscriptions of one connection. Called on the event loop only."""

    def __init__(self) -> None:
        self._everyone: list[Subscription] = []
        self._error: Exception | None = None

    def subscribe(self, wants: Callable[[Notice], bool] = lambda _: True) -> Subscription:
        """Listen from now on. Raises what the connection ended with."""
        if self._error is not None:
            raise self._error
        found = Subscription(wants)
        self._everyone.append(found)
        return found

    def forget(self, subscription: Subscription) -> None:
        """Listen no more."""
        subscription.end()
        if subscription in self._everyone:
            self._everyone.remove(subscription)

    def route(self, notice: Notice) -> None:
        """Hand a notification to all who want it."""
        for subscription in tuple(self._everyone):
            subscription.offer(notice)
            if subscription.ended and subscription in self._everyone:
                self._everyone.remove(subscription)

    def end(self, error: CodexSdkError) -> None:
        """The connection has ended."""
        self._error = error
        everyone, self._everyone = self._everyone, []
        for subscription in everyone:
            subscription.end(error)
