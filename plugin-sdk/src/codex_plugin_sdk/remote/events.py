"""Notifications of a server as the events they were made of: the way back from what the app server does."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from codex_kernel.protocol.events import (
    AgentMessageDelta,
    ErrorInfo,
    Event,
    EventMsg,
    ItemCompleted,
    ItemStarted,
    ItemUpdated,
    McpServerStatus,
    Notice,
    OpRejected,
    OutputDelta,
    ReasoningDelta,
    StreamRetry,
    ThreadClosed,
    ThreadStarted,
    TokenCount,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
    TurnStarted,
)
from codex_kernel.protocol.ids import ThreadId, TurnId
from codex_kernel.protocol.policy import ApprovalPolicy
from codex_kernel.protocol.thread_items import AgentMessageItem, TodoEntry, TodoListItem
from codex_kernel.protocol.usage import TokenUsage

from .items import read_error, read_item, read_sandbox, read_usage

Params = Mapping[str, Any]

DETAIL = "x-codex-agent/detail"
"""What our own servers tell, to who asks for it, right before a message that cannot hold it all."""
_NONE: Params = {}
_PLAN = {"inProgress": "in_progress"}
_POLICIES = {policy.value: policy for policy in ApprovalPolicy}


class EventReader:
    """Makes the events of one thread. With `turn_id` set, turns of others on the same thread are passed over."""

    def __init__(self, thread_id: str, opened: Params) -> None:
        self.thread_id = thread_id
        self.turn_id: str | None = None
        self.active: str | None = None
        """The turn under way."""
        self._model = str(opened.get("model") or "")
        self._seq = 0
        self._detail: Params = _NONE
        self._plans: dict[str, TodoListItem] = {}
        self._begin()

    def _begin(self) -> None:
        self._usage = TokenUsage()
        self._last: str | None = None
        self._error: ErrorInfo | None = None

    def opened(self, answer: Params, *, resumed: bool) -> Event:
        """The first event, from the answer to thread/start or thread/resume."""
        approval = answer.get("approvalPolicy")
        return self._event(
            None,
            ThreadStarted(
                model=answer.get("model") or "",
                model_provider=answer.get("modelProvider") or "",
                cwd=answer.get("cwd") or "",
                approval_policy=_POLICIES.get(str(approval), ApprovalPolicy.ON_REQUEST),
                sandbox_policy=read_sandbox(answer.get("sandbox") or {}),
                rollout_path=answer["thread"].get("path"),
                resumed=resumed,
                effort=answer.get("reasoningEffort"),
            ),
        )

    def events(self, method: str, params: Params, at_ms: int | None = None) -> Iterator[Event]:
        """What a notification tells of this thread."""
        if params.get("threadId", self.thread_id) not in (None, self.thread_id):
            return
        turn_id = params.get("turnId") or (params.get("turn") or {}).get("id")
        if turn_id is not None and self.turn_id is not None and turn_id != self.turn_id:
            return
        if method == DETAIL:
            self._detail = params
            if params.get("completes") is not None:
                return
            method = "notice"
        detail, self._detail = (self._detail if self._detail.get("completes") in (None, method) else _NONE), _NONE
        for msg in self._messages(method, params, detail, turn_id):
            yield self._event(turn_id, msg, at_ms)

    def told(self, msg: EventMsg) -> Event:
        """An event of our own making, of the turn under way."""
        return self._event(self.active, msg)

    def gone(self, why: str, hint: str) -> Iterator[Event]:
        """The server is not there any more: the turn under way has failed, as far as can be known here."""
        if self.active is not None:
            error = ErrorInfo(message=why, kind="ServerGone", hint=hint)
            for msg in self._end(self.active, TurnFailed(error=error, usage=self._usage)):
                yield self._event(self.turn_id, msg)
        yield self._event(None, ThreadClosed())

    def _event(self, turn_id: str | None, msg: EventMsg, at_ms: int | None = None) -> Event:
        seq, self._seq = self._seq, self._seq + 1
        at_ms = int(time.time() * 1000) if at_ms is None else at_ms
        turn = None if turn_id is None else TurnId(turn_id)
        return Event(thread_id=ThreadId(self.thread_id), turn_id=turn, seq=seq, at_ms=at_ms, msg=msg)

    # -- kinds -----------------------------------------------------------------------------------

    def _messages(self, method: str, params: Params, detail: Params, turn_id: str | None) -> Iterator[EventMsg]:
        match method:
            case "turn/started":
                self._begin()
                self.active = turn_id
                yield TurnStarted(model=self._model)
            case "item/started":
                yield ItemStarted(item=read_item(params["item"], detail))
            case "item/completed":
                item = read_item(params["item"], detail)
                if isinstance(item, AgentMessageItem):
                    self._last = item.text
                yield ItemCompleted(item=item)
            case "turn/plan/updated":
                yield self._plan(str(turn_id), params)
            case "thread/tokenUsage/updated":
                usage = params["tokenUsage"]
                last = read_usage(usage["last"])
                self._usage += last
                yield TokenCount(
                    last=last, total=read_usage(usage["total"]), context_window=usage.get("modelContextWindow")
                )
            case "turn/completed":
                yield from self._end(str(turn_id), self._ending(params["turn"], detail))
            case "error":
                yield from self._failure(params, detail)
            case "warning" | "deprecationNotice" | "notice":  # a configWarning is about the server's own folder
                yield _notice(params, detail)
            case _:
                yield from self._delta(method, params)

    def _delta(self, method: str, params: Params) -> Iterator[EventMsg]:
        match method:
            case "item/agentMessage/delta":
                yield AgentMessageDelta(item_id=params["itemId"], delta=params["delta"])
            case "item/reasoning/summaryTextDelta":
                yield ReasoningDelta(item_id=params["itemId"], delta=params["delta"])
            case "item/reasoning/textDelta":
                yield ReasoningDelta(item_id=params["itemId"], delta=params["delta"], raw=True)
            case "item/commandExecution/outputDelta":
                yield OutputDelta(item_id=params["itemId"], chunk=params["delta"].encode())
            case "item/mcpToolCall/progress":
                yield OutputDelta(item_id=params["itemId"], chunk=f"{params['message']}\n".encode())
            case "mcpServer/startupStatus/updated":
                error = params.get("error") or ""
                yield McpServerStatus(server=params["name"], status=params["status"], error=error)

    def _plan(self, turn_id: str, params: Params) -> EventMsg:
        steps = tuple(
            TodoEntry(text=entry.get("step") or "", status=_PLAN.get(entry.get("status"), entry.get("status")))
            for entry in params.get("plan") or ()
        )
        known = turn_id in self._plans
        item = TodoListItem(id=f"plan_{turn_id}", items=steps, explanation=params.get("explanation") or "")
        self._plans[turn_id] = item
        return ItemUpdated(item=item) if known else ItemStarted(item=item)

    def _failure(self, params: Params, detail: Params) -> Iterator[EventMsg]:
        error = params.get("error") or {}
        if not params.get("willRetry"):
            self._error = read_error(error, detail)
            return
        _, _, figures = str(error.get("message", "")).rpartition(" ")
        attempt, _, most = figures.partition("/")
        if attempt.isdigit() and most.isdigit():
            yield StreamRetry(
                attempt=int(attempt),
                max_attempts=int(most),
                delay_s=detail.get("delayS", 0.0),
                cause=error.get("additionalDetails") or "",
            )
        else:
            yield Notice(level="warning", message=str(error.get("message", "")))

    # -- ends ------------------------------------------------------------------------------------

    def _ending(self, turn: Params, detail: Params) -> TurnCompleted | TurnFailed | TurnInterrupted:
        took = turn.get("durationMs") or 0
        match turn.get("status"):
            case "failed":
                error = self._error or read_error(turn.get("error") or {}, detail)
                return TurnFailed(error=error, usage=self._usage, duration_ms=took)
            case "interrupted":
                reason = detail.get("reason", "interrupted")
                return TurnInterrupted(reason=reason, usage=self._usage, duration_ms=took)
            case _:
                return TurnCompleted(usage=self._usage, last_agent_message=self._last, duration_ms=took)

    def _end(self, turn_id: str, ending: TurnCompleted | TurnFailed | TurnInterrupted) -> Iterator[EventMsg]:
        self.active = None
        if (plan := self._plans.pop(turn_id, None)) is not None:
            yield ItemCompleted(item=plan)
        yield ending


def _notice(params: Params, detail: Params) -> EventMsg:
    message = str(params.get("message") or params.get("summary") or "")
    if detail.get("rejected"):
        return OpRejected(op=detail["rejected"], message=message)
    return Notice(level=detail.get("level", "warning"), message=message, source=detail.get("source", ""))
