"""The provider as a plugin: set-up, addresses, keys, faults that the kit does not know."""

from __future__ import annotations

import subprocess
import sys

import anyio
import pytest

from codex_plugin_sdk import (
    AuthenticationFailed,
    ConfigError,
    ContextWindowExceeded,
    Message,
    OutputItemDone,
    ProviderError,
    ProviderInfo,
    ProviderSetup,
    RateLimited,
    ResponseCompleted,
    StreamClosed,
    text_message,
)
from codex_plugin_sdk.testing.provider_kit import collect, failure, model_request
from codex_plugin_sdk.testing.servers import Reply, ScriptedResponsesServer, json_reply
from codex_provider_openai import plugin
from codex_provider_openai.provider import DEFAULT_BASE_URL, OpenAIProvider, base_url

pytestmark = pytest.mark.anyio


def setup(base_url: str | None = None, environ=None, options=None, **info) -> ProviderSetup:
    made = ProviderInfo(**{"id": "scripted", "base_url": base_url, **info})
    return ProviderSetup(info=made, environ=environ or {}, thread_id="t", options=options or {})


@pytest.fixture
def server():
    with ScriptedResponsesServer() as running:
        yield running


@pytest.fixture
async def provider(server):
    made = OpenAIProvider(setup(server.base_url))
    yield made
    await made.aclose()


def test_plugin_offers_the_wire_api_and_the_builtin_provider():
    (spec,) = plugin.codex_model_providers()
    assert (spec.name, spec.wire_apis, spec.builtin_ids) == ("openai", ("responses",), ("openai",))
    info = spec.builtin("openai")
    assert (info.base_url, info.requires_openai_auth) == (DEFAULT_BASE_URL, True)
    assert isinstance(spec.factory(setup("http://127.0.0.1:1/v1")), OpenAIProvider)


def test_plugin_module_imports_nothing_heavy():
    code = """
import sys
import codex_provider_openai.plugin
heavy = {"codex_provider_openai.provider", "anyio", "asyncio", "orjson", "httpx", "ssl", "json"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_way_to_the_first_request_imports_no_httpx():
    code = """
