import json
from pathlib import Path

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from codex_kernel.protocol.response_items import (
    CustomToolCall,
    FunctionCall,
    FunctionCallOutput,
    HistoryEntry,
    Message,
    UnknownItem,
    decode_item,
    encode_item,
    item_to_dict,
)

SAMPLES = [
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
    {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "high"}],
        "id": "msg_1",
        "phase": "later",
    },
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x", "annotations": []}]},
    {
        "type": "reasoning",
        "id": "rs",
        "summary": [{"type": "summary_text", "text": "t"}],
        "content": None,
        "encrypted_content": "e",
    },
    {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c", "namespace": "mcp__x"},
    {"type": "function_call_output", "call_id": "c", "output": "text"},
    {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "t"}]},
    {"type": "custom_tool_call", "call_id": "c", "name": "apply_patch", "input": "*** Begin", "status": "completed"},
    {"type": "custom_tool_call_output", "call_id": "c", "output": "ok"},
    {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search", "query": "q"}},
    {"type": "tool_search_call", "execution": "client", "arguments": {"query": "q"}},
]


@pytest.mark.parametrize("raw", SAMPLES, ids=lambda raw: raw["type"])
def test_an_item_survives_decoding_and_encoding(raw):
    assert item_to_dict(decode_item(raw)) == raw


def test_the_recorded_items_of_a_real_session_survive():
    recorded = Path(__file__).parents[2].parent / "shared" / "protocol" / "input_items.json"
    if not recorded.exists():
        pytest.skip("the recorded items are not beside this checkout")
    for raw in json.loads(recorded.read_text()):
        assert orjson.loads(encode_item(decode_item(raw))) == raw


def test_known_tags_become_their_classes():
    kinds = [type(decode_item(raw)).__name__ for raw in SAMPLES]
    assert kinds == [
        "Message", "Message", "Message", "Reasoning", "FunctionCall", "FunctionCallOutput", "FunctionCallOutput",
        "CustomToolCall", "CustomToolCallOutput", "WebSearchCall", "UnknownItem",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "raw",
    [
        {"type": "message", "role": "user"},
        {"type": "message", "role": 5, "content": []},
        {"type": "message", "role": "user", "content": [{"text": "no type"}]},
        {"type": "function_call", "name": "f", "call_id": "c"},
        {"type": "function_call_output", "call_id": "c", "output": 5},
        {"no": "type"},
        {"type": 7},
    ],
)
def test_a_payload_that_breaks_its_promise_is_kept_as_unknown(raw):
    item = decode_item(raw)
    assert isinstance(item, UnknownItem)
    assert item_to_dict(item) == raw


@given(
    st.dictionaries(st.text(min_size=1), st.recursive(st.none() | st.booleans() | st.text(), st.lists, max_leaves=5)),
    st.text(),
)
@example({}, "web_search_call")
@example({"status": None, "id": None}, "web_search_call")
def test_unknown_members_of_the_union_survive_unchanged(body, tag):
    raw = {**body, "type": tag}
    assert item_to_dict(decode_item(raw)) == raw


def test_an_entry_is_encoded_once_and_equals_its_item():
    item = FunctionCall(call_id="c", name="f", arguments="{}")
    entry = HistoryEntry.of(item)
    assert decode_item(orjson.loads(entry.encoded)) == item
    assert Message(role="user", content=()).text == ""
    assert FunctionCallOutput(call_id="c", output="x") != CustomToolCall(call_id="c", name="n", input="x")
