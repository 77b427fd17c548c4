"""The conformance kit of providers: passes on a plain reference, fails on each planted fault."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
import pytest

from codex_plugin_sdk import (
    CustomToolCall,
    FunctionCall,
    Message,
    ModelEvent,
    ModelInfo,
    ModelRequest,
    OutputItemDone,
    ProviderError,
    ProviderInfo,
    ProviderSetup,
    RateLimited,
    ResponseCompleted,
    ResponseStarted,
    StreamClosed,
    TextDelta,
    TokenUsage,
    decode_item,
    encode_item,
    text_message,
)
from codex_plugin_sdk.http.jsondata import count, event_object
from codex_plugin_sdk.http.model_server import ModelServer
from codex_plugin_sdk.http.sse import SseDecoder
from codex_plugin_sdk.testing.provider_kit import ProviderCase, ProviderConformance
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer


class Reference:
    """As small a provider of the Responses API as keeps the contract; its methods are where faults are planted."""

    def __init__(self, base_url: str) -> None:
        setup = ProviderSetup(info=ProviderInfo(id="reference"), environ={}, thread_id="t")
        self.server = ModelServer(setup, base_url)

    def body(self, request: ModelRequest) -> tuple[bytes, ...]:
        tools = ",".join(f'"{tool.name}"' for tool in request.tools).encode()
        items = [encode_item(text_message("developer", request.instructions)), *(e.encoded for e in request.input)]
        return (b'{"model":"%b","tools":[%b],"input":[' % (request.model.encode(), tools), b",".join(items), b"]}")

    def event(self, body: dict) -> ModelEvent | None:
        match body.get("type"):
            case "response.created":
                return ResponseStarted(response_id=body["response"]["id"])
            case "response.output_text.delta":
                return TextDelta(item_id=body["item_id"], delta=body["delta"])
            case "response.output_item.done":
                return OutputItemDone(item=decode_item(body["item"]))
            case "response.completed":
                return ResponseCompleted(
                    response_id=body["response"]["id"], usage=self.usage(body["response"]["usage"])
                )
        return None

    def usage(self, raw: dict) -> TokenUsage:
        return TokenUsage(
            input_tokens=count(raw, "input_tokens"),
            cached_input_tokens=count(raw["input_tokens_details"], "cached_tokens"),
            output_tokens=count(raw, "output_tokens"),
            reasoning_output_tokens=count(raw["output_tokens_details"], "reasoning_tokens"),
            total_tokens=count(raw, "total_tokens"),
        )

    def head_start(self, request: ModelRequest) -> None:
        self.server.post("/responses", self.body(request), thread_id="t").send_ahead()

    async def stream(self, request: ModelRequest) -> AsyncIterator[tuple[ModelEvent, ...]]:
        decoder = SseDecoder()
        async with self.server.post("/responses", self.body(request), thread_id="t") as answer:
            async for chunk in answer:
                events = [self.event(event_object(data)) for _, data in decoder.feed(chunk)]
                found = tuple(event for event in events if event is not None)
                ended = bool(found) and isinstance(found[-1], ResponseCompleted)
                if ended:
                    answer.finished()
                if found:
                    yield found
                if ended:
                    return
        raise StreamClosed("cut short")

    def model_info(self, model: str) -> ModelInfo:
        return ModelInfo()

    async def aclose(self) -> None:
        await self.server.aclose()


class Wrapped(Reference):
    """A reference whose stream a fault can bend."""

    async def stream(self, request):
        try:
            async for batch in super().stream(request):
                bent = tuple(event for event in map(self.bend, batch) if event is not None)
                if bent:
                    yield bent
        except ProviderError as error:
            raise self.bend_error(error) from error

    def bend(self, event):
        return event

    def bend_error(self, error):
        return error


LEFT_OPEN: list[Callable[[], Awaitable[None]]] = []
"""What faulty providers forgot to close, so that the test can."""


# -- planted faults: each says which tests of the kit must notice it ----------------------------------


class LosesLastDelta(Wrapped):
    noticed_by = ("test_text_streams_and_comes_whole",)
    seen = 0

    def bend(self, event):
        self.seen += isinstance(event, TextDelta)
        return None if isinstance(event, TextDelta) and self.seen > 3 else event


class AsksAgainAfterAHeadStart(Reference):
    noticed_by = ("test_a_head_start_is_taken_over_by_the_stream_of_its_request",)

    def head_start(self, request):
        self.server.post("/responses", self.body(request), thread_id="another").send_ahead()


class GarblesItems(Wrapped):
    noticed_by = (
        "test_unwanted_deltas_cost_no_item",
        "test_half_a_utf8_sequence_is_harmless",
        "test_large_event_comes_through",
    )

    def bend(self, event):
        if isinstance(event, OutputItemDone) and isinstance(event.item, Message):
            return OutputItemDone(item=text_message("assistant", event.item.text[:-1]))
        return event


class CompletesTwice(Wrapped):
    noticed_by = ("test_text_streams_and_comes_whole",)

    def bend(self, event):
        return ResponseCompleted(response_id="x", usage=None) if isinstance(event, ResponseStarted) else event


class ParsesArguments(Wrapped):
    noticed_by = ("test_tool_calls_come_whole_and_in_order",)

    def bend(self, event):
        if isinstance(event, OutputItemDone) and isinstance(event.item, FunctionCall):
            return OutputItemDone(item=event.item.replace(arguments=event.item.arguments.replace("{not json", "{}")))
        return event


class CallsFreeformToolsAsFunctions(Wrapped):
    noticed_by = ("test_freeform_call_keeps_its_text",)

    def bend(self, event):
        if isinstance(event, OutputItemDone) and isinstance(event.item, CustomToolCall):
            call = event.item
            return OutputItemDone(item=FunctionCall(call_id=call.call_id, name=call.name, arguments=call.input))
        return event


class ForgetsCachedTokens(Reference):
    noticed_by = ("test_usage_is_reported",)

    def usage(self, raw):
        return super().usage(raw).replace(cached_input_tokens=0)


class ReversesHistory(Reference):
    noticed_by = ("test_request_holds_model_instructions_history_and_tools",)

    def body(self, request):
        return super().body(request.replace(input=request.input[::-1]))


class TakesACutForTheEnd(Reference):
    noticed_by = (
        "test_cut_stream_raises_stream_closed",
        "test_stream_that_ends_in_good_order_but_early_raises_stream_closed",
        "test_empty_body_raises_stream_closed",
        "test_event_that_is_not_json_raises_stream_closed",
    )

    async def stream(self, request):
        try:
            async for batch in super().stream(request):
                yield batch
        except StreamClosed:
            yield (ResponseCompleted(response_id="x", usage=None),)


class LeaksOtherErrors(Wrapped):
    noticed_by = ("test_event_that_is_not_json_raises_stream_closed", "test_garbage_is_a_provider_error")

    def bend_error(self, error):
        return ValueError(error.message)


class RetriesEverything(Wrapped):
    noticed_by = (
        "test_401_is_an_authentication_failure_and_final",
        "test_400_is_final_and_shows_what_the_server_said",
    )

    def bend_error(self, error):
        error.retryable = True
        return error


class RetriesByItself(Reference):
    noticed_by = (
        "test_401_is_an_authentication_failure_and_final",
        "test_429_carries_the_time_to_wait",
        "test_500_is_retryable",
    )

    async def stream(self, request):
        try:
            async for batch in super().stream(request):
                yield batch
        except ProviderError:
            async for batch in super().stream(request):
                yield batch


class IgnoresRetryAfter(Wrapped):
    noticed_by = ("test_429_carries_the_time_to_wait",)

    def bend_error(self, error):
        return RateLimited(error.message) if isinstance(error, RateLimited) else error


class GivesUpOnTrouble(Wrapped):
    noticed_by = ("test_500_is_retryable", "test_unreachable_server_is_retryable_with_a_hint")

    def bend_error(self, error):
        error.retryable = False
        return error


class HoldsOnWhenStopped(Reference):
    noticed_by = (
        "test_cancelled_request_releases_its_connection",
        "test_stream_closed_at_a_yield_releases_its_connection",
    )

    async def stream(self, request):
        answer = self.server.post("/responses", self.body(request), thread_id="t")
        with anyio.CancelScope(shield=True):
            await answer.__aenter__()
        LEFT_OPEN.append(lambda: answer.__aexit__(None, None, None))
        async for _ in answer:
            yield (ResponseStarted(response_id="x"),)


class NeverReuses(Reference):
    noticed_by = ("test_connection_serves_several_requests",)

    async def stream(self, request):
        async for batch in super().stream(request):
            yield batch
        await self.server.aclose()


class KeepsConnectionsAfterClose(Reference):
    noticed_by = ("test_close_may_be_called_twice",)

    async def aclose(self):
        if hasattr(self, "closed"):
            raise RuntimeError("closed before")
        self.closed = True
        await super().aclose()


class ClosesNothing(Reference):
    noticed_by = ("test_close_may_be_called_twice",)

    async def aclose(self):
        LEFT_OPEN.append(self.server.aclose)


class CannotReconnect(Reference):
    noticed_by = ("test_connection_that_the_server_gave_up_is_replaced",)
    used = 0

    async def stream(self, request):
        self.used += 1
        if self.used > 1:
            raise ProviderError("the connection is gone")
        async for batch in super().stream(request):
            yield batch


class KnowsEveryModel(Reference):
    noticed_by = ("test_model_info_answers_for_any_name",)

    def model_info(self, model):
        return ModelInfo(known=True)


FAULTS = [
    AsksAgainAfterAHeadStart,
    LosesLastDelta,
    GarblesItems,
    CompletesTwice,
    ParsesArguments,
    CallsFreeformToolsAsFunctions,
    ForgetsCachedTokens,
    ReversesHistory,
    TakesACutForTheEnd,
    LeaksOtherErrors,
    RetriesEverything,
    RetriesByItself,
    IgnoresRetryAfter,
    GivesUpOnTrouble,
    HoldsOnWhenStopped,
    NeverReuses,
    KeepsConnectionsAfterClose,
    ClosesNothing,
    CannotReconnect,
    KnowsEveryModel,
]
KIT_TESTS = [name for name in vars(ProviderConformance) if name.startswith("test_")]


class TestReference(ProviderConformance):
    @pytest.fixture
    def provider_case(self):
        return ProviderCase(server_type=ScriptedResponsesServer, open=Reference)


def test_every_test_of_the_kit_notices_some_fault():
    noticed = {name for fault in FAULTS for name in fault.noticed_by}
    assert noticed == set(KIT_TESTS)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("fault", "name"),
    [pytest.param(f, n, id=f"{f.__name__}-{n}") for f in FAULTS for n in f.noticed_by],
)
async def test_fault_is_noticed(fault, name):
    case = ProviderCase(server_type=ScriptedResponsesServer, open=fault, patience_s=0.3)
    arguments = {"share": 0.5} if name == "test_cut_stream_raises_stream_closed" else {}
    try:
        with pytest.raises((AssertionError, ProviderError, ValueError, RuntimeError, TimeoutError, ExceptionGroup)):
            await getattr(ProviderConformance(), name)(case, **arguments)
    finally:
        while LEFT_OPEN:
            await LEFT_OPEN.pop()()


def test_case_must_be_given():
    with pytest.raises(NotImplementedError, match="provider_case"):
        ProviderConformance.provider_case.__wrapped__(ProviderConformance())
