"""The turns of a session: begun, steered, queued for, stopped."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

import anyio

from codex_plugin_sdk import CodexError, ProtocolError, UserError

from .draft import Draft

if TYPE_CHECKING:
    from .controller import Session

MOST_QUEUED = 100
STOP_S = 15.0
"""How long a rewind waits for the turn to stop."""


class Turns:
    """Of the thread that a session has open. At most one runs, and `session.status.turn_id` is it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.queue: deque[Draft] = deque()
        """What goes out when nothing runs any more."""
        self.overrides: dict[str, Any] = {}
        """What the next turn is to change: model, effort, approvalPolicy, sandboxPolicy …"""
        self._interrupting = False
        self._sending = anyio.Lock()
        """Two that are sent at once: the second goes to the turn that the first has started."""
        self._quiet = anyio.Event()
        """Set when a turn has ended."""

    # -- sending ---------------------------------------------------------------------------------

    async def submit(self, draft: Draft, *, queue: bool) -> str:
        """See `Session.submit`; a thread is open."""
        async with self._sending:
            if not self._session.busy:
                await self._start(draft)
                return "started"
            if not queue:
                return await self._steer(draft)
        self._line_up(draft)
        return "queued"

    def _line_up(self, draft: Draft) -> None:
        if len(self.queue) >= MOST_QUEUED:
            raise UserError(f"{MOST_QUEUED} messages wait already", hint="send it when the turn has ended")
        self.queue.append(draft)
        self._session.on_change()

    async def _start(self, draft: Draft) -> None:
        session = self._session
        given = {"threadId": session.thread_id, "input": draft.wire(), **self.overrides}
        session.status.phase = "working"
        try:
            answer = await session.link.request("turn/start", given)
        except BaseException:
            session.status.phase = "idle"
            raise
        self.overrides.clear()
        turn_id = answer["turn"]["id"]
        if session.status.turn_id is None and session.reader is not None and not session.reader.has_ended(turn_id):
            session.status.turn_id = turn_id
            session.status.turn_started_at = time.monotonic()

    async def _steer(self, draft: Draft) -> str:
        session = self._session
        wanted = {"threadId": session.thread_id, "input": draft.wire(), "expectedTurnId": session.status.turn_id}
        try:
            await session.link.request("turn/steer", wanted)
        except ProtocolError as error:
            if session.busy and "active turn" not in error.message:  # a review, or a compaction: after it, then
                self._line_up(draft)
                return "queued"
            session.status.turn_id = None  # it ended a moment ago
            await self._start(draft)
            return "started"
        return "steered"

    async def send_next(self) -> None:
        """What was queued goes out as soon as nothing runs."""
        session = self._session
        if not self.queue or session.busy or not session.thread_id:
            return
        draft = self.queue.popleft()
        try:
            async with self._sending:
                if session.busy:  # somebody was faster
                    self.queue.appendleft(draft)
                    return
                await self._start(draft)
        except CodexError as error:
            session.on_restore([draft, *self.queue])
            self.queue.clear()
            session.notice("error", f"the queued message was not sent: {error.message}", error.hint)

    def unqueue(self) -> Draft | None:
        """Take back what was queued last."""
        draft = self.queue.pop() if self.queue else None
        self._session.on_change()
        return draft

    # -- stopping --------------------------------------------------------------------------------

    async def interrupt(self) -> bool:
        """Stop the turn that runs; False if none does. It takes a moment."""
        session = self._session
        turn = session.status.turn_id
        if turn is None or self._interrupting:
            return turn is not None
        self._interrupting = True
        try:
            await session.link.request("turn/interrupt", {"threadId": session.thread_id, "turnId": turn})
        except ProtocolError:
            self._interrupting = False  # it has just ended
        return True

    async def stop_and_wait(self) -> None:
        """Stop the turn that runs, and wait until it has ended, at most `STOP_S`."""
        await self.interrupt()
        with anyio.move_on_after(STOP_S):
            await self.until_quiet()

    async def until_quiet(self) -> None:
        """Wait until no turn runs; `Session.listen` has to run meanwhile."""
        session = self._session
        while session.busy and session.status.phase != "lost":
            self._quiet = anyio.Event()
            await self._quiet.wait()

    def ended(self, status: str) -> None:
        """The turn has ended. When it was stopped, what was queued comes back."""
        session = self._session
        self._interrupting = False
        self._quiet.set()
        if status != "completed" and self.queue:
            back = list(self.queue)
            self.queue.clear()
            session.on_restore(back)
        session.on_turn_end(status)

    def lost(self) -> None:
        """The server has gone, and the turn with it."""
        session = self._session
        session.status.phase, session.status.turn_id = "lost", None
        self._quiet.set()
