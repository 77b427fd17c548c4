"""What a trace is on the disk: lines, bodies, and what a crash leaves."""

from __future__ import annotations

import json
import os

import orjson
import pytest

from codex_plugin_sdk import (
    FileEdit,
    GuardSetup,
    HistoryEntry,
    ModelRequest,
    SandboxPolicy,
    TokenUsage,
    ToolCall,
    ToolOutput,
    TurnFacts,
    TurnId,
    new_thread_id,
    text_message,
)
from codex_replay.blobs import Blobs, digest_of, trace_folder
from codex_replay.recording import RecordedRequest
from codex_replay.trace_guard import TraceGuard
from codex_replay.trace_reading import read_trace, trace_path


@pytest.fixture
def make(tmp_path):
    """Makes guards of one home; `environ` and `config` are the thread's."""

    def made(thread_id=None, environ=None, config=None):
        setup = GuardSetup(
            thread_id=thread_id or new_thread_id(),
            root_id="root",
            codex_home=str(tmp_path),
            cwd="/work",
            environ=environ or {},
            tell=lambda msg: None,
            plugins=lambda: {"shell": "1.0"},
            config=config or {},
        )
        guard = TraceGuard(setup)
        guard.turn_begins(TurnFacts(turn_id=TurnId("turn-1"), cwd="/work", model="m", sandbox_policy=SandboxPolicy()))
        return guard, setup.thread_id

    return made


def request(*texts, instructions="be good"):
    entries = tuple(HistoryEntry.of(text_message("user", text)) for text in texts)
    return grown(entries, instructions)


def grown(entries, instructions="be good"):
    return ModelRequest(
        model="m", instructions=instructions, input=tuple(entries), tools=(), thread_id="t", turn_id="turn-1"
    )


def ask(guard, asked, *said):
    guard.request_begins(asked)
    guard.request_ends(asked, [text_message("assistant", text) for text in said], TokenUsage(input_tokens=3))


def lines_of(tmp_path, thread_id):
    data = (tmp_path / "kernel" / "trace" / f"{thread_id}.jsonl").read_bytes()
    return [json.loads(line) for line in data.splitlines()]


def read(tmp_path, thread_id):
    path = trace_path(str(tmp_path), thread_id)
    assert path is not None
    found = read_trace(path, Blobs(trace_folder(str(tmp_path))))
    assert found is not None
    return found


def test_nothing_is_written_before_the_first_request_is_under_way(tmp_path, make):
    guard, _ = make()
    guard.request_begins(request("hello"))
    assert not (tmp_path / "kernel").exists()


def test_request_names_what_it_keeps_and_what_it_adds(tmp_path, make):
    guard, id = make()
    first = request("one", "two")
    ask(guard, first, "good")
    ask(guard, grown([*first.input, HistoryEntry.of(text_message("user", "three"))]), "better")
    ask(guard, grown([first.input[0]]), "best")
    trace = read(tmp_path, id)
    assert [(found.keep, len(found.added)) for found in trace.requests] == [(0, 2), (2, 1), (1, 0)]
    assert isinstance(trace.requests[0], RecordedRequest)
    texts = [trace.bodies(name)["content"][0]["text"] for found in trace.requests for name in found.added]
    assert texts == ["one", "two", "three"]
    assert trace.bodies(trace.requests[0].instructions) == "be good"
    assert [trace.bodies(trace.answers[n]["items"][0])["content"][0]["text"] for n in (1, 2, 3)] == [
        "good",
        "better",
        "best",
    ]


def test_large_bodies_are_stored_once_for_all_threads(tmp_path, make):
    long = "a long text of instructions " * 400
    for _ in range(2):
        guard, id = make()
        ask(guard, request("hello", instructions=long), "good")
        assert read(tmp_path, id).bodies(read(tmp_path, id).requests[0].instructions) == long
    (blob,) = (tmp_path / "kernel" / "trace" / "blobs").rglob("*.z")
    assert blob.stat().st_size < len(long) / 4
    assert blob.parent.name + blob.stem == digest_of(orjson.dumps(long))