import sys
from codex_plugin_sdk import ProviderInfo, ProviderSetup
from codex_provider_openai.plugin import codex_model_providers
(spec,) = codex_model_providers()
setup = ProviderSetup(info=ProviderInfo(id="x", base_url="http://127.0.0.1:1/v1"), environ={}, thread_id="t")
spec.factory(setup)
import codex_plugin_sdk.http.direct
heavy = {"httpx", "httpcore", "h11", "certifi", "email", "urllib.request", "cattrs", "structlog"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


@pytest.mark.parametrize(
    ("id", "table", "options", "environ", "expected"),
    [
        ("openai", DEFAULT_BASE_URL, {}, {}, DEFAULT_BASE_URL),
        ("openai", DEFAULT_BASE_URL, {}, {"OPENAI_BASE_URL": "http://e/v1"}, "http://e/v1"),
        (
            "openai",
            DEFAULT_BASE_URL,
            {"openai_base_url": "http://c/v1"},
            {"OPENAI_BASE_URL": "http://e"},
            "http://c/v1",
        ),
        ("mine", "http://m/v1", {"openai_base_url": "http://c"}, {"OPENAI_BASE_URL": "http://e"}, "http://m/v1"),
        ("mine", None, {}, {}, DEFAULT_BASE_URL),
    ],
)
def test_base_url_is_found(id, table, options, environ, expected):
    assert base_url(setup(table, environ=environ, options=options, id=id)) == expected


def test_unusable_base_url_is_a_configuration_error():
    with pytest.raises(ConfigError, match="base_url of model provider `scripted`"):
        OpenAIProvider(setup("not a url"))


async def test_key_headers_and_query_reach_the_server(server):
    server.play(server.answer(text_message("assistant", "hi")))
    made = OpenAIProvider(
        setup(
            server.base_url,
            environ={"K": "sk-1", "H": "from env"},
            env_key="K",
            http_headers={"X-Fixed": "f"},
            env_http_headers={"X-Env": "H"},
            query_params={"api-version": "1"},
        )
    )
    await collect(made)
    await made.aclose()
    (request,) = server.requests
    assert request.path == "/v1/responses?api-version=1"
    headers = request.headers
    assert (headers["authorization"], headers["x-fixed"], headers["x-env"]) == ("Bearer sk-1", "f", "from env")
    thread_id = model_request().thread_id
    assert headers["session-id"] == headers["thread-id"] == headers["x-client-request-id"] == thread_id
    assert (headers["accept"], headers["content-type"]) == ("text/event-stream", "application/json")


async def test_missing_key_is_told_before_anything_is_sent(server):
    made = OpenAIProvider(setup(server.base_url, env_key="K", env_key_instructions="ask Ada"))
    error, _ = await failure(made, 5)
    await made.aclose()
    assert isinstance(error, AuthenticationFailed)
    assert (error.message, error.hint) == ("Missing environment variable: `K`.", "ask Ada")
    assert server.connections == 0


async def test_event_of_fifty_megabytes_comes_through(server, provider):
    server.play(server.huge_event(50_000_000))
    with anyio.fail_after(60):
        events = await collect(provider, model_request(want_deltas=False))
    (item,) = [event.item for event in events if isinstance(event, OutputItemDone)]
    assert isinstance(item, Message)
    assert len(item.text) == 50_000_000


async def test_last_event_without_its_blank_line_counts(server, provider):
    whole = b"".join(server.answer(text_message("assistant", "hi", id="m")).steps)
    server.play(Reply(steps=(whole.rstrip(b"\n"),)))
    events = await collect(provider)
    assert isinstance(events[-1], ResponseCompleted)


async def test_crlf_stream_is_understood(server, provider):
    whole = b"".join(server.answer(text_message("assistant", "hi", id="m")).steps)
    server.play(Reply(steps=(b"\xef\xbb\xbf" + whole.replace(b"\n", b"\r\n"),)))
    assert isinstance((await collect(provider))[-1], ResponseCompleted)


async def test_failure_within_a_stream_frees_the_connection(server, provider):
    server.play(server.failed("context_length_exceeded", "full"), server.answer(text_message("assistant", "hi")))
    error, _ = await failure(provider, 5)
    assert isinstance(error, ContextWindowExceeded)
    await collect(provider)


async def test_incomplete_answer_fails_for_good(server, provider):
    server.play(server.incomplete("content_filter"))
    error, _ = await failure(provider, 5)
    assert error.message == "Incomplete response returned, reason: content_filter"
    assert not error.retryable


async def test_exhausted_limit_is_final(server, provider):
    server.play(
        json_reply(429, {"error": {"type": "usage_limit_reached", "message": "limit", "resets_in_seconds": 90}})
    )
    error, _ = await failure(provider, 5)
    assert isinstance(error, RateLimited)
    assert (error.retryable, error.hint) == (False, "the limit resets in 2 min")


@pytest.mark.parametrize("body", ["<!doctype html><p>Sign in", '{"ok": true}', '{"half": '])
async def test_answer_that_is_no_stream_names_the_address(server, provider, body):
    server.play(json_reply(200, body))
    error, _ = await failure(provider, 5)
    assert not error.retryable
    assert f"{server.base_url}/responses" in error.message
    assert "base_url" in error.hint


async def test_error_in_json_with_a_good_status_is_that_error(server, provider):
    server.play(json_reply(200, {"error": {"code": "rate_limit_exceeded", "message": "try again in 3s"}}))
    error, _ = await failure(provider, 5)
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == 3


async def test_events_before_a_break_are_delivered(server, provider):
    whole = server.answer(text_message("assistant", "hello", id="m"))
    server.play(Reply(steps=(*whole.steps[:3], b"data: {oops\n\n")))
    error, events = await failure(provider, 5)
    assert isinstance(error, StreamClosed)
    assert len(events) == 3


async def test_another_transport_fits_the_seam():
    class Recorded:
        """Events without names, as a WebSocket would give them."""

        def __init__(self):
            self.closed = 0
            self.body = b""

        def open(self, request, body, skip):
            self.body = b"".join(body)
            return self

        async def __aenter__(self):
            whole = ScriptedResponsesServer().answer(text_message("assistant", "hi", id="m"))
            self.left = [[(b"", step.partition(b"data: ")[2].strip())] for step in whole.steps]
            return self

        async def __aexit__(self, *_):
            self.closed += 1

        async def next_batch(self):
            return self.left.pop(0) if self.left else None

        def left_over(self):
            return []

        def finished(self):
            self.closed += 10

        async def aclose(self):
            self.closed += 100

    transport = Recorded()
    made = OpenAIProvider(setup("http://unused.invalid"), transport=transport)
    events = await collect(made)
    await made.aclose()
    assert isinstance(events[-1], ResponseCompleted)
    assert b'"model":"scripted-model"' in transport.body
    assert transport.closed == 111


async def test_transport_of_the_table_must_exist(server):
    info = ProviderInfo(id="x", base_url=server.base_url, options={"transport": "smoke"})
    with pytest.raises(ConfigError, match="'smoke'"):
        OpenAIProvider(ProviderSetup(info=info, environ={}, thread_id="t"))


async def test_unreachable_server_names_its_address(server):
    server.stop()
    made = OpenAIProvider(setup(server.base_url))
    error, _ = await failure(made, 5)
    await made.aclose()
    assert type(error) is ProviderError
    assert error.retryable
    assert server.base_url in str(error)


def test_models_that_are_offered_are_known_ones():
    from codex_provider_openai.models import model_info, model_names

    assert len(set(model_names())) == len(model_names()) > 1
    assert all(model_info(name).known for name in model_names())
