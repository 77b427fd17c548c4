"""Thread items, settings and errors in the wire's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from codex_plugin_sdk import (
    AgentMessageItem,
    ApprovalPolicy,
    Category,
    CollabAgentToolCallItem,
    CommandExecutionItem,
    ContextCompactionItem,
    ErrorInfo,
    FileChange,
    FileChangeItem,
    GranularApproval,
    ImageInput,
    ImageViewItem,
    ItemStatus,
    LocalImageInput,
    McpToolCallItem,
    ReasoningItem,
    TextInput,
    ThreadItem,
    TokenUsage,
    ToolCallItem,
    UnknownThreadItem,
    UserInput,
    UserMessageItem,
    WebSearchItem,
)
from codex_plugin_sdk.quoting import command_line

_STATUS = {
    ItemStatus.IN_PROGRESS: "inProgress",
    ItemStatus.COMPLETED: "completed",
    ItemStatus.FAILED: "failed",
    ItemStatus.DECLINED: "declined",
}
_SOURCES = {
    "unified_exec_startup": "unifiedExecStartup",
    "unified_exec_interaction": "unifiedExecInteraction",
    "user_shell": "userShell",
}
PHASES = ("commentary", "partial_answer", "final_answer")
_ERROR_KINDS = {
    "ContextWindowExceeded": "contextWindowExceeded",
    "RateLimited": "usageLimitExceeded",
    "AuthenticationFailed": "unauthorized",
    "SandboxUnavailable": "sandboxError",
    "SandboxDenied": "sandboxError",
}


def wire_item(item: ThreadItem) -> dict[str, Any] | None:  # noqa: C901 - one flat case per kind of item
    """An item as clients read it; None for what they are told in another way."""
    match item:
        case UserMessageItem():
            content = [wire_input(entry) for entry in item.content]
            return {"type": "userMessage", "id": item.id, "clientId": item.client_id, "content": content}
        case AgentMessageItem():
            return {"type": "agentMessage", "id": item.id, "text": item.text, "phase": wire_phase(item.phase)}
        case ReasoningItem():
            return {
                "type": "reasoning",
                "id": item.id,
                "summary": list(item.summary),
                "content": list(item.raw_content),
            }
        case CommandExecutionItem():
            return _command(item)
        case FileChangeItem():
            changes = [wire_change(change) for change in item.changes]
            return {"type": "fileChange", "id": item.id, "changes": changes, "status": _STATUS[item.status]}
        case McpToolCallItem():
            return _mcp_call(item)
        case ToolCallItem():
            return _tool_call(item)
        case CollabAgentToolCallItem():
            return _collab_call(item)
        case WebSearchItem():
            return {"type": "webSearch", "id": item.id, "query": item.query, "action": wire_search(item.action)}
        case ImageViewItem():
            return {"type": "imageView", "id": item.id, "path": item.path}
        case ContextCompactionItem():
            return {"type": "contextCompaction", "id": item.id}
        case UnknownThreadItem():
            return review_mode(item.id, item.tag, item.raw)
        case _:
            return None


def wire_phase(found: object) -> str | None:
    """What a message was written for, of the words that clients know."""
    return found if isinstance(found, str) and found in PHASES else None


def review_mode(id: str, tag: str, raw: Mapping[str, Any]) -> dict[str, Any] | None:
    """The beginning or the end of a review; None for any other tag."""
    from codex_plugin_sdk.review.items import review_item_text

    text = review_item_text(tag, raw)
    return None if text is None else {"type": f"{tag[0].lower()}{tag[1:]}", "id": id, "review": text}


def wire_input(given: UserInput) -> dict[str, Any]:
    """A part of what the user sent."""
    match given:
        case TextInput():
            return {"type": "text", "text": given.text, "text_elements": []}
        case LocalImageInput():
            return {"type": "localImage", "path": given.path}
        case ImageInput():
            return {"type": "image", "url": given.url}


def _command(item: CommandExecutionItem) -> dict[str, Any]:
    running = item.status is ItemStatus.IN_PROGRESS
    text = shown_command(item.command)
    return {
        "type": "commandExecution",
        "id": item.id,
        "command": text,
        "cwd": item.cwd,
        "processId": item.process_id,
        "source": wire_source(item.source),
        "status": _STATUS[item.status],
        "commandActions": [{"type": "unknown", "command": text}],
        "aggregatedOutput": None if running else item.aggregated_output,
        "exitCode": item.exit_code,
        "durationMs": None if running else item.duration_ms,
    }


def wire_source(source: str) -> str:
    """Who asked for a command."""
    return _SOURCES.get(source, "agent")


def shown_command(argv: Sequence[str]) -> str:
    """A command line for people, as Codex writes it."""
    return command_line(argv)


def wire_change(change: FileChange) -> dict[str, Any]:
    """One file of a change."""
    kind: dict[str, Any] = {"type": change.kind}
    if change.kind == "update":
        kind["move_path"] = change.move_path
    return {"path": change.path, "kind": kind, "diff": change.unified_diff or change.content}


def _mcp_call(item: McpToolCallItem) -> dict[str, Any]:
    return {
        "type": "mcpToolCall",
        "id": item.id,
        "server": item.server,
        "tool": item.tool,
        "arguments": item.arguments,
        "status": "failed" if item.status is ItemStatus.DECLINED else _STATUS[item.status],
        "result": wire_mcp_result(item.result),
        "error": None if item.error is None else {"message": item.error},
        "durationMs": item.duration_ms,
    }


def wire_mcp_result(result: object) -> dict[str, Any] | None:
    """What a tool of an MCP server gave, without what is no part of the protocol. That it failed is the status."""
    if not isinstance(result, Mapping):
        return None
    found = {"structuredContent": result.get("structured_content"), **result}
    kept = {name: found[name] for name in ("structuredContent", "_meta") if found.get(name) is not None}
    return {"content": list(result.get("content") or ()), **kept}


def _tool_call(item: ToolCallItem) -> dict[str, Any]:
    running = item.status is ItemStatus.IN_PROGRESS
    return {
        "type": "dynamicToolCall",
        "id": item.id,
        "tool": item.tool,
        "arguments": item.arguments,
        "status": "failed" if item.status is ItemStatus.DECLINED else _STATUS[item.status],
        "contentItems": None if running else [{"type": "inputText", "text": item.output}],
        "success": None if running else item.status is ItemStatus.COMPLETED,
    }


def _collab_call(item: CollabAgentToolCallItem) -> dict[str, Any]:
    states = {id: {"status": state["status"], "message": state.get("message")} for id, state in item.agents.items()}
    return {
        "type": "collabAgentToolCall",
        "id": item.id,
        "tool": item.tool,
        "status": "failed" if item.status is ItemStatus.DECLINED else _STATUS[item.status],
        "senderThreadId": item.sender_thread_id,
        "receiverThreadIds": list(item.receiver_thread_ids),
        "prompt": item.prompt,
        "model": item.model,
        "reasoningEffort": item.effort,
        "agentsStates": states,
    }


def wire_search(action: object) -> dict[str, Any] | None:
    """What a web search did."""
    if not isinstance(action, Mapping):
        return None
    match action.get("type"):
        case "search":
            return {"type": "search", "query": action.get("query"), "queries": action.get("queries")}
        case "open_page":
            return {"type": "openPage", "url": action.get("url")}
        case "find_in_page":
            return {"type": "findInPage", "url": action.get("url"), "pattern": action.get("pattern")}
        case _:
            return {"type": "other"}


def wire_usage(usage: TokenUsage) -> dict[str, int]:
    """Token counts."""
    return {
        "totalTokens": usage.total_tokens,
        "inputTokens": usage.input_tokens,
        "cachedInputTokens": usage.cached_input_tokens,
        "cacheWriteInputTokens": usage.cache_write_input_tokens,
        "outputTokens": usage.output_tokens,
        "reasoningOutputTokens": usage.reasoning_output_tokens,
    }


def wire_error(error: ErrorInfo) -> dict[str, Any]:
    """An error of a turn."""
    kind: object = _ERROR_KINDS.get(error.kind, "other")
    if error.kind in ("ProviderError", "StreamClosed") and error.http_status is not None:
        kind = {"httpConnectionFailed": {"httpStatusCode": error.http_status}}
    return {"message": error.message, "codexErrorInfo": kind, "additionalDetails": error.hint or None}


def wire_approval(policy: ApprovalPolicy, granular: GranularApproval | None) -> str | dict[str, Any]:
    """An approval policy; the wire has no on-failure any more."""
    if granular is not None:
        return {"granular": {category.value: granular.asks(category) for category in Category}}
    return policy.value if policy in (ApprovalPolicy.UNTRUSTED, ApprovalPolicy.NEVER) else "on-request"
