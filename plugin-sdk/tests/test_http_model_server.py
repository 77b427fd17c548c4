"""Keys, headers, addresses, and what refusals mean."""

from __future__ import annotations

import json

import anyio
import pytest

from codex_plugin_sdk import (
    AuthenticationFailed,
    ConfigError,
    ContextWindowExceeded,
    ProviderError,
    ProviderInfo,
    ProviderSetup,
    RateLimited,
)
from codex_plugin_sdk.http.failures import OVERLOADED, event_error, retry_after_s, status_error, wait_in_message_s
from codex_plugin_sdk.http.jsondata import event_object, loads_lenient, printable
from codex_plugin_sdk.http.keys import find_api_key, request_headers
from codex_plugin_sdk.http.model_server import ModelServer, ServerHints
from codex_plugin_sdk.testing.servers import Reply, ScriptedServer, json_reply


def setup(environ=None, **info) -> ProviderSetup:
    return ProviderSetup(info=ProviderInfo(id="p", **info), environ=environ or {}, thread_id="thread-1", version="1.2")


def refusal(status: int, body: object = "", headers: dict[str, str] | None = None, reason: str = "") -> ProviderError:
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return status_error(status, reason, headers or {}, data, url="http://h/v1/x", hint="try this")


# -- keys ----------------------------------------------------------------------------------------


def test_key_of_the_named_variable_is_taken():
    assert find_api_key(setup({"K": " sk-1 \n"}, env_key="K", experimental_bearer_token="other")) == "sk-1"


@pytest.mark.parametrize("environ", [{}, {"K": ""}, {"K": "  "}])
def test_missing_variable_is_named_with_its_instructions(environ):
    with pytest.raises(AuthenticationFailed) as caught:
        find_api_key(setup(environ, env_key="K", env_key_instructions="get one at example.org"))
    assert caught.value.message == "Missing environment variable: `K`."
    assert caught.value.hint == "get one at example.org"
    assert not caught.value.retryable


def test_bearer_token_of_the_table_is_taken():
    assert find_api_key(setup(experimental_bearer_token="t")) == "t"


def test_server_that_wants_no_key_gets_none():
    assert find_api_key(setup({"OPENAI_API_KEY": "sk-1"})) is None


def test_openai_keys_are_looked_up_in_order(tmp_path):
    (tmp_path / "auth.json").write_text('{"OPENAI_API_KEY": "sk-file", "tokens": null}')
    environ = {"CODEX_HOME": str(tmp_path), "OPENAI_API_KEY": "sk-2", "CODEX_API_KEY": "sk-1"}
    assert find_api_key(setup(environ, requires_openai_auth=True)) == "sk-1"
    del environ["CODEX_API_KEY"]
    assert find_api_key(setup(environ, requires_openai_auth=True)) == "sk-2"
    del environ["OPENAI_API_KEY"]
    assert find_api_key(setup(environ, requires_openai_auth=True)) == "sk-file"


def test_home_is_where_the_key_file_lies_by_default(tmp_path):
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex" / "auth.json").write_text('{"OPENAI_API_KEY": "sk-file"}')
    assert find_api_key(setup({"HOME": str(tmp_path)}, requires_openai_auth=True)) == "sk-file"


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No API key"), ('{"OPENAI_API_KEY": null}', "No API key"), ("[1]", "No API key"), ("{oops", "not JSON")],
)
def test_key_file_without_a_key_is_told(tmp_path, content, words):
    if content is not None:
        (tmp_path / "auth.json").write_text(content)
    with pytest.raises(AuthenticationFailed, match=words) as caught:
        find_api_key(setup({"CODEX_HOME": str(tmp_path)}, requires_openai_auth=True))
    assert caught.value.hint


def test_unreadable_key_file_is_told(tmp_path):
    (tmp_path / "auth.json").mkdir()
    with pytest.raises(AuthenticationFailed, match="cannot be read"):
        find_api_key(setup({"CODEX_HOME": str(tmp_path)}, requires_openai_auth=True))


@pytest.mark.parametrize("key", ["sk-1\nsk-2", "sk 1", "schlüssel", "sk\0"])
def test_key_that_no_header_can_hold_is_refused_without_showing_it(key):
    with pytest.raises(AuthenticationFailed, match="`K`") as caught:
        find_api_key(setup({"K": key}, env_key="K"))
    assert key not in str(caught.value)


# -- headers and addresses -----------------------------------------------------------------------


