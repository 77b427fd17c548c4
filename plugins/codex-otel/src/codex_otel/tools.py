"""Which items are tool calls, and what may be told of them."""

from __future__ import annotations

from codex_plugin_sdk import (
    CollabAgentToolCallItem,
    CommandExecutionItem,
    FileChangeItem,
    ImageViewItem,
    ItemStatus,
    McpToolCallItem,
    ThreadItem,
    ToolCallItem,
    Value,
    WebSearchItem,
    value,
)


@value
class Call(Value):
    """A call without its arguments and output. `kind` is the conventions' tool type; `error` empty if it went well."""

    id: str
    tool: str
    kind: str = "function"
    status: str = "completed"
    error: str = ""
    duration_ms: int = 0
    exit_code: int | None = None


def call_of(item: ThreadItem) -> Call | None:
    """The call that an item shows, if it shows one."""
    match item:
        case CommandExecutionItem():
            call = Call(id=item.id, tool="exec_command", duration_ms=item.duration_ms, exit_code=item.exit_code)
        case FileChangeItem():
            call = Call(id=item.id, tool="apply_patch")
        case McpToolCallItem():
            call = Call(id=item.id, tool=item.tool, kind="extension", duration_ms=item.duration_ms)
        case ToolCallItem():
            call = Call(id=item.id, tool=item.tool)
        case CollabAgentToolCallItem():
            call = Call(id=item.id, tool=item.tool)
        case ImageViewItem():
            return Call(id=item.id, tool="view_image")
        case WebSearchItem():
            return Call(id=item.id, tool="web_search", kind="datastore")
        case _:
            return None
    failed = item.status in (ItemStatus.FAILED, ItemStatus.DECLINED)
    return call.replace(status=item.status.value, error=item.status.value if failed else "")
