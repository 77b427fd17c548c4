"""History as messages, and the body around them."""

from __future__ import annotations

import json

from codex_plugin_sdk import (
    ContentPart,
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    HistoryEntry,
    Message,
    ModelRequest,
    Reasoning,
    ToolDefinition,
    UnknownItem,
    WebSearchCall,
    text_message,
)
from codex_provider_chat import messages as messages_module
from codex_provider_chat.body import RequestEncoder
from codex_provider_chat.messages import MessageEncoder

PIXEL = "data:image/png;base64,AAAA"


def entries(*items):
    return tuple(HistoryEntry.of(item) for item in items)


def convert(*items, instructions="", field=None):
    return [json.loads(m) for m in MessageEncoder().encode(instructions, entries(*items), reasoning_field=field)]


def user(text: str) -> Message:
    return text_message("user", text)


def assistant(text: str) -> Message:
    return text_message("assistant", text)


def call(call_id: str, name: str = "f", arguments: str = "{}") -> FunctionCall:
    return FunctionCall(call_id=call_id, name=name, arguments=arguments)


def output(call_id: str, text="done") -> FunctionCallOutput:
    return FunctionCallOutput(call_id=call_id, output=text)


def wire_call(call_id: str, name: str = "f", arguments: str = "{}") -> dict:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


# -- messages ------------------------------------------------------------------------------------


def test_instructions_and_leading_developer_messages_are_one_system_message():
    found = convert(
        text_message("developer", "a", "b"), text_message("developer", "c"), user("hi"), instructions="Be good."
    )
    assert found == [{"role": "system", "content": "Be good.\n\na\n\nb\n\nc"}, {"role": "user", "content": "hi"}]


def test_later_developer_message_is_a_system_message_in_its_place():
    found = convert(user("hi"), text_message("developer", "now this"), user("on"))
    assert [m["role"] for m in found] == ["user", "system", "user"]


def test_empty_history_has_no_message():
    assert convert() == []
    assert convert(instructions="x") == [{"role": "system", "content": "x"}]


def test_parts_of_a_user_message_are_paragraphs():
    assert convert(text_message("user", "a", "b")) == [{"role": "user", "content": "a\n\nb"}]


