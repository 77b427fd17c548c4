"""The JSONL renderer: the events of `codex exec --json`, one object a line.

Keys stand in the order in which Codex writes them. Items are numbered `item_0`, `item_1`, … in the order in
which this process first shows them. What Codex has no event for (state changes, deltas, plain information,
compactions) is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from codex_plugin_sdk import (
    AgentMessageItem,
    CollabAgentToolCallItem,
    CommandExecutionItem,
    ErrorItem,
    Event,
    FileChangeItem,
    ItemCompleted,
    ItemStarted,
    ItemStatus,
    ItemUpdated,
    McpServerStatus,
    McpToolCallItem,
    Notice,
    ReasoningItem,
    RenderSetup,
    StreamRetry,
    ThreadItem,
    ThreadStarted,
    TodoListItem,
    TokenUsage,
    ToolCallItem,
    TurnCompleted,
    TurnFailed,
    TurnStarted,
    WebSearchItem,
)
from codex_plugin_sdk.quoting import command_line

from .streams import Writer
from .wording import ServerFailures, in_snake_case, readable, reasoning_text, retry_text, search_query

Body = dict[str, Any]

PLUGIN_SERVER = "plugin"
"""`server` of calls of a plugin's own tool: clients know no other shape for a tool that Codex does not have."""


class JsonlRenderer:
    """Writes to stdout only, one write per event line."""

    def __init__(self, setup: RenderSetup) -> None:
        self._out = Writer(setup.stdout)
        self._failures = ServerFailures()
        self._next_number = 0
        self._open: dict[str, str] = {}

    def handle(self, event: Event) -> None:
        """Write the lines of an event, if it has any. Raises `BrokenPipeError`."""
        match event.msg:
            case ItemStarted(item=item):
                if isinstance(item, _LASTING):
                    self._item("item.updated" if item.id in self._open else "item.started", item)
            case ItemUpdated(item=item):
                if isinstance(item, TodoListItem):
                    self._item("item.updated" if item.id in self._open else "item.started", item)
            case ItemCompleted(item=item):
                self._item_completed(item)
            case ThreadStarted():
                self._line({"type": "thread.started", "thread_id": event.thread_id})
            case TurnStarted():
                self._line({"type": "turn.started"})
            case TurnCompleted(usage=usage):
                self._line({"type": "turn.completed", "usage": _usage(usage)})
            case _:
                self._aside(event)

    def close(self) -> None:
        """Nothing is left: every event is written when it comes."""

    def _aside(self, event: Event) -> None:
        match event.msg:
            case TurnFailed(error=error):
                self._line({"type": "error", "message": error.message})
                self._line({"type": "turn.failed", "error": {"message": error.message}})
            case StreamRetry() as retry:
                self._line({"type": "error", "message": retry_text(retry)})
            case Notice(source="mcp-startup"):
                pass  # each failure has been shown when it came
            case Notice(level="warning" | "error", message=text):
                self._warning(text)
            case McpServerStatus() as status:
                if (failure := self._failures.text(status)) is not None:
                    self._warning(failure)

    def _warning(self, text: str) -> None:
        self._line({"type": "item.completed", "item": {"id": self._number(), "type": "error", "message": text}})

    def _item_completed(self, item: ThreadItem) -> None:
        if isinstance(item, _LASTING) and item.id not in self._open:
            self._item("item.started", _as_begun(item))  # replays know items only by their end
        self._item("item.completed", item)
        self._open.pop(item.id, None)  # an id that comes again is another item

    def _item(self, kind: str, item: ThreadItem) -> None:
        encode = _BODIES.get(type(item))
        if encode is None:
            return
        body = encode(item)
        if body is None:
            return
        number = self._open.get(item.id)
        if number is None:
            number = self._number()
            if isinstance(item, _LASTING):
                self._open[item.id] = number
        if isinstance(item, WebSearchItem):
            self._out.utf8(_search_line(kind, number, body))
        else:
            self._line({"type": kind, "item": {"id": number, **body}})

    def _number(self) -> str:
        number = self._next_number
        self._next_number += 1
        return f"item_{number}"

    def _line(self, body: Body) -> None:
        self._out.utf8(_dumps(body) + b"\n")


_LASTING = (
    *(CommandExecutionItem, FileChangeItem, McpToolCallItem, ToolCallItem, CollabAgentToolCallItem),
    *(WebSearchItem, TodoListItem),
)
"""Items that are shown when they begin; all others appear complete."""


def _as_begun(item: ThreadItem) -> ThreadItem:
    """How the item looked when it began."""
    match item:
        case CommandExecutionItem():
            return item.replace(status=ItemStatus.IN_PROGRESS, aggregated_output="", exit_code=None)
        case FileChangeItem():
            return item.replace(status=ItemStatus.IN_PROGRESS)
        case McpToolCallItem():
            return item.replace(status=ItemStatus.IN_PROGRESS, result=None, error=None)
        case ToolCallItem():
            return item.replace(status=ItemStatus.IN_PROGRESS, output="")
        case CollabAgentToolCallItem():
            to = () if item.tool == "spawnAgent" else item.receiver_thread_ids
            return item.replace(status=ItemStatus.IN_PROGRESS, receiver_thread_ids=to, agents={})
        case _:
            return item


