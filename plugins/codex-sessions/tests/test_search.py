"""`codex sessions search`."""

from __future__ import annotations

import json

import pytest

from codex_sessions.search import Needle


def found(done):
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [(line["session"], line["turn"], line["in"]) for line in lines if line["type"] == "match"], lines[-1]


def test_search_finds_messages_commands_and_outputs_with_turn_and_snippet(put, sessions, r):
    put(
        r.FIRST,
        [
            *r.small(r.FIRST, "about a Yak"),
            r.begun("t2"),
            r.user("x"),
            r.command("grep yak", "a yak\n"),
            r.agent("the yak is there"),
            r.ended("t2"),
        ],
    )
    put(r.SECOND, r.small(r.SECOND, "nothing of it"))
    done = sessions("search", "yak", "--json")
    assert done.returncode == 0
    assert found(done) == (
        [(r.FIRST, 1, "user"), (r.FIRST, 2, "command"), (r.FIRST, 2, "output"), (r.FIRST, 2, "agent")],
        {"type": "done", "sessions": 2, "matches": 4, "complete": True},
    )
    shown = sessions("search", "yak is")
    assert "  turn 2  agent: the yak is there\n" in shown.stdout
    assert shown.stderr == "1 match in 2 sessions\n"


def test_search_leaves_instructions_and_context_alone(put, sessions, r):
    put(r.FIRST, [r.meta(r.FIRST), r.response("developer", "secret sauce"), *r.small(r.FIRST)[1:]])
    for text in ("sauce", "You are an agent", "item_completed"):
        done = sessions("search", text)
        assert (done.returncode, done.stdout) == (1, "")


def test_search_keeps_to_folder_limit_and_archive(put, sessions, r):
    put(r.FIRST, r.small(r.FIRST, cwd="/one"))
    put(r.SECOND, r.small(r.SECOND, cwd="/two"))
    put(r.THIRD, r.small(r.THIRD, cwd="/two"), archived=True)
    assert {one[0] for one in found(sessions("search", "zebra", "--json"))[0]} == {r.FIRST, r.SECOND}
    assert {one[0] for one in found(sessions("search", "zebra", "--json", "--archived", "--cwd", "/two"))[0]} == {
        r.SECOND,
        r.THIRD,
    }
    matches, end = found(sessions("search", "zebra", "--json", "--limit", "1"))
    assert len(matches) == 1
    assert end["complete"] is False


def test_search_goes_on_behind_a_damaged_file(put, sessions, r):
    put(r.FIRST, r.small(r.FIRST))
    put(r.SECOND, "zebra garbage\n")
    done = sessions("search", "zebra")
    assert done.returncode == 0
    assert r.FIRST in done.stdout
    assert "warning: not searched:" in done.stderr
    assert r.SECOND in done.stderr


def test_nothing_to_search_for_is_refused(sessions, r):
    assert r.fails(sessions("search", " "), 1, "nothing to search for")


@pytest.mark.parametrize("text", ['say "hi"', "back\\slash", "tab\there", "grün", "a/b", "日本", "plain words", "\n"])
@pytest.mark.parametrize("escaped", [True, False])
def test_bytes_that_hold_the_text_are_never_passed_over(text, escaped):
    for written in (text, text.upper()):
        encoded = json.dumps(f"before {written} after", ensure_ascii=escaped).encode()
        assert Needle(text).may_be_in(encoded)
        assert Needle(text).find(f"before {written} after") == (7, 7 + len(text))


def test_capitals_count_where_there_are_some():
    assert Needle("Yak").find("a yak") is None
    assert Needle("yak", case_sensitive=True).find("a Yak") is None
    assert not Needle("Yak").may_be_in(b"a yak")


def test_text_across_two_blocks_of_a_file_is_found(tmp_path):
    file = tmp_path / "big"
    file.write_bytes(b"x" * (1024 * 1024 - 3) + b"needle" + b"y" * 100)
    assert Needle("needle").may_be_in_file(str(file))
    assert not Needle("needles").may_be_in_file(str(file))
