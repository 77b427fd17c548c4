"""The provider as a plugin: local servers, hints, answers that are no streams."""

from __future__ import annotations

import json
import subprocess
import sys

import anyio
import pytest

from codex_plugin_sdk import (
    ConfigError,
    FunctionCall,
    FunctionCallOutput,
    HistoryEntry,
    Message,
    OutputItemDone,
    ProviderError,
    ProviderInfo,
    ProviderSetup,
    Reasoning,
    ResponseCompleted,
    text_message,
)
from codex_plugin_sdk.testing.provider_kit import collect, failure, model_request
from codex_plugin_sdk.testing.servers import Reply, ScriptedChatServer, Stall, cut, json_reply
from codex_provider_chat import plugin
from codex_provider_chat.local_servers import LOCAL_SERVERS, base_url
from codex_provider_chat.provider import ChatProvider

pytestmark = pytest.mark.anyio


def setup(base_url: str | None = None, environ=None, **info) -> ProviderSetup:
    made = ProviderInfo(**{"id": "scripted", "base_url": base_url, "wire_api": "chat", **info})
    return ProviderSetup(info=made, environ=environ or {}, thread_id="t")


@pytest.fixture
def server():
    with ScriptedChatServer() as running:
        yield running


@pytest.fixture
async def provider(server):
    made = ChatProvider(setup(server.base_url))
    yield made
    await made.aclose()


def test_plugin_offers_the_wire_api_and_the_local_servers():
    (spec,) = plugin.codex_model_providers()
    assert (spec.name, spec.wire_apis) == ("chat", ("chat",))
    assert set(spec.builtin_ids) == set(LOCAL_SERVERS)
    ports = {id: spec.builtin(id).base_url for id in spec.builtin_ids}
    assert ports == {
        "ollama": "http://localhost:11434/v1",
        "lmstudio": "http://localhost:1234/v1",
        "llamacpp": "http://localhost:8080/v1",
        "vllm": "http://localhost:8000/v1",
    }
    assert isinstance(spec.factory(setup("http://127.0.0.1:1/v1")), ChatProvider)