def test_headers_are_codex_own():
    made = request_headers(setup({"K": "sk", "TERM": "xterm"}, env_key="K"), "thread-1")
    agent = made.pop("user-agent")
    assert made == {
        "accept": "text/event-stream",
        "content-type": "application/json",
        "originator": "codex_exec",
        "session-id": "thread-1",
        "thread-id": "thread-1",
        "x-client-request-id": "thread-1",
        "authorization": "Bearer sk",
    }
    assert agent.startswith("codex_exec/1.2 (")
    assert agent.endswith(") xterm (codex_exec; 1.2)")


def test_configured_headers_win_and_unset_variables_are_left_out():
    made = request_headers(
        setup(
            {"SET": " v ", "EMPTY": " ", "CODEX_INTERNAL_ORIGINATOR_OVERRIDE": "me"},
            http_headers={"X-One": "1", "Accept": "a/b"},
            env_http_headers={"X-Two": "SET", "X-Three": "EMPTY", "X-Four": "UNSET"},
        ),
        "t",
    )
    assert (made["x-one"], made["x-two"], made["accept"], made["originator"]) == ("1", "v", "a/b", "me")
    assert not {"x-three", "x-four", "authorization"} & set(made)


def test_terminal_name_cannot_break_the_user_agent():
    assert "\n" not in request_headers(setup({"TERM": "x\r\ny: z"}), "t")["user-agent"]


def test_header_with_a_line_break_is_a_configuration_error():
    with pytest.raises(ConfigError, match="'X'"):
        request_headers(setup(http_headers={"X": "a\nb"}), "t")


def test_base_url_that_is_none_is_a_configuration_error():
    with pytest.raises(ConfigError, match="`p`"):
        ModelServer(setup(), "localhost:8080")


@pytest.mark.anyio
async def test_query_parameters_are_added_and_encoded():
    with ScriptedServer([Reply(steps=(b"x",))]) as running:
        server = ModelServer(setup(query_params={"api-version": "2 5", "b": "é"}), running.base_url + "/?own=1")
        async with server.post("/responses", (b"{}",), thread_id="t") as answer:
            assert [chunk async for chunk in answer] == [b"x"]
            assert answer.url == f"{running.base_url}/responses"
        await server.aclose()
        assert running.requests[0].path == "/v1/responses?own=1&api-version=2+5&b=%C3%A9"


@pytest.mark.anyio
async def test_unreachable_server_is_retryable_and_names_what_to_try():
    with ScriptedServer() as gone:
        base_url = gone.base_url
    for hints, words in ((None, f"{base_url}/x"), (ServerHints(unreachable="start it"), "start it")):
        server = ModelServer(setup(), base_url, hints=hints)
        with pytest.raises(ProviderError, match="connection refused") as caught:
            async with server.post("/x", (), thread_id="t"):
                pass
        assert caught.value.retryable
        assert words in caught.value.hint


@pytest.mark.anyio
async def test_refusal_gives_its_connection_back_and_hints_by_status():
    with ScriptedServer([json_reply(404, {"error": {"message": "no model x"}})] * 2) as running:
        server = ModelServer(setup(), running.base_url)
        for _ in range(2):
            with anyio.fail_after(10), pytest.raises(ProviderError, match="no model x") as caught:
                async with server.post("/x", (), thread_id="t", hints_by_status={404: "pull it"}):
                    pass
            assert caught.value.hint == "pull it"
            assert not caught.value.retryable
        await server.aclose()
        assert running.connections == 1


# -- statuses ------------------------------------------------------------------------------------


def test_400_shows_the_body_as_it_came():
    body = '{"error":{"message":"bad \\u00e9"}}'
    error = refusal(400, body)
    assert (error.message, error.retryable, error.status) == (body, False, 400)


@pytest.mark.parametrize("status", [401, 403])
def test_refused_key_is_final(status):
    error = refusal(status, {"error": {"message": "nope"}}, reason="Unauthorized")
    assert isinstance(error, AuthenticationFailed)
    assert error.message == f"unexpected status {status} Unauthorized: nope, url: http://h/v1/x"
    assert (error.retryable, error.hint) == (False, "try this")


def test_429_asks_to_wait():
    error = refusal(429, {"error": {"message": "slow"}}, {"retry-after-ms": "1500", "retry-after": "9"})
    assert isinstance(error, RateLimited)
    assert (error.retryable, error.retry_after_s) == (True, 1.5)
    assert refusal(429, {"error": {"message": "Please try again in 20ms."}}).retry_after_s == 0.02


@pytest.mark.parametrize("member", ["type", "code"])
@pytest.mark.parametrize("word", ["usage_limit_reached", "insufficient_quota"])
def test_exhausted_limit_is_final(member, word):
    body = {"error": {member: word, "message": "limit", "resets_in_seconds": 7260}}
    error = refusal(429, body, {"retry-after": "1"})
    assert isinstance(error, RateLimited)
    assert not error.retryable
    assert error.hint == "the limit resets in 2 h 1 min"