def test_images_are_parts():
    message = Message(
        role="user",
        content=(ContentPart(type="input_text", text="see"), ContentPart(type="input_image", image_url=PIXEL)),
    )
    parts = [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    assert convert(message) == [{"role": "user", "content": parts}]


def test_text_and_parallel_calls_of_one_answer_are_one_message():
    found = convert(
        user("go"), assistant("I look."), call("1"), call("2", "g", '{"a":1}'), output("1"), output("2", "x")
    )
    assert found == [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": "I look.", "tool_calls": [wire_call("1"), wire_call("2", "g", '{"a":1}')]},
        {"role": "tool", "tool_call_id": "1", "content": "done"},
        {"role": "tool", "tool_call_id": "2", "content": "x"},
    ]


def test_call_without_text_has_null_content():
    (message, _) = convert(call("1"), output("1"))
    assert message == {"role": "assistant", "content": None, "tool_calls": [wire_call("1")]}


def test_answers_that_follow_one_another_stay_apart():
    found = convert(call("1"), output("1"), call("2"), output("2"), assistant("a"), assistant("b"))
    assert [m["role"] for m in found] == ["assistant", "tool", "assistant", "tool", "assistant", "assistant"]


def test_freeform_calls_are_functions_with_one_member():
    found = convert(
        CustomToolCall(call_id="1", name="apply_patch", input='a "b"\n'), CustomToolCallOutput(call_id="1", output="ok")
    )
    (made,) = found[0]["tool_calls"]
    assert json.loads(made["function"]["arguments"]) == {"input": 'a "b"\n'}
    assert found[1] == {"role": "tool", "tool_call_id": "1", "content": "ok"}


def test_images_in_outputs_follow_all_outputs_as_the_users():
    shown = (ContentPart(type="input_text", text="a.png"), ContentPart(type="input_image", image_url=PIXEL))
    found = convert(call("1"), call("2"), output("1", shown), output("2"), assistant("nice"))
    assert [m["role"] for m in found] == ["assistant", "tool", "tool", "user", "assistant"]
    assert found[1]["content"] == "a.png"
    assert found[3]["content"] == [{"type": "image_url", "image_url": {"url": PIXEL}}]


def test_image_without_words_still_has_a_tool_message():
    shown = (ContentPart(type="input_image", image_url=PIXEL),)
    assert convert(call("1"), output("1", shown))[1]["content"]


def test_output_whose_call_is_gone_becomes_the_users_word():
    (message,) = convert(output("lost", "text"))
    assert message["role"] == "user"
    assert message["content"].endswith("text")


def test_reasoning_goes_back_in_the_servers_own_member_or_not_at_all():
    thought = Reasoning(content=[{"type": "reasoning_text", "text": "hm"}])
    items = (user("go"), thought, assistant("a"), call("1"), output("1"))
    assert "hm" not in json.dumps(convert(*items))
    (_, answer, _) = convert(*items, field="reasoning_content")
    assert answer["reasoning_content"] == "hm"


def test_reasoning_belongs_to_the_answer_behind_it():
    first = Reasoning(content=[{"type": "reasoning_text", "text": "one"}])
    second = Reasoning(content=[{"type": "reasoning_text", "text": "two"}])
    found = convert(first, call("1"), output("1"), second, assistant("a"), field="reasoning")
    assert [m.get("reasoning") for m in found] == ["one", None, "two"]


def test_reasoning_that_led_nowhere_is_dropped():
    lost = Reasoning(content=[{"type": "reasoning_text", "text": "lost"}])
    assert "lost" not in json.dumps(convert(lost, user("again"), assistant("a"), field="reasoning"))


def test_encrypted_reasoning_and_unknown_items_are_left_out():
    items = (
        Reasoning(summary=("s",), encrypted_content="x"),
        WebSearchCall(status="completed"),
        UnknownItem(tag="hologram", raw={"type": "hologram"}),
    )
    assert convert(*items, field="reasoning") == []


def test_each_entry_is_converted_once(monkeypatch):
    seen = []
    original = messages_module.piece_of
    monkeypatch.setattr(messages_module, "piece_of", lambda item: seen.append(item) or original(item))
    encoder, history = MessageEncoder(), entries(user("a"), assistant("b"))
    first = encoder.encode("", history)
    longer = (*history, *entries(user("c")))
    assert encoder.encode("", longer)[:2] == first
    assert len(seen) == 3


def test_replaced_history_is_forgotten():
    encoder = MessageEncoder()
    for _ in range(5):
        encoder.encode("", entries(*[user(str(n)) for n in range(100)]))
    assert len(encoder._pieces) <= 264
    assert [json.loads(m)["content"] for m in encoder.encode("", entries(user("new")))] == ["new"]
    assert len(encoder._pieces) == 1


# -- body ----------------------------------------------------------------------------------------

SHELL = ToolDefinition(name="exec_command", description="Run.", parameters={"type": "object", "properties": {}})


def sent(**changes) -> dict:
    request = ModelRequest(
        model="m", instructions="", input=entries(user("hi")), tools=(), thread_id="t", turn_id="u"
    ).replace(**changes)
    return json.loads(b"".join(RequestEncoder().parts(request)))


def test_plain_body_asks_for_nothing_that_a_server_may_refuse():
    assert sent() == {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "user", "content": "hi"}],
    }


def test_wishes_of_the_request_are_passed_on():
    schema = {"type": "object"}
    made = sent(effort="low", verbosity="high", service_tier="flex", output_schema=schema, tools=(SHELL,))
    assert (made["reasoning_effort"], made["verbosity"], made["service_tier"]) == ("low", "high", "flex")
    assert (made["tool_choice"], made["parallel_tool_calls"]) == ("auto", True)
    assert made["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "codex_output_schema", "strict": True, "schema": schema},
    }


def test_function_tools_keep_their_schema():
    strict = ToolDefinition(name="s", description="S.", strict=True)
    assert sent(tools=(SHELL, strict))["tools"] == [
        {
            "type": "function",
            "function": {"name": "exec_command", "description": "Run.", "parameters": SHELL.parameters},
        },
        {
            "type": "function",
            "function": {
                "name": "s",
                "description": "S.",
                "parameters": {"type": "object", "properties": {}},
                "strict": True,
            },
        },
    ]


def test_freeform_tool_is_a_function_with_one_string():
    patch = ToolDefinition(
        name="apply_patch", description="Edit.", freeform=True, grammar={"type": "grammar", "definition": "start: X"}
    )
    (tool,) = sent(tools=(patch,))["tools"]
    parameters = tool["function"]["parameters"]
    assert (list(parameters["properties"]), parameters["required"]) == (["input"], ["input"])
    assert parameters["properties"]["input"]["type"] == "string"
    assert tool["function"]["description"].startswith("Edit.")
    assert "start: X" in tool["function"]["description"]
