"""The contract of a model provider."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

from ..protocol.response_items import HistoryEntry, ResponseItem
from ..protocol.usage import TokenUsage
from ..protocol.value import Value, field, value


@value
class ToolDefinition(Value):
    """A tool as the model sees it.

    `parameters` is a JSON Schema for a function tool. A freeform tool has `freeform=True` and may give
    a `grammar` (`{"type": "grammar", "syntax": "lark", "definition": …}`); a provider whose API has no
    freeform tools offers it as a function with one string parameter named `input`.
    """

    name: str
    description: str
    parameters: Mapping[str, Any] = field(factory=dict)
    freeform: bool = False
    grammar: Mapping[str, Any] | None = None
    strict: bool = False


@value
class ProviderInfo(Value):
    """A `[model_providers.ID]` table, or the built-in entry that a plugin declares. Times in ms."""

    id: str
    name: str = ""
    base_url: str | None = None
    wire_api: str = "responses"
    env_key: str | None = None
    env_key_instructions: str | None = None
    experimental_bearer_token: str | None = field(default=None, repr=False)
    requires_openai_auth: bool = False
    query_params: Mapping[str, str] = field(factory=dict)
    http_headers: Mapping[str, str] = field(factory=dict)
    env_http_headers: Mapping[str, str] = field(factory=dict)
    request_max_retries: int = 4
    stream_max_retries: int = 5
    stream_idle_timeout_ms: int = 300_000
    options: Mapping[str, Any] = field(factory=dict)


@value
class ProviderSetup(Value):
    """What a provider's factory gets. `environ` is the process's environment, where keys are found;
    `originator` and `version` identify us to the server."""

    info: ProviderInfo
    environ: Mapping[str, str] = field(repr=False)
    thread_id: str
    originator: str = "codex_exec"
    version: str = "0"
    options: Mapping[str, Any] = field(factory=dict)


@value
class ModelRequest(Value):
    """One request to the model.

    `instructions` is the system text; `input` the whole history, oldest first, each entry with its
    encoded bytes (Responses shape), so that a provider can join them instead of encoding anew.
    `want_deltas` false lets a provider skip deltas that no one would see. `turn_id` and `thread_id`
    serve for headers and cache keys.
    """

    model: str
    instructions: str
    input: tuple[HistoryEntry, ...]
    tools: tuple[ToolDefinition, ...]
    thread_id: str
    turn_id: str
    parallel_tool_calls: bool = True
    effort: str | None = None
    summary: str | None = None
    verbosity: str | None = None
    service_tier: str | None = None
    output_schema: Mapping[str, Any] | None = None
    want_deltas: bool = True
    kind: str = "turn"


@value
class ResponseStarted(Value):
    """The server has accepted the request."""

    response_id: str


@value
class OutputItemStarted(Value):
    """An item begins to stream; its content is not complete."""

    item: ResponseItem


@value
class TextDelta(Value):
    """Assistant text as it streams."""

    item_id: str
    delta: str


@value
class ReasoningTextDelta(Value):
    """Reasoning as it streams; `raw` is the reasoning itself, else its summary."""

    item_id: str
    delta: str
    raw: bool = False


@value
class ToolInputTextDelta(Value):
    """Input of a freeform call as it streams."""

    item_id: str
    call_id: str
    delta: str


@value
class OutputItemDone(Value):
    """A complete item: the one that counts."""

    item: ResponseItem


@value
class ResponseCompleted(Value):
    """The last event of a good stream."""

    response_id: str
    usage: TokenUsage | None


@value
class ProviderNotice(Value):
    """Something to tell the user (a fallback, a rate limit that is near)."""

    message: str


ModelEvent = (
    ResponseStarted
    | OutputItemStarted
    | TextDelta
    | ReasoningTextDelta
    | ToolInputTextDelta
    | OutputItemDone
    | ResponseCompleted
    | ProviderNotice
)


@value
class ModelInfo(Value):
    """What is known of a model; None where nothing is. Windows in tokens."""

    context_window: int | None = None
    auto_compact_token_limit: int | None = None
    supports_images: bool = True
    supports_freeform_tools: bool = True
    default_effort: str | None = None
    default_verbosity: str | None = None
    known: bool = False


class ModelProvider(Protocol):
    """Speaks to one model server. Made once per thread, used by one turn at a time.

    It may also have `head_start(request: ModelRequest) -> None`: synchronous, called at most once, before
    there is an event loop. It sends the request if that takes no more than milliseconds, and `stream` of
    the very same request object then takes over; it raises as `stream` does.

    And it may have `model_names() -> Sequence[str]`: names worth offering, the best first; does no I/O.
    """

    def stream(self, request: ModelRequest) -> AsyncIterator[tuple[ModelEvent, ...]]:
        """Send the request; yield events in batches, one batch per read from the network.

        The last event of a good stream is `ResponseCompleted`. Raises `ProviderError` otherwise:
        `StreamClosed` when the answer ended early, `RateLimited`, `ContextWindowExceeded`,
        `AuthenticationFailed`, or a plain one with `retryable` set. Does no retries of its own: the
        kernel does them and tells the user. The generator may be closed at any `yield` and must then
        release its connection; it must not hold a task group or cancel scope open across a `yield`.
        """
        ...

    def model_info(self, model: str) -> ModelInfo:
        """What the provider knows of a model; does no I/O."""
        ...

    async def aclose(self) -> None:
        """Release connections. Called once; no `stream` is running then."""
        ...