def test_every_event_is_on_the_disk_at_once_and_a_torn_line_costs_only_itself(tmp_path, make):
    guard, id = make()
    ask(guard, request("hello"), "good")
    assert [line["k"] for line in lines_of(tmp_path, id) if line["k"] != "body"] == [
        "thread",
        "turn",
        "request",
        "answer",
    ]
    path = tmp_path / "kernel" / "trace" / f"{id}.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])  # as if the process had been killed while it wrote
    assert len(read(tmp_path, id).answers) == 0
    again, _ = make(id)
    ask(again, request("hello", "more"), "better")
    trace = read(tmp_path, id)
    assert [found.number for found in trace.requests] == [1, 2]
    assert list(trace.answers) == [2]


def test_secrets_of_environment_and_configuration_stay_out(tmp_path, make):
    config = {"model": "m", "model_providers": {"x": {"http_headers": {"K": "header-secret-1"}, "api_key": "key-2"}}}
    guard, id = make(environ={"APP_SECRET": "environ-secret-3"}, config={**config, "tool_output_token_limit": 7})
    ask(guard, request("say environ-secret-3"), "environ-secret-3")
    data = (tmp_path / "kernel" / "trace" / f"{id}.jsonl").read_bytes()
    assert not [word for word in (b"header-secret-1", b"key-2", b"environ-secret-3") if word in data]
    assert read(tmp_path, id).config["tool_output_token_limit"] == 7


@pytest.mark.anyio
async def test_files_are_kept_as_they_were_before_their_first_change(tmp_path, make):
    guard, id = make()
    work = tmp_path / "work"
    work.mkdir()
    (work / "old").write_text("before\n")
    (work / "image").write_bytes(b"\xff\xfe\x00")
    edits = [FileEdit(path=str(work / name), content=b"after\n") for name in ("old", "new", "image")]
    await guard.call_begins(ToolCall(call_id="c1", name="apply_patch", input=""))
    await guard.edits_begin("c1", edits)
    (work / "old").write_text("after\n")
    await guard.edits_begin("c1", edits[:1])
    guard.call_ends(ToolCall(call_id="c1", name="apply_patch", input=""), ToolOutput(output="ok"))
    await guard.turn_ends(TurnId("turn-1"), "completed")
    await guard.aclose()
    trace = read(tmp_path, id)
    old, new, image, again = trace.images
    assert trace.bodies(old["before"]) == "before\n"
    assert (new.get("absent"), image.get("unread"), "before" in again) == (True, True, False)
    assert trace.calls["c1"].tool == "apply_patch"


def test_trace_ends_at_its_limit_and_says_so(tmp_path, make):
    guard, id = make(config={"trace": {"max_bytes": 3000}})
    for number in range(50):
        ask(guard, request(f"text {number} " * 40), "good")
    trace = read(tmp_path, id)
    assert trace.is_full
    assert 0 < len(trace.requests) < 50
    assert (tmp_path / "kernel" / "trace" / f"{id}.jsonl").stat().st_size < 6000


def test_damaged_body_is_missing_and_not_an_error(tmp_path):
    blobs = Blobs(str(tmp_path))
    name = digest_of(b'"x"')
    blobs.put(name, b'"x"')
    assert blobs.get(name) == b'"x"'
    assert os.stat(blobs.path(name)).st_mode & 0o777 == 0o600
    with open(blobs.path(name), "wb") as file:
        file.write(b"garbage")
    assert blobs.get(name) is None
    assert blobs.get("../../etc/passwd") is None


def test_thread_that_is_kept_nowhere_is_not_traced(tmp_path):
    from codex_replay.plugin import codex_turn_guards

    (spec,) = codex_turn_guards()

    def guard(**given):
        known = {"thread_id": new_thread_id(), "root_id": "r", "codex_home": str(tmp_path), "cwd": "/work"}
        setup = GuardSetup(**known, environ={}, tell=lambda msg: None, plugins=dict, **given)
        return spec.factory(setup)

    assert spec.observes
    assert guard() is None
    assert guard(rollout_path="/r", config={"trace": {"enabled": False}}) is None
    assert isinstance(guard(rollout_path="/r"), TraceGuard)