def test_plugin_module_imports_nothing_heavy():
    code = """
import sys
import codex_provider_chat.plugin
heavy = {"codex_provider_chat.provider", "anyio", "asyncio", "orjson", "httpx", "ssl", "json"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


@pytest.mark.parametrize(
    ("id", "environ", "expected"),
    [
        ("ollama", {}, "http://localhost:11434/v1"),
        ("ollama", {"CODEX_OSS_PORT": "99"}, "http://localhost:99/v1"),
        ("vllm", {"CODEX_OSS_PORT": "99", "CODEX_OSS_BASE_URL": "http://box:1/v1"}, "http://box:1/v1"),
        ("mine", {"CODEX_OSS_PORT": "99"}, "http://mine/v1"),
    ],
)
def test_base_url_is_found(id, environ, expected):
    (spec,) = plugin.codex_model_providers()
    info = spec.builtin(id) if id in LOCAL_SERVERS else ProviderInfo(id=id, base_url="http://mine/v1")
    assert base_url(ProviderSetup(info=info, environ=environ, thread_id="t")) == expected


def test_port_that_is_none_is_a_configuration_error():
    with pytest.raises(ConfigError, match="CODEX_OSS_PORT is 'x'"):
        base_url(setup(id="ollama", environ={"CODEX_OSS_PORT": "x"}))


def test_missing_base_url_is_a_configuration_error():
    with pytest.raises(ConfigError, match="`scripted` has no base_url") as caught:
        ChatProvider(setup())
    assert "[model_providers.scripted]" in caught.value.hint


@pytest.mark.parametrize(("id", "words"), [("ollama", "ollama serve"), ("lmstudio", "lms server start")])
async def test_local_server_that_is_not_there_names_its_start(server, id, words):
    server.stop()
    made = ChatProvider(setup(environ={"CODEX_OSS_BASE_URL": server.base_url}, id=id))
    error, _ = await failure(made, 5)
    await made.aclose()
    assert error.retryable
    assert words in error.hint
    assert str(server.port) in error.message


async def test_unknown_model_of_a_local_server_names_its_cure(server):
    server.play(json_reply(404, {"error": {"message": "model 'scripted-model' not found"}}))
    made = ChatProvider(setup(environ={"CODEX_OSS_BASE_URL": server.base_url}, id="ollama"))
    error, _ = await failure(made, 5)
    await made.aclose()
    assert not error.retryable
    assert "ollama pull scripted-model" in error.hint


async def test_local_server_needs_no_key_and_a_named_one_is_sent(server):
    server.play(*[server.answer(text_message("assistant", "hi"))] * 2)
    for info in ({}, {"env_key": "K"}):
        made = ChatProvider(setup(server.base_url, environ={"K": "sk"}, **info))
        await collect(made)
        await made.aclose()
    first, second = server.requests
    assert "authorization" not in first.headers
    assert second.headers["authorization"] == "Bearer sk"
    assert first.path == "/v1/chat/completions"


async def test_server_that_ignores_stream_is_understood(server, provider):
    message = {"role": "assistant", "content": "hello"}
    server.play(json_reply(200, {"id": "d", "choices": [{"message": message, "finish_reason": "stop"}]}))
    events = await collect(provider)
    (item,) = [event.item for event in events if isinstance(event, OutputItemDone)]
    assert isinstance(item, Message)
    assert item.text == "hello"
    assert isinstance(events[-1], ResponseCompleted)


@pytest.mark.parametrize("body", ["<html>Sign in", '{"ok": true}'])
async def test_answer_that_is_neither_is_final(server, provider, body):
    server.play(json_reply(200, body))
    error, _ = await failure(provider, 5)
    assert not error.retryable


async def test_break_after_the_last_word_is_no_failure(server, provider):
    whole = server.answer(text_message("assistant", "hi"), usage=None)
    size = sum(map(len, whole.steps)) - len(b"data: [DONE]\n\n")
    server.play(cut(whole, size))
    events = await collect(provider)
    assert isinstance(events[-1], ResponseCompleted)


async def test_answer_ends_with_done_although_the_connection_stays_open(server, provider):
    whole = server.answer(text_message("assistant", "hi"))
    server.play(Reply(steps=(*whole.steps, Stall())))
    with anyio.fail_after(5):
        events = await collect(provider)
    assert isinstance(events[-1], ResponseCompleted)


async def test_error_within_the_stream_is_told(server, provider):
    server.play(server.error_event("server_error", "the model crashed"))
    error, events = await failure(provider, 5)
    assert type(error) is ProviderError
    assert (error.message, error.retryable) == ("the model crashed", True)
    assert events


async def test_output_limit_is_final(server, provider):
    server.play(server.deltas({"content": "x"}, finish_reason="length"))
    error, _ = await failure(provider, 5)
    assert error.message == "Incomplete response returned, reason: length"


async def test_reasoning_is_handed_back_once_the_server_has_shown_its_member(server, provider):
    server.play(
        server.deltas({"reasoning_content": "hm"}, {"content": "so"}),
        server.answer(text_message("assistant", "done")),
    )
    first = await collect(provider)
    items = [event.item for event in first if isinstance(event, OutputItemDone)]
    assert isinstance(items[0], Reasoning)
    request = model_request()
    history = (*request.input, *map(HistoryEntry.of, items), HistoryEntry.of(text_message("user", "go on")))
    await collect(provider, request.replace(input=history))
    sent = server.requests[1].json["messages"]
    assert [m.get("reasoning_content") for m in sent if m["role"] == "assistant"] == [None, "hm"]


async def test_tool_round_trip_keeps_ids(server, provider):
    server.play(
        server.deltas(
            {"tool_calls": [{"index": 0, "function": {"name": "exec_command", "arguments": '{"cmd": "ls"}'}}]},
            finish_reason="tool_calls",
        ),
        server.answer(text_message("assistant", "done")),
    )
    request = model_request()
    (call,) = [e.item for e in await collect(provider, request) if isinstance(e, OutputItemDone)]
    assert isinstance(call, FunctionCall)
    output = FunctionCallOutput(call_id=call.call_id, output="a.txt")
    await collect(provider, request.replace(input=(*request.input, HistoryEntry.of(call), HistoryEntry.of(output))))
    asked, answered = server.requests[1].json["messages"][-2:]
    assert asked["tool_calls"][0]["id"] == answered["tool_call_id"] == call.call_id
    assert json.loads(asked["tool_calls"][0]["function"]["arguments"]) == {"cmd": "ls"}


@pytest.mark.parametrize(("model", "window"), [("gpt-oss:20b", 131_072), ("Qwen/Qwen3-Coder-30B", 262_144)])
async def test_known_model_has_its_window(provider, model, window):
    info = provider.model_info(model)
    assert (info.known, info.context_window) == (True, window)
    assert info.supports_freeform_tools


async def test_unknown_model_has_no_window(provider):
    info = provider.model_info("mystery")
    assert (info.known, info.context_window) == (False, None)
