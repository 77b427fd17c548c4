"""Sub-agents: threads below a thread, with its settings and its user."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from .contracts.policy import PolicyContext, Review
from .protocol.events import ApprovalRequested
from .protocol.ops import TurnOverrides

if TYPE_CHECKING:
    from .contracts.agents import ChildOptions, ChildThread
    from .engine import Engine, ThreadOptions
    from .thread_state import ThreadState


class Children:
    """Opens the children of one thread."""

    def __init__(self, engine: Engine, options: ThreadOptions) -> None:
        self._engine = engine
        self._options = options
        self.parent: ThreadState | None = None

    @asynccontextmanager
    async def open(self, wanted: ChildOptions) -> AsyncIterator[ChildThread]:
        """A child, running; leaving the context ends it. Raises as `Engine.open_thread`."""
        parent = self.parent
        assert parent is not None
        own = parent.recorder.thread_id
        opened = self._engine.prepare(
            self._options.replace(
                cwd=parent.cwd,
                resume=wanted.resume,
                fork=own if wanted.fork else None,
                fork_before_turn=None,
                fork_before_compaction=None,
                parent_id=own,
                root_id=self._options.root_id or own,
                depth=self._options.depth + 1,
                answers_questions=False,
                want_deltas=False,
                meta=wanted.meta,
            )
        )
        state = opened.state
        state.settings, state.sticky = parent.settings, dict(parent.sticky)
        state.apply(TurnOverrides(model=wanted.model, effort=wanted.effort))
        state.gate.reviewer = ("the user of the parent thread", lambda: _Relay(parent))
        kind, id = wanted.agent_type, state.recorder.thread_id
        told = await parent.lifecycle.fire("SubagentStart", kind, agent_id=id, agent_type=kind)
        try:
            state.lifecycle.remember(told.context)
            async with opened.running() as thread:
                yield thread
        finally:
            await parent.lifecycle.fire("SubagentStop", kind, agent_id=id, agent_type=kind)


class _Relay:
    """Has a child's questions answered where its parent's are. Implements the `Reviewer` contract."""

    def __init__(self, parent: ThreadState) -> None:
        self._parent = parent

    async def review(self, request: ApprovalRequested, context: PolicyContext) -> Review | None:
        """Ask what the child asks, in the parent's thread."""
        return await self._parent.gate.relay(request, context)
