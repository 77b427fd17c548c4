"""The body of a request."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codex_plugin_sdk import (
    FunctionCall,
    HistoryEntry,
    ModelRequest,
    Reasoning,
    ToolDefinition,
    decode_item,
    text_message,
)
from codex_provider_openai import body as body_module
from codex_provider_openai.body import RequestEncoder
from codex_provider_openai.models import DEFAULT_CONTEXT_WINDOW, model_info

SHELL = ToolDefinition(name="exec_command", description="Run.", parameters={"type": "object", "properties": {}})
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: /x/"}


def request(**changes) -> ModelRequest:
    made = ModelRequest(
        model="gpt-5.5",
        instructions="Be good.",
        input=(HistoryEntry.of(text_message("user", "hi")),),
        tools=(),
        thread_id="thread-1",
        turn_id="turn-1",
    )
    return made.replace(**changes)


def sent(made: ModelRequest, encoder: RequestEncoder | None = None) -> dict:
    return json.loads(b"".join((encoder or RequestEncoder()).parts(made)))


def test_body_of_a_known_model_is_complete():
    assert sent(request()) == {
        "model": "gpt-5.5",
        "stream": True,
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "reasoning": {"effort": "medium"},
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "thread-1",
        "text": {"verbosity": "low"},
        "client_metadata": {"thread_id": "thread-1", "turn_id": "turn-1", "session_id": "thread-1"},
        "input": [
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be good."}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        ],
    }


def test_unknown_model_is_asked_for_nothing_it_may_not_have():
    made = sent(request(model="acme-1"))
    assert not {"reasoning", "text", "service_tier", "tools", "instructions"} & set(made)
    assert made["include"] == []


def test_wishes_of_the_request_are_passed_on():
    schema = {"type": "object"}
    made = sent(
        request(
            effort="high",
            summary="detailed",
            verbosity="high",
            service_tier="fast",
            output_schema=schema,
            parallel_tool_calls=False,
        )
    )
    assert made["reasoning"] == {"effort": "high", "summary": "detailed"}
    assert made["service_tier"] == "priority"
    assert made["parallel_tool_calls"] is False
    assert made["text"] == {
        "verbosity": "high",
        "format": {"type": "json_schema", "strict": True, "name": "codex_output_schema", "schema": schema},
    }


def test_summary_none_is_not_sent():
    assert sent(request(effort="low", summary="none"))["reasoning"] == {"effort": "low"}


def test_tools_are_functions_or_custom():
    plain = ToolDefinition(name="note", description="Note.", freeform=True)
    patch = ToolDefinition(name="apply_patch", description="Patch.", freeform=True, grammar=GRAMMAR)
    strict = SHELL.replace(name="s", strict=True)
    assert sent(request(tools=(SHELL, strict, plain, patch)))["tools"] == [
        {
            "type": "function",
            "name": "exec_command",
            "description": "Run.",
            "strict": False,
            "parameters": SHELL.parameters,
        },
        {"type": "function", "name": "s", "description": "Run.", "strict": True, "parameters": SHELL.parameters},
        {"type": "custom", "name": "note", "description": "Note.", "format": {"type": "text"}},
        {"type": "custom", "name": "apply_patch", "description": "Patch.", "format": GRAMMAR},
    ]


def test_history_goes_out_in_the_very_bytes_in_which_it_lies():
    odd = b'{ "type":"message",  "role":"user","content":[],"x":1.50 }'
    entry = HistoryEntry(item=decode_item(json.loads(odd)), encoded=odd)
    assert odd in b"".join(RequestEncoder().parts(request(input=(entry,))))


def test_history_is_not_encoded_again(monkeypatch):
    entries = tuple(
        HistoryEntry.of(item)
        for item in (Reasoning(id="r", encrypted_content="x"), FunctionCall(call_id="c", name="f", arguments="{}"))
    )
    encoder = RequestEncoder()
    encoder.parts(request())
    monkeypatch.setattr(body_module, "encode_item", lambda item: pytest.fail("encoded again"))
    made = sent(request(input=entries), encoder)
    assert [item["type"] for item in made["input"]] == ["message", "reasoning", "function_call"]


def test_tools_are_encoded_once_for_the_same_tuple(monkeypatch):
    tools = (SHELL,)
    encoder = RequestEncoder()
    first = sent(request(tools=tools), encoder)
    calls = []
    original = body_module._tool
    monkeypatch.setattr(body_module, "_tool", lambda tool: calls.append(tool) or original(tool))
    assert sent(request(tools=tools), encoder)["tools"] == first["tools"]
    assert calls == []
    sent(request(tools=(SHELL,)), encoder)
    assert calls == [SHELL]


def test_changed_instructions_are_noticed():
    encoder = RequestEncoder()
    sent(request(), encoder)
    assert sent(request(instructions="Be better."), encoder)["input"][0]["content"][0]["text"] == "Be better."
    assert sent(request(instructions=""), encoder)["input"][0]["role"] == "user"


def test_empty_history_is_valid():
    assert sent(request(instructions="", input=()))["input"] == []


# -- models --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "window", "effort"),
    [
        ("gpt-5.5", 272_000, "medium"),
        ("gpt-6.1-terra", 500_000, "low"),
        ("gpt-6.1-sol-2027-01-01", 272_000, "low"),
        ("gpt-5.6-sol", 272_000, "low"),
        ("gpt-5.6-luna", 272_000, "medium"),
        ("gpt-daybreak-red-latest", 372_000, "medium"),
        ("gpt-4.1-mini", 1_047_576, None),
    ],
)
def test_model_is_known_by_its_family(model, window, effort):
    info = model_info(model)
    assert (info.known, info.context_window, info.default_effort) == (True, window, effort)
    assert info.auto_compact_token_limit == int(window * 0.9)


@pytest.mark.parametrize("model", ["acme-1", "gpt-5.55", "", "o30"])
def test_unknown_model_gets_the_default_window(model):
    info = model_info(model)
    assert (info.known, info.context_window) == (False, DEFAULT_CONTEXT_WINDOW)


CATALOGUE = Path(__file__).parents[4] / "shared" / "protocol" / "models.json"


@pytest.mark.skipif(not CATALOGUE.is_file(), reason="the recorded catalogue is not part of the repository")
def test_table_agrees_with_the_recorded_catalogue():
    for model in json.loads(CATALOGUE.read_text())["models"]:
        info = model_info(model["slug"])
        found = (info.context_window, info.default_effort, info.default_verbosity)
        wanted = (model["context_window"], model["default_reasoning_level"], model["default_verbosity"])
        assert (model["slug"], *found) == (model["slug"], *wanted)
