"""The scripted servers themselves: what they play is what a client gets, and nothing is left behind."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import threading

import pytest

from codex_plugin_sdk import CustomToolCall, FunctionCall, Reasoning, text_message
from codex_plugin_sdk.testing.servers import (
    Reply,
    ScriptedChatServer,
    ScriptedResponsesServer,
    ScriptedServer,
    cut,
    empty,
    garbage,
    json_reply,
    main,
    read_script,
    slowed,
    stalled,
)


def ask(port: int, body: bytes = b"{}") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", "/v1/responses", body, {"X-Test": "1"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def kinds(stream: bytes) -> list[str]:
    events = [line[6:] for line in stream.split(b"\n") if line.startswith(b"data: ") and line != b"data: [DONE]"]
    return [json.loads(event)["type"] for event in events]


def test_requests_are_recorded():
    with ScriptedServer([json_reply(200, {"a": 1})]) as server:
        assert ask(server.port, b'{"model": "m"}') == (200, b'{"a": 1}')
        (request,) = server.requests
    assert (request.method, request.path, request.json) == ("POST", "/v1/responses", {"model": "m"})
    assert request.headers["x-test"] == "1"
    assert request.arrived_s > 0


def test_script_at_its_end_says_so():
    with ScriptedServer() as server:
        status, body = ask(server.port)
    assert status == 400
    assert b"no reply for request 1" in body


def test_last_reply_can_be_repeated():
    with ScriptedServer([json_reply(200, "a"), json_reply(200, "b")], repeat_last=True) as server:
        assert [ask(server.port)[1] for _ in range(4)] == [b"a", b"b", b"b", b"b"]


def test_reply_may_depend_on_the_request():
    with ScriptedServer([lambda request: json_reply(200, request.json["say"])]) as server:
        assert ask(server.port, b'{"say": "echo"}') == (200, b"echo")


def test_responses_dialect_has_all_kinds_of_items():
    with ScriptedResponsesServer() as server:
        server.play(
            server.answer(
                Reasoning(id="r", summary=("a", "b")),
                text_message("assistant", "hello", id="m"),
                FunctionCall(call_id="c", name="f", arguments="{}"),
                CustomToolCall(call_id="d", name="p", input="x"),
            )
        )
        _, stream = ask(server.port)
    names = kinds(stream)
    assert names[0] == "response.created"
    assert names[-1] == "response.completed"
    assert names.count("response.output_item.done") == 4
    assert names.count("response.reasoning_summary_part.added") == 2


def test_chat_dialect_ends_with_done():
    with ScriptedChatServer() as server:
        server.play(server.answer(text_message("assistant", "hello")))
        _, stream = ask(server.port)
    assert stream.endswith(b"data: [DONE]\n\n")
    assert b'"finish_reason":"stop"' in stream


def test_cut_reply_breaks_off():
    with ScriptedServer([cut(Reply(steps=(b"0123456789",), framing="length"), 3)]) as server:
        with pytest.raises(http.client.IncompleteRead) as caught:
            ask(server.port)
        assert caught.value.partial == b"012"


def test_garbage_is_no_http():
    with ScriptedServer([garbage()]) as server, pytest.raises(http.client.BadStatusLine):
        ask(server.port)


def test_empty_reply_is_empty():
    with ScriptedServer([empty()]) as server:
        assert ask(server.port) == (200, b"")


def test_slow_reply_is_whole():
    with ScriptedServer([slowed(Reply(steps=(b"a", b"b")), 0.001)]) as server:
        assert ask(server.port) == (200, b"ab")


def test_stalled_reply_waits_for_its_release():
    reply, stall = stalled(Reply(steps=(b"a", b"b")))
    with ScriptedServer([reply]) as server:
        found: list[tuple[int, bytes]] = []
        asking = threading.Thread(target=lambda: found.append(ask(server.port)))
        asking.start()
        assert stall.reached.wait(5)
        assert found == []
        stall.release()
        asking.join(5)
    assert found == [(200, b"ab")]


def test_server_ends_with_a_client_still_waiting():
    reply, stall = stalled(Reply(steps=(b"a", b"b")))
    before = threading.active_count()
    with ScriptedServer([reply]) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request("POST", "/", b"")
        assert stall.reached.wait(5)
    connection.close()
    assert threading.active_count() == before


def test_waiting_in_vain_says_what_is_there():
    with ScriptedServer() as server, pytest.raises(TimeoutError, match="requests=0"):
        server.wait_until(lambda s: s.requests, 0.01)


SCRIPT = [
    {"items": [{"think": "hm"}, {"say": "hi"}, {"call": "f", "arguments": {"a": 1}}], "usage": {"input_tokens": 3}},
    {"items": [{"freeform": "apply_patch", "input": "x", "call_id": "own"}], "delay_s": 0.001},
    {"status": 429, "headers": {"retry-after": "1"}, "body": {"error": {"message": "slow"}}},
    {"items": [{"say": "long enough to be cut"}], "cut_after": 40},
    {"raw": "not HTTP"},
]


def test_script_file_holds_answers_and_faults():
    with ScriptedResponsesServer() as server:
        server.play(*read_script(SCRIPT, server.answer))
        _, first = ask(server.port)
        assert kinds(first).count("response.output_item.done") == 3
        assert b'"input_tokens":3' in first
        assert b'"call_id":"own"' in ask(server.port)[1]
        assert ask(server.port)[0] == 429
        with pytest.raises(http.client.IncompleteRead):
            ask(server.port)
        with pytest.raises(http.client.BadStatusLine):
            ask(server.port)


@pytest.mark.parametrize(
    "entry", [{}, {"items": [{"shout": "x"}]}, {"items": 3}, {"status": "x"}, {"items": [], "usage": {"x": 1}}]
)
def test_wrong_script_entry_is_named(entry):
    with pytest.raises(ValueError, match="reply 2"):
        read_script([{"items": []}, entry], ScriptedResponsesServer().answer)


def test_command_prints_its_port_and_serves(tmp_path):
    script = tmp_path / "script.json"
    script.write_text(json.dumps(SCRIPT))
    command = [sys.executable, "-m", "codex_plugin_sdk.testing.servers", "--responses", str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        status, stream = ask(port)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    assert status == 200
    assert kinds(stream)[-1] == "response.completed"


def test_command_names_a_script_it_cannot_read(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--chat", str(tmp_path / "missing.json")])
    assert "missing.json" in capsys.readouterr().err
