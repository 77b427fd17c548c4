"""The thread: ops in, events out, one turn at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, assert_never

import anyio

from .errors import ConfigError, StoreError
from .event_queue import EndOfThread, EventQueue
from .history import History
from .log import logger
from .protocol.events import ApprovalRequested, Event, EventMsg, Notice, OpRejected, ThreadClosed
from .protocol.ids import ThreadId, TurnId, new_turn_id
from .protocol.ops import (
    ApprovalAnswer,
    Compact,
    InjectItems,
    Interrupt,
    Op,
    Shutdown,
    Steer,
    UserTurn,
)
from .protocol.response_items import HistoryEntry
from .thread_state import ThreadState
from .turn import Turn
from .turn_opening import Opening

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

__all__ = ["EndOfThread", "Thread"]

MAX_QUEUED_OPS = 256


class Thread:
    """A queue pair. `submit` and `next_event` may be called from different tasks, both can be cancelled
    without losing anything. Made by `Engine.open_thread`."""

    def __init__(self, state: ThreadState, queue: EventQueue, opening: Opening | None = None) -> None:
        self._state = state
        self._opening = opening
        self._queue = queue
        self._ops: deque[Op] = deque()
        self._op_waiting = anyio.Event()
        self._op_taken = anyio.Event()
        self._turn: Turn | None = None
        self._turn_over = anyio.Event()
        self._closing = False

    # -- for frontends -------------------------------------------------------------------------------

    @property
    def id(self) -> ThreadId:
        """The thread's id."""
        return self._state.recorder.thread_id

    @property
    def rollout_path(self) -> str | None:
        """Where the thread is recorded; None if it is ephemeral."""
        return self._state.recorder.path

    @property
    def history(self) -> History:
        """The history as the model will read it; for reading."""
        return self._state.recorder.history

    @property
    def active_turn_id(self) -> TurnId | None:
        """The turn under way."""
        return self._turn.turn_id if self._turn is not None else None

    @property
    def open_approvals(self) -> list[ApprovalRequested]:
        """The requests that wait for an answer, for a frontend that comes late or comes back."""
        return self._state.gate.open_requests()

    async def submit(self, op: Op) -> None:
        """Hand in an op; waits while 256 others are queued. What comes of it is told by events."""
        while len(self._ops) >= MAX_QUEUED_OPS:
            await self._op_taken.wait()
        self._ops.append(op)
        self._op_waiting.set()

    async def next_event(self) -> Event:
        """The next event. Raises `EndOfThread` after `ThreadClosed` was read."""
        return await self._queue.get()

    # -- the engine's side -----------------------------------------------------------------------------

    async def run(self) -> None:
        """Carry out ops until `Shutdown`; then close the queue. Run by the engine in its task group."""
        try:
            async with anyio.create_task_group() as tasks:
                self._state.start_task = tasks.start_soon
                if self._state.sources:
                    tasks.start_soon(self._state.sources.run)
                if self._opening is not None:
                    self._start(self._opening.op, tasks, None if self._opening.late else self._opening)
                while not self._closing:
                    await self._handle(await self._next_op(), tasks)
                self._state.close_sessions()
                self._state.sources.stop()
        finally:
            self._tell(ThreadClosed())
            self._queue.close()

    async def _next_op(self) -> Op:
        while not self._ops:
            self._op_waiting = anyio.Event()
            await self._op_waiting.wait()
        op = self._ops.popleft()
        self._op_taken.set()
        self._op_taken = anyio.Event()
        return op

    async def _handle(self, op: Op, tasks: TaskGroup) -> None:
        match op:
            case UserTurn() | Compact():
                self._start(op, tasks)
            case Steer():
                self._steer(op)
            case Interrupt():
                await self._interrupt(op.reason)
            case ApprovalAnswer():
                if not self._state.gate.answer(op):
                    self._reject(op, f"no open approval request {op.approval_id}")
            case InjectItems():
                self._inject(op)
            case Shutdown():
                await self._interrupt("shutdown")
                self._closing = True
            case _:
                assert_never(op)

    def _start(self, op: UserTurn | Compact, tasks: TaskGroup, opening: Opening | None = None) -> None:
        if self._turn is not None:
            self._reject(op, f"turn {self._turn.turn_id} is still running")
            return
        if isinstance(op, UserTurn):
            if opening is None:
                for text in self._state.refresh():
                    self._tell(Notice(level="info", message=text, source="config"))
                try:
                    self._state.apply(op.overrides)
                except ConfigError as error:
                    self._reject(op, str(error))
                    return
            turn = Turn(self._state, op.turn_id, op.overrides.output_schema, opening)
            run = turn.run(op)
        else:
            turn = Turn(self._state, new_turn_id())
            run = turn.run_compaction()
        self._turn = turn
        self._turn_over = anyio.Event()
        tasks.start_soon(self._run_turn, run)

    async def _run_turn(self, run: Coroutine[Any, Any, None]) -> None:
        try:
            await run
        finally:
            self._turn = None
            self._state.gate.end_turn()
            self._turn_over.set()

    def _steer(self, op: Steer) -> None:
        if self._turn is None:
            self._reject(op, "no active turn to steer")
        elif op.expected_turn_id not in (None, self._turn.turn_id):
            self._reject(op, f"expected active turn id `{op.expected_turn_id}` but found `{self._turn.turn_id}`")
        else:
            self._turn.steer(op)

    async def _interrupt(self, reason: str) -> None:
        if self._turn is not None:
            self._turn.interrupt(reason)
            await self._turn_over.wait()

    def _inject(self, op: InjectItems) -> None:
        if self._turn is not None:
            self._reject(op, f"turn {self._turn.turn_id} is still running")
            return
        try:
            self._state.recorder.remember(op.items)
        except StoreError as error:
            for item in op.items:
                self._state.recorder.history.add(HistoryEntry.of(item))
            self._tell(Notice(level="error", message=str(error)))

    def _reject(self, op: Op, why: str) -> None:
        self._tell(OpRejected(op=type(op).__name__, message=why))

    def _tell(self, msg: EventMsg) -> None:
        try:
            self._state.recorder.emit_nowait(msg)
        except StoreError as error:
            logger().error("an event could not be recorded", exc_info=error)
            self._state.recorder.show_nowait(msg)
