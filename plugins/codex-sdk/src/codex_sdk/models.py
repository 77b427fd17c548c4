"""What the server answers with: threads, turns, models. `raw` of each holds the whole object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from ._decode import raw_field
from .items import AgentMessageItem, ThreadItem, read_items

if TYPE_CHECKING:
    from .approvals import Declined

T = TypeVar("T")


def _word(found: Any) -> str:
    kind = found.get("type") if isinstance(found, dict) else found
    return kind if isinstance(kind, str) else ""


@attrs.frozen(kw_only=True)
class ServerInfo:
    """What the server says of itself in the handshake."""

    user_agent: str = ""
    codex_home: str = ""
    platform_family: str = ""
    platform_os: str = ""
    raw: Mapping[str, Any] = raw_field()


@attrs.frozen(kw_only=True)
class TurnError:
    """Why a turn failed. `codex_error_info`: a word such as `usageLimitExceeded`, or an object with one."""

    message: str
    codex_error_info: Any = None
    additional_details: str | None = None
    raw: Mapping[str, Any] = raw_field()


@attrs.frozen(kw_only=True)
class TokenUsageBreakdown:
    """Tokens."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_output_tokens: int = 0
    total_tokens: int = 0
    raw: Mapping[str, Any] = raw_field()


@attrs.frozen(kw_only=True)
class ThreadTokenUsage:
    """Of the last request to the model, and of the thread in all."""

    last: TokenUsageBreakdown
    total: TokenUsageBreakdown
    model_context_window: int | None = None
    raw: Mapping[str, Any] = raw_field()


@attrs.frozen(kw_only=True)
class Turn:
    """A turn as the server tells it. `status`: inProgress, completed, interrupted, failed. Times are Unix seconds."""

    id: str
    status: str
    items: tuple[ThreadItem, ...] = attrs.field(default=(), metadata={"read": read_items})
    error: TurnError | None = None
    started_at: int | None = None
    completed_at: int | None = None
    duration_ms: int | None = None
    raw: Mapping[str, Any] = raw_field()


@attrs.frozen(kw_only=True)
class TurnResult:
    """How a turn ended: `status` is completed or interrupted. `declined` are the questions that nobody here answered,
    and which were declined for that."""

    id: str
    status: str
    final_response: str | None = None
    items: tuple[ThreadItem, ...] = ()
    usage: ThreadTokenUsage | None = None
    error: TurnError | None = None
    started_at: int | None = None
    completed_at: int | None = None
    duration_ms: int | None = None
    declined: tuple[Declined, ...] = ()


@attrs.frozen(kw_only=True)
class ThreadInfo:
    """A recorded or open thread. `status`: notLoaded, idle, active, systemError. Times are Unix seconds."""

    id: str
    preview: str = ""
    name: str | None = None
    cwd: str = ""
    path: str | None = None
    model_provider: str = ""
    created_at: int = 0
    updated_at: int = 0
    ephemeral: bool = False
    forked_from_id: str | None = None
    status: str = attrs.field(default="", metadata={"read": _word})
    turns: tuple[Turn, ...] = ()
    raw: Mapping[str, Any] = raw_field()


@attrs.frozen(kw_only=True)
class ReasoningEffortOption:
    """An effort that a model can make."""

    reasoning_effort: str
    description: str = ""


@attrs.frozen(kw_only=True)
class Model:
    """A model that can be asked for by `model`."""

    id: str
    model: str
    display_name: str = ""
    description: str = ""
    hidden: bool = False
    is_default: bool = False
    default_reasoning_effort: str | None = None
    supported_reasoning_efforts: tuple[ReasoningEffortOption, ...] = ()
    raw: Mapping[str, Any] = raw_field()


@attrs.frozen(kw_only=True)
class Account:
    """Who pays. `kind`: apiKey, chatgpt, …; None when nobody is signed in."""

    kind: str | None
    email: str | None = None
    plan_type: str | None = None
    requires_openai_auth: bool = False
    raw: Mapping[str, Any] = raw_field()


@attrs.frozen(kw_only=True)
class Page(Generic[T]):
    """A page of a list; `next_cursor` asks for the next one, None when this is the last."""

    data: tuple[T, ...]
    next_cursor: str | None = None

    def __iter__(self) -> Iterator[T]:
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)


def final_response(items: tuple[ThreadItem, ...]) -> str | None:
    """The last message that is an answer, or else the last that is no mere commentary; None if there is none."""
    messages = [item for item in items if isinstance(item, AgentMessageItem)]
    for wanted in ("final_answer", None):
        for message in reversed(messages):
            if message.phase == wanted:
                return message.text
    return None
