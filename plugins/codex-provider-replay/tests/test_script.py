"""Reading scripts, and what is said of those that cannot be played."""

from __future__ import annotations

import json

import pytest

from codex_plugin_sdk import (
    FunctionCall,
    ModelInfo,
    OutputItemDone,
    OutputItemStarted,
    ReasoningTextDelta,
    ResponseCompleted,
    ResponseStarted,
    TextDelta,
    TokenUsage,
    ToolInputTextDelta,
    UnknownItem,
    UserError,
    decode_item,
    text_message,
)
from codex_provider_replay.files import load
from codex_provider_replay.script import Answer, Fault, ScriptError, usage_from

CALL = {"type": "function_call", "call_id": "call_1", "name": "exec_command", "arguments": '{"cmd": "ls"}'}


def write(tmp_path, content, name="script.json"):
    path = tmp_path / name
    data = content if isinstance(content, bytes) else json.dumps(content, indent=1).encode()
    path.write_bytes(data)
    return str(path)


def responses(*entries, **top):
    return {"version": 1, "responses": list(entries), **top}


def refused(tmp_path, content):
    path = write(tmp_path, content)
    with pytest.raises(ScriptError) as caught:
        load(path)
    assert path in caught.value.message
    assert isinstance(caught.value, UserError)
    return caught.value


def test_script_of_items_is_read_whole(tmp_path):
    path = write(
        tmp_path,
        responses(
            {"items": [CALL], "usage": {"input_tokens": 7, "output_tokens": 2}, "deltas": False, "comment": "first"},
            {"items": [{"type": "hologram", "x": 1}], "kind": "compact", "outputs": {"call_1": "a.txt"}},
            {"fault": "cut", "items": [CALL]},
            {"status": 429, "message": "slow down", "retry_after_s": 0.5},
            strict=True,
            model_info={"context_window": 1000, "supports_images": False},
        ),
    )
    script = load(path)
    call = FunctionCall(call_id="call_1", name="exec_command", arguments='{"cmd": "ls"}')
    assert script.answers == (
        Answer(
            where="responses[0]",
            items=(call,),
            usage=TokenUsage(input_tokens=7, output_tokens=2, total_tokens=9),
            deltas=False,
        ),
        Answer(
            where="responses[1]",
            items=(UnknownItem(tag="hologram", raw={"type": "hologram", "x": 1}),),
            kind="compact",
            outputs={"call_1": "a.txt"},
        ),
        Answer(where="responses[2]", items=(call,), fault=Fault(kind="cut")),
        Answer(where="responses[3]", fault=Fault(kind="status", status=429, message="slow down", retry_after_s=0.5)),
    )
    assert script.strict
    assert script.model_info == ModelInfo(known=True, context_window=1000, supports_images=False)


def test_script_of_events_is_decoded_in_order(tmp_path):
    message = {"type": "message", "role": "assistant", "id": "m", "content": [{"type": "output_text", "text": "hi"}]}
    usage = {
        "input_tokens": 5,
        "input_tokens_details": {"cached_tokens": 2},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_tokens": 8,
    }
    events = [
        {"type": "response.created", "response": {"id": "r"}},
        {"type": "response.in_progress"},
        {"type": "response.output_item.added", "item": {**message, "content": []}},
        {"type": "response.output_text.delta", "item_id": "m", "delta": "hi"},
        {"type": "response.reasoning_summary_text.delta", "item_id": "rs", "delta": "so"},
        {"type": "response.reasoning_text.delta", "item_id": "rs", "delta": "raw"},
        {"type": "response.custom_tool_call_input.delta", "item_id": "c", "delta": "***"},
        {"type": "response.output_item.done", "item": message},
        {"type": "response.completed", "response": {"id": "r", "usage": usage}},
    ]
    (answer,) = load(write(tmp_path, responses({"events": events}))).answers
    assert answer.events == (
        ResponseStarted(response_id="r"),
        OutputItemStarted(item=decode_item({**message, "content": []})),
        TextDelta(item_id="m", delta="hi"),
        ReasoningTextDelta(item_id="rs", delta="so"),
        ReasoningTextDelta(item_id="rs", delta="raw", raw=True),
        ToolInputTextDelta(item_id="c", call_id="", delta="***"),
        OutputItemDone(item=text_message("assistant", "hi", id="m")),
        ResponseCompleted(
            response_id="r",
            usage=TokenUsage(
                input_tokens=5,
                cached_input_tokens=2,
                output_tokens=3,
                reasoning_output_tokens=1,
                total_tokens=8,
            ),
        ),
    )


