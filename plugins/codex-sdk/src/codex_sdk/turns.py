"""What becomes of a turn, gathered while its notifications pass by, whether or not somebody reads them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio

from ._decode import Unreadable, decode
from .approvals import Declined
from .errors import CodexSdkError, TurnFailedError
from .events import Event, read_event
from .items import ThreadItem, read_item
from .models import ThreadTokenUsage, Turn, TurnResult, final_response
from .router import Notice, Router, Subscription

MAX_DECLINED = 1000


class TurnWatch:
    """Begins to listen before the turn is asked for; `claim` once its id is known."""

    def __init__(self, router: Router, thread_id: str, watches: set[TurnWatch]) -> None:
        self._router, self.thread_id, self._watches = router, thread_id, watches
        self.id = ""
        self._subscription = router.subscribe(lambda notice: notice.thread_id == thread_id)
        self._items: dict[str, ThreadItem] = {}
        self._usage: ThreadTokenUsage | None = None
        self._declined: list[Declined] = []
        self._turn: Turn | None = None
        self._settled = anyio.Event()
        watches.add(self)
        self._subscription.on_end(self._ended)

    def claim(self, turn_id: str) -> None:
        """This is the turn; what came about it already is kept."""
        self.id = turn_id
        self._subscription.narrow(self._is_ours, self._see)

    def forget(self) -> None:
        """There is no such turn."""
        self._router.forget(self._subscription)

    def _ended(self) -> None:
        self._watches.discard(self)
        self._settled.set()

    @property
    def done(self) -> bool:
        """Whether the turn has ended."""
        return self._turn is not None

    def decline(self, declined: Declined) -> None:
        """Remember what was declined for want of an answer."""
        if len(self._declined) < MAX_DECLINED:
            self._declined.append(declined)

    async def result(self) -> TurnResult:
        """Wait for the end. Raises `TurnFailedError`, and what the connection ended with."""
        await self._settled.wait()
        turn = self._turn
        if turn is None:
            raise self._subscription.error or CodexSdkError(f"turn {self.id} has no end: its thread was closed")
        items = tuple(self._items.values()) or turn.items
        result = TurnResult(
            id=turn.id,
            status=turn.status,
            final_response=final_response(items) or final_response(turn.items),
            items=items,
            usage=self._usage,
            error=turn.error,
            started_at=turn.started_at,
            completed_at=turn.completed_at,
            duration_ms=turn.duration_ms,
            declined=tuple(self._declined),
        )
        if turn.status == "failed":
            why = turn.error.message if turn.error else "the server did not say why"
            raise TurnFailedError(f"turn {turn.id} failed: {why}", result)
        return result

    async def events(self) -> AsyncIterator[Event]:
        """The events of the turn that nobody has taken yet, to the last. Raises what the connection ended with."""
        while notices := await self.take():
            for event in notices:
                yield event

    async def take(self) -> list[Event]:
        """All events that wait, at least one; none after the last."""
        return [read_event(notice.method, notice.params) for notice in await self._subscription.take()]

    def _is_ours(self, notice: Notice) -> bool:
        if notice.thread_id != self.thread_id:
            return False
        return notice.turn_id == self.id or notice.method == "thread/closed"

    def _see(self, notice: Notice) -> None:
        try:
            match notice.method:
                case "item/completed":
                    item = read_item(notice.params.get("item"))
                    self._items[item.id or f"#{len(self._items)}"] = item
                case "thread/tokenUsage/updated":
                    self._usage = decode(ThreadTokenUsage, notice.params.get("tokenUsage"))
                case "turn/completed":
                    self._turn = decode(Turn, notice.params.get("turn"))
                    self._subscription.end()
                case "thread/closed":
                    self._subscription.end()
        except Unreadable as error:
            if notice.method == "turn/completed":
                self._subscription.end(CodexSdkError(f"the end of turn {self.id} cannot be read: {error}"))


class EventStream:
    """Events as they come, for `async for`, inside of `async with`: outside of it nobody listens."""

    def __init__(self, router: Router, thread_id: str | None = None) -> None:
        self._router = router
        self._subscription: Subscription = router.subscribe(
            lambda notice: thread_id is None or notice.thread_id == thread_id
        )

    async def __aenter__(self) -> EventStream:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Listen no more."""
        self._router.forget(self._subscription)

    async def take(self) -> list[Event]:
        """All events that wait, at least one; none when it was closed."""
        return [read_event(notice.method, notice.params) for notice in await self._subscription.take()]

    async def __aiter__(self) -> AsyncIterator[Event]:
        while events := await self.take():
            for event in events:
                yield event
