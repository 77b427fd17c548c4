"""Events: the only way out of a thread, in order, append-only.

`Event` is the envelope; `seq` counts from 0 within a thread object without gaps.
"""

from __future__ import annotations

from enum import StrEnum

import attrs

from .ids import ApprovalId, ThreadId, TurnId
from .policy import (
    ApprovalPolicy,
    Category,
    Decision,
    Guarantee,
    Intent,
    PolicyAmendment,
    ReviewDecision,
    SandboxPolicy,
)
from .thread_items import ThreadItem
from .usage import TokenUsage
from .value import Value, value


class TurnState(StrEnum):
    """The states of a turn; `turn_state.py` holds the permitted transitions."""

    IDLE = "idle"
    BUILDING_CONTEXT = "building_context"
    STREAMING = "streaming"
    RUNNING_TOOLS = "running_tools"
    WAITING_FOR_APPROVAL = "waiting_for_approval"
    COMPLETED = "completed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@value
class ThreadStarted(Value):
    """First event of every thread. `rollout_path` is None for an ephemeral one."""

    model: str
    model_provider: str
    cwd: str
    approval_policy: ApprovalPolicy
    sandbox_policy: SandboxPolicy
    rollout_path: str | None
    resumed: bool = False
    effort: str | None = None


@value
class TurnStarted(Value):
    """A turn begins."""

    model: str
    context_window: int | None = None


@value
class TurnStateChanged(Value):
    """The turn moved from one state to another."""

    previous: TurnState
    state: TurnState


@value
class ItemStarted(Value):
    """An item appears; its deltas follow, then `ItemCompleted` with the same id."""

    item: ThreadItem


@value
class ItemUpdated(Value):
    """A new state of an item that is not yet complete."""

    item: ThreadItem


@value
class ItemCompleted(Value):
    """The final state of an item; it is already in the rollout."""

    item: ThreadItem


@value
class AgentMessageDelta(Value):
    """Text as it streams."""

    item_id: str
    delta: str


@value
class ReasoningDelta(Value):
    """A reasoning summary (or, with `raw`, the reasoning itself) as it streams."""

    item_id: str
    delta: str
    raw: bool = False


@value
class ToolInputDelta(Value):
    """Input of a freeform tool as it streams (a patch, say)."""

    item_id: str
    call_id: str
    delta: str


@value
class OutputDelta(Value):
    """Bytes of a command's output as they come."""

    item_id: str
    chunk: bytes


@value
class TokenCount(Value):
    """Usage after a model request: of this request, of the thread."""

    last: TokenUsage
    total: TokenUsage
    context_window: int | None = None


@value
class StreamRetry(Value):
    """A model request failed and is tried again after `delay_s`."""

    attempt: int
    max_attempts: int
    delay_s: float
    cause: str


@value
class ApprovalRequested(Value):
    """Someone must decide; answered by an `ApprovalAnswer` op, resolved at the latest with the turn.
    `amendments` are the rules that `approved_always` would write."""

    approval_id: ApprovalId
    call_id: str
    intent: Intent
    reason: str
    source: str = ""
    category: Category = Category.RULES
    amendments: tuple[PolicyAmendment, ...] = ()


@value
class ApprovalResolved(Value):
    """An approval request has its answer; `reviewer` is who gave it: `user`, a reviewer plugin's name, or
    `turn` when the turn ended first."""

    approval_id: ApprovalId
    decision: ReviewDecision
    reviewer: str = "user"
    reason: str = ""


@value
class SandboxSelected(Value):
    """The backend that confines this thread's commands was chosen and has proved itself."""

    backend: str
    version: str
    degraded: bool
    guarantees: tuple[Guarantee, ...] = ()


@value
class NetworkDecided(Value):
    """The proxy was asked for a host: `source` is the policy, the pattern or the reviewer that decided."""

    call_id: str
    host: str
    port: int
    protocol: str
    decision: Decision
    source: str = ""


@value
class TurnCompleted(Value):
    """The model asks for nothing more. `usage` sums the requests of this turn."""

    usage: TokenUsage
    last_agent_message: str | None = None
    duration_ms: int = 0


@value
class ErrorInfo(Value):
    """An error as data: `kind` is the class name in the error tree, `exit_code` that of the command line."""

    message: str
    kind: str
    hint: str = ""
    exit_code: int = 1
    http_status: int | None = None


@value
class TurnFailed(Value):
    """The turn ended with an error; the thread goes on."""

    error: ErrorInfo
    usage: TokenUsage = attrs.field(factory=TokenUsage)
    duration_ms: int = 0


@value
class TurnInterrupted(Value):
    """The turn was stopped on request; every open call has an output."""

    reason: str
    usage: TokenUsage = attrs.field(factory=TokenUsage)
    duration_ms: int = 0


@value
class Notice(Value):
    """Something the user should know: `level` is info, warning or error; nothing has ended by it."""

    level: str
    message: str
    source: str = ""


@value
class OpRejected(Value):
    """An op could not be carried out (no turn to steer, unknown approval, busy)."""

    op: str
    message: str


@value
class ThreadClosed(Value):
    """Last event of every thread."""


EventMsg = (
    ThreadStarted
    | TurnStarted
    | TurnStateChanged
    | ItemStarted
    | ItemUpdated
    | ItemCompleted
    | AgentMessageDelta
    | ReasoningDelta
    | ToolInputDelta
    | OutputDelta
    | TokenCount
    | StreamRetry
    | ApprovalRequested
    | ApprovalResolved
    | SandboxSelected
    | NetworkDecided
    | TurnCompleted
    | TurnFailed
    | TurnInterrupted
    | Notice
    | OpRejected
    | ThreadClosed
)


@value
class Event(Value):
    """An event message with its place: thread, turn, order and time."""

    thread_id: ThreadId
    turn_id: TurnId | None
    seq: int
    at_ms: int
    msg: EventMsg
