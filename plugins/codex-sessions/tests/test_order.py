"""Archive, put back, rename, delete, gc."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from codex_plugin_sdk import ConfigError, ThreadSummary
from codex_sessions.gc import beyond
from codex_sessions.section import SessionsSection

DAY = 86_400_000


@contextmanager
def opened(path):
    """As a writer holds it."""
    with open(path, "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def ids(done):
    return {one["id"] for one in json.loads(done.stdout)["sessions"]}


def test_archive_and_unarchive_say_what_codex_says(put, codex, sessions, r):
    put(r.FIRST, r.small(r.FIRST))
    done = codex("archive", r.FIRST)
    assert (done.returncode, done.stdout) == (0, f"Archived session {r.FIRST}.\n")
    assert ids(sessions("list", "--all", "--archived", "--json")) == {r.FIRST}
    assert r.fails(codex("archive", r.FIRST), 1, f"No active session found matching '{r.FIRST}'.")
    done = codex("unarchive", r.FIRST)
    assert (done.returncode, done.stdout) == (0, f"Unarchived session {r.FIRST}.\n")
    assert r.fails(codex("unarchive", r.FIRST), 1, f"No archived session found matching '{r.FIRST}'.")
    assert ids(sessions("list", "--all", "--json")) == {r.FIRST}


def test_delete_needs_a_terminal_or_force_with_an_id(put, codex, sessions, r):
    path = put(r.FIRST, r.small(r.FIRST))
    sessions("rename", r.FIRST, "blue")
    assert r.fails(
        codex("delete", r.FIRST), 1, "without an interactive terminal; rerun with --force and a session UUID"
    )
    assert r.fails(codex("delete", "blue", "--force"), 1, "--force requires a session UUID")
    assert r.fails(sessions("delete", "blue"), 1, "rerun with --yes")
    assert path.exists()
    done = codex("delete", "--force", r.FIRST)
    assert (done.returncode, done.stdout) == (0, f"Deleted session blue ({r.FIRST}).\n")
    assert not path.exists()
    assert r.fails(codex("delete", "--force", r.FIRST), 1, "No active or archived session found")
    assert r.fails(sessions("show", "blue"), 1, "No active or archived session found")


@pytest.mark.parametrize(("answer", "there"), [("n", True), ("", True), ("y", False)])
def test_delete_asks_on_a_terminal_and_no_is_the_default(answer, there, put, environ, tmp_path, r):
    path = put(r.FIRST, r.small(r.FIRST))
    leader, follower = pty.openpty()
    program = str(Path(sys.executable).with_name("codex"))
    process = subprocess.Popen(
        [program, "delete", r.FIRST],
        env=environ,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        cwd=tmp_path,
        start_new_session=True,
    )
    os.close(follower)
    shown = b""
    while b"[y/N]" not in shown:
        assert select.select([leader], [], [], 20)[0], shown
        shown += os.read(leader, 4096)
    os.write(leader, answer.encode() + b"\n")
    assert process.wait(20) == 0
    os.close(leader)
    assert path.exists() is there


def test_open_session_is_neither_deleted_nor_archived(put, codex, sessions, r):
    path = put(r.FIRST, r.small(r.FIRST))
    with opened(path):
        for done in (codex("delete", "--force", r.FIRST), sessions("delete", "-y", r.FIRST), codex("archive", r.FIRST)):
            assert r.fails(done, 8, "already has an active writer", "end that session first")
    assert path.exists()


def test_session_that_codex_has_open_is_neither_deleted_nor_archived(put, codex, sessions, home, r):
    path = put(r.FIRST, r.small(r.FIRST))
    lock = home / "thread-writer-locks" / f"{r.FIRST}.lock"
    lock.parent.mkdir()
    with opened(lock):
        for done in (codex("delete", "--force", r.FIRST), codex("archive", r.FIRST)):
            assert r.fails(done, 8, f"thread {r.FIRST} already has an active writer", "end that session first")
        assert "already has an active writer" in sessions("gc", "--yes", "--max-count", "0").stderr
    assert path.exists()
    assert codex("delete", "--force", r.FIRST).returncode == 0


def test_session_that_another_goes_on_from_is_not_deleted(put, sessions, r):
    first = put(r.FIRST, r.small(r.FIRST))
    base = {"thread_id": r.FIRST, "end_ordinal_exclusive": 7, "end_byte_offset": first.stat().st_size}
    put(r.SECOND, r.encoded([r.meta(r.SECOND, history_base=base)]).replace('"ordinal":0', '"ordinal":7'))
    assert r.fails(sessions("delete", "-y", r.FIRST), 1, "holds the beginning of", r.SECOND)
    done = sessions("gc", "--yes", "--max-count", "1")  # the older one would go
    assert (done.returncode, first.exists()) == (0, True)
    assert sessions("gc", "--yes", "--max-count", "0").returncode == 0
    assert not first.exists()


def test_file_from_elsewhere_is_shown_but_not_changed(tmp_path, sessions, codex, r):
    path = tmp_path / f"rollout-2026-11-21T00-00-00-{r.FIRST}.jsonl"
    path.write_text(r.encoded(r.small(r.FIRST)))
    assert "Here it is." in sessions("show", path).stdout
    for done in (sessions("delete", "-y", path), codex("archive", path), sessions("rename", path, "x")):
        assert r.fails(done, 1, "is a file")
    assert path.exists()


@pytest.mark.parametrize(
    "name", ["", "  ", "two\nlines", "esc\x1b[0m", "n" * 201, "019a0000-0000-7000-8000-000000000009"]
)
def test_name_that_could_not_be_typed_is_refused(name, put, sessions, r):
    put(r.FIRST, r.small(r.FIRST))
    assert r.fails(sessions("rename", r.FIRST, name), 1, "hint:")


def test_read_only_home_is_one_clear_error(put, sessions, home, r):
    put(r.FIRST, r.small(r.FIRST))
    (home / "session_index.jsonl").mkdir()
    assert r.fails(sessions("rename", r.FIRST, "x"), 8, "session_index.jsonl")


# -- gc ------------------------------------------------------------------------------------------------


def summary(id, *, days_ago=0, archived=False, size=10, base=None):
    meta = {} if base is None else {"history_base": {"thread_id": base}}
    return ThreadSummary(
        thread_id=id,
        path="",
        created_at_ms=0,
        updated_at_ms=(1000 - days_ago) * DAY,
        archived=archived,
        size_bytes=size,
        meta=meta,
    )


FOUND = [
    summary("new"),
    summary("old", days_ago=9),
    summary("middle", days_ago=5),
    summary("put aside", days_ago=1, archived=True),
]


@pytest.mark.parametrize(
    ("limits", "going"),
    [
        ({"max_age_days": 4}, ["old", "middle"]),
        ({"max_age_days": 0}, ["put aside", "old", "middle"]),
        ({"max_count": 3}, ["put aside"]),
        ({"max_count": 1}, ["put aside", "old", "middle"]),
        ({"max_bytes": 20}, ["put aside", "old"]),
        ({"max_count": 4, "max_bytes": 40, "max_age_days": 9}, []),
        ({"max_count": 0}, ["put aside", "old", "middle", "new"]),
        ({"max_age_days": 8, "max_count": 2}, ["put aside", "old"]),
    ],
)
def test_archived_ones_go_first_then_the_oldest(limits, going):
    assert [one.thread_id for one, _ in beyond(FOUND, SessionsSection(**limits), 1000 * DAY)] == going


def test_what_a_kept_session_goes_on_from_stays_also_by_way_of_another():
    found = [
        summary("new", base="middle"),
        summary("middle", days_ago=5, base="old"),
        summary("old", days_ago=9),
        summary("alone", days_ago=9),
    ]
    assert [one.thread_id for one, _ in beyond(found, SessionsSection(max_age_days=3), 1000 * DAY)] == ["alone"]


def test_gc_follows_the_configuration_shows_what_would_go_and_keeps_what_is_open(put, sessions, home, r):
    files = [put(id, r.small(id), days_ago=days) for id, days in ((r.FIRST, 30), (r.SECOND, 20), (r.THIRD, 0))]
    assert r.fails(sessions("gc", "--yes"), 1, "there is no limit")
    (home / "config.toml").write_text("[sessions]\nmax_age_days = 10\n")
    done = sessions("gc", "--dry-run", "--json")
    assert [one["id"] for one in json.loads(done.stdout)["deleted"]] == [r.FIRST, r.SECOND]
    assert all(path.exists() for path in files)
    assert "without an interactive terminal" in sessions("gc").stderr
    with opened(files[0]):
        done = sessions("gc", "--yes")
    assert done.returncode == 8
    assert "kept: " in done.stderr
    assert "already has an active writer" in done.stderr
    assert [path.exists() for path in files] == [True, False, True]
    assert sessions("gc", "--yes").returncode == 0
    assert [path.exists() for path in files] == [False, False, True]


def test_negative_or_odd_limit_is_an_error_of_the_configuration(sessions, home, r):
    with pytest.raises(ConfigError, match="max_count"):
        SessionsSection(max_count=-1).checked()
    (home / "config.toml").write_text("[sessions]\nmax_bytes = -1\n")
    assert r.fails(sessions("gc", "--dry-run"), 3, "max_bytes")
    (home / "config.toml").write_text('[sessions]\nmax_age_days = "ten"\n')
    assert r.fails(sessions("gc", "--dry-run"), 3, "max_age_days")
