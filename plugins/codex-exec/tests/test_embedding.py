"""What programs that run `codex exec` rely on."""

from __future__ import annotations

import json

from codex_plugin_sdk.testing.model import say

ORIGINATOR = "CODEX_INTERNAL_ORIGINATOR_OVERRIDE"


def head(path):
    """The first line of a rollout."""
    return json.loads(path.read_text().splitlines()[0])["payload"]


def test_who_runs_us_and_where_a_session_comes_from_are_recorded(codex, server):
    server.play(server.answer(say("hi")), server.answer(say("hi")))
    assert codex.run("exec", "--thread-source", "nightly", "go", env={ORIGINATOR: "some_sdk"}).code == 0
    (path,) = codex.rollouts()
    assert (head(path)["originator"], head(path)["thread_source"]) == ("some_sdk", "nightly")
    assert codex.run("exec", "go").code == 0
    (other,) = [found for found in codex.rollouts() if found != path]
    assert (head(other)["originator"], head(other).get("thread_source")) == ("codex_exec", None)


def test_an_event_is_one_line_also_for_readers_that_divide_at_other_separators(codex, server):
    text = "a\u2028b\u2029c"
    server.play(server.answer(say(text)))
    done = codex.run("exec", "--json", "go")
    assert [event["item"]["text"] for event in done.events if "item" in event] == [text]
    assert not {"\u2028", "\u2029"} & set(done.out)
