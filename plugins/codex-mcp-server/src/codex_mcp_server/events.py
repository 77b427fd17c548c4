"""Kernel events as the `msg` of `codex/event` notifications: the words of Codex 0.151."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from codex_plugin_sdk import (
    AgentMessageDelta,
    AgentMessageItem,
    ApprovalRequested,
    CollabAgentToolCallItem,
    CommandExecutionItem,
    EditIntent,
    Event,
    FileChangeItem,
    ItemCompleted,
    ItemStarted,
    ItemUpdated,
    McpServerStatus,
    McpToolCallItem,
    Notice,
    OutputDelta,
    ReasoningDelta,
    ReasoningItem,
    RunIntent,
    StreamRetry,
    TextInput,
    ThreadItem,
    ThreadStarted,
    TodoListItem,
    TokenCount,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
    TurnStarted,
    UserMessageItem,
    item_body,
)

from .questions import command_of, parsed, proposed_changes

Msg = dict[str, Any]


class EventWords:
    """Translates the events of one thread, in order: when items began is remembered until they end."""

    def __init__(self) -> None:
        self._began: dict[str, int] = {}

    def of(self, event: Event) -> list[Msg]:  # noqa: C901 - one flat case per kind of event
        """What clients are told of an event, nothing for what only concerns us."""
        turn, at = {"turn_id": event.turn_id}, event.at_ms
        place = {"thread_id": event.thread_id, **turn}
        match event.msg:
            case ThreadStarted() as msg:
                return [_configured(event, msg)]
            case McpServerStatus() as msg:
                status = {"state": msg.status, **({"error": msg.error} if msg.error else {})}
                return [{"type": "mcp_startup_update", "server": msg.server, "status": status}]
            case TurnStarted() as msg:
                window = msg.context_window
                return [{"type": "task_started", **turn, "started_at": at // 1000, "model_context_window": window}]
            case ItemStarted() as msg:
                return self._start(msg.item, place, at)
            case ItemCompleted() as msg:
                # Some items only end; Codex tells of a beginning before each end.
                begun = [] if msg.item.id in self._began else self._start(msg.item, place, at)
                times = {"started_at_ms": self._began.pop(msg.item.id), "completed_at_ms": at}
                body = {"type": "item_completed", **place, "item": item_body(msg.item), **times}
                return [*begun, body, *_ended(msg.item, turn, at)]
            case ItemUpdated(item=TodoListItem() as item):
                return [_plan(item)]
            case AgentMessageDelta() as msg:
                return [{"type": "agent_message_content_delta", **place, "item_id": msg.item_id, "delta": msg.delta}]
            case ReasoningDelta() as msg:
                index = {"content_index": 0} if msg.raw else {"summary_index": 0}
                kind = "reasoning_raw_content_delta" if msg.raw else "reasoning_content_delta"
                return [{"type": kind, **place, "item_id": msg.item_id, "delta": msg.delta, **index}]
            case OutputDelta() as msg:
                chunk = b64encode(msg.chunk).decode()
                return [
                    {"type": "exec_command_output_delta", "call_id": msg.item_id, "stream": "stdout", "chunk": chunk}
                ]
            case TokenCount() as msg:
                info: Msg = {"total_token_usage": msg.total.as_dict(), "last_token_usage": msg.last.as_dict()}
                info["model_context_window"] = msg.context_window
                return [{"type": "token_count", "info": info, "rate_limits": None}]
            case StreamRetry() as msg:
                text = f"Reconnecting... {msg.attempt}/{msg.max_attempts}"
                return [{"type": "stream_error", "message": text, "additional_details": msg.cause}]
            case Notice() as msg:
                return [{"type": "warning", "message": msg.message}]
            case ApprovalRequested() as msg:
                return list(_asked(msg, turn, at))
            case TurnCompleted() as msg:
                done = {"completed_at": at // 1000, "duration_ms": msg.duration_ms}
                return [{"type": "task_complete", **turn, "last_agent_message": msg.last_agent_message, **done}]
            case TurnFailed() as msg:
                return [{"type": "error", "message": msg.error.message, "codex_error_info": "other"}]
            case TurnInterrupted() as msg:
                done = {"completed_at": at // 1000, "duration_ms": msg.duration_ms}
                return [{"type": "turn_aborted", **turn, "reason": msg.reason, **done}]
            case _:
                return []

    def _start(self, item: ThreadItem, place: Msg, at: int) -> list[Msg]:
        self._began[item.id] = at
        body = {"type": "item_started", **place, "item": item_body(item), "started_at_ms": at}
        return [body, *_begun(item, {"turn_id": place["turn_id"]}, at)]


def _configured(event: Event, msg: ThreadStarted) -> Msg:
    return {
        "type": "session_configured",
        "session_id": event.thread_id,
        "thread_id": event.thread_id,
        "model": msg.model,
        "model_provider_id": msg.model_provider,
        "reasoning_effort": msg.effort,
        "approval_policy": msg.approval_policy.value,
        "sandbox_policy": msg.sandbox_policy.as_dict(),
        "cwd": msg.cwd,
        "rollout_path": msg.rollout_path,
    }


def _begun(item: ThreadItem, turn: Msg, at: int) -> Iterator[Msg]:
    match item:
        case CommandExecutionItem():
            body = _bare(item)
            yield {
                "type": "exec_command_begin",
                "call_id": item.id,
                **turn,
                "started_at_ms": at,
                **_only(body, _COMMAND),
            }
        case FileChangeItem():
            yield {"type": "patch_apply_begin", "call_id": item.id, **turn, "changes": _bare(item)["changes"]}
        case McpToolCallItem():
            yield {"type": "mcp_tool_call_begin", "call_id": item.id, "invocation": _invocation(item)}


def _ended(item: ThreadItem, turn: Msg, at: int) -> Iterator[Msg]:
    match item:
        case UserMessageItem():
            text = "".join(part.text for part in item.content if isinstance(part, TextInput))
            yield {"type": "user_message", "message": text, "images": []}
        case AgentMessageItem():
            yield {"type": "agent_message", "message": item.text}
        case ReasoningItem():
            yield from ({"type": "agent_reasoning", "text": text} for text in item.summary)
        case CommandExecutionItem():
            body = _only(_bare(item), (*_COMMAND, "status", "aggregated_output", "exit_code", "duration"))
            yield {"type": "exec_command_end", "call_id": item.id, **turn, "completed_at_ms": at, **body}
        case FileChangeItem():
            body = _only(_bare(item), ("changes", "status", "stdout", "stderr"))
            success = item.status.value == "completed"
            yield {"type": "patch_apply_end", "call_id": item.id, **turn, "success": success, **body}
        case McpToolCallItem():
            result = {"Err": item.error} if item.error is not None else {"Ok": item.result}
            end = {"duration": _bare(item)["duration"], "result": result}
            yield {"type": "mcp_tool_call_end", "call_id": item.id, "invocation": _invocation(item), **end}
        case TodoListItem():
            yield _plan(item)


_COMMAND = ("process_id", "command", "cwd", "parsed_cmd", "source")


def _bare(item: ThreadItem) -> Msg:
    return {name: found for name, found in item_body(item).items() if name not in ("type", "id")}


def _only(body: Msg, names: tuple[str, ...]) -> Msg:
    return {name: body[name] for name in names if name in body}


def _invocation(item: McpToolCallItem) -> Msg:
    return {"server": item.server, "tool": item.tool, "arguments": item.arguments}


def _plan(item: TodoListItem) -> Msg:
    steps = [{"step": entry.text, "status": entry.status} for entry in item.items]
    return {"type": "plan_update", "explanation": item.explanation or None, "plan": steps}


def _asked(msg: ApprovalRequested, turn: Msg, at: int) -> Iterator[Msg]:
    common = {"call_id": msg.call_id, **turn, "started_at_ms": at, "reason": msg.reason or None}
    match msg.intent:
        case EditIntent() as intent:
            yield {"type": "apply_patch_approval_request", **common, "changes": proposed_changes(intent)}
        case intent:
            cwd = intent.cwd if isinstance(intent, RunIntent) else None
            command = command_of(intent)
            yield {
                "type": "exec_approval_request",
                **common,
                "command": command,
                "cwd": cwd,
                "parsed_cmd": parsed(command),
            }


def progress_of(event: Event) -> str | None:
    """What a person is told of an event as progress; None if it is none."""
    match event.msg:
        case TurnStarted() as msg:
            return f"asking {msg.model}"
        case ItemStarted(item=CommandExecutionItem() as item):
            return f"running: {_short(item.command[-1] if item.command else '')}"
        case ItemCompleted(item=CommandExecutionItem() as item):
            code = "" if item.exit_code is None else f" (exit code {item.exit_code})"
            return f"{item.status.value}: {_short(item.command[-1] if item.command else '')}{code}"
        case ItemCompleted(item=FileChangeItem() as item):
            return f"edit {item.status.value}: {_short(', '.join(change.path for change in item.changes))}"
        case ItemStarted(item=McpToolCallItem() as item):
            return f"calling {item.server}: {item.tool}"
        case ItemStarted(item=CollabAgentToolCallItem() as item):
            return f"agents: {item.tool}{': ' + _short(item.prompt) if item.prompt else ''}"
        case ItemCompleted(item=AgentMessageItem() as item):
            return _short(item.text)
        case ItemCompleted(item=ReasoningItem(summary=(first, *_))):
            return f"thinking: {_short(first)}"
        case ApprovalRequested():
            return "waiting for an approval"
        case StreamRetry() as msg:
            return f"the model server did not answer; attempt {msg.attempt} of {msg.max_attempts}"
        case _:
            return None


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 120 else f"{line[:119]}…"
