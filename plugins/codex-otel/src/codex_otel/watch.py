"""From a thread's events to spans, log records and metrics.

    codex.thread                       the thread; child of TRACEPARENT where there is one
      invoke_agent codex               a turn
        chat MODEL                     one attempt of a model request
        execute_tool TOOL              a tool call

Names are those of OpenTelemetry's GenAI conventions where they have one; log records are named as Codex names its
own. Nothing that a person or a model wrote leaves but the prompt, and that only with `log_user_prompt`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from codex_plugin_sdk import (
    AgentMessageItem,
    ApprovalRequested,
    ApprovalResolved,
    Event,
    HookRun,
    ItemCompleted,
    ItemStarted,
    McpServerStatus,
    NetworkDecided,
    ReasoningItem,
    SandboxSelected,
    StreamRetry,
    TextInput,
    ThreadClosed,
    ThreadStarted,
    TokenCount,
    TokenUsage,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
    TurnStarted,
    TurnState,
    TurnStateChanged,
    UserMessageItem,
    __version__,
)

from .outbox import Outbox
from .records import CLIENT, Attribute, Attributes, Span, log_record
from .settings import Settings
from .tools import Call, call_of

MAX_OPEN = 1024
"""Tool calls and approvals that may be open at once; further ones have no span."""


class Watch:
    """One thread's state. Fed by one thread."""

    def __init__(self, settings: Settings, outbox: Outbox, made: Attributes, thread_id: str) -> None:
        self._settings, self._outbox, self._made, self._thread_id = settings, outbox, made, thread_id
        self._trace_id, self._parent = settings.parent or (os.urandom(16).hex(), "")
        share = settings.sampled
        self._sampled = share if isinstance(share, bool) else int(self._trace_id[-14:], 16) < share * (1 << 56)
        self._model = self._provider = ""
        self._thread: Span | None = None
        self._turn: Span | None = None
        self._request: Span | None = None
        self._calls: dict[str, Span] = {}
        self._asked: dict[str, str] = {}
        self._attempt = 1
        self._handlers: dict[type[Any], Callable[[int, Any], None]] = {
            ThreadStarted: self._thread_started,
            TurnStarted: self._turn_started,
            TurnStateChanged: self._moved,
            StreamRetry: self._retried,
            TokenCount: self._counted,
            ItemStarted: self._item_started,
            ItemCompleted: self._item_completed,
            ApprovalRequested: self._approval_requested,
            ApprovalResolved: self._approval_resolved,
            TurnCompleted: self._turn_ended,
            TurnFailed: self._turn_ended,
            TurnInterrupted: self._turn_ended,
            SandboxSelected: self._sandbox_selected,
            NetworkDecided: self._network_decided,
            HookRun: self._hook_run,
            McpServerStatus: self._mcp_server,
            ThreadClosed: self._thread_closed,
        }

    def take(self, event: Event) -> None:
        """Follow one event; kinds that tell nothing here are passed over."""
        handler = self._handlers.get(type(event.msg))
        if handler is not None:
            handler(event.at_ms, event.msg)

    def end(self, at_ms: int) -> None:
        """Finish what is still open, as when a thread ends without saying so."""
        self._end_request(at_ms, "unfinished")
        for key in list(self._calls):
            self._end(self._calls.pop(key), at_ms, "unfinished")
        for span in (self._turn, self._thread):
            if span is not None:
                self._end(span, at_ms)
        self._turn = self._thread = None

    # -- spans -----------------------------------------------------------------------------------

    def _begin(self, name: str, at_ms: int, under: Span | None, kind: int = 1, **more: Attribute | None) -> Span:
        span = Span(name, self._trace_id, under.id if under else self._parent, at_ms, kind)
        span.attributes = {**self._settings.span_attributes, "gen_ai.conversation.id": self._thread_id, **more}
        return span

    def _end(self, span: Span, at_ms: int, error: str = "") -> None:
        span.error = error or span.error
        if self._sampled:
            self._outbox.add("traces", span.record(at_ms, self._made, self._settings.tracestate))

    def _log(self, at_ms: int, name: str, attributes: dict[str, Attribute | None], span: Span | None = None) -> None:
        found = span or self._request or self._turn or self._thread
        place = (self._trace_id, found.id if found else self._parent or "")
        common = {
            "event.name": name,
            "conversation.id": self._thread_id,
            "app.version": __version__,
            "model": self._model or None,
        }
        self._outbox.add("logs", log_record(at_ms, place, name, self._made.make({**common, **attributes})))

    def _model_names(self, operation: str) -> dict[str, Attribute | None]:
        return {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": self._provider or None,
            "gen_ai.request.model": self._model or None,
        }

    # -- thread and turn ---------------------------------------------------------------------------

    def _thread_started(self, at_ms: int, msg: ThreadStarted) -> None:
        self._model, self._provider = msg.model, msg.model_provider
        facts: dict[str, Attribute | None] = {
            "approval_policy": str(getattr(msg.approval_policy, "value", "granular")),
            "sandbox_policy": msg.sandbox_policy.mode.value,
            "reasoning_effort": msg.effort,
            "resumed": msg.resumed,
        }
        self._thread = self._begin("codex.thread", at_ms, None)
        self._thread.attributes.update({f"codex.{key}": found for key, found in facts.items()})
        self._log(at_ms, "codex.conversation_starts", {"provider_name": msg.model_provider, **facts})

    def _turn_started(self, at_ms: int, msg: TurnStarted) -> None:
        self._model = msg.model
        self._turn = self._begin("invoke_agent codex", at_ms, self._thread)
        self._turn.attributes |= {"gen_ai.agent.name": "codex", **self._model_names("invoke_agent")}

    def _turn_ended(self, at_ms: int, msg: TurnCompleted | TurnFailed | TurnInterrupted) -> None:
        status = type(msg).__name__.removeprefix("Turn").lower()
        error = msg.error.kind if isinstance(msg, TurnFailed) else ""
        if status == "completed":
            self._request = None  # begun, but nothing was asked: a turn that only shortens the history
        self._end_request(at_ms, error or status)
        facts: dict[str, Attribute | None] = {"codex.turn.status": status, "error.type": error or None}
        self._outbox.count("codex.turn.duration", msg.duration_ms / 1000, facts)
        if isinstance(msg, TurnFailed):
            self._outbox.count("codex.errors", 1, {"error.type": error})
            facts["http.response.status_code"] = msg.error.http_status
        self._log(at_ms, "codex.turn_ended", {"duration_ms": msg.duration_ms, **facts, **_usage(msg.usage)})
        if self._turn is not None:
            self._turn.attributes |= {**facts, **_usage(msg.usage)}
            self._end(self._turn, at_ms, error)
        self._turn = None

    def _thread_closed(self, at_ms: int, _msg: ThreadClosed) -> None:
        self.end(at_ms)

    # -- model requests ------------------------------------------------------------------------------

    def _moved(self, at_ms: int, msg: TurnStateChanged) -> None:
        if msg.state is TurnState.STREAMING:
            self._attempt = 1
            self._ask(at_ms)
        elif msg.previous is TurnState.STREAMING and msg.state is TurnState.BUILDING_CONTEXT:
            self._end_request(at_ms, "ContextWindowExceeded")  # a request that was counted has ended already

    def _ask(self, at_ms: int) -> None:
        self._request = self._begin(f"chat {self._model}", at_ms, self._turn, CLIENT, **self._model_names("chat"))
        self._request.attributes["gen_ai.request.stream"] = True

    def _retried(self, at_ms: int, msg: StreamRetry) -> None:
        if self._request is None:
            return  # of the summary of a history: no request of the turn
        self._end_request(at_ms, "_OTHER")
        self._attempt += 1
        self._ask(at_ms + int(msg.delay_s * 1000))

    def _counted(self, at_ms: int, msg: TokenCount) -> None:
        usage = msg.last
        for kind, amount in (("input", usage.input_tokens), ("output", usage.output_tokens)):
            if amount:
                names = {**self._model_names("chat"), "gen_ai.token.type": kind}
                self._outbox.count("gen_ai.client.token.usage", amount, names)
        counts: dict[str, Attribute | None] = {
            "event.kind": "response.completed",
            "input_token_count": usage.input_tokens,
            "output_token_count": usage.output_tokens,
            "cached_token_count": usage.cached_input_tokens,
            "reasoning_token_count": usage.reasoning_output_tokens,
            "tool_token_count": usage.total_tokens,
        }
        self._log(at_ms, "codex.sse_event", counts)
        if self._request is not None:
            self._request.attributes |= _usage(usage)
            self._end_request(at_ms, "")

    def _end_request(self, at_ms: int, error: str) -> None:
        span, self._request = self._request, None
        if span is None:
            return
        names = {**self._model_names("chat"), "error.type": error or None}
        seconds = max(0, at_ms - span.start_ms) / 1000
        self._outbox.count("gen_ai.client.operation.duration", seconds, names)
        if error:
            self._outbox.count("codex.errors", 1, {"error.type": error})
        facts: dict[str, Attribute | None] = {
            "duration_ms": int(seconds * 1000),
            "attempt": self._attempt,
            "success": not error,
            "error.type": error or None,
        }
        self._log(at_ms, "codex.api_request", facts, span)
        self._end(span, at_ms, error)

    # -- items -----------------------------------------------------------------------------------

    def _item_started(self, at_ms: int, msg: ItemStarted) -> None:
        item, request = msg.item, self._request
        first = "gen_ai.response.time_to_first_chunk"
        if isinstance(item, AgentMessageItem | ReasoningItem) and request and first not in request.attributes:
            seconds = max(0, at_ms - request.start_ms) / 1000
            request.attributes[first] = seconds
            names = self._model_names("chat")
            self._outbox.count("gen_ai.client.operation.time_to_first_chunk", seconds, names)
        call = call_of(item)
        if call is not None and len(self._calls) < MAX_OPEN:
            self._calls[call.id] = self._call_span(at_ms, call)

    def _item_completed(self, at_ms: int, msg: ItemCompleted) -> None:
        if isinstance(msg.item, UserMessageItem):
            self._prompt(at_ms, msg.item)
        call = call_of(msg.item)
        if call is None:
            return
        span = self._calls.pop(call.id, None) or self._call_span(at_ms - call.duration_ms, call)
        duration_ms = call.duration_ms or max(0, at_ms - span.start_ms)
        names = {"gen_ai.tool.name": call.tool, "codex.tool.status": call.status}
        self._outbox.count("codex.tool.calls", 1, names)
        self._outbox.count("codex.tool.duration", duration_ms / 1000, names)
        facts: dict[str, Attribute | None] = {
            "tool_name": call.tool,
            "call_id": call.id,
            "duration_ms": duration_ms,
            "success": not call.error,
            "status": call.status,
        }
        self._log(at_ms, "codex.tool_result", facts, span)
        span.attributes |= {"codex.tool.status": call.status, "process.exit.code": call.exit_code}
        self._end(span, at_ms, call.error)

    def _call_span(self, at_ms: int, call: Call) -> Span:
        span = self._begin(f"execute_tool {call.tool}", at_ms, self._turn or self._thread)
        span.attributes |= {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": call.tool,
            "gen_ai.tool.call.id": call.id,
            "gen_ai.tool.type": call.kind,
        }
        return span

    def _prompt(self, at_ms: int, item: UserMessageItem) -> None:
        text = "\n".join(part.text for part in item.content if isinstance(part, TextInput))
        shown = text if self._settings.log_user_prompt else "[REDACTED]"
        self._log(at_ms, "codex.user_prompt", {"prompt_length": len(text), "prompt": shown}, self._turn)

    # -- what else happens ---------------------------------------------------------------------------

    def _approval_requested(self, _at_ms: int, msg: ApprovalRequested) -> None:
        if len(self._asked) < MAX_OPEN:
            self._asked[msg.approval_id] = msg.call_id

    def _approval_resolved(self, at_ms: int, msg: ApprovalResolved) -> None:
        call_id = self._asked.pop(msg.approval_id, None)
        if call_id is None:
            return  # the answer to a question
        facts: dict[str, Attribute | None] = {"decision": msg.decision.value, "source": msg.reviewer}
        self._outbox.count("codex.approvals", 1, facts)
        self._log(at_ms, "codex.tool_decision", {"call_id": call_id, **facts}, self._calls.get(call_id))

    def _sandbox_selected(self, at_ms: int, msg: SandboxSelected) -> None:
        self._log(at_ms, "codex.sandbox_selected", {"backend": msg.backend, "degraded": msg.degraded})

    def _network_decided(self, at_ms: int, msg: NetworkDecided) -> None:
        facts: dict[str, Attribute | None] = {"decision": msg.decision.value, "protocol": msg.protocol}
        self._log(at_ms, "codex.network_decision", {"call_id": msg.call_id, **facts}, self._calls.get(msg.call_id))

    def _hook_run(self, at_ms: int, msg: HookRun) -> None:
        if msg.status != "running":
            facts: dict[str, Attribute | None] = {"hook.event": msg.event, "status": msg.status}
            self._log(at_ms, "codex.hook_run", {**facts, "duration_ms": msg.duration_ms})

    def _mcp_server(self, at_ms: int, msg: McpServerStatus) -> None:
        if msg.status != "starting":
            self._log(at_ms, "codex.mcp_server", {"mcp.server": msg.server, "status": msg.status})


def _usage(usage: TokenUsage) -> dict[str, Attribute | None]:
    return {
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cached_input_tokens,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_input_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_output_tokens,
    }
