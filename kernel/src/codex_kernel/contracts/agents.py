"""The contract of sub-agents: threads that a tool source of another thread starts and drives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ..protocol.events import Event
from ..protocol.ids import ThreadId, TurnId
from ..protocol.ops import Op
from ..protocol.value import Value, field, value


@value
class ChildOptions(Value):
    """How to open a child of a thread. It has a history of its own, or with `fork` begins with its parent's; `resume`
    goes on with an earlier one. `agent_type` is what lifecycle handlers are told; `meta` is recorded in the head of
    its rollout."""

    agent_type: str = "default"
    fork: bool = False
    resume: str | None = None
    model: str | None = None
    effort: str | None = None
    meta: Mapping[str, Any] = field(factory=dict)


class ChildThread(Protocol):
    """A child, running, with the settings that its parent had when it was opened: its sandbox and approval policies are
    never wider. What it wants to have approved is asked where its parent's questions go."""

    @property
    def id(self) -> ThreadId:
        """Its id."""
        ...

    @property
    def active_turn_id(self) -> TurnId | None:
        """The turn under way."""
        ...

    async def submit(self, op: Op) -> None:
        """Hand in an op; what comes of it is told by events."""
        ...

    async def next_event(self) -> Event:
        """The next event; they must be read, or the child waits."""
        ...
