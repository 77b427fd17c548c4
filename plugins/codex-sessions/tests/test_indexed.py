"""Search with an index: the same results, those that were said first; and what is done with jobs."""

from __future__ import annotations

import json
import os

import pytest

from codex_plugin_sdk.state import Claimed
from codex_sessions.daily import JOB

pytest.importorskip("codex_state_sqlite")


@pytest.fixture
def codex(within):
    return within


def found(done):
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [(line["session"], line["turn"], line["in"]) for line in lines if line["type"] == "match"], lines[-1]


def test_what_was_said_comes_first_and_nothing_is_missed(put, sessions, codex, r, home):
    put(r.FIRST, r.small(r.FIRST, "about a yak"))
    put(r.SECOND, [*r.small(r.SECOND, "nothing")[:-1], r.command("cat", "a yak\n"), r.ended()])
    put(r.THIRD, r.small(r.THIRD, "archived yak"), archived=True)
    indexed = sessions("index")
    assert (indexed.returncode, indexed.stderr) == (0, "3 sessions indexed\n")
    said, end = found(sessions("search", "yak", "--json"))
    assert said == [(r.FIRST, 1, "user"), (r.SECOND, 1, "output")]
    assert end == {"type": "done", "sessions": 2, "matches": 2, "complete": True}
    without = codex("--no-plugin", "state-sqlite", "sessions", "search", "yak", "--json")
    assert sorted(found(without)[0]) == sorted(said)
    # Of what was said alone, files in which it was not are not read: this one says so now, and does not show it.
    (second,) = home.rglob(f"*{r.SECOND}.jsonl")
    before = second.stat()
    second.write_bytes(second.read_bytes().replace(b"nothing", b"yak yak"))
    os.utime(second, ns=(before.st_atime_ns, before.st_mtime_ns))
    said, end = found(sessions("search", "yak", "--messages", "--archived", "--json"))
    assert said == [(r.FIRST, 1, "user"), (r.THIRD, 1, "user")]
    assert end["sessions"] == 3


def test_session_that_grew_since_is_found_all_the_same(put, sessions, r, codex):
    path = put(r.FIRST, r.small(r.FIRST))
    assert sessions("index", "--rebuild").returncode == 0
    with path.open("a") as file:
        file.write(r.encoded([r.begun("t2"), r.user("a yak"), r.ended("t2")]))
    assert found(sessions("search", "yak", "--messages", "--json"))[0] == [(r.FIRST, 2, "user")]
    off = codex("-c", "state.index=false", "sessions", "search", "yak", "--messages", "--json")
    assert found(off)[0] == [(r.FIRST, 2, "user")]


def test_index_that_cannot_be_had_is_told_and_search_goes_on(put, sessions, r, home):
    put(r.FIRST, r.small(r.FIRST))
    (home / "kernel").write_text("in the way")
    done = sessions("search", "zebra")
    assert done.returncode == 0
    assert done.stderr.count("warning: the index of sessions is not used") == 1
    assert r.FIRST in done.stdout
    assert sessions("index").returncode == 8


def test_gc_is_done_once_a_day_by_whoever_comes_first(put, sessions, r, home):
    from codex_state_sqlite.store import SqliteState

    put(r.FIRST, r.small(r.FIRST), days_ago=100)
    args = ("gc", "--yes", "--daily", "--max-age-days", "90")
    state = SqliteState(str(home))
    state.add_job(*JOB)
    claim = state.claim_job(*JOB)
    assert isinstance(claim, Claimed)
    busy = sessions(*args)
    assert (busy.returncode, list(home.rglob("*.jsonl")) == []) == (0, False)
    assert "is at it" in busy.stderr
    state.finish_job(claim, again_after_s=0)
    state.close()
    assert "1 session of 1 deleted" in sessions(*args).stderr
    again = sessions(*args)
    assert (again.returncode, again.stdout) == (0, "")
    assert again.stderr.startswith("nothing to do before ")


def test_index_that_cannot_take_all_sessions_says_how_many_are_missing(put, sessions, r):
    import resource

    put(r.FIRST, r.small(r.FIRST))
    assert sessions("index").returncode == 0
    put(r.SECOND, r.small(r.SECOND, " ".join(f"{number:x}" for number in range(9000))))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (32 * 1024, limits[1]))  # as if the disk was full
    try:
        done = sessions("index")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert done.returncode == 8
    assert "warning: the index of sessions is not used" in done.stderr
    assert done.stderr.endswith("1 session indexed\n1 session not\n")
    assert sessions("index").returncode == 0
