"""From chunks to model events: texts, reasoning, calls however they are cut, ends and errors."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_plugin_sdk import (
    ContextWindowExceeded,
    CustomToolCall,
    FunctionCall,
    Message,
    OutputItemDone,
    OutputItemStarted,
    ProviderError,
    Reasoning,
    ReasoningTextDelta,
    ResponseCompleted,
    ResponseStarted,
    StreamClosed,
    TextDelta,
    TokenUsage,
    text_message,
)
from codex_plugin_sdk.http.sse import SseDecoder
from codex_plugin_sdk.testing.sse_wire import chat_answer, chat_chunk, data
from codex_provider_chat.calls import CallAssembler, unwrap
from codex_provider_chat.chunks import ChunkReader

KNOWN = frozenset({"exec_command", "apply_patch"})
DONE = b"data: [DONE]\n\n"


def new_reader(**options) -> ChunkReader:
    return ChunkReader(CallAssembler(known=KNOWN, freeform=frozenset({"apply_patch"})), **options)


def read(stream: bytes, cuts=(), **options):
    reader, decoder, found, at = new_reader(**options), SseDecoder(), [], 0
    for cut in [*sorted(cuts), len(stream)]:
        events, error = reader.read(decoder.feed(stream[at:cut]))
        found += events
        at = max(at, cut)
        if error is not None:
            raise error
        if reader.ended:
            break
    return found + reader.close()


def answer(*deltas: dict, finish: str | None = "stop", end: bytes = DONE) -> bytes:
    chunks = [chat_chunk(delta) for delta in deltas]
    if finish:
        chunks.append(chat_chunk({}, finish_reason=finish))
    return b"".join(chunks) + end


def items(stream: bytes) -> list:
    return [event.item for event in read(stream) if isinstance(event, OutputItemDone)]


def calls(*deltas: object) -> list[tuple[str, str, str]]:
    assembler = CallAssembler(known=KNOWN, freeform=frozenset())
    for delta in deltas:
        assembler.add(delta)
    return [(c.call_id, c.name, c.arguments) for c in assembler.items() if isinstance(c, FunctionCall)]


def tool_delta(name=None, arguments=None, **rest) -> list[dict]:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return [{**rest, "function": function}]


# -- texts ---------------------------------------------------------------------------------------


def test_text_streams_and_comes_whole():
    events = read(answer({"role": "assistant", "content": ""}, {"content": "he"}, {"content": "llo"}))
    assert events[0] == ResponseStarted(response_id="chatcmpl-1")
    assert [e.delta for e in events if isinstance(e, TextDelta)] == ["he", "llo"]
    (started,) = [e.item for e in events if isinstance(e, OutputItemStarted)]
    (done,) = [e.item for e in events if isinstance(e, OutputItemDone)]
    assert (done.role, done.text, done.id) == ("assistant", "hello", started.id)
    assert events[-1] == ResponseCompleted(response_id="chatcmpl-1", usage=None)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_is_an_item_of_its_own_before_the_text(field):
    stream = answer({field: "h"}, {field: "m"}, {"content": "so"})
    events = read(stream)
    assert [(e.delta, e.raw) for e in events if isinstance(e, ReasoningTextDelta)] == [("h", True), ("m", True)]
    thought, message = items(stream)
    assert isinstance(thought, Reasoning)
    assert thought.content == [{"type": "reasoning_text", "text": "hm"}]
    assert isinstance(message, Message)
    kinds = [type(e) for e in events]
    assert kinds.index(OutputItemDone) < kinds.index(TextDelta), "reasoning is done when the text begins"
    reader = new_reader()
    reader.read(SseDecoder().feed(stream))
    assert reader.reasoning_field == field


def test_unwanted_deltas_are_left_out():
    stream = b"".join(chat_answer(Reasoning(summary=("hm",)), text_message("assistant", "hello")).steps)
    kinds = {type(event) for event in read(stream, want_deltas=False)}
    assert kinds == {ResponseStarted, OutputItemStarted, OutputItemDone, ResponseCompleted}


def test_content_in_parts_and_refusals_are_text():
    (message,) = items(answer({"content": [{"type": "text", "text": "a"}]}, {"refusal": "no"}))
    assert message.text == "ano"


@settings(deadline=None)
@given(
    cuts=st.lists(st.integers(0, 2000), max_size=20),
    text=st.text(alphabet=st.characters(codec="utf-8"), max_size=30),
)
def test_any_split_gives_the_same_items(cuts, text):
    wanted = [
        text_message("assistant", text + "."),
        FunctionCall(call_id="c", name="exec_command", arguments='{"a": 1}'),
    ]
    stream = b"".join(chat_answer(*wanted).steps)
    found = [e.item.replace(id=None) for e in read(stream, cuts) if isinstance(e, OutputItemDone)]
    assert found == wanted


# -- usage and ends ------------------------------------------------------------------------------


def test_usage_comes_from_wherever_it_stands():
    usage = {
        "prompt_tokens": 7,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    expected = TokenUsage(
        input_tokens=7, cached_input_tokens=3, output_tokens=5, reasoning_output_tokens=2, total_tokens=12
    )
    behind = answer({"content": "x"}, end=data({"id": "a", "choices": [], "usage": usage}) + DONE)
    beside = data({"id": "a", "choices": [{"delta": {"content": "x"}, "finish_reason": "stop"}], "usage": usage})
    for stream in (behind, beside + DONE):
        assert read(stream)[-1].usage == expected


def test_null_usage_in_every_chunk_is_no_usage():
    stream = data({"id": "a", "choices": [{"delta": {"content": "x"}, "finish_reason": "stop"}], "usage": None})
    assert read(stream + DONE)[-1].usage is None


@pytest.mark.parametrize(("finish", "end"), [("stop", b""), (None, DONE), ("tool_calls", DONE), ("stop", DONE)])
def test_either_end_is_an_end(finish, end):
    assert isinstance(read(answer({"content": "x"}, finish=finish, end=end))[-1], ResponseCompleted)


@pytest.mark.parametrize("stream", [b"", DONE, answer({"content": "x"}, finish=None, end=b""), b": ping\n\n"])
def test_no_end_is_a_broken_stream(stream):
    with pytest.raises(StreamClosed):
        read(stream)


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_answer_that_was_broken_off_is_final(reason):
    with pytest.raises(ProviderError, match=f"Incomplete response returned, reason: {reason}") as caught:
        read(answer({"content": "x"}, finish=reason))
    assert not caught.value.retryable


def test_missing_response_id_is_made_up():
    stream = data({"choices": [{"delta": {"content": "x"}, "finish_reason": "stop"}]}) + DONE
    events = read(stream)
    assert events[0].response_id == events[-1].response_id != ""


# -- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        data({"error": {"message": "the prompt exceeds the context window", "code": 400}}),
        data({"error": "the prompt exceeds the context window"}),
        b'event: error\ndata: {"message": "the prompt exceeds the context window"}\n\n',
        b'event: error\ndata: {"error": {"message": "the prompt exceeds the context window"}}\n\n',
    ],
)
def test_error_within_the_stream_is_that_error(fault):
    reader = new_reader()
    events, error = reader.read(SseDecoder().feed(chat_chunk({"content": "so "}) + fault))
    assert isinstance(error, ContextWindowExceeded)
    assert [e.delta for e in events if isinstance(e, TextDelta)] == ["so "], "what came before is lost"


@pytest.mark.parametrize("choices", [None, 3, [], [3], [{}], [{"delta": 3}], [{"delta": {"tool_calls": [3, None]}}]])
def test_odd_chunks_are_passed_over(choices):
    stream = data({"id": "a", "choices": choices}) + answer({"content": "x"})
    assert items(stream)[0].text == "x"


def test_document_instead_of_a_stream_is_read():
    message = {
        "role": "assistant",
        "content": "hi",
        "reasoning_content": "hm",
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "exec_command", "arguments": "{}"}}],
    }
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    document = {"id": "d", "choices": [{"message": message, "finish_reason": "tool_calls"}], "usage": usage}
    reader = new_reader()
    events, error = reader.read_document(json.dumps(document).encode())
    events += reader.close()
    assert error is None
    assert [type(e.item) for e in events if isinstance(e, OutputItemDone)] == [Reasoning, Message, FunctionCall]
    assert events[-1].usage.total_tokens == 3


@pytest.mark.parametrize("body", [b'{"ok": true}', b'{"error": {"message": "x"}}', b"[1]", b"{"])
def test_document_that_is_no_answer_is_an_error(body):
    events, error = new_reader().read_document(body)
    assert events == []
    assert isinstance(error, ProviderError)


# -- calls ---------------------------------------------------------------------------------------


def test_calls_are_told_apart_by_index():
    assert calls(
        tool_delta("f", "", index=0, id="a"),
        tool_delta("g", "", index=1, id="b"),
        tool_delta(arguments='{"x":', index=0),
        tool_delta(arguments='{"y":', index=1),
        tool_delta(arguments="1}", index=0),
        tool_delta(arguments="2}", index=1),
    ) == [("a", "f", '{"x":1}'), ("b", "g", '{"y":2}')]


def test_whole_calls_that_all_have_index_zero_are_told_apart_by_id():
    assert calls(tool_delta("f", "{}", index=0, id="a"), tool_delta("f", '{"x":1}', index=0, id="b")) == [
        ("a", "f", "{}"),
        ("b", "f", '{"x":1}'),
    ]


def test_calls_without_an_index_follow_one_another():
    assert calls(
        tool_delta("f", '{"x":', id="a"),
        tool_delta(arguments="1}"),
        tool_delta("g", "{}", id="b"),
        tool_delta(arguments=""),
    ) == [("a", "f", '{"x":1}'), ("b", "g", "{}")]


def test_calls_without_index_and_id_begin_with_their_name():
    found = calls(tool_delta("f", '{"x":1}'), tool_delta("g", "{}"))
    assert [(name, arguments) for _, name, arguments in found] == [("f", '{"x":1}'), ("g", "{}")]
    ids = [id for id, _, _ in found]
    assert all(ids)
    assert len(set(ids)) == 2


def test_id_that_is_repeated_with_every_delta_is_one_call():
    assert calls(tool_delta("f", '{"x"', id="a"), tool_delta("f", ":1}", id="a")) == [("a", "f", '{"x":1}')]


def test_name_may_come_in_pieces_or_again_and_again():
    assert calls(
        tool_delta("exec_", index=0, id="a"), tool_delta("command", index=0), tool_delta(arguments="{}", index=0)
    ) == [("a", "exec_command", "{}")]
    assert calls(
        tool_delta("f", "", index=0, id="a"), tool_delta("f", "{", index=0), tool_delta("f", "}", index=0)
    ) == [("a", "f", "{}")]


def test_arguments_may_be_an_object():
    assert calls(tool_delta("f", {"x": [1]}, index=0, id="a")) == [("a", "f", '{"x":[1]}')]


def test_missing_arguments_are_an_empty_object():
    assert calls(tool_delta("f", index=0, id="a")) == [("a", "f", "{}")]


def test_nameless_call_is_left_out():
    assert calls(tool_delta(arguments="{}", index=0, id="a")) == []


def test_old_form_of_a_call_is_understood():
    stream = answer({"function_call": {"name": "exec_command", "arguments": "{}"}}, finish="function_call")
    assert [(i.name, i.arguments) for i in items(stream)] == [("exec_command", "{}")]


def test_prefix_of_open_models_is_dropped_where_the_tool_is_known():
    stream = answer({"tool_calls": tool_delta("functions.exec_command", "{}", index=0, id="a")})
    assert items(stream)[0].name == "exec_command"
    stream = answer({"tool_calls": tool_delta("functions.other", "{}", index=0, id="a")})
    assert items(stream)[0].name == "functions.other"


def test_freeform_call_is_a_custom_call_again():
    stream = answer({"tool_calls": tool_delta("apply_patch", '{"input": "*** Begin"}', index=0, id="a")})
    (item,) = items(stream)
    assert isinstance(item, CustomToolCall)
    assert (item.call_id, item.name, item.input) == ("a", "apply_patch", "*** Begin")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"input": "a\\nb"}', "a\nb"),
        ('{"patch": "a"}', "a"),
        ('"a"', "a"),
        ("*** Begin Patch\n", "*** Begin Patch\n"),
        ('{"input": "cut', '{"input": "cut'),
        ('{"input": 3}', '{"input": 3}'),
        ('{"a": "x", "b": "y"}', '{"a": "x", "b": "y"}'),
        ('{"input": "x", "note": "y"}', "x"),
        ("", ""),
        ("3", "3"),
    ],
)
def test_text_of_a_freeform_call_is_found(arguments, text):
    assert unwrap(arguments) == text
