"""The notifications of the server, as values. `raw` holds the params as they came.

A method that is not known here is an `UnknownEvent`; so is one whose params do not have the form that they should have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from ._decode import Unreadable, decode, raw_field
from .items import FileUpdate, ThreadItem, read_item
from .models import ThreadInfo, ThreadTokenUsage, Turn, TurnError
from .router import DROPPED


@attrs.frozen(kw_only=True)
class Event:
    """What all have. `thread_id` and `turn_id` are None where the notification is not about one."""

    method: ClassVar[str] = ""
    thread_id: str | None = None
    turn_id: str | None = None
    raw: Mapping[str, Any] = raw_field()


@attrs.frozen(kw_only=True)
class UnknownEvent(Event):
    """Another notification: `name` is its method, `raw` its params."""

    name: str


@attrs.frozen(kw_only=True)
class EventsDropped(Event):
    """So many events came faster than they were read, and are lost. Made here, not by the server."""

    method: ClassVar[str] = DROPPED
    count: int


# -- threads -----------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class ThreadStarted(Event):
    """A thread was opened."""

    method: ClassVar[str] = "thread/started"
    thread: ThreadInfo


@attrs.frozen(kw_only=True)
class ThreadStatusChanged(Event):
    """`status`: notLoaded, idle, active, systemError; `active_flags`: what an active one waits for."""

    method: ClassVar[str] = "thread/status/changed"
    status: str = attrs.field(metadata={"read": lambda found: found["type"]})
    active_flags: tuple[str, ...] = attrs.field(
        default=(), metadata={"key": "status", "read": lambda found: tuple(found.get("activeFlags") or ())}
    )


@attrs.frozen(kw_only=True)
class ThreadNameUpdated(Event):
    """A thread was given a name."""

    method: ClassVar[str] = "thread/name/updated"
    thread_name: str | None = None


@attrs.frozen(kw_only=True)
class ThreadArchived(Event):
    """A thread was put aside."""

    method: ClassVar[str] = "thread/archived"


@attrs.frozen(kw_only=True)
class ThreadUnarchived(Event):
    """A thread was put back."""

    method: ClassVar[str] = "thread/unarchived"


@attrs.frozen(kw_only=True)
class ThreadDeleted(Event):
    """A thread was removed."""

    method: ClassVar[str] = "thread/deleted"


@attrs.frozen(kw_only=True)
class ThreadClosed(Event):
    """A thread is no longer open."""

    method: ClassVar[str] = "thread/closed"


@attrs.frozen(kw_only=True)
class ThreadCompacted(Event):
    """The history was shortened."""

    method: ClassVar[str] = "thread/compacted"


@attrs.frozen(kw_only=True)
class ThreadTokenUsageUpdated(Event):
    """After each request to the model."""

    method: ClassVar[str] = "thread/tokenUsage/updated"
    token_usage: ThreadTokenUsage


# -- turns -------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class TurnStarted(Event):
    """The model is at work."""

    method: ClassVar[str] = "turn/started"
    turn: Turn


@attrs.frozen(kw_only=True)
class TurnCompleted(Event):
    """The last event of a turn, however it ended."""

    method: ClassVar[str] = "turn/completed"
    turn: Turn


@attrs.frozen(kw_only=True)
class TurnDiffUpdated(Event):
    """All edits of the turn so far, as one diff."""

    method: ClassVar[str] = "turn/diff/updated"
    diff: str


@attrs.frozen(kw_only=True)
class PlanStep:
    """`status`: pending, inProgress, completed."""

    step: str
    status: str


@attrs.frozen(kw_only=True)
class TurnPlanUpdated(Event):
    """The model's list of what to do."""

    method: ClassVar[str] = "turn/plan/updated"
    plan: tuple[PlanStep, ...]
    explanation: str | None = None


# -- items -------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class ItemStarted(Event):
    """An item, as far as it is known."""

    method: ClassVar[str] = "item/started"
    item: ThreadItem = attrs.field(metadata={"read": read_item})


@attrs.frozen(kw_only=True)
class ItemCompleted(Event):
    """An item, whole."""

    method: ClassVar[str] = "item/completed"
    item: ThreadItem = attrs.field(metadata={"read": read_item})


@attrs.frozen(kw_only=True)
class ItemDelta(Event):
    """A piece of an item's text."""

    item_id: str
    delta: str


@attrs.frozen(kw_only=True)
class AgentMessageDelta(ItemDelta):
    """A piece of what the model says."""

    method: ClassVar[str] = "item/agentMessage/delta"


@attrs.frozen(kw_only=True)
class PlanDelta(ItemDelta):
    """A piece of a proposed plan."""

    method: ClassVar[str] = "item/plan/delta"


@attrs.frozen(kw_only=True)
class ReasoningSummaryTextDelta(ItemDelta):
    """A piece of a summary of thoughts."""

    method: ClassVar[str] = "item/reasoning/summaryTextDelta"
    summary_index: int = 0


