"""One sub-agent: what was asked of it, what its events say, what it answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import anyio

from codex_plugin_sdk import (
    EndOfThread,
    Event,
    Interrupt,
    ItemCompleted,
    OpRejected,
    Steer,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
    TurnStarted,
    UserMessageItem,
    UserTurn,
    new_item_id,
    new_turn_id,
)

from .status import COMPLETED, ERRORED, INTERRUPTED, RUNNING, SHUTDOWN, Status

if TYPE_CHECKING:
    from codex_plugin_sdk import ChildOptions, ChildThread, TurnId, UserInput

_PAUSE_S = 0.01


class Agent:
    """Drives one child. `changed` is called whenever `status` is another. Of its events nothing is kept but its last
    answer."""

    def __init__(self, nickname: str, options: ChildOptions, changed: Callable[[], None]) -> None:
        self.nickname = nickname
        self.options = options
        self.id = ""
        self.status = Status()
        self.unread = False
        """Whether it came to an end that nobody has been told of."""
        self.opened = anyio.Event()
        self.closing = anyio.Event()
        self.gone = anyio.Event()
        self._changed = changed
        self._thread: ChildThread | None = None
        self._due: dict[TurnId, UserTurn] = {}
        self._steered: dict[str, tuple[UserInput, ...]] = {}

    @property
    def open(self) -> bool:
        """Whether it can be talked to."""
        return self._thread is not None

    async def follow(self, thread: ChildThread) -> None:
        """Read the child's events until it is to be closed, or ends by itself."""
        self.id, self._thread = thread.id, thread
        self.opened.set()
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._read, thread)
                await self.closing.wait()
                tasks.cancel_scope.cancel()
        finally:
            self._thread = None

    def ended(self, error: str = "") -> None:
        """The child is gone; `error` says why if it was not closed."""
        self._due.clear()
        self.unread = bool(error)
        self._set(Status(word=ERRORED, message=error) if error else Status(word=SHUTDOWN))
        self.opened.set()
        self.gone.set()

    async def send(self, given: Sequence[UserInput], *, interrupt: bool = False) -> str:
        """Have it read input: at once with `interrupt`, else with its next step, or as a new turn if it is idle. The id
        of what was handed in."""
        thread, input = self._thread, tuple(given)
        assert thread is not None
        if self._due and not interrupt:
            id = new_item_id()
            self._steered[id] = input
            await thread.submit(Steer(input=input, client_id=id))
            return id
        await self.interrupt()
        return await self._start(thread, input)

    async def interrupt(self) -> None:
        """Stop its turn, if there is one. What it was sent meanwhile and has not read is dropped."""
        self._steered.clear()
        if self._thread is not None and self._due:
            await self._thread.submit(Interrupt())

    async def _start(self, thread: ChildThread, input: tuple[UserInput, ...]) -> str:
        turn = UserTurn(input=input, turn_id=new_turn_id())
        self._due[turn.turn_id] = turn
        self.unread = False
        if self.status.final:
            self._set(Status(word=RUNNING))
        await thread.submit(turn)
        return str(turn.turn_id)

    async def _read(self, thread: ChildThread) -> None:
        try:
            while True:
                await self._take(thread, await thread.next_event())
        except EndOfThread:
            self.closing.set()

    async def _take(self, thread: ChildThread, event: Event) -> None:
        match event.msg:
            case TurnStarted():
                self._set(Status(word=RUNNING))
            case TurnCompleted(last_agent_message=answer):
                await self._turn_ended(thread, event.turn_id, Status(word=COMPLETED, message=answer))
            case TurnFailed(error=error):
                await self._turn_ended(thread, event.turn_id, Status(word=ERRORED, message=error.message))
            case TurnInterrupted():
                await self._turn_ended(thread, event.turn_id, Status(word=INTERRUPTED))
            case ItemCompleted(item=UserMessageItem(client_id=str() as id)):
                self._steered.pop(id, None)
            case OpRejected(op="Steer") if not self._due:
                await self._send_late(thread)
            case OpRejected(op="UserTurn", message=why):
                await self._start_again(thread, why)

    async def _turn_ended(self, thread: ChildThread, turn_id: TurnId | None, status: Status) -> None:
        if turn_id is not None:
            self._due.pop(turn_id, None)
        if self._steered:
            await self._send_late(thread)
        if not self._due:
            self.unread = True
            self._set(status)

    async def _send_late(self, thread: ChildThread) -> None:
        """What came too late for a turn is the next one."""
        given = tuple(part for input in self._steered.values() for part in input)
        self._steered.clear()
        if given:
            await self._start(thread, given)

    async def _start_again(self, thread: ChildThread, why: str) -> None:
        """A turn was handed in while the one before it, which has told its end, was still being put away."""
        if not self._due:
            return
        id, turn = next(reversed(self._due.items()))
        if thread.active_turn_id not in (None, id):
            await anyio.sleep(_PAUSE_S)
        elif "still running" not in why:
            del self._due[id]
            self.unread = True
            self._set(Status(word=ERRORED, message=why))
            return
        await thread.submit(turn)

    def _set(self, status: Status) -> None:
        self.status = status
        self._changed()