# -- bodies: everything but the item's number ----------------------------------------------------------


def _agent_message(item: AgentMessageItem) -> Body:
    return {"type": "agent_message", "text": item.text}


def _reasoning(item: ReasoningItem) -> Body | None:
    text = reasoning_text(item)
    return {"type": "reasoning", "text": text} if text else None


def _command(item: CommandExecutionItem) -> Body:
    return {
        "type": "command_execution",
        "command": command_line(item.command),
        "aggregated_output": item.aggregated_output,
        "exit_code": item.exit_code,
        "status": item.status.value,
    }


def _file_change(item: FileChangeItem) -> Body:
    changes = sorted(item.changes, key=lambda change: change.path)
    return {
        "type": "file_change",
        "changes": [{"path": change.path, "kind": change.kind} for change in changes],
        "status": _plain_status(item.status),
    }


def _mcp_call(item: McpToolCallItem) -> Body:
    return {
        "type": "mcp_tool_call",
        "server": item.server,
        "tool": item.tool,
        "arguments": item.arguments,
        "result": _mcp_result(item.result),
        "error": None if item.error is None else {"message": item.error},
        "status": _plain_status(item.status),
    }


def _mcp_result(result: Mapping[str, Any] | None) -> Body | None:
    if result is None:
        return None
    structured = result.get("structured_content", result.get("structuredContent"))
    return {"content": result.get("content", []), "structured_content": structured}


def _tool_call(item: ToolCallItem) -> Body:
    done = item.status is not ItemStatus.IN_PROGRESS
    result = {"content": [{"type": "text", "text": item.output}], "structured_content": None} if done else None
    return {
        "type": "mcp_tool_call",
        "server": PLUGIN_SERVER,
        "tool": item.tool,
        "arguments": _parsed(item.arguments),
        "result": result,
        "error": None,
        "status": _plain_status(item.status),
    }


def _collab_call(item: CollabAgentToolCallItem) -> Body:
    states = {
        id: {"status": in_snake_case(state["status"]), "message": state.get("message")}
        for id, state in item.agents.items()
    }
    return {
        "type": "collab_tool_call",
        # Clients know four words; Codex too shows an agent that is opened again as one that is waited for.
        "tool": "wait" if item.tool == "resumeAgent" else in_snake_case(item.tool),
        "sender_thread_id": item.sender_thread_id,
        "receiver_thread_ids": list(item.receiver_thread_ids),
        "prompt": item.prompt,
        "agents_states": states,
        "status": _plain_status(item.status),
    }


def _web_search(item: WebSearchItem) -> Body:
    return {"type": "web_search", "id": item.id, "query": search_query(item), "action": item.action}


def _todo_list(item: TodoListItem) -> Body:
    steps = [{"text": entry.text, "completed": entry.status == "completed"} for entry in item.items]
    return {"type": "todo_list", "items": steps}


def _error(item: ErrorItem) -> Body:
    return {"type": "error", "message": item.message}


_BODIES: dict[type[Any], Callable[[Any], Body | None]] = {
    AgentMessageItem: _agent_message,
    ReasoningItem: _reasoning,
    CommandExecutionItem: _command,
    FileChangeItem: _file_change,
    McpToolCallItem: _mcp_call,
    ToolCallItem: _tool_call,
    CollabAgentToolCallItem: _collab_call,
    WebSearchItem: _web_search,
    TodoListItem: _todo_list,
    ErrorItem: _error,
}


# -- details -------------------------------------------------------------------------------------------


def _plain_status(status: ItemStatus) -> str:
    """These items know no `declined`."""
    return "failed" if status is ItemStatus.DECLINED else status.value


def _parsed(arguments: str) -> Any:
    try:
        return orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return arguments


def _usage(usage: TokenUsage) -> Body:
    body: Body = dict(usage.as_dict())
    del body["total_tokens"]
    return body


def _search_line(kind: str, number: str, body: Body) -> bytes:
    """A web search has the key `id` twice: our number, then the provider's id, which readers take."""
    head = orjson.dumps({"type": kind, "item": {"id": number}})
    return head[:-2] + b"," + _dumps(body)[1:] + b"}\n"


_SEPARATORS = ((b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"))
"""JSON may hold these as they are, but readers of lines, as that of node 24, divide there too."""


def _dumps(body: Body) -> bytes:
    try:
        data = orjson.dumps(body)
    except TypeError:
        # Undecodable bytes of a path, or a number or value of a server that JSON has no form for.
        data = orjson.dumps(readable(body))
    for separator, escaped in _SEPARATORS:
        if separator in data:
            data = data.replace(separator, escaped)
    return data
