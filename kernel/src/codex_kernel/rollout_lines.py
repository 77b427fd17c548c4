"""What a thread writes into its rollout: Codex's line shapes, so that its readers read ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from .contracts.store import RolloutLine
from .protocol.events import (
    Event,
    EventMsg,
    ItemCompleted,
    Notice,
    StreamRetry,
    TokenCount,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
    TurnStarted,
)
from .protocol.ops import ImageInput, LocalImageInput, TextInput, UserInput
from .protocol.response_items import HistoryEntry
from .protocol.thread_items import (
    AgentMessageItem,
    CollabAgentToolCallItem,
    CommandExecutionItem,
    ContextCompactionItem,
    ErrorItem,
    FileChange,
    FileChangeItem,
    ImageViewItem,
    ItemStatus,
    McpToolCallItem,
    ReasoningItem,
    ThreadItem,
    TodoListItem,
    ToolCallItem,
    UnknownThreadItem,
    UserMessageItem,
    WebSearchItem,
)

SCHEMA_VERSION = 1
"""Version of what we add to Codex's lines, kept in `session_meta.codex_agent_schema`."""


def line(kind: str, payload: Mapping[str, Any]) -> RolloutLine:
    """A line with its payload encoded."""
    return RolloutLine(type=kind, payload=orjson.dumps(payload))


def response_item_line(entry: HistoryEntry) -> RolloutLine:
    """A history entry as a line; its bytes are reused."""
    return RolloutLine(type="response_item", payload=entry.encoded)


def event_line(event: Event) -> RolloutLine | None:
    """The line of an event, or None for one that only streams."""
    body = _event_body(event.msg, event)
    return None if body is None else line("event_msg", body)


def _event_body(msg: EventMsg, event: Event) -> dict[str, Any] | None:
    turn = {"turn_id": event.turn_id}
    match msg:
        case TurnStarted():
            return {
                "type": "task_started",
                **turn,
                "started_at": event.at_ms // 1000,
                "model_context_window": msg.context_window,
                "collaboration_mode_kind": "default",
            }
        case ItemCompleted():
            times = {"started_at_ms": event.at_ms, "completed_at_ms": event.at_ms}
            item = item_body(msg.item)
            return {"type": "item_completed", "thread_id": event.thread_id, **turn, "item": item, **times}
        case TokenCount():
            info = {
                "total_token_usage": msg.total.as_dict(),
                "last_token_usage": msg.last.as_dict(),
                "model_context_window": msg.context_window,
            }
            return {"type": "token_count", "info": info, "rate_limits": None}
        case TurnCompleted():
            return {
                "type": "task_complete",
                **turn,
                "last_agent_message": msg.last_agent_message,
                "completed_at": event.at_ms // 1000,
                "duration_ms": msg.duration_ms,
            }
        case TurnFailed():
            return {
                "type": "error",
                **turn,
                "message": msg.error.message,
                "codex_error_info": msg.error.kind,
                "hint": msg.error.hint,
                "http_status": msg.error.http_status,
                "completed_at": event.at_ms // 1000,
                "duration_ms": msg.duration_ms,
            }
        case TurnInterrupted():
            return {
                "type": "turn_aborted",
                **turn,
                "reason": msg.reason,
                "completed_at": event.at_ms // 1000,
                "duration_ms": msg.duration_ms,
            }
        case StreamRetry():
            text = f"Reconnecting... {msg.attempt}/{msg.max_attempts} ({msg.cause})"
            return {"type": "stream_error", **turn, "message": text}
        case Notice():
            return {"type": "warning", **turn, "message": msg.message}
        case _:
            return None


