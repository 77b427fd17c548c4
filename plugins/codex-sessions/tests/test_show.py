"""`codex sessions show`: modern files, older ones, damaged ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codex_plugin_sdk import RolloutLine
from codex_sessions.transcript import Transcript

RECORDED = Path(__file__).resolve().parents[4] / "shared/protocol/rollout_lines.json"


def read(lines):
    made = (
        RolloutLine(
            type=kind, payload=json.dumps(body, separators=(",", ":")).encode(), timestamp="2026-11-21T02:54:55.638Z"
        )
        for kind, body in lines
    )
    transcript = Transcript(made)
    return list(transcript.turns()), transcript.usage


def test_show_tells_head_turns_commands_changes_and_tokens(put, sessions, r):
    lines = [
        *r.small(r.FIRST),
        r.begun("t2"),
        r.user("and now change it"),
        r.change("/workspace/a.txt", "@@ -1 +1,2 @@\n-one\n+two\n+three\n"),
        r.used(3),
        r.agent("Changed."),
        r.ended("t2"),
    ]
    put(r.FIRST, lines)
    done = sessions("show", r.FIRST)
    assert done.returncode == 0
    assert done.stderr == ""
    for words in (
        f"session:     {r.FIRST}\nfolder:      /workspace\n",
        "turn 1  2026-11-21 02:54  completed  0.5 s\n  > find the zebra\n  $ ls -l\n    [exit 0, 1.5 s]\n      zebra.txt\n      horse.txt\n    Here it is.\n  120 tokens: 100 in (40 cached), 20 out (5 reasoning)\n",
        "  M /workspace/a.txt (+2 -1)\n    Changed.\n  240 tokens:",
        "the whole session: 360 tokens: 300 in (120 cached), 60 out (15 reasoning)\n",
    ):
        assert words in done.stdout
    one = sessions("show", r.FIRST, "--turn", "2", "--full").stdout
    assert "+three" in one
    assert "turn 1" not in one
    assert "no turn 3: it has 2" in sessions("show", r.FIRST, "--turn", "3").stderr


def test_show_json_is_one_object_with_everything(put, sessions, r):
    put(r.FIRST, r.small(r.FIRST))
    found = json.loads(sessions("show", r.FIRST, "--json").stdout)
    assert found["session"]["id"] == r.FIRST
    assert [turn["status"] for turn in found["turns"]] == ["completed"]
    assert [entry["type"] for entry in found["turns"][0]["items"]] == [
        "user_message",
        "command_execution",
        "agent_message",
    ]
    assert found["turns"][0]["usage"] == found["usage"] == r.USAGE


def test_turn_that_failed_or_has_no_end_says_so(r):
    failed = ("event_msg", {"type": "error", "message": "no credit", "turn_id": "t1"})
    turns, _ = read([r.meta(r.FIRST), r.begun(), r.user("a"), failed, r.begun("t2"), r.user("b")])
    assert [(turn.status, turn.error) for turn in turns] == [("failed", "no credit"), ("unfinished", "")]


def test_older_file_with_told_messages_shows_them_once_and_its_calls(r):
    call = (
        "response_item",
        {"type": "function_call", "name": "shell", "arguments": '{"command":["bash","-lc","ls"]}', "call_id": "c1"},
    )
    output = ("response_item", {"type": "function_call_output", "call_id": "c1", "output": "a.txt"})
    told = [
        r.response("user", "<environment_context>"),
        r.response("user", "hi"),
        ("event_msg", {"type": "user_message", "message": "hi"}),
        call,
        output,
        ("event_msg", {"type": "agent_message", "message": "hello"}),
        r.response("assistant", "hello"),
        r.response("user", "more"),
        ("event_msg", {"type": "user_message", "message": "more"}),
        ("event_msg", {"type": "agent_message", "message": "yes"}),
    ]
    turns, _ = read([r.meta(r.FIRST), *told])
    assert [[entry["type"] for entry in turn.entries] for turn in turns] == [
        ["user_message", "command_execution", "agent_message"],
        ["user_message", "agent_message"],
    ]
    assert turns[0].entries[1]["command"] == "ls"
    assert turns[0].entries[1]["aggregated_output"] == "a.txt"
    assert [turn.entries[0]["text"] for turn in turns] == ["hi", "more"]


def test_oldest_file_has_nothing_but_response_items(r):
    turns, _ = read(
        [
            r.meta(r.FIRST),
            r.response("user", "# AGENTS.md instructions"),
            r.response("user", "one"),
            r.response("assistant", "1"),
            r.response("user", "two"),
            r.response("assistant", "2"),
        ]
    )
    assert [[entry["text"] for entry in turn.entries] for turn in turns] == [["one", "1"], ["two", "2"]]
    assert [turn.status for turn in turns] == ["completed", "completed"]


@pytest.mark.skipif(not RECORDED.exists(), reason="recorded lines of the protocol are not beside the repository")
def test_every_recorded_kind_of_item_is_shown():
    recorded = json.loads(RECORDED.read_text())
    turns, usage = read([(line["type"], line["payload"]) for line in recorded.values()])
    kinds = [entry["type"] for turn in turns for entry in turn.entries]
    assert kinds == [
        "user_message",
        "reasoning",
        "agent_message",
        "command_execution",
        "file_change",
        "web_search",
        "context_compaction",
        "mcp_tool_call",
    ]
    assert usage["total_tokens"] == 120


def test_damaged_lines_are_counted_and_the_rest_is_shown(put, sessions, r):
    rows = r.encoded(r.small(r.FIRST)).splitlines(keepends=True)
    rows[3] = rows[3][:40] + "\n"
    put(r.FIRST, "".join(rows))
    done = sessions("show", r.FIRST)
    assert done.returncode == 0
    assert "Here it is." in done.stdout
    assert "warning: 1 damaged line(s)" in done.stderr


def test_file_that_is_no_rollout_is_one_clear_error(put, sessions, r):
    path = put(r.FIRST, "garbage\n\x00\n")
    for command in (("show", r.FIRST, "--json"), ("export", r.FIRST)):
        assert r.fails(sessions(*command), 8, str(path), "is damaged", "hint:")
