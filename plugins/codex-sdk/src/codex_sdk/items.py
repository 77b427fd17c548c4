"""The items of a turn: what the user, the model and its tools said and did.

Each has the `id` and the `type` of the protocol, and in `raw` the whole object. A type that is not known here is an
`UnknownItem`; so is one that does not have the form that it should have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from ._decode import Unreadable, decode, raw_field


@attrs.frozen(kw_only=True)
class ThreadItem:
    """What all items have."""

    type: ClassVar[str] = ""
    id: str = ""
    raw: Mapping[str, Any] = raw_field()


@attrs.frozen(kw_only=True)
class UserMessageItem(ThreadItem):
    """What the user gave; `content` as the protocol has it."""

    type: ClassVar[str] = "userMessage"
    content: tuple[Any, ...]

    @property
    def text(self) -> str:
        """Its texts, line by line."""
        return "\n".join(part.get("text") or "" for part in self.content if part.get("type") == "text")


@attrs.frozen(kw_only=True)
class AgentMessageItem(ThreadItem):
    """What the model says. `phase`: commentary, final_answer, or None where the model does not tell them apart."""

    type: ClassVar[str] = "agentMessage"
    text: str
    phase: str | None = None


@attrs.frozen(kw_only=True)
class ReasoningItem(ThreadItem):
    """What the model thinks."""

    type: ClassVar[str] = "reasoning"
    summary: tuple[str, ...] = ()
    content: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class PlanItem(ThreadItem):
    """A proposed plan."""

    type: ClassVar[str] = "plan"
    text: str


@attrs.frozen(kw_only=True)
class CommandExecutionItem(ThreadItem):
    """A command. `status`: inProgress, completed, failed, declined."""

    type: ClassVar[str] = "commandExecution"
    command: str
    cwd: str
    status: str
    aggregated_output: str | None = None
    exit_code: int | None = None
    duration_ms: int | None = None
    process_id: str | None = None
    source: str | None = None


@attrs.frozen(kw_only=True)
class FileUpdate:
    """One file of an edit. `kind`: add, delete or update."""

    path: str
    diff: str
    kind: str = attrs.field(metadata={"read": lambda found: found["type"] if isinstance(found, dict) else str(found)})
    raw: Mapping[str, Any] = raw_field()


@attrs.frozen(kw_only=True)
class FileChangeItem(ThreadItem):
    """Edits of files. `status`: inProgress, completed, failed, declined."""

    type: ClassVar[str] = "fileChange"
    changes: tuple[FileUpdate, ...]
    status: str


@attrs.frozen(kw_only=True)
class McpToolCallItem(ThreadItem):
    """A call of an MCP server's tool. `status`: inProgress, completed, failed."""

    type: ClassVar[str] = "mcpToolCall"
    server: str
    tool: str
    status: str
    arguments: Any = None
    result: Any = None
    error: Any = None
    duration_ms: int | None = None


@attrs.frozen(kw_only=True)
class DynamicToolCallItem(ThreadItem):
    """A call of a tool of yours. `status`: inProgress, completed, failed."""

    type: ClassVar[str] = "dynamicToolCall"
    tool: str
    status: str
    arguments: Any = None
    namespace: str | None = None
    success: bool | None = None
    duration_ms: int | None = None


@attrs.frozen(kw_only=True)
class CollabAgentToolCallItem(ThreadItem):
    """What one agent has to do with others. `tool`: spawnAgent, sendInput, wait, closeAgent, …; `status`: inProgress,
    completed, failed, interrupted. `agents_states` has for each agent, by its thread id, the `status` and the last
    `message`."""

    type: ClassVar[str] = "collabAgentToolCall"
    tool: str
    status: str
    sender_thread_id: str
    receiver_thread_ids: tuple[str, ...] = ()
    prompt: str | None = None
    model: str | None = None
    reasoning_effort: str | None = None
    agents_states: Any = None


@attrs.frozen(kw_only=True)
class WebSearchItem(ThreadItem):
    """A search in the web."""

    type: ClassVar[str] = "webSearch"
    query: str
    action: Any = None


@attrs.frozen(kw_only=True)
class ImageViewItem(ThreadItem):
    """The model looks at an image file."""

    type: ClassVar[str] = "imageView"
    path: str


@attrs.frozen(kw_only=True)
class EnteredReviewModeItem(ThreadItem):
    """A review begins."""

    type: ClassVar[str] = "enteredReviewMode"
    review: str


@attrs.frozen(kw_only=True)
class ExitedReviewModeItem(ThreadItem):
    """A review has ended, with its findings as text."""

    type: ClassVar[str] = "exitedReviewMode"
    review: str


@attrs.frozen(kw_only=True)
class ContextCompactionItem(ThreadItem):
    """The history was shortened."""

    type: ClassVar[str] = "contextCompaction"


@attrs.frozen(kw_only=True)
class UnknownItem(ThreadItem):
    """An item of another kind, `kind`; its members are in `raw`."""

    kind: str = ""


_KINDS: dict[str, type[ThreadItem]] = {
    kind.type: kind
    for kind in (
        UserMessageItem,
        AgentMessageItem,
        ReasoningItem,
        PlanItem,
        CommandExecutionItem,
        FileChangeItem,
        McpToolCallItem,
        DynamicToolCallItem,
        CollabAgentToolCallItem,
        WebSearchItem,
        ImageViewItem,
        EnteredReviewModeItem,
        ExitedReviewModeItem,
        ContextCompactionItem,
    )
}


def read_item(found: Any) -> ThreadItem:
    """The item of an object. Raises `Unreadable` for what is no object."""
    if not isinstance(found, dict):
        raise Unreadable(f"an item is an object, not {found!r:.100}")
    kind, id = found.get("type"), found.get("id")
    known = _KINDS.get(kind) if isinstance(kind, str) else None
    if known is not None:
        try:
            return decode(known, found)
        except (Unreadable, KeyError):
            pass  # it is kept as it is
    return UnknownItem(id=id if isinstance(id, str) else "", kind=str(kind), raw=found)


def read_items(found: Any) -> tuple[ThreadItem, ...]:
    """Items of a list. Raises `Unreadable`."""
    if not isinstance(found, list):
        raise Unreadable(f"items are a list, not {found!r:.100}")
    return tuple(map(read_item, found))
