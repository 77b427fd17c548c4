"""A model that says what a test wrote down."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any

import orjson

from codex_plugin_sdk import (
    CustomToolCall,
    FunctionCall,
    Message,
    ModelEvent,
    ModelInfo,
    ModelProviderSpec,
    ModelRequest,
    OutputItemDone,
    OutputItemStarted,
    ProviderInfo,
    Reasoning,
    ResponseCompleted,
    ResponseItem,
    ResponseStarted,
    TextDelta,
    TokenUsage,
    text_message,
)

Step = Sequence[ResponseItem] | Exception | Callable[[ModelRequest], Awaitable[Sequence[ResponseItem]]]
"""One answer: items, an error to raise, or an async function of the request that gives items."""

USAGE = TokenUsage(input_tokens=100, cached_input_tokens=10, output_tokens=20, total_tokens=120)


def say(text: str, id: str = "msg_1") -> Message:
    """An assistant message."""
    return text_message("assistant", text, id=id)


def think(summary: str, id: str = "rs_1") -> Reasoning:
    """A reasoning item with a summary."""
    return Reasoning(id=id, summary=(summary,))


def call(name: str, call_id: str = "call_1", /, **arguments: Any) -> FunctionCall:
    """A function call."""
    return FunctionCall(name=name, call_id=call_id, arguments=orjson.dumps(arguments).decode())


def raw_call(name: str, arguments: str, call_id: str = "call_1") -> FunctionCall:
    """A function call whose arguments are this very text."""
    return FunctionCall(name=name, call_id=call_id, arguments=arguments)


def freeform(name: str, text: str, call_id: str = "call_1") -> CustomToolCall:
    """A freeform call."""
    return CustomToolCall(name=name, call_id=call_id, input=text)


class ScriptedModel:
    """A `ModelProvider` that plays steps in order and keeps the requests. Asked more often than it has
    steps, it fails the test by raising `AssertionError`."""

    def __init__(self, *steps: Step, usage: TokenUsage | None = USAGE, info: ModelInfo | None = None) -> None:
        self.steps = list(steps)
        self.requests: list[ModelRequest] = []
        self.usage = usage
        self.info = info or ModelInfo(context_window=272_000, known=True)
        self.closed = False

    async def stream(self, request: ModelRequest) -> AsyncIterator[tuple[ModelEvent, ...]]:
        """Play the next step."""
        self.requests.append(request)
        assert self.steps, f"the model was asked {len(self.requests)} times, which the script does not foresee"
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        items = await step(request) if callable(step) else step
        response_id = f"resp_{len(self.requests)}"
        yield (ResponseStarted(response_id=response_id),)
        for item in items:
            yield tuple(_events(item, deltas=request.want_deltas))
        yield (ResponseCompleted(response_id=response_id, usage=self.usage),)

    def model_info(self, model: str) -> ModelInfo:
        """The same for every model."""
        return self.info

    async def aclose(self) -> None:
        """Remember that it was closed."""
        self.closed = True

    def spec(self, name: str = "scripted") -> ModelProviderSpec:
        """A spec that offers this very object as the built-in provider `name`."""
        return ModelProviderSpec(
            name=name,
            factory=lambda setup: self,
            builtin_ids=(name,),
            builtin=lambda id: ProviderInfo(id=id, request_max_retries=2, stream_max_retries=2),
        )


def _events(item: ResponseItem, *, deltas: bool) -> Iterable[ModelEvent]:
    if isinstance(item, Message) and deltas:
        yield OutputItemStarted(item=item.replace(content=()))
        yield TextDelta(item_id=item.id or "", delta=item.text)
    yield OutputItemDone(item=item)
