"""Events: the only way out of a thread, in order, append-only.

`Event` is the envelope; `seq` counts from 0 within a thread object without gaps.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

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
from .value import Value, field, value


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
class Choice(Value):
    """An answer that a question offers; `description` says in a sentence what it means."""

    label: str
    description: str = ""


@value
class Question(Value):
    """A question to the user; `options` are the choices offered, empty for free text."""

    id: str
    header: str
    question: str
    options: tuple[Choice, ...] = ()


@value
class QuestionsAsked(Value):
    """A tool asks the user; answered by an `ApprovalAnswer` op with `answers`, resolved as approval requests are."""

    approval_id: ApprovalId
    call_id: str
    questions: tuple[Question, ...]


@value
class HookRun(Value):
    """A handler of a lifecycle event runs (`running`), or did: completed, failed, blocked or stopped. `key` is the
    file that sets it and its number (`FILE:N`), `source` that layer's kind in Codex's words; `entries` are (kind,
    text): what it said, kind being warning, stop, feedback, context or error."""

    id: str
    event: str
    key: str
    source: str = "unknown"
    status: str = "running"
    message: str = ""
    entries: tuple[tuple[str, str], ...] = ()
    duration_ms: int = 0


@value
class ElicitationRequested(Value):
    """An MCP server asks the user for something while it carries out a call: to fill in a form (`schema`, the JSON
    Schema of an object of plain values), or to open a `url`. Answered by an `ApprovalAnswer` op with `content`, and
    resolved as approval requests are. `message` is the server's, and untrusted; `raw` is the whole request."""

    approval_id: ApprovalId
    call_id: str
    server: str
    message: str
    schema: Mapping[str, Any] | None = None
    url: str | None = None
    raw: Mapping[str, Any] = field(factory=dict)


@value
class McpServerStatus(Value):
    """How the start of an MCP server goes: starting, ready, failed (`error` says why) or cancelled."""

    server: str
    status: str
    error: str = ""


@value
class ApprovalResolved(Value):
    """An approval request, or a question, has its answer; `reviewer` is who gave it: `user`, a reviewer plugin's name,
    or `turn` when the turn ended first."""

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
    usage: TokenUsage = field(factory=TokenUsage)
    duration_ms: int = 0


@value
class TurnInterrupted(Value):
    """The turn was stopped on request; every open call has an output."""

    reason: str
    usage: TokenUsage = field(factory=TokenUsage)
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
    | QuestionsAsked
    | ElicitationRequested
    | McpServerStatus
    | HookRun
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
