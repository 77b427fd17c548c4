"""One model request: streaming, retries, idle time-out. Nothing of a failed attempt is kept."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Protocol, assert_never

import anyio

from .contracts.model import (
    ModelEvent,
    ModelProvider,
    ModelRequest,
    OutputItemDone,
    OutputItemStarted,
    ProviderInfo,
    ProviderNotice,
    ReasoningTextDelta,
    ResponseCompleted,
    ResponseStarted,
    TextDelta,
    ToolInputTextDelta,
)
from .errors import ProviderError, StreamClosed
from .protocol.events import (
    AgentMessageDelta,
    EventMsg,
    ItemStarted,
    Notice,
    ReasoningDelta,
    StreamRetry,
    ToolInputDelta,
)
from .protocol.response_items import Message, Reasoning, ResponseItem
from .protocol.thread_items import AgentMessageItem, ReasoningItem
from .protocol.usage import TokenUsage
from .protocol.value import Value, value

if TYPE_CHECKING:
    from .guards import Guards

BACKOFF_BASE_S = 0.2
BACKOFF_CAP_S = 20.0
RETRY_AFTER_CAP_S = 300.0
_DELTAS = (AgentMessageDelta, ReasoningDelta, ToolInputDelta)


@value
class ModelResponse(Value):
    """A complete answer: all items in order, and what it cost."""

    response_id: str
    items: tuple[ResponseItem, ...]
    usage: TokenUsage | None


class Show(Protocol):
    """Where deltas (`stream`) and recorded events (`emit`) go."""

    async def stream(self, *messages: EventMsg) -> None: ...
    async def emit(self, *messages: EventMsg) -> None: ...


def backoff_s(attempt: int, retry_after_s: float | None, jitter: Callable[[], float] = random.random) -> float:
    """Seconds to wait before attempt number `attempt` + 1: what the server asked for, else exponential
    with up to a quarter of jitter on top."""
    if retry_after_s is not None:
        return retry_after_s
    return float(min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2 ** (attempt - 1))) * (1 + 0.25 * jitter())


async def sample(
    provider: ModelProvider, request: ModelRequest, info: ProviderInfo, show: Show, guards: Guards
) -> ModelResponse:
    """Ask the model until it has answered in full; guards are asked about each attempt.

    Retryable errors are retried: up to `request_max_retries` times when the request failed, up to
    `stream_max_retries` times when the answer broke off, with a `StreamRetry` event each. Raises the last
    `ProviderError` otherwise.
    """
    failures = {True: 0, False: 0}
    limits = {True: info.stream_max_retries, False: info.request_max_retries}
    while True:
        try:
            return await _guarded(provider, request, info, show, guards)
        except ProviderError as error:
            streaming = isinstance(error, StreamClosed)
            failures[streaming] += 1
            attempt, limit = failures[streaming], limits[streaming]
            if not error.retryable or attempt > limit:
                raise
            if error.retry_after_s is not None and error.retry_after_s > RETRY_AFTER_CAP_S:
                raise ProviderError(
                    f"{error.message} The server asks to wait {error.retry_after_s:.0f} s.",
                    status=error.status,
                    hint="try again later",
                ) from error
            delay = backoff_s(attempt, error.retry_after_s)
            await show.emit(StreamRetry(attempt=attempt, max_attempts=limit, delay_s=delay, cause=error.message))
            await anyio.sleep(delay)


async def _guarded(
    provider: ModelProvider, request: ModelRequest, info: ProviderInfo, show: Show, guards: Guards
) -> ModelResponse:
    guards.request_begins(request)
    try:
        answer = await _attempt(provider, request, info, show)
    except BaseException as error:
        guards.request_ends(request, (), None, error)
        raise
    guards.request_ends(request, answer.items, answer.usage)
    return answer


async def _attempt(provider: ModelProvider, request: ModelRequest, info: ProviderInfo, show: Show) -> ModelResponse:
    items: list[ResponseItem] = []
    idle_s = info.stream_idle_timeout_ms / 1000
    stream = provider.stream(request)
    # An async generator must be closed where it is abandoned; other iterators need not have aclose.
    async with aclosing(stream) if hasattr(stream, "aclose") else _Nothing():  # type: ignore[type-var]
        while True:
            try:
                with anyio.fail_after(idle_s):
                    batch = await anext(stream, None)
            except TimeoutError:
                raise StreamClosed(f"idle for {idle_s:g} s while waiting for the model") from None
            if batch is None:
                raise StreamClosed("stream closed before the response was complete")
            for event in batch:
                if isinstance(event, ResponseCompleted):
                    return ModelResponse(response_id=event.response_id, items=tuple(items), usage=event.usage)
                if isinstance(event, OutputItemDone):
                    items.append(event.item)
                    continue
                shown = _shown(event)
                if isinstance(shown, _DELTAS):
                    await show.stream(shown)
                elif shown is not None:
                    await show.emit(shown)


class _Nothing:
    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *_: object) -> None:
        return None


def _shown(event: ModelEvent) -> EventMsg | None:
    match event:
        case TextDelta():
            return AgentMessageDelta(item_id=event.item_id, delta=event.delta)
        case ReasoningTextDelta():
            return ReasoningDelta(item_id=event.item_id, delta=event.delta, raw=event.raw)
        case ToolInputTextDelta():
            return ToolInputDelta(item_id=event.item_id, call_id=event.call_id, delta=event.delta)
        case OutputItemStarted(item=Message(id=str(id), phase=phase)):
            return ItemStarted(item=AgentMessageItem(id=id, text="", phase=phase))
        case OutputItemStarted(item=Reasoning(id=str(id))):
            return ItemStarted(item=ReasoningItem(id=id))
        case ProviderNotice():
            return Notice(level="warning", message=event.message)
        case OutputItemStarted() | ResponseStarted() | OutputItemDone() | ResponseCompleted():
            return None
        case _:
            assert_never(event)
