"""Items, errors and settings, from the wire's words back to the kernel's."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from codex_kernel.protocol.events import ErrorInfo
from codex_kernel.protocol.ops import ImageInput, LocalImageInput, TextInput, UserInput
from codex_kernel.protocol.policy import SandboxMode, SandboxPolicy
from codex_kernel.protocol.thread_items import (
    AgentMessageItem,
    CollabAgentToolCallItem,
    CommandExecutionItem,
    ContextCompactionItem,
    FileChange,
    FileChangeItem,
    ImageViewItem,
    ItemStatus,
    McpToolCallItem,
    ReasoningItem,
    ThreadItem,
    ToolCallItem,
    UnknownThreadItem,
    UserMessageItem,
    WebSearchItem,
)
from codex_kernel.protocol.usage import TokenUsage

Wire = Mapping[str, Any]

_STATUS = {"inProgress": ItemStatus.IN_PROGRESS, **{word.value: word for word in ItemStatus}}
_SOURCES = {
    "unifiedExecInteraction": "unified_exec_interaction",
    "userShell": "user_shell",
    "agent": "unified_exec_startup",
}
_SEARCHES = {"openPage": "open_page", "findInPage": "find_in_page"}
_EXIT_CODES = {"unauthorized": 5, "sandboxError": 7, "other": 1, "badRequest": 6}
_EXIT_CODES |= dict.fromkeys(
    (
        "contextWindowExceeded",
        "usageLimitExceeded",
        "serverOverloaded",
        "internalServerError",
        "httpConnectionFailed",
        "responseStreamConnectionFailed",
        "responseStreamDisconnected",
        "responseTooManyFailedAttempts",
    ),
    6,
)
"""Exit codes by the kind of an error, for servers that do not name them."""


def read_item(wire: Wire, detail: Wire) -> ThreadItem:
    """An item. `detail` is what our own servers tell beside it, empty from others."""
    id = str(wire.get("id", ""))
    match wire.get("type"):
        case "userMessage":
            content = tuple(map(read_input, wire.get("content") or ()))
            return UserMessageItem(id=id, content=content, client_id=wire.get("clientId"))
        case "agentMessage":
            return AgentMessageItem(id=id, text=wire.get("text") or "", phase=wire.get("phase"))
        case "reasoning":
            texts = tuple(wire.get("summary") or ())
            return ReasoningItem(id=id, summary=texts, raw_content=tuple(wire.get("content") or ()))
        case "commandExecution":
            return _command(id, wire)
        case "fileChange":
            changes = tuple(map(_change, wire.get("changes") or ()))
            out, err = detail.get("stdout", ""), detail.get("stderr", "")
            return FileChangeItem(id=id, changes=changes, status=_status(wire), stdout=out, stderr=err)
        case "mcpToolCall":
            return _mcp_call(id, wire)
        case "dynamicToolCall":
            return _tool_call(id, wire)
        case "collabAgentToolCall":
            return _collab_call(id, wire)
        case "webSearch":
            return WebSearchItem(id=id, query=wire.get("query") or "", action=_search(wire.get("action")))
        case "imageView":
            return ImageViewItem(id=id, path=wire.get("path") or "")
        case "contextCompaction":
            return ContextCompactionItem(id=id, fallback=bool(detail.get("fallback")))
        case tag:
            return UnknownThreadItem(id=id, tag=str(tag), raw=dict(wire))


def read_input(part: Wire) -> UserInput:
    """A part of what the user sent. What was in a local image is not told."""
    match part.get("type"):
        case "localImage":
            return LocalImageInput(path=part.get("path") or "", url="")
        case "image":
            return ImageInput(url=part.get("url") or "")
        case "text":
            return TextInput(text=part.get("text") or "")
        case kind:
            return TextInput(text=f"[{kind}: {part.get('name') or part.get('path') or ''}]")


def wire_input(given: UserInput, *, local: bool) -> dict[str, Any]:
    """A part of what the user sends; the server reads files itself where it sees the same ones."""
    match given:
        case TextInput():
            return {"type": "text", "text": given.text, "text_elements": []}
        case LocalImageInput() if local:
            return {"type": "localImage", "path": given.path}
        case LocalImageInput() | ImageInput():
            return {"type": "image", "url": given.url}


def read_words(command: str) -> tuple[str, ...]:
    """A command line as the words that it was made of; as one word where it is none."""
    try:
        return tuple(shlex.split(command))
    except ValueError:
        return (command,)


def read_usage(wire: Wire) -> TokenUsage:
    """Token counts."""
    return TokenUsage(
        input_tokens=wire.get("inputTokens", 0),
        cached_input_tokens=wire.get("cachedInputTokens", 0),
        cache_write_input_tokens=wire.get("cacheWriteInputTokens", 0),
        output_tokens=wire.get("outputTokens", 0),
        reasoning_output_tokens=wire.get("reasoningOutputTokens", 0),
        total_tokens=wire.get("totalTokens", 0),
    )


def read_error(wire: Wire, detail: Wire) -> ErrorInfo:
    """What ended a turn."""
    info = wire.get("codexErrorInfo") or "other"
    kind = next(iter(info), "other") if isinstance(info, Mapping) else str(info)
    status = info[kind].get("httpStatusCode") if isinstance(info, Mapping) and isinstance(info[kind], Mapping) else None
    return ErrorInfo(
        message=wire.get("message") or "",
        kind=detail.get("kind", kind),
        hint=wire.get("additionalDetails") or "",
        exit_code=detail.get("exitCode", _EXIT_CODES.get(kind, 1)),
        http_status=status,
    )


def read_sandbox(given: Wire) -> SandboxPolicy:
    """A sandbox policy."""
    network = given.get("networkAccess") in (True, "enabled")
    match given.get("type"):
        case "dangerFullAccess" | "externalSandbox":
            return SandboxPolicy(mode=SandboxMode.DANGER_FULL_ACCESS)
        case "workspaceWrite":
            return SandboxPolicy(
                mode=SandboxMode.WORKSPACE_WRITE,
                writable_roots=tuple(given.get("writableRoots") or ()),
                network_access=network,
                exclude_tmpdir_env_var=bool(given.get("excludeTmpdirEnvVar")),
                exclude_slash_tmp=bool(given.get("excludeSlashTmp")),
            )
        case _:
            return SandboxPolicy(mode=SandboxMode.READ_ONLY, network_access=network)


def wire_sandbox(policy: SandboxPolicy) -> dict[str, Any]:
    """A sandbox policy for the wire, as far as it has words for it."""
    network = policy.network.value != "off"
    match policy.mode:
        case SandboxMode.DANGER_FULL_ACCESS:
            return {"type": "dangerFullAccess"}
        case SandboxMode.READ_ONLY:
            return {"type": "readOnly", "networkAccess": network}
        case _:
            return {
                "type": "workspaceWrite",
                "writableRoots": list(policy.writable_roots),
                "networkAccess": network,
                "excludeTmpdirEnvVar": policy.exclude_tmpdir_env_var,
                "excludeSlashTmp": policy.exclude_slash_tmp,
            }


def _status(wire: Wire) -> ItemStatus:
    return _STATUS.get(str(wire.get("status")), ItemStatus.IN_PROGRESS)


def _command(id: str, wire: Wire) -> CommandExecutionItem:
    return CommandExecutionItem(
        id=id,
        command=read_words(wire.get("command") or ""),
        cwd=wire.get("cwd") or "",
        status=_status(wire),
        aggregated_output=wire.get("aggregatedOutput") or "",
        exit_code=wire.get("exitCode"),
        duration_ms=wire.get("durationMs") or 0,
        process_id=wire.get("processId"),
        source=_SOURCES.get(str(wire.get("source")), "unified_exec_startup"),
    )


def _change(wire: Wire) -> FileChange:
    kind = wire.get("kind") or {}
    word, diff = kind.get("type", "update"), wire.get("diff") or ""
    content, unified = ("", diff) if word == "update" else (diff, "")
    move = kind.get("move_path")
    return FileChange(path=wire.get("path") or "", kind=word, content=content, unified_diff=unified, move_path=move)


def _mcp_call(id: str, wire: Wire) -> McpToolCallItem:
    error = wire.get("error")
    return McpToolCallItem(
        id=id,
        server=wire.get("server") or "",
        tool=wire.get("tool") or "",
        arguments=wire.get("arguments"),
        status=_status(wire),
        result=wire.get("result"),
        error=error.get("message") if isinstance(error, Mapping) else None,
        duration_ms=wire.get("durationMs") or 0,
    )


def _tool_call(id: str, wire: Wire) -> ToolCallItem:
    parts: Sequence[Wire] = wire.get("contentItems") or ()
    arguments = wire.get("arguments")
    if not isinstance(arguments, str):
        import orjson

        arguments = orjson.dumps(arguments).decode()
    output = "\n".join(part.get("text") or "" for part in parts)
    return ToolCallItem(id=id, tool=wire.get("tool") or "", arguments=arguments, status=_status(wire), output=output)


def _collab_call(id: str, wire: Wire) -> CollabAgentToolCallItem:
    states = wire.get("agentsStates")
    return CollabAgentToolCallItem(
        id=id,
        tool=wire.get("tool") or "",
        status=ItemStatus.FAILED if wire.get("status") == "interrupted" else _status(wire),
        sender_thread_id=wire.get("senderThreadId") or "",
        receiver_thread_ids=tuple(wire.get("receiverThreadIds") or ()),
        prompt=wire.get("prompt"),
        model=wire.get("model"),
        effort=wire.get("reasoningEffort"),
        agents={agent: dict(state) for agent, state in states.items()} if isinstance(states, Mapping) else {},
    )


def _search(action: object) -> dict[str, Any] | None:
    if not isinstance(action, Mapping):
        return None
    found = {key: entry for key, entry in action.items() if entry is not None}
    return {**found, "type": _SEARCHES.get(found.get("type", ""), found.get("type"))}
