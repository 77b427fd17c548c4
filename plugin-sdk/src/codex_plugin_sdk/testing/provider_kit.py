"""Conformance of model providers, over real HTTP against a scripted server.

A provider's test file subclasses the kit and gives one fixture::

    class TestAcmeProvider(ProviderConformance):
        @pytest.fixture
        def provider_case(self):
            return ProviderCase(server_type=ScriptedChatServer, open=lambda base_url: AcmeProvider(setup(base_url)))

A provider with a wire API of its own subclasses `ScriptedModelServer` for it. To set a single test aside,
override it with an `xfail` that says why.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
import pytest

from codex_plugin_sdk import (
    AuthenticationFailed,
    CustomToolCall,
    FunctionCall,
    FunctionCallOutput,
    HistoryEntry,
    Message,
    ModelEvent,
    ModelProvider,
    ModelRequest,
    OutputItemDone,
    ProviderError,
    RateLimited,
    ResponseCompleted,
    ResponseItem,
    StreamClosed,
    TextDelta,
    TokenUsage,
    ToolDefinition,
    Value,
    text_message,
    value,
)

from .servers import Reply, ScriptedModelServer, cut, empty, garbage, json_reply, stalled

TEXT = "The café is open: 3 < 5 — naïve, “quoted”, 🦀."
SHELL = ToolDefinition(
    name="exec_command",
    description="Run a command.",
    parameters={"type": "object", "properties": {"cmd": {"type": "string"}}, "required": ["cmd"]},
)
PATCH = ToolDefinition(name="apply_patch", description="Edit files.", freeform=True)
PATCH_TEXT = '*** Begin Patch\n*** Add File: a "b".txt\n+é\\n\n*** End Patch\n'


@value
class ProviderCase(Value):
    """A provider under test. `open` makes one for a base URL; `patience_s` bounds every wait.

    `freeform_calls` and `keep_alive` false say that the wire API has no way to call a freeform tool, or that
    connections are not kept; the tests of those are then skipped.
    """

    server_type: Callable[[], ScriptedModelServer]
    open: Callable[[str], ModelProvider]
    freeform_calls: bool = True
    keep_alive: bool = True
    patience_s: float = 10.0


def model_request(**changes: Any) -> ModelRequest:
    """A request with a short history and two tools."""
    history: tuple[ResponseItem, ...] = (
        text_message("developer", "The rules of the house."),
        text_message("user", "List the files."),
        FunctionCall(call_id="call_0", name="exec_command", arguments='{"cmd": "ls"}'),
        FunctionCallOutput(call_id="call_0", output="a.txt"),
        text_message("user", "And now?"),
    )
    request = ModelRequest(
        model="scripted-model",
        instructions="You are a test.",
        input=tuple(HistoryEntry.of(item) for item in history),
        tools=(SHELL, PATCH),
        thread_id="01990000-0000-7000-8000-000000000001",
        turn_id="01990000-0000-7000-8000-000000000002",
    )
    return request.replace(**changes)


async def collect(provider: ModelProvider, request: ModelRequest | None = None) -> list[ModelEvent]:
    """All events of one answer."""
    found: list[ModelEvent] = []
    async for batch in provider.stream(request or model_request()):
        found += batch
    return found


async def failure(provider: ModelProvider, patience_s: float) -> tuple[ProviderError, list[ModelEvent]]:
    """The error that an answer ends with, and the events before it."""
    found: list[ModelEvent] = []
    with anyio.fail_after(patience_s):
        try:
            async for batch in provider.stream(model_request()):
                found += batch
        except ProviderError as error:
            return error, found
    raise AssertionError(f"the answer ended without a ProviderError: {found}")


def done(events: list[ModelEvent]) -> list[ResponseItem]:
    """The items that count."""
    return [event.item for event in events if isinstance(event, OutputItemDone)]


@asynccontextmanager
async def _running(case: ProviderCase, *script: Reply) -> AsyncIterator[tuple[ScriptedModelServer, ModelProvider]]:
    with case.server_type() as server:
        server.play(*script)
        provider = case.open(server.base_url)
        try:
            yield server, provider
        finally:
            await provider.aclose()


async def _until(case: ProviderCase, server: ScriptedModelServer, condition: Callable[[Any], bool]) -> None:
    await anyio.to_thread.run_sync(lambda: server.wait_until(condition, case.patience_s))


@pytest.mark.anyio
class ProviderConformance:
    """What every provider owes the kernel. See the module for how to use it."""

    @pytest.fixture
    def provider_case(self) -> ProviderCase:
        """The provider under test; to be overridden."""
        raise NotImplementedError("override the fixture `provider_case`")

    @pytest.fixture
    def anyio_backend(self) -> str:
        """The event loop that the program runs on."""
        return "asyncio"

    # -- good answers ----------------------------------------------------------------------------

    async def test_text_streams_and_comes_whole(self, provider_case: ProviderCase) -> None:
        case = provider_case
        async with _running(case) as (server, provider):
            server.play(server.answer(text_message("assistant", TEXT, id="msg_1")))
            with anyio.fail_after(case.patience_s):
                events = await collect(provider)
        assert "".join(e.delta for e in events if isinstance(e, TextDelta)) == TEXT
        (message,) = done(events)
        assert isinstance(message, Message)
        assert (message.role, message.text) == ("assistant", TEXT)
        assert isinstance(events[-1], ResponseCompleted)
        assert sum(isinstance(e, ResponseCompleted) for e in events) == 1

    async def test_unwanted_deltas_cost_no_item(self, provider_case: ProviderCase) -> None:
        case = provider_case
        async with _running(case) as (server, provider):
            server.play(server.answer(text_message("assistant", TEXT, id="msg_1")))
            with anyio.fail_after(case.patience_s):
                events = await collect(provider, model_request(want_deltas=False))
        (message,) = done(events)
        assert isinstance(message, Message)
        assert message.text == TEXT
        assert isinstance(events[-1], ResponseCompleted)

    async def test_tool_calls_come_whole_and_in_order(self, provider_case: ProviderCase) -> None:
        case = provider_case
        wanted = [("call_a", '{"cmd":"ls -la \\"é\\""}'), ("call_b", "{not json"), ("call_c", "{}")]
        async with _running(case) as (server, provider):
            calls = [FunctionCall(call_id=id, name="exec_command", arguments=text) for id, text in wanted]
            server.play(server.answer(*calls))
            with anyio.fail_after(case.patience_s):
                events = await collect(provider)
        items = done(events)
        assert all(isinstance(item, FunctionCall) and item.name == "exec_command" for item in items), items
        assert [(item.call_id, item.arguments) for item in items if isinstance(item, FunctionCall)] == wanted

    async def test_freeform_call_keeps_its_text(self, provider_case: ProviderCase) -> None:
        case = provider_case
        if not case.freeform_calls:
            pytest.skip("the wire API has no freeform calls")
        async with _running(case) as (server, provider):
            server.play(server.answer(CustomToolCall(call_id="call_a", name="apply_patch", input=PATCH_TEXT)))
            with anyio.fail_after(case.patience_s):
                events = await collect(provider)
        (item,) = done(events)
        assert isinstance(item, CustomToolCall), item
        assert (item.call_id, item.name, item.input) == ("call_a", "apply_patch", PATCH_TEXT)

    async def test_usage_is_reported(self, provider_case: ProviderCase) -> None:
        case = provider_case
        usage = TokenUsage(
            input_tokens=1200,
            cached_input_tokens=800,
            output_tokens=34,
            reasoning_output_tokens=12,
            total_tokens=1234,
        )
        async with _running(case) as (server, provider):
            server.play(server.answer(text_message("assistant", "hi", id="msg_1"), usage=usage))
            with anyio.fail_after(case.patience_s):
                events = await collect(provider)
        last = events[-1]
        assert isinstance(last, ResponseCompleted)
        assert last.usage == usage

    async def test_request_holds_model_instructions_history_and_tools(self, provider_case: ProviderCase) -> None:
        case = provider_case
        async with _running(case) as (server, provider):
            server.play(server.answer(text_message("assistant", "hi", id="msg_1")))
            with anyio.fail_after(case.patience_s):
                await collect(provider)
            (request,) = server.requests
        assert request.json["model"] == "scripted-model"
        text = request.body.decode()
        parts = ("You are a test.", "The rules of the house.", "List the files.", "call_0", "a.txt", "And now?")
        places = [text.find(part) for part in parts]
        assert -1 not in places, dict(zip(parts, places, strict=True))
        assert places == sorted(places), "the history is out of order"
        assert "exec_command" in text
        assert "apply_patch" in text

    # -- broken answers --------------------------------------------------------------------------

    @pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
    async def test_cut_stream_raises_stream_closed(self, provider_case: ProviderCase, share: float) -> None:
        case = provider_case
        async with _running(case) as (server, provider):
            whole = server.answer(text_message("assistant", "word " * 50, id="msg_1"))
            # What ends an answer lies in the last tenth: cut before that.
            size = sum(len(step) for step in whole.steps if isinstance(step, bytes))
            server.play(cut(whole, int(size * share)))
            error, events = await failure(provider, case.patience_s)
        assert isinstance(error, StreamClosed), repr(error)
        assert error.retryable
        assert not any(isinstance(event, ResponseCompleted) for event in events)

    async def test_stream_that_ends_in_good_order_but_early_raises_stream_closed(
        self, provider_case: ProviderCase
    ) -> None:
        case = provider_case
        async with _running(case) as (server, provider):
            whole = server.answer(text_message("assistant", "word " * 50, id="msg_1"))
            server.play(whole.replace(steps=whole.steps[: len(whole.steps) // 2]))
            error, events = await failure(provider, case.patience_s)
        assert isinstance(error, StreamClosed), repr(error)
        assert "".join(e.delta for e in events if isinstance(e, TextDelta)).startswith("word word")

    async def test_empty_body_raises_stream_closed(self, provider_case: ProviderCase) -> None:
        async with _running(provider_case, empty()) as (_, provider):
            error, _ = await failure(provider, provider_case.patience_s)
        assert isinstance(error, StreamClosed), repr(error)

    async def test_event_that_is_not_json_raises_stream_closed(self, provider_case: ProviderCase) -> None:
        case = provider_case
        async with _running(case) as (server, provider):
            server.play(server.not_json())
            error, _ = await failure(provider, case.patience_s)
        assert isinstance(error, StreamClosed), repr(error)
        assert "html" in error.message, "the message does not show what came"
        assert error.message.isprintable()

    async def test_half_a_utf8_sequence_is_harmless(self, provider_case: ProviderCase) -> None:
        case = provider_case
        async with _running(case) as (server, provider):
            server.play(server.half_utf8())
            with anyio.fail_after(case.patience_s):
                events = await collect(provider)
        (message,) = done(events)
        assert isinstance(message, Message)
        assert (message.text[0], message.text[-1]) == ("a", "z")

    async def test_large_event_comes_through(self, provider_case: ProviderCase) -> None:
        case = provider_case
        async with _running(case) as (server, provider):
            server.play(server.huge_event(3_000_000))
            with anyio.fail_after(case.patience_s):
                events = await collect(provider, model_request(want_deltas=False))
        (message,) = done(events)
        assert isinstance(message, Message)
        assert len(message.text) == 3_000_000

    # -- refusals --------------------------------------------------------------------------------

    async def test_401_is_an_authentication_failure_and_final(self, provider_case: ProviderCase) -> None:
        refusal = json_reply(401, {"error": {"message": "no such key"}})
        async with _running(provider_case, refusal) as (server, provider):
            error, _ = await failure(provider, provider_case.patience_s)
            assert len(server.requests) == 1, "the provider retries by itself"
        assert isinstance(error, AuthenticationFailed), repr(error)
        assert not error.retryable
        assert "no such key" in error.message

    async def test_400_is_final_and_shows_what_the_server_said(self, provider_case: ProviderCase) -> None:
        refusal = json_reply(400, {"error": {"message": "the parameter is odd"}})
        async with _running(provider_case, refusal) as (_, provider):
            error, _ = await failure(provider, provider_case.patience_s)
        assert not error.retryable
        assert error.status == 400
        assert "the parameter is odd" in error.message

    async def test_429_carries_the_time_to_wait(self, provider_case: ProviderCase) -> None:
        refusal = json_reply(429, {"error": {"message": "slow down"}}, {"retry-after": "7"})
        async with _running(provider_case, refusal) as (server, provider):
            error, _ = await failure(provider, provider_case.patience_s)
            assert len(server.requests) == 1, "the provider retries by itself"
        assert isinstance(error, RateLimited), repr(error)
        assert error.retryable
        assert error.retry_after_s == 7

    async def test_500_is_retryable(self, provider_case: ProviderCase) -> None:
        async with _running(provider_case, json_reply(500, "boom")) as (server, provider):
            error, _ = await failure(provider, provider_case.patience_s)
            assert len(server.requests) == 1, "the provider retries by itself"
        assert error.retryable
        assert error.status == 500
        assert not isinstance(error, StreamClosed), "a refused request is no broken stream"

    async def test_garbage_is_a_provider_error(self, provider_case: ProviderCase) -> None:
        async with _running(provider_case, garbage()) as (_, provider):
            error, _ = await failure(provider, provider_case.patience_s)
        assert error.message

    async def test_unreachable_server_is_retryable_with_a_hint(self, provider_case: ProviderCase) -> None:
        with provider_case.server_type() as server:
            base_url = server.base_url
        provider = provider_case.open(base_url)
        try:
            error, _ = await failure(provider, provider_case.patience_s)
        finally:
            await provider.aclose()
        assert error.retryable
        assert error.hint
        assert str(server.port) in str(error), "the message does not say where"

    # -- connections -----------------------------------------------------------------------------

    async def test_cancelled_request_releases_its_connection(self, provider_case: ProviderCase) -> None:
        case = provider_case
        async with _running(case) as (server, provider):
            reply, stall = stalled(server.answer(text_message("assistant", TEXT, id="msg_1")), after_steps=0)
            server.play(reply)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(collect, provider)
                await anyio.to_thread.run_sync(stall.reached.wait, case.patience_s)
                assert server.open_connections == 1
                tasks.cancel_scope.cancel()
            await _until(case, server, lambda s: s.open_connections == 0)

    async def test_stream_closed_at_a_yield_releases_its_connection(self, provider_case: ProviderCase) -> None:
        case = provider_case
        async with _running(case) as (server, provider):
            reply, _ = stalled(server.answer(text_message("assistant", TEXT, id="msg_1")), after_steps=3)
            server.play(reply)
            async with aclosing(provider.stream(model_request())) as stream:  # type: ignore[type-var]
                with anyio.fail_after(case.patience_s):
                    assert await anext(stream)
            await _until(case, server, lambda s: s.open_connections == 0)

    async def test_connection_serves_several_requests(self, provider_case: ProviderCase) -> None:
        case = provider_case
        if not case.keep_alive:
            pytest.skip("connections are not kept")
        async with _running(case) as (server, provider):
            for number in range(3):
                server.play(server.answer(text_message("assistant", f"answer {number}", id="msg_1")))
                with anyio.fail_after(case.patience_s):
                    # As the kernel does it: stop at ResponseCompleted and close.
                    async with aclosing(provider.stream(model_request())) as stream:  # type: ignore[type-var]
                        async for batch in stream:
                            if any(isinstance(event, ResponseCompleted) for event in batch):
                                break
            assert (len(server.requests), server.connections) == (3, 1)

    async def test_a_head_start_is_taken_over_by_the_stream_of_its_request(self, provider_case: ProviderCase) -> None:
        case = provider_case
        async with _running(case) as (server, provider):
            head_start = getattr(provider, "head_start", None)
            if head_start is None:
                pytest.skip("the provider has no head start")
            server.play(*(server.answer(text_message("assistant", f"{n}", id="msg_1")) for n in range(4)))
            first = model_request()
            await anyio.to_thread.run_sync(head_start, first)
            with anyio.fail_after(case.patience_s):
                answered = done(await collect(provider, first))
                again = done(await collect(provider, model_request()))
            assert [item.text for item in answered + again if isinstance(item, Message)] == ["0", "1"]
            assert len(server.requests) == 2
            # A request other than the one that was sent ahead is answered for itself.
            await anyio.to_thread.run_sync(head_start, model_request())
            with anyio.fail_after(case.patience_s):
                other = done(await collect(provider, model_request(model="another-model")))
            assert len(other) == 1
            # The abandoned one may arrive before or after it.
            assert "another-model" in {request.json["model"] for request in server.requests}

    async def test_connection_that_the_server_gave_up_is_replaced(self, provider_case: ProviderCase) -> None:
        case = provider_case
        async with _running(case) as (server, provider):
            whole = server.answer(text_message("assistant", "hi", id="msg_1"))
            server.play(whole.replace(hang_up=True), whole)
            with anyio.fail_after(case.patience_s):
                first = await collect(provider)
                await _until(case, server, lambda s: s.open_connections == 0)
                second = await collect(provider)
        assert done(first) != []
        assert len(done(second)) == 1

    async def test_close_may_be_called_twice(self, provider_case: ProviderCase) -> None:
        case = provider_case
        async with _running(case) as (server, provider):
            server.play(server.answer(text_message("assistant", "hi", id="msg_1")))
            with anyio.fail_after(case.patience_s):
                await collect(provider)
            await provider.aclose()
            await provider.aclose()
            await _until(case, server, lambda s: s.open_connections == 0)

    async def test_model_info_answers_for_any_name(self, provider_case: ProviderCase) -> None:
        async with _running(provider_case) as (server, provider):
            info = provider.model_info("no-such-model-" + "x" * 100)
            assert not server.requests, "model_info must not ask the server"
        assert info.known is False
