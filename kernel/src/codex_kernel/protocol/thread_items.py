"""Thread items: what a person or a client sees of a thread."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from .ops import UserInput
from .value import Value, field, value


class ItemStatus(StrEnum):
    """Where an item stands."""

    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    DECLINED = "declined"


@value
class UserMessageItem(Value):
    """What the user sent; `client_id` is the frontend's own name for it."""

    id: str
    content: tuple[UserInput, ...]
    client_id: str | None = None


@value
class AgentMessageItem(Value):
    """Text of the agent for the user; `phase` as in `Message`."""

    id: str
    text: str
    phase: str | None = None


@value
class ReasoningItem(Value):
    """Summaries of the model's reasoning, and the raw text where the provider gives it."""

    id: str
    summary: tuple[str, ...] = ()
    raw_content: tuple[str, ...] = ()


@value
class CommandExecutionItem(Value):
    """A command; `command` is the argv that ran, `aggregated_output` stdout and stderr as they came. `stdin` is told by
    updates only: what is being typed into the running command, empty when its output is only looked at."""

    id: str
    command: tuple[str, ...]
    cwd: str
    status: ItemStatus
    aggregated_output: str = ""
    exit_code: int | None = None
    duration_ms: int = 0
    process_id: str | None = None
    source: str = "unified_exec_startup"
    stdin: str | None = None


@value
class FileChange(Value):
    """One changed file. `kind` is add, update or delete; `unified_diff` for updates, `content` else."""

    path: str
    kind: str
    content: str = ""
    unified_diff: str = ""
    move_path: str | None = None


@value
class FileChangeItem(Value):
    """A set of file changes, as one patch made them."""

    id: str
    changes: tuple[FileChange, ...]
    status: ItemStatus
    stdout: str = ""
    stderr: str = ""


@value
class McpToolCallItem(Value):
    """A call of a tool of an MCP server; `result` and `error` in the server's shape."""

    id: str
    server: str
    tool: str
    arguments: Any
    status: ItemStatus
    result: Mapping[str, Any] | None = None
    error: str | None = None
    duration_ms: int = 0


@value
class ToolCallItem(Value):
    """A call of a plugin's tool that has no item kind of its own."""

    id: str
    tool: str
    arguments: str
    status: ItemStatus
    output: str = ""


@value
class CollabAgentToolCallItem(Value):
    """Something done with other agents. `tool` is Codex's word (spawnAgent, sendInput, wait, closeAgent, …); `agents`
    gives by thread id the `status` (pendingInit, running, interrupted, completed, errored, shutdown, notFound) and the
    last `message`."""

    id: str
    tool: str
    status: ItemStatus
    sender_thread_id: str
    receiver_thread_ids: tuple[str, ...] = ()
    prompt: str | None = None
    model: str | None = None
    effort: str | None = None
    agents: Mapping[str, Mapping[str, Any]] = field(factory=dict)


@value
class WebSearchItem(Value):
    """A search that the provider ran."""

    id: str
    query: str
    action: Any = None


@value
class TodoEntry(Value):
    """One step of the plan; `status` is pending, in_progress or completed."""

    text: str
    status: str


@value
class TodoListItem(Value):
    """The agent's plan."""

    id: str
    items: tuple[TodoEntry, ...]
    explanation: str = ""


@value
class ImageViewItem(Value):
    """The agent looked at a local image."""

    id: str
    path: str


@value
class ContextCompactionItem(Value):
    """The history was shortened; `fallback` when without the model's help."""

    id: str
    fallback: bool = False


@value
class ErrorItem(Value):
    """A problem that did not end the turn."""

    id: str
    message: str


@value
class UnknownThreadItem(Value):
    """An item of a kind that this version does not know."""

    id: str
    tag: str
    raw: Mapping[str, Any] = field(factory=dict)


ThreadItem = (
    UserMessageItem
    | AgentMessageItem
    | ReasoningItem
    | CommandExecutionItem
    | FileChangeItem
    | McpToolCallItem
    | ToolCallItem
    | CollabAgentToolCallItem
    | WebSearchItem
    | TodoListItem
    | ImageViewItem
    | ContextCompactionItem
    | ErrorItem
    | UnknownThreadItem
)