@attrs.frozen(kw_only=True)
class ReasoningSummaryPartAdded(Event):
    """A further part of a summary begins."""

    method: ClassVar[str] = "item/reasoning/summaryPartAdded"
    item_id: str
    summary_index: int = 0


@attrs.frozen(kw_only=True)
class ReasoningTextDelta(ItemDelta):
    """A piece of raw thoughts."""

    method: ClassVar[str] = "item/reasoning/textDelta"
    content_index: int = 0


@attrs.frozen(kw_only=True)
class CommandExecutionOutputDelta(ItemDelta):
    """A piece of a command's output."""

    method: ClassVar[str] = "item/commandExecution/outputDelta"


@attrs.frozen(kw_only=True)
class TerminalInteraction(Event):
    """The model types into a running command."""

    method: ClassVar[str] = "item/commandExecution/terminalInteraction"
    item_id: str
    process_id: str
    stdin: str


@attrs.frozen(kw_only=True)
class FileChangeOutputDelta(ItemDelta):
    """A piece of what an edit prints."""

    method: ClassVar[str] = "item/fileChange/outputDelta"


@attrs.frozen(kw_only=True)
class FileChangePatchUpdated(Event):
    """Edits, as far as the model has written them."""

    method: ClassVar[str] = "item/fileChange/patchUpdated"
    item_id: str
    changes: tuple[FileUpdate, ...]


@attrs.frozen(kw_only=True)
class McpToolCallProgress(Event):
    """What an MCP tool says while it works."""

    method: ClassVar[str] = "item/mcpToolCall/progress"
    item_id: str
    message: str


# -- the rest ----------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class ErrorEvent(Event):
    """Something failed; `will_retry` says whether the turn goes on."""

    method: ClassVar[str] = "error"
    error: TurnError
    will_retry: bool


@attrs.frozen(kw_only=True)
class WarningEvent(Event):
    """Something that a person should know."""

    method: ClassVar[str] = "warning"
    message: str


@attrs.frozen(kw_only=True)
class ConfigWarning(Event):
    """Something is odd in the configuration."""

    method: ClassVar[str] = "configWarning"
    summary: str
    details: str | None = None
    path: str | None = None


@attrs.frozen(kw_only=True)
class DeprecationNotice(Event):
    """Something will not work for ever."""

    method: ClassVar[str] = "deprecationNotice"
    summary: str
    details: str | None = None


@attrs.frozen(kw_only=True)
class HookStarted(Event):
    """A lifecycle hook runs; `run` as the protocol has it."""

    method: ClassVar[str] = "hook/started"
    run: Mapping[str, Any]


@attrs.frozen(kw_only=True)
class HookCompleted(Event):
    """A lifecycle hook has run."""

    method: ClassVar[str] = "hook/completed"
    run: Mapping[str, Any]


@attrs.frozen(kw_only=True)
class ModelRerouted(Event):
    """Another model answers than was asked for."""

    method: ClassVar[str] = "model/rerouted"
    from_model: str
    to_model: str
    reason: str


@attrs.frozen(kw_only=True)
class ServerRequestResolved(Event):
    """A question of the server is settled."""

    method: ClassVar[str] = "serverRequest/resolved"
    request_id: Any


@attrs.frozen(kw_only=True)
class McpServerStatusUpdated(Event):
    """`status`: starting, ready, failed, cancelled."""

    method: ClassVar[str] = "mcpServer/startupStatus/updated"
    name: str
    status: str
    error: str | None = None


@attrs.frozen(kw_only=True)
class AccountLoginCompleted(Event):
    """A sign-in has ended."""

    method: ClassVar[str] = "account/login/completed"
    success: bool
    login_id: str | None = None
    error: str | None = None


@attrs.frozen(kw_only=True)
class AccountUpdated(Event):
    """Another account, or none."""

    method: ClassVar[str] = "account/updated"
    auth_mode: str | None = None
    plan_type: str | None = None


def _all(base: type[Event]) -> dict[str, type[Event]]:
    found = {base.method: base} if base.method else {}
    for kind in base.__subclasses__():
        found |= _all(kind)
    return found


_KINDS = _all(Event)


def read_event(method: str, params: Mapping[str, Any]) -> Event:
    """The event of a notification."""
    known = _KINDS.get(method)
    if known is not None:
        try:
            found = decode(known, params)
            match found:
                case TurnStarted() | TurnCompleted():
                    return attrs.evolve(found, turn_id=found.turn.id)
                case ThreadStarted():
                    return attrs.evolve(found, thread_id=found.thread.id)
            return found
        except (Unreadable, KeyError, TypeError, AttributeError):
            pass  # it is kept as it is
    thread_id, turn_id = params.get("threadId"), params.get("turnId")
    return UnknownEvent(
        name=method,
        thread_id=thread_id if isinstance(thread_id, str) else None,
        turn_id=turn_id if isinstance(turn_id, str) else None,
        raw=params,
    )
