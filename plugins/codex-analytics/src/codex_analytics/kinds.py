"""The kinds of events. A kind is a class: its name in snake case, its fields, and its docstring as the meaning.

Fields are numbers, flags, and words from closed lists or of a safe form; never what a person or a model wrote, a
path, a command, a host, or an answer. `README.md` shows this module as a table.
"""

from __future__ import annotations

import re

from codex_plugin_sdk import TokenUsage, Value, value

SCHEMA_VERSION = 1
ENVELOPE = {
    "v": ("int", "version of this format"),
    "kind": ("str", "the kind of event"),
    "at_ms": ("int", "Unix time in milliseconds"),
    "thread_id": ("str", "the thread"),
    "turn_id": ("str | None", "the turn, if one is running"),
    "seq": ("int", "the event's number within the run of the thread; others lie between"),
}


class Kind(Value):
    """Base of all kinds; it has no fields of its own."""

    @classmethod
    def name(cls) -> str:
        """The kind's name in the file."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()


@value
class ThreadStarted(Kind):
    """a new thread; `effort` is None where the model's own holds"""

    model: str
    provider: str
    approval_policy: str
    sandbox_mode: str
    effort: str | None
    ephemeral: bool


@value
class ThreadResumed(Kind):
    """a recorded thread goes on"""

    model: str
    provider: str
    approval_policy: str
    sandbox_mode: str
    effort: str | None
    ephemeral: bool


@value
class ThreadClosed(Kind):
    """a thread's program ends, or lets go of it"""


@value
class TurnStarted(Kind):
    """a turn begins"""

    model: str
    context_window: int | None


@value
class TurnCompleted(Kind):
    """a turn came to its end"""

    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_output_tokens: int
    duration_ms: int


@value
class TurnFailed(Kind):
    """a turn ended with an error; its kind is a class of our error tree"""

    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_output_tokens: int
    duration_ms: int
    error_kind: str
    http_status: int | None


@value
class TurnInterrupted(Kind):
    """a turn was stopped on request"""

    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_output_tokens: int
    duration_ms: int


@value
class ModelAnswered(Kind):
    """the model answered a request"""

    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_output_tokens: int


@value
class ModelRetried(Kind):
    """a model request failed and is tried again"""

    attempt: int
    max_attempts: int
    delay_ms: int


@value
class UserMessage(Kind):
    """the user sent something"""

    characters: int
    images: int


@value
class AgentMessage(Kind):
    """the agent said something"""

    characters: int


@value
class ReasoningShown(Kind):
    """the model told of its reasoning"""

    summaries: int


@value
class CommandRun(Kind):
    """a command ran, or was declined"""

    status: str
    exit_code: int | None
    duration_ms: int
    output_characters: int


@value
class PatchApplied(Kind):
    """files were changed by a patch, or were not"""

    status: str
    added: int
    updated: int
    deleted: int


@value
class McpToolCalled(Kind):
    """a tool of an MCP server was called"""

    status: str
    duration_ms: int


@value
class ToolCalled(Kind):
    """another tool was called"""

    tool: str
    status: str


@value
class WebSearched(Kind):
    """the provider searched the web"""


@value
class ImageViewed(Kind):
    """the agent looked at an image"""


@value
class PlanChanged(Kind):
    """the agent's plan reached its last form in a turn"""

    steps: int
    completed: int


@value
class HistoryCompacted(Kind):
    """the history was shortened; `fallback` when without the model"""

    fallback: bool


@value
class ErrorShown(Kind):
    """a problem that did not end the turn"""


@value
class ApprovalRequested(Kind):
    """someone was asked whether something may be done"""

    intent: str
    category: str


@value
class RequestResolved(Kind):
    """an approval, a question or a form got its answer"""

    decision: str
    reviewer: str


@value
class QuestionsAsked(Kind):
    """a tool asked the user"""

    questions: int


@value
class ElicitationRequested(Kind):
    """an MCP server asked the user for a form or to open an address"""

    form: bool


@value
class HookFinished(Kind):
    """a lifecycle hook ended"""

    event: str
    status: str
    duration_ms: int


@value
class McpServerChanged(Kind):
    """an MCP server is ready, or failed"""

    status: str


@value
class SandboxSelected(Kind):
    """the sandbox of a thread's commands was chosen; `unenforced` counts the guarantees it cannot give"""

    backend: str
    degraded: bool
    unenforced: int


@value
class NetworkDecided(Kind):
    """a host was asked for, and permitted or not"""

    decision: str
    protocol: str


@value
class NoticeShown(Kind):
    """the user was told something"""

    level: str


@value
class OpRejected(Kind):
    """a frontend asked for something that could not be done"""

    op: str


KINDS: dict[str, type[Kind]] = {
    found.name(): found
    for found in list(globals().values())
    if isinstance(found, type) and issubclass(found, Kind) and found is not Kind
}


def tokens(usage: TokenUsage) -> dict[str, int]:
    """The fields that tell of tokens."""
    return {
        "input_tokens": usage.input_tokens,
        "cached_input_tokens": usage.cached_input_tokens,
        "output_tokens": usage.output_tokens,
        "reasoning_output_tokens": usage.reasoning_output_tokens,
    }


def fields_of(kind: type[Kind]) -> dict[str, str]:
    """Field -> type, as the class has them."""
    return dict(kind.__annotations__)  # as text: annotations are not evaluated here


def table() -> str:
    """All kinds as a Markdown table, for the README."""
    lines = ["| kind | meaning | fields |", "|---|---|---|"]
    for name, kind in KINDS.items():
        fields = ", ".join(f"`{field}: {type_}`".replace("|", "\\|") for field, type_ in fields_of(kind).items())
        lines.append(f"| `{name}` | {' '.join((kind.__doc__ or '').split())} | {fields or '-'} |")
    return "\n".join(lines)
