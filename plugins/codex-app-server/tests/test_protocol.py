"""The handshake, refusals in the words that clients know, and input that is none."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_app_server.wire import decode, encode

pytestmark = pytest.mark.anyio


async def refused(app, method, params=None):
    with pytest.raises(Exception) as caught:
        await app.call(method, params)
    return caught.value.error


@pytest.mark.cold_start
async def test_nothing_is_answered_before_the_handshake_and_there_is_one(host):
    async with host.start(handshake=False) as app:
        assert await refused(app, "thread/start", {}) == {"code": -32600, "message": "Not initialized"}
        hello = {"clientInfo": {"name": "editor", "version": "2"}}
        found = await app.call("initialize", hello, id="a string")
        assert found["userAgent"].startswith("editor/")
        assert found["codexHome"] == str(app.home)
        assert (await refused(app, "initialize", hello))["message"] == "Already initialized"


@pytest.mark.parametrize(
    ("method", "params", "message"),
    [
        pytest.param(
            "no/such",
            {},
            "Invalid request: unknown variant `no/such`, expected one of `initialize`",
            marks=pytest.mark.cold_start,  # methods are in the order in which their modules are imported
        ),
        ("thread/read", {}, "Invalid request: missing field `threadId`"),
        ("thread/read", {"threadId": 5}, "Invalid request: invalid type: integer `5`, expected a string"),
        ("thread/start", {"sandbox": "loose"}, "Invalid request: unknown variant `loose`, expected one of `read-only`"),
        ("turn/start", {"threadId": "01a1fdd7-2e74-7228-9187-71a6d4b90d5a", "input": []}, "thread not found: 01a1"),
        ("thread/read", {"threadId": "01a1fdd7-2e74-7228-9187-71a6d4b90d5a"}, "thread not loaded: 01a1"),
        ("thread/resume", {"threadId": "01a1fdd7-2e74-7228-9187-71a6d4b90d5a"}, "no rollout found for thread id 01a1"),
        ("thread/resume", {"threadId": "x"}, "invalid thread id: x"),
        ("thread/start", {"cwd": "/no/such/folder"}, "/no/such/folder is not a folder"),
    ],
)
async def test_what_cannot_be_done_is_refused_in_words_that_clients_know(app, method, params, message):
    error = await refused(app, method, params)
    assert error["code"] == -32600
    assert error["message"].startswith(message)


async def test_garbage_and_notifications_get_no_answer_and_do_no_harm(app):
    deep = b"[" * 5000 + b"]" * 5000
    for data in (
        b"\xff\xfe garbage",
        b"{",
        b"[]",
        b"5",
        b"null",
        deep,
        b'{"id": true, "method": "x"}',
        b"{}",
        b'{"id": 7}',
    ):
        await app.send(data + b"\n")
    await app.send({"method": "no/such/notification"})
    await app.send({"id": 99, "result": {}})
    assert await app.call("thread/loaded/list", {}) == {"data": [], "nextCursor": None}
    assert app.methods() == ["remoteControl/status/changed"]


async def test_a_silenced_notification_is_not_sent(host):
    async with host.start(handshake=False) as app:
        quiet = {"optOutNotificationMethods": ["thread/started"]}
        await app.call("initialize", {"clientInfo": {"name": "q", "version": "1"}, "capabilities": quiet})
        await app.thread()
        assert "thread/started" not in app.methods()


async def test_the_end_of_input_ends_the_server_with_0(host):
    async with host.start() as app:
        app.process.stdin.close()
        assert await app.process.wait() == 0


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_dropped(data):
    decode(data)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
        max_leaves=10,
    )
)
def test_what_is_sent_is_one_line_of_json(value):
    data = encode({"params": value})
    assert b"\n" not in data
    assert json.loads(data) == {"params": value}


def test_file_names_that_are_no_text_can_be_sent():
    assert json.loads(encode({"path": "a\udcff"}))["path"].startswith("a")
