"""A review as all that a frontend does: `codex review` and the like."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from codex_kernel.engine import Engine, ThreadOptions
from codex_kernel.protocol.ops import Interrupt, Op

from .prompt import review_prompt
from .turn import open_review, review_settings

if TYPE_CHECKING:
    from codex_kernel.opened import OpenedThread
    from codex_kernel.protocol.events import Event
    from codex_kernel.thread import Thread
    from codex_kernel.thread_state import ThreadState

    from .target import ReviewTarget
    from .turn import ReviewTurn


class ReviewSession:
    """A thread with one turn, the review; used like an `OpenedThread` whose turn has begun.

    Raises `CodexError` when it is made for what stands in the way, before anything was sent: `UserError` for a target
    that is not there or where nothing has changed.
    """

    def __init__(self, engine: Engine, options: ThreadOptions, target: ReviewTarget) -> None:
        prompt = review_prompt(target, options.cwd, engine.environ)
        before, settings = engine.settings, review_settings(engine, engine.settings, options.cwd)
        # The thread shows what its only turn runs with.
        engine.settings = settings.replace(instructions=before.instructions, disabled_tools=before.disabled_tools)
        self._opened: OpenedThread = engine.prepare(options)
        try:
            self._turn = open_review(engine, self._opened.state, target, prompt, early=True)
        except BaseException:
            if self._opened.writer is not None:
                self._opened.writer.close()
            raise

    @property
    def state(self) -> ThreadState:
        """The thread's state."""
        return self._opened.state

    @asynccontextmanager
    async def running(self) -> AsyncIterator[ReviewThread]:
        """The thread with its review under way; leaving ends both."""
        import anyio

        async with self._opened.running() as thread, anyio.create_task_group() as tasks:
            tasks.start_soon(self._turn.run)
            yield ReviewThread(thread, self._turn)
            tasks.cancel_scope.cancel()


class ReviewThread:
    """The events of a `ReviewSession`, and the way to interrupt it."""

    def __init__(self, thread: Thread, turn: ReviewTurn) -> None:
        self._thread = thread
        self._turn = turn

    async def next_event(self) -> Event:
        """The next event. Raises `EndOfThread` after the last."""
        return await self._thread.next_event()

    async def submit(self, op: Op) -> None:
        """Hand in an op; `Interrupt` is for the review."""
        if isinstance(op, Interrupt):
            self._turn.interrupt()
        else:
            await self._thread.submit(op)
