"""From the events of a stream to model events."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_plugin_sdk import (
    AuthenticationFailed,
    ContextWindowExceeded,
    CustomToolCall,
    FunctionCall,
    OutputItemDone,
    OutputItemStarted,
    ProviderError,
    RateLimited,
    Reasoning,
    ReasoningTextDelta,
    ResponseCompleted,
    ResponseStarted,
    StreamClosed,
    TextDelta,
    TokenUsage,
    ToolInputTextDelta,
    UnknownItem,
    text_message,
)
from codex_plugin_sdk.http.sse import SseDecoder
from codex_plugin_sdk.testing.sse_wire import event, responses_events
from codex_provider_openai.events import DELTAS, ResponseReader, usage_of

ITEMS = (
    Reasoning(id="rs_1", summary=("first", "second")),
    text_message("assistant", "hello wörld", id="msg_1"),
    FunctionCall(id="fc_1", call_id="call_1", name="exec_command", arguments='{"cmd":"ls"}'),
    CustomToolCall(id="ctc_1", call_id="call_2", name="apply_patch", input="*** Begin Patch"),
)


def read(data: bytes, cuts=(), *, want_deltas: bool = True):
    reader = ResponseReader(want_deltas=want_deltas)
    decoder, found, at = SseDecoder(skip=reader.skip), [], 0
    for cut in [*sorted(cuts), len(data)]:
        events, error = reader.read(decoder.feed(data[at:cut]))
        found += events
        at = max(at, cut)
        if error is not None:
            return found, error
    return found, None


def one(name: str, body: dict):
    return read(event(name, body))


WHOLE = b"".join(responses_events(ITEMS, delta_chars=6))


def test_answer_becomes_events_in_order():
    events, error = read(WHOLE)
    assert error is None
    assert events[0] == ResponseStarted(response_id="resp_1")
    assert [e.item for e in events if isinstance(e, OutputItemDone)] == list(ITEMS)
    assert [e.item.id for e in events if isinstance(e, OutputItemStarted)] == ["rs_1", "msg_1", "fc_1", "ctc_1"]
    assert [e for e in events if isinstance(e, TextDelta)] == [
        TextDelta(item_id="msg_1", delta="hello "),
        TextDelta(item_id="msg_1", delta="wörld"),
    ]
    assert events[-1] == ResponseCompleted(
        response_id="resp_1",
        usage=TokenUsage(
            input_tokens=100, cached_input_tokens=40, output_tokens=20, reasoning_output_tokens=5, total_tokens=120
        ),
    )


def test_parts_of_a_summary_are_set_apart():
    events, _ = read(WHOLE)
    assert "".join(e.delta for e in events if isinstance(e, ReasoningTextDelta)) == "first\n\nsecond"


def test_patch_streams_under_its_call_id():
    events, _ = read(WHOLE)
    deltas = [e for e in events if isinstance(e, ToolInputTextDelta)]
    assert "".join(e.delta for e in deltas) == "*** Begin Patch"
    assert {(e.item_id, e.call_id) for e in deltas} == {("ctc_1", "call_2")}


@settings(deadline=None)
@given(cuts=st.lists(st.integers(0, len(WHOLE)), max_size=20), want=st.booleans())
def test_any_split_gives_the_same_events(cuts, want):
    assert read(WHOLE, cuts, want_deltas=want) == read(WHOLE, want_deltas=want)


def test_unwanted_deltas_are_not_even_parsed():
    broken = b"".join(b"event: %b\ndata: {broken\n\n" % name for name in DELTAS)
    assert read(broken + WHOLE, want_deltas=False)[1] is None
    assert isinstance(read(broken + WHOLE, want_deltas=True)[1], StreamClosed)
    kinds = {type(e) for e in read(WHOLE, want_deltas=False)[0]}
    assert kinds == {ResponseStarted, OutputItemStarted, OutputItemDone, ResponseCompleted}


@pytest.mark.parametrize("want", [True, False])
def test_server_without_event_names_is_understood(want):
    nameless = b"".join(block.partition(b"\n")[2] + b"\n\n" for block in WHOLE.split(b"\n\n") if block)
    assert read(nameless, want_deltas=want) == read(WHOLE, want_deltas=want)


def test_raw_reasoning_is_marked():
    events, _ = one("response.reasoning_text.delta", {"item_id": "rs_1", "delta": "hm"})
    assert events == [ReasoningTextDelta(item_id="rs_1", delta="hm", raw=True)]


def test_unknown_items_and_events_survive():
    raw = {"type": "hologram", "id": "h_1", "depth": 3}
    events, error = one("response.output_item.done", {"item": raw})
    assert (events, error) == ([OutputItemDone(item=UnknownItem(tag="hologram", raw=raw))], None)
    assert one("response.something_new", {"x": 1}) == ([], None)


@pytest.mark.parametrize("body", [{}, {"delta": None}, {"delta": 3, "item_id": "x"}, {"item_id": None, "delta": []}])
@pytest.mark.parametrize("name", sorted(name.decode() for name in DELTAS))
def test_malformed_deltas_are_passed_over(name, body):
    assert one(name, body) == ([], None)


def test_done_without_an_item_breaks_the_stream():
    events, error = one("response.output_item.done", {"item": None})
    assert events == []
    assert isinstance(error, StreamClosed)


def test_completed_without_a_response_still_completes():
    assert one("response.completed", {}) == ([ResponseCompleted(response_id="", usage=None)], None)


def test_nothing_after_completion_is_read():
    events, error = read(WHOLE + b"event: response.failed\ndata: {}\n\n" + b"data: garbage\n\n")
    assert error is None
    assert isinstance(events[-1], ResponseCompleted)


@pytest.mark.parametrize(
    ("code", "message", "kind", "retryable"),
    [
        ("context_length_exceeded", "too long", ContextWindowExceeded, False),
        ("insufficient_quota", "pay", RateLimited, False),
        ("usage_limit_reached", "wait", RateLimited, False),
        ("rate_limit_exceeded", "Please try again in 1.5s.", RateLimited, True),
        ("invalid_api_key", "no", AuthenticationFailed, False),
        ("server_error", "oops", ProviderError, True),
        ("whatever", "oops", ProviderError, True),
    ],
)
@pytest.mark.parametrize("shape", ["failed", "error object", "error flat", "nameless"])
def test_failures_in_every_shape(code, message, kind, retryable, shape):
    fault = {"code": code, "message": message}
    data = {
        "failed": event("response.failed", {"response": {"error": fault}}),
        "error object": event("error", {"error": fault}),
        "error flat": event("error", fault),
        "nameless": b"data: %b\n\n" % json.dumps({"error": fault}).encode(),
    }[shape]
    events, error = read(event("response.created", {"response": {"id": "r"}}) + data)
    assert events == [ResponseStarted(response_id="r")], "what came before the failure is lost"
    assert type(error) is kind
    assert error.retryable is retryable
    assert error.message == message
    if code == "rate_limit_exceeded":
        assert error.retry_after_s == 1.5


def test_failure_without_a_word_still_has_a_message():
    _, error = one("response.failed", {"response": {"error": None}})
    assert error.message
    assert error.retryable


@pytest.mark.parametrize(
    ("details", "reason"), [({"reason": "max_output_tokens"}, "max_output_tokens"), (None, "unknown")]
)
def test_incomplete_answer_is_final(details, reason):
    _, error = one("response.incomplete", {"response": {"incomplete_details": details}})
    assert error.message == f"Incomplete response returned, reason: {reason}"
    assert not error.retryable
    assert type(error) is ProviderError


def test_done_marker_is_no_error():
    assert read(b"data: [DONE]\n\n") == ([], None)


def test_leftover_counts_only_when_it_is_whole():
    reader = ResponseReader()
    last = b'data: {"type": "response.completed", "response": {"id": "r"}}'
    for cut in range(6, len(last)):
        decoder = SseDecoder()
        decoder.feed(last[:cut])
        assert ResponseReader().read_last(decoder.finish()) == ([], None)
    decoder = SseDecoder()
    decoder.feed(last)
    events, _ = reader.read_last(decoder.finish())
    assert events == [ResponseCompleted(response_id="r", usage=None)]
    assert reader.completed


@pytest.mark.parametrize("raw", [None, [], "x", {"input_tokens": "3"}, {"input_tokens": None, "output_tokens": True}])
def test_odd_usage_is_no_error(raw):
    assert usage_of(raw) in (None, TokenUsage())


def test_total_is_added_up_when_it_is_missing():
    assert usage_of({"input_tokens": 3, "output_tokens": 4}).total_tokens == 7