@pytest.mark.parametrize("status", [500, 502, 503, 504, 529])
def test_trouble_of_the_server_is_retryable_and_general(status):
    error = refusal(status, {"error": {"message": "out of memory"}}, {"retry-after": "3"})
    assert (error.message, error.retryable, error.retry_after_s) == (OVERLOADED, True, 3)
    assert str(status) not in error.message
    assert error.hint == "the server said: out of memory"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (413, ""),
        (400, {"error": {"code": "context_length_exceeded", "message": "x"}}),
        (400, {"error": {"type": "exceed_context_size_error", "message": "x"}}),
        (400, {"error": "This model's maximum context length is 8192 tokens. However, you asked for 9000."}),
        (400, {"message": "the request exceeds the available context size"}),
        (500, {"error": {"message": "prompt is too long"}}),
        (400, {"detail": "Input is longer than the context window"}),
    ],
)
def test_full_context_window_is_known_in_many_words(status, body):
    error = refusal(status, body)
    assert isinstance(error, ContextWindowExceeded), repr(error)
    assert not error.retryable


def test_other_400s_that_speak_of_context_are_no_overflow():
    assert not isinstance(refusal(400, {"error": {"message": "unknown field context_window"}}), ContextWindowExceeded)


def test_redirect_is_not_followed_but_told():
    error = refusal(307, "", {"location": "https://elsewhere/"})
    assert "https://elsewhere/" in error.message
    assert not error.retryable


@pytest.mark.parametrize(("status", "retryable"), [(404, False), (405, False), (408, True), (422, False)])
def test_other_statuses_show_status_text_and_url(status, retryable):
    error = refusal(status, "plain words", reason="Odd")
    assert error.message == f"unexpected status {status} Odd: plain words, url: http://h/v1/x"
    assert error.retryable is retryable


# -- waiting -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 90),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:01 GMT"}, 0),
    ],
)
def test_retry_after_is_read(headers, expected):
    assert retry_after_s(headers, now_s=10) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Please try again in 1.898s. Visit x", 1.898),
        ("try again in 28ms", 0.028),
        ("Try again in 35 seconds.", 35),
        ("try again in 1m2.5s", 62.5),
        ("retry after 2 minutes", 120),
        ("try again in 6h0m0s", 21600),
        ("try again later", None),
        ("try again in 3 apples", None),
    ],
)
def test_wait_in_a_message_is_read(message, expected):
    assert wait_in_message_s(message) == expected


# -- errors within a stream ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "kind", "retryable"),
    [
        ({"code": "context_length_exceeded", "message": "full"}, ContextWindowExceeded, False),
        ({"code": "rate_limit_exceeded", "message": "Please try again in 2s"}, RateLimited, True),
        ({"code": "insufficient_quota", "message": "pay"}, RateLimited, False),
        ({"type": "usage_limit_reached", "message": "wait"}, RateLimited, False),
        ({"code": "server_error", "message": "oops"}, ProviderError, True),
        ({"code": "invalid_prompt", "message": "no"}, ProviderError, False),
        ({"code": "invalid_api_key", "message": "no"}, AuthenticationFailed, False),
        ({"code": 500, "message": "odd"}, ProviderError, True),
        ("plain words", ProviderError, True),
        (None, ProviderError, True),
    ],
)
def test_error_object_becomes_the_right_error(error, kind, retryable):
    made = event_error(error)
    assert type(made) is kind
    assert made.retryable is retryable
    assert made.message


# -- JSON ----------------------------------------------------------------------------------------


def test_half_characters_become_replacement_characters():
    assert loads_lenient(b'{"a": "x\xe2\x82y"}') == {"a": "x\ufffdy"}
    assert loads_lenient(rb'{"a": ["x\ud83d"]}') == {"a": ["x\ufffd"]}
    assert loads_lenient(rb'"\ud83e\udd80"') == "\U0001f980"


def test_what_is_no_json_is_a_value_error():
    with pytest.raises(ValueError):
        loads_lenient(b"<html>")


@pytest.mark.parametrize("data", [b"[1]", b'"x"', b"<html>", b"", b"{"])
def test_event_that_holds_no_object_is_shown(data):
    with pytest.raises(ProviderError, match=r"not JSON|not an object") as caught:
        event_object(data)
    assert caught.value.retryable


def test_shown_bytes_are_printable_and_short():
    shown = printable(b"a\x1b[31m\xff" + b"b" * 100)
    assert shown.isprintable()
    assert len(shown) < 90