def item_body(item: ThreadItem) -> dict[str, Any]:  # noqa: C901 - one flat case per kind of item
    """A thread item in the form of `item_completed` lines."""
    match item:
        case UserMessageItem():
            content = [_input_body(part) for part in item.content]
            named = {} if item.client_id is None else {"client_id": item.client_id}
            return {"type": "UserMessage", "id": item.id, **named, "content": content}
        case AgentMessageItem():
            phase = {} if item.phase is None else {"phase": item.phase}
            return {"type": "AgentMessage", "id": item.id, "content": [{"type": "Text", "text": item.text}], **phase}
        case ReasoningItem():
            summary, raw = list(item.summary), list(item.raw_content)
            return {"type": "Reasoning", "id": item.id, "summary_text": summary, "raw_content": raw}
        case CommandExecutionItem():
            return _command_body(item)
        case FileChangeItem():
            changes = {change.path: _change_body(change) for change in item.changes}
            return {
                "type": "FileChange",
                "id": item.id,
                "changes": changes,
                "status": item.status.value,
                "stdout": item.stdout,
                "stderr": item.stderr,
            }
        case McpToolCallItem():
            return _mcp_call_body(item)
        case ToolCallItem():
            return {
                "type": "ToolCall",
                "id": item.id,
                "tool": item.tool,
                "arguments": item.arguments,
                "status": item.status.value,
                "output": item.output,
            }
        case CollabAgentToolCallItem():
            return _collab_body(item)
        case WebSearchItem():
            return {"type": "WebSearch", "id": item.id, "query": item.query, "action": item.action}
        case TodoListItem():
            steps = [{"step": entry.text, "status": entry.status} for entry in item.items]
            return {"type": "TodoList", "id": item.id, "explanation": item.explanation, "plan": steps}
        case ImageViewItem():
            return {"type": "ImageView", "id": item.id, "path": item.path}
        case ContextCompactionItem():
            return {"type": "ContextCompaction", "id": item.id, **({"fallback": True} if item.fallback else {})}
        case ErrorItem():
            return {"type": "Error", "id": item.id, "message": item.message}
        case UnknownThreadItem():
            return {**item.raw, "type": item.tag, "id": item.id}


def _command_body(item: CommandExecutionItem) -> dict[str, Any]:
    command = list(map(_plain, item.command))
    return {
        "type": "CommandExecution",
        "id": item.id,
        "process_id": item.process_id,
        "command": command,
        "cwd": f"file://{_plain(item.cwd)}",
        "parsed_cmd": [{"type": "unknown", "cmd": command[-1] if command else ""}],  # Codex reads no item without it
        "source": item.source,
        "status": item.status.value,
        "aggregated_output": item.aggregated_output,
        "exit_code": item.exit_code,
        "duration": _duration(item.duration_ms),
    }


def _mcp_call_body(item: McpToolCallItem) -> dict[str, Any]:
    status = ItemStatus.FAILED if item.status is ItemStatus.DECLINED else item.status  # Codex reads no other word
    outcome = {
        "result": None if item.result is None else _mcp_result(item.result, failed=status is ItemStatus.FAILED),
        "error": None if item.error is None else {"message": item.error},
    }
    return {
        "type": "McpToolCall",
        "id": item.id,
        "server": item.server,
        "tool": item.tool,
        "arguments": item.arguments,
        "status": status.value,
        **{name: found for name, found in outcome.items() if found is not None},
        "duration": _duration(item.duration_ms),
    }


def _collab_body(item: CollabAgentToolCallItem) -> dict[str, Any]:
    """As Codex writes it: words in snake_case, a state as a word or as `{word: message}`."""
    names = {id: item.agents.get(id, {}).get("nickname") for id in item.receiver_thread_ids}
    facts = {"prompt": item.prompt, "model": item.model, "reasoning_effort": item.effort}
    return {
        "type": "CollabAgentToolCall",
        "id": item.id,
        "tool": _snake(item.tool),
        "status": item.status.value,
        "sender_thread_id": item.sender_thread_id,
        "receiver_thread_ids": list(item.receiver_thread_ids),
        "receiver_agents": [
            {"thread_id": id, **({"agent_nickname": name} if name else {})} for id, name in names.items()
        ],
        **{name: fact for name, fact in facts.items() if fact is not None},
        "agents_states": {id: _agent_state(state) for id, state in item.agents.items()},
    }


def _agent_state(state: Mapping[str, Any]) -> Any:
    word = _snake(state["status"])
    return {word: state.get("message")} if word in ("completed", "errored") else word


def _snake(word: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in word)


def _mcp_result(result: Mapping[str, Any], *, failed: bool) -> dict[str, Any]:
    """In the protocol's words, without what is not there."""
    found = {"structuredContent": result.get("structured_content"), "isError": failed, **result}
    return {name: part for name, part in found.items() if part is not None and name != "structured_content"}


def _change_body(change: FileChange) -> dict[str, Any]:
    if change.kind == "update":
        return {"type": "update", "unified_diff": change.unified_diff, "move_path": change.move_path}
    return {"type": change.kind, "content": change.content}


def _input_body(part: UserInput) -> dict[str, Any]:
    match part:
        case TextInput():
            return {"type": "text", "text": part.text, "text_elements": []}
        case ImageInput():
            return {"type": "image", "image_url": part.url}
        case LocalImageInput():
            return {"type": "local_image", "path": _plain(part.path)}


def _duration(milliseconds: int) -> dict[str, int]:
    return {"secs": milliseconds // 1000, "nanos": milliseconds % 1000 * 1_000_000}


def _plain(text: str) -> str:
    """Undecodable bytes of a path as replacement characters: JSON has no place for them."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
