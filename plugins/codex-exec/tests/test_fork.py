"""`codex exec fork`: a new session that begins with what was said in another one."""

from __future__ import annotations

import json

import click
import pytest

from codex_exec.options import ExecOptions
from codex_exec.session import target
from codex_plugin_sdk import Invocation
from codex_plugin_sdk.testing.model import say


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def heads(codex):
    """The `session_meta` of every rollout by thread id."""
    return {meta["id"]: meta for meta in (lines(path)[0]["payload"] for path in codex.rollouts())}


def said(request):
    """The user's messages in a request, context aside."""
    texts = [
        part["text"]
        for item in request.json["input"]
        if item.get("role") == "user"
        for part in item["content"]
        if not part["text"].lstrip().startswith("<")
    ]
    return [text for text in texts if not text.startswith("# AGENTS.md")]


@pytest.fixture
def recorded(codex, server):
    """A session of three turns; its id."""
    server.play(*(server.answer(say(f"answer {number}")) for number in (1, 2, 3)))
    thread = codex.run("exec", "--json", "one").events[0]["thread_id"]
    for text in ("two", "three"):
        assert codex.run("exec", "resume", thread, text).code == 0
    return thread


def test_fork_is_whole_or_ends_at_a_turn_and_leaves_its_origin_alone(codex, server, recorded):
    (path,) = codex.rollouts()
    before = path.read_bytes()
    server.play(server.answer(say("whole")), server.answer(say("part")))
    whole = codex.run("exec", "--json", "fork", recorded, "and on")
    assert whole.code == 0, whole.err
    assert said(server.requests[-1]) == ["one", "two", "three", "and on"]
    part = codex.run("exec", "fork", "--turn", "1", recorded[:13], "another way")
    assert (part.code, part.out) == (0, "part\n")
    assert said(server.requests[-1]) == ["one", "another way"]
    # Without a prompt there is no turn, as in Codex; with --turn of the last one it is whole.
    bare = codex.run("exec", "--json", "fork", "--turn", "3", recorded)
    assert bare.code == 0
    (started,) = bare.events
    assert started["type"] == "thread.started"
    assert len(server.requests) == 5
    origins = {id: meta.get("forked_from_id") for id, meta in heads(codex).items()}
    assert len(origins) == 4
    assert {found for id, found in origins.items() if id != recorded} == {recorded}
    assert origins[started["thread_id"]] == recorded
    # Ids tell whose a turn is: those that were taken over are older than the session, its own are younger.
    (fork,) = (found for found in codex.rollouts() if whole.events[0]["thread_id"] in found.name)
    turns = [entry["payload"]["turn_id"] for entry in lines(fork) if entry["payload"].get("type") == "task_started"]
    assert [turn > whole.events[0]["thread_id"] for turn in turns] == [False, False, False, True]
    assert path.read_bytes() == before


def test_fork_before_a_compaction_has_all_that_was_said_and_what_is_not_there_is_refused(codex, server):
    server.play(server.answer(say("one")), server.answer(say("x")))
    thread = codex.run("exec", "--json", "one").events[0]["thread_id"]
    done = codex.run("exec", "fork", "--turn", "9", thread, "go")
    assert (done.code, done.out) == (1, "")
    assert "no turn 9: 1 are recorded" in done.err
    (path,) = codex.rollouts()
    short = {"timestamp": "2026-11-21T02:54:55.638Z", "type": "compacted", "payload": {"replacement_history": []}}
    with path.open("a") as file:
        file.write(json.dumps(short) + "\n")
    assert codex.run("exec", "fork", "--before-compaction", "1", "--last", "go").code == 0
    assert said(server.requests[-1]) == ["one", "go"]


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (("fork",), {}),
        (("go",), {"turn": 1}),
        (("resume", "x", "go"), {"before_compaction": 1}),
        (("fork", "x", "go"), {"turn": 1, "before_compaction": 1}),
        (("fork", "x"), {"images": ("a.png",)}),
        (("fork", "x", "go", "further"), {}),
    ],
)
def test_fork_that_cannot_be_meant_is_a_mistake_of_the_command_line(words, given, tmp_path):
    options = ExecOptions(Invocation(plugins=None, environ={}), {"words": words, "cwd": str(tmp_path), **given})
    with pytest.raises(click.UsageError):
        target(options)
