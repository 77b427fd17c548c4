"""`codex sessions list` and how a session is named."""

from __future__ import annotations

import json


def test_list_shows_this_folder_the_newest_first_with_names(put, sessions, tmp_path, r):
    put(r.FIRST, r.small(r.FIRST, "older", cwd=str(tmp_path)))
    put(r.SECOND, r.small(r.SECOND, "newer", cwd=str(tmp_path)))
    put(r.THIRD, r.small(r.THIRD, "elsewhere"))
    assert sessions("rename", r.FIRST, "blue moon").returncode == 0

    done = sessions("list")

    assert done.returncode == 0
    assert done.stderr == ""
    rows = done.stdout.splitlines()
    assert [row.split()[0] for row in rows] == [r.SECOND, r.FIRST]
    assert "[blue moon]  older" in rows[1]


def test_list_has_pages_and_says_so(put, sessions, r):
    for id in (r.FIRST, r.SECOND, r.THIRD):
        put(id, r.small(id))
    first = json.loads(sessions("list", "--all", "--limit", "2", "--json").stdout)
    second = json.loads(sessions("list", "--all", "--limit", "2", "--json", "--cursor", first["next_cursor"]).stdout)
    assert [one["id"] for one in first["sessions"]] == [r.THIRD, r.SECOND]
    assert [one["id"] for one in second["sessions"]] == [r.FIRST]
    assert second["next_cursor"] is None
    assert f"--cursor {first['next_cursor']}" in sessions("list", "--all", "--limit", "2").stderr


def test_list_shows_those_of_sub_agents_only_when_asked(put, sessions, r):
    spawn = {"thread_spawn": {"parent_thread_id": r.FIRST, "depth": 1, "agent_nickname": "Vega"}}
    put(r.FIRST, r.small(r.FIRST, cwd="/one"))
    put(r.SECOND, r.small(r.SECOND, cwd="/one", source={"subagent": spawn}))
    listed = [
        sessions("list", "--cwd", "/one", "--limit", "1", *more).stdout.split()[0] for more in ((), ("--agents",))
    ]
    assert listed == [r.FIRST, r.SECOND]


def test_list_of_another_folder_and_of_archived_ones(put, sessions, r):
    put(r.FIRST, r.small(r.FIRST, cwd="/one"))
    put(r.SECOND, r.small(r.SECOND, cwd="/two"))
    put(r.THIRD, r.small(r.THIRD, cwd="/two"), archived=True)
    assert [r.SECOND in sessions("list", "--cwd", cwd).stdout for cwd in ("/one", "/two")] == [False, True]
    archived = sessions("list", "--archived", "--cwd", "/two")
    assert archived.stdout.startswith(r.THIRD)
    assert archived.stdout.count("\n") == 1
    assert sessions("list", "--archived", "--cwd", "/one").stdout == ""


def test_list_of_an_empty_home_says_so(sessions):
    assert (sessions("list").stdout, sessions("list", "--all").stderr) == ("", "no session is recorded\n")
    assert json.loads(sessions("list", "--json").stdout) == {"schema": 1, "sessions": [], "next_cursor": None}


def test_bad_cursor_is_told(put, sessions, r):
    put(r.FIRST, r.small(r.FIRST))
    assert r.fails(sessions("list", "--all", "--cursor", "nonsense"), 1, "cursor")


def test_list_reads_what_it_shows_and_one_more_but_not_the_rest(put, sessions, r):
    for id in (r.SECOND, r.THIRD):
        put(id, r.small(id))
    path = put(r.FIRST, r.small(r.FIRST))
    path.unlink()
    path.mkdir()  # whoever reads it fails
    done = sessions("list", "--all", "--limit", "1")
    assert (done.returncode, done.stdout.split()[0]) == (0, r.THIRD)
    assert r.fails(sessions("list", "--all", "--limit", "2"), 8, str(path))


def test_session_is_found_by_beginning_of_its_id_or_by_name_and_an_unclear_one_is_refused(put, sessions, r):
    put(r.FIRST, r.small(r.FIRST))
    put(r.SECOND, r.small(r.SECOND))
    put(r.THIRD, r.small(r.THIRD))
    sessions("rename", r.FIRST, "blue")
    assert f"session:     {r.FIRST}\n" in sessions("show", "blue").stdout
    assert f"session:     {r.THIRD}\n" in sessions("show", r.THIRD[:8]).stdout
    assert r.fails(sessions("show", r.FIRST[:8]), 1, "2 threads begin with 019a0000", r.SECOND)
    assert r.fails(sessions("show", "green"), 1, "No active or archived session found matching 'green'.", "hint:")
    assert r.fails(sessions("show", ""), 1, "matching ''")


def test_recorded_text_cannot_steer_the_terminal(put, sessions, r):
    put(r.FIRST, r.small(r.FIRST, "red \x1b[31m \u202e text", "bell \x07\x9b", cwd="/a\x1b]0;b"))
    for done in (
        sessions("list", "--all"),
        sessions("show", r.FIRST),
        sessions("search", "red"),
        sessions("export", r.FIRST),
    ):
        assert done.returncode == 0
        assert not set("\x1b\x07\x9b\u202e") & set(done.stdout + done.stderr)
        assert "\\x1b[31m \\u202e text" in done.stdout
