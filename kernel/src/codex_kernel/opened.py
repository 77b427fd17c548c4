"""A thread's parts before its loop runs: beginning its rollout and its first turn, running it, releasing it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from .contracts.store import RolloutLine, RolloutWriter
from .event_queue import EventQueue
from .protocol.events import Notice, ThreadStarted
from .recorder import Recorder
from .rollout_lines import SCHEMA_VERSION, line
from .thread_state import ThreadState
from .version import __version__

if TYPE_CHECKING:
    from .engine import ThreadOptions
    from .protocol.ops import UserTurn
    from .resume import Recorded
    from .thread import Thread
    from .turn_opening import Opening

_COPIED_AT_ONCE_BYTES = 8 * 1024 * 1024


class OpenedThread:
    """A thread's parts before its loop runs, and how to release them."""

    opening: Opening | None = None

    def __init__(
        self,
        state: ThreadState,
        queue: EventQueue,
        writer: RolloutWriter | None,
        close_telemetry: Callable[[], None] | None,
    ) -> None:
        self.state = state
        self.queue = queue
        self.writer = writer
        self._close_telemetry = close_telemetry

    def begin(self, op: UserTurn) -> None:
        """Open the first turn now, before `running` and without an event loop. Never raises what belongs to
        the turn: that is told by its events."""
        from .turn_opening import Opening, open_early

        handled = self.state.lifecycle.wants("SessionStart", "UserPromptSubmit")  # by programs, on the event loop
        if handled or not self.state.sources.immediate:
            self.opening = Opening(op, late=True)
            return
        self.state.offer()
        self.opening = open_early(self.state, op)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Thread]:
        """The thread, running. See `Engine.open_thread`."""
        import anyio

        from .protocol.ops import Shutdown
        from .thread import Thread

        thread = Thread(self.state, self.queue, self.opening)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(thread.run)
                try:
                    yield thread
                finally:
                    with anyio.CancelScope(shield=True):
                        self.queue.detach()
                        await thread.submit(Shutdown())
        finally:
            with anyio.CancelScope(shield=True):
                await self.aclose()

    async def aclose(self) -> None:
        """End tools, sandbox, provider, telemetry and rollout; one that fails does not keep the others."""
        from .log import logger

        tools = [tool.aclose for tool in self.state.own_tools.values()]
        closers = [
            self.state.lifecycle.end,
            *tools,
            self.state.end_processes,
            self.state.guards.aclose,
            self.state.sandbox.aclose,
            self.state.aclose_proxy,
        ]
        for close in [*closers, self.state.provider.aclose]:
            try:
                await close()
            except Exception as error:  # noqa: BLE001 - the rest must still be released
                logger().error("closing failed", exc_info=error)
        if self._close_telemetry is not None:
            self._close_telemetry()
        if self.writer is not None:
            self.writer.close()


def _copy(recorder: Recorder, lines: Iterable[RolloutLine]) -> None:
    """Take over another thread's lines with its events: who shows the fork shows its earlier turns too. Written in
    parts, so that a long history is not held a second time."""
    part: list[RolloutLine] = []
    size = 0
    for entry in lines:
        if entry.type != "session_meta":
            part.append(entry)
            size += len(entry.payload)
        if size > _COPIED_AT_ONCE_BYTES:
            recorder.write(*part)
            part, size = [], 0
    recorder.write(*part)


def begin_recording(
    opened: OpenedThread,
    options: ThreadOptions,
    recorded: Recorded | None,
    notices: list[str],
    forked: Iterable[RolloutLine],
) -> None:
    """Write the head of the rollout, with the lines `forked` from another, and queue the first events. Raises
    `StoreError`."""
    state, settings = opened.state, opened.state.settings
    recorder = state.recorder
    resumed = options.resume is not None
    if recorded is not None:
        state.total = recorded.total
        state.last_total_tokens = recorder.history.estimated_tokens()
    if not resumed:
        recorder.write(line("session_meta", _session_meta(state, options)))
        if recorded is not None:
            _copy(recorder, forked)
    from .history import aborted_output

    recorder.remember([aborted_output(call) for call in recorder.history.open_calls()])
    recorder.emit_nowait(
        ThreadStarted(
            model=settings.model,
            model_provider=settings.provider_id,
            cwd=state.cwd,
            approval_policy=settings.approval_policy,
            sandbox_policy=settings.sandbox_policy,
            rollout_path=recorder.path,
            resumed=resumed,
            effort=settings.effort,
        ),
        *(Notice(level="warning", message=text) for text in notices),
    )


def _session_meta(state: ThreadState, options: ThreadOptions) -> dict[str, Any]:
    from .git_info import git_head

    thread_id = state.recorder.thread_id
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
    meta: dict[str, Any] = {
        "id": thread_id,
        "session_id": thread_id,
        "timestamp": stamp,
        "cwd": state.cwd,
        "originator": options.originator,
        "cli_version": __version__,
        "source": options.source,
        "model_provider": state.settings.provider_id,
        "base_instructions": {"text": state.instructions},
        "history_mode": "paginated",  # Codex then shows the items of `item_completed` lines, which are what we write
        "codex_agent_schema": SCHEMA_VERSION,
        **options.meta,
    }
    if options.fork is not None:
        meta["forked_from_id"] = options.fork
    head = git_head(state.cwd)
    if head is not None:
        meta["git"] = head
    return meta