def test_missing_file_is_named(tmp_path):
    path = str(tmp_path / "nope.json")
    with pytest.raises(ScriptError, match="cannot be read: No such file") as caught:
        load(path)
    assert path in caught.value.message


def test_folder_is_no_script(tmp_path):
    with pytest.raises(ScriptError, match="cannot be read"):
        load(str(tmp_path))


@pytest.mark.parametrize("data", [b"", b"  \n\n"])
def test_empty_file_is_refused(tmp_path, data):
    assert "empty" in refused(tmp_path, data).message


def test_broken_json_is_placed_by_line_and_column(tmp_path):
    error = refused(tmp_path, b'{\n "version": 1,\n "responses": [}\n}')
    assert error.where.startswith("line 3 column ")


def test_bytes_that_are_not_utf8_are_refused(tmp_path):
    assert "not JSON" in refused(tmp_path, b'{"version": 1, "responses": ["\xff"]}').message


@pytest.mark.parametrize(
    ("content", "where", "words"),
    [
        ([], "the top level", "object"),
        ({"responses": []}, "version", "version None"),
        ({"version": 2, "responses": []}, "version", "version 2"),
        ({"version": True, "responses": []}, "version", "True"),
        ({"version": 1}, "responses", "array"),
        (responses(extra=1), "the top level", "unknown member 'extra'"),
        (responses(strict="yes"), "strict", "true or false"),
        (responses(7), "responses[0]", "object"),
        (responses({}), "responses[0]", "needs"),
        (responses({"itms": []}), "responses[0]", "unknown member 'itms'"),
        (responses({"items": [], "events": []}), "responses[0]", "either"),
        (responses({"items": [{"role": "x"}]}), "responses[0].items[0]", "`type`"),
        (responses({"items": []}, {"items": [CALL, {**CALL, "arguments": {}}]}), "responses[1].items[1]", "string"),
        (responses({"items": [{"type": "message", "role": "assistant"}]}), "responses[0].items[0]", "`content`"),
        (responses({"items": [], "usage": []}), "responses[0].usage", "object"),
        (responses({"items": [], "usage": {"input_tokens": -1}}), "responses[0].usage", "input_tokens"),
        (responses({"items": [], "usage": {"input_tokens": "a"}}), "responses[0].usage", ""),
        (responses({"items": [], "deltas": 1}), "responses[0].deltas", "true or false"),
        (responses({"items": [], "kind": 1}), "responses[0].kind", "string"),
        (responses({"items": [], "outputs": {"c": 1}}), "responses[0].outputs.c", "string"),
        (responses({"fault": "meteor"}), "responses[0].fault", "meteor"),
        (responses({"fault": "status"}), "responses[0].status", "HTTP status"),
        (responses({"status": 200}), "responses[0].status", "200"),
        (responses({"status": 500, "retry_after_s": "soon"}), "responses[0].retry_after_s", "seconds"),
        (responses({"status": 500, "message": 1}), "responses[0].message", "string"),
        (responses({"events": [{"type": "x"}]}), "responses[0].events[0]", "'x'"),
        (responses({"events": [{"type": "response.created"}]}), "responses[0].events[0]", "`response`"),
        (
            responses({"events": [{"type": "response.output_text.delta", "delta": "x"}]}),
            "responses[0].events[0]",
            "`item_id`",
        ),
        (
            responses({"events": [{"type": "response.output_item.done", "item": 1}]}),
            "responses[0].events[0].item",
            "object",
        ),
        (
            responses({"events": [{"type": "response.completed", "response": {"id": "r", "usage": 1}}]}),
            "responses[0].events[0]",
            "usage",
        ),
        (responses(model_info={"context_window": 0}), "model_info.context_window", "above 0"),
        (responses(model_info={"supports_images": 1}), "model_info.supports_images", "true or false"),
    ],
)
def test_member_that_does_not_fit_is_named_with_its_place(tmp_path, content, where, words):
    error = refused(tmp_path, content)
    assert error.where == where
    assert words in error.message


def test_total_is_summed_where_it_is_not_given():
    assert usage_from({"input_tokens": 3, "output_tokens": 4}).total_tokens == 7
