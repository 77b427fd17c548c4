"""`codex sessions import`."""

from __future__ import annotations

import json
import os

import pytest


@pytest.fixture
def elsewhere(tmp_path, r):
    def write(id, lines=None, name=None):
        path = tmp_path / (name or f"rollout-2026-11-21T00-00-00-{id}.jsonl")
        path.write_text(lines if isinstance(lines, str) else r.encoded(lines or r.small(id)))
        os.utime(path, (1_700_000_000, 1_700_000_000))
        return path

    return write


def all_files(home):
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file() and path.suffix == ".jsonl")


def test_import_takes_over_the_bytes_and_the_time_of_the_last_change(elsewhere, sessions, home, r):
    path = elsewhere(r.FIRST)
    done = sessions("import", path)
    assert done.returncode == 0
    assert done.stdout.startswith(f"imported {r.FIRST}  7 lines")
    (taken,) = (home / name for name in all_files(home))
    assert taken.read_bytes() == path.read_bytes()
    assert (taken.stat().st_mode & 0o777, int(taken.stat().st_mtime)) == (0o600, 1_700_000_000)
    assert "Here it is." in sessions("show", r.FIRST).stdout
    assert [name for name in os.listdir(taken.parent) if name != taken.name] == []


def test_dry_run_takes_over_nothing(elsewhere, sessions, home, r):
    done = sessions("import", "--dry-run", elsewhere(r.FIRST))
    assert (done.returncode, done.stdout.split()[:2]) == (0, ["would", "import"])
    assert not (home / "sessions").exists()


def test_session_that_is_here_already_is_told_and_kept(elsewhere, sessions, put, r):
    there = put(r.FIRST, r.small(r.FIRST, "mine"))
    before = there.read_bytes()
    assert r.fails(sessions("import", elsewhere(r.FIRST)), 1, r.FIRST, "here already", str(there))
    assert there.read_bytes() == before


def test_several_files_go_on_after_a_refused_one(elsewhere, sessions, home, r):
    good, twin = elsewhere(r.FIRST), elsewhere(r.FIRST, name="twin.jsonl")
    bad = elsewhere(r.SECOND, "{}\n", name="bad.jsonl")
    last = elsewhere(r.THIRD)
    done = sessions("import", bad, good, twin, last)
    assert done.returncode == 1
    assert [row.split()[1] for row in done.stdout.splitlines()] == [r.FIRST, r.THIRD]
    assert done.stderr.count("refused: ") == 2
    assert "same session as" in done.stderr
    assert "2 sessions taken over, 2 files refused" in done.stderr
    assert len(all_files(home)) == 2
    lines = [json.loads(row) for row in sessions("import", "--json", bad, good).stdout.splitlines()]
    assert [line["type"] for line in lines] == ["import", "refused", "refused"]


def test_damaged_line_is_named(elsewhere, sessions, home, r):
    rows = r.encoded(r.small(r.FIRST)).splitlines(keepends=True)
    cases = {
        "line 3 is damaged: it is not JSON": [*rows[:2], rows[2][:30] + "\n", *rows[3:]],
        "line 7 is damaged: it is not JSON": [*rows[:6], rows[6][:30]],
        "line 1 is damaged: a rollout begins with `session_meta`": rows[1:],
        "line 2 is damaged: it is not a JSON object": [rows[0], "[]\n"],
        "line 2 is damaged: its `payload` is missing": [rows[0], '{"timestamp":"","type":"x"}\n'],
        "line 2 is damaged: its `payload` is not an object": [rows[0], '{"timestamp":"","type":"x","payload":1}\n'],
        "line 3 is damaged: its ordinal 1 comes after 1": [*rows[:2], rows[1]],
        "line 1 is damaged: its `id` is no UUID": [rows[0].replace(r.FIRST, "../../evil")],
        "is empty": [],
    }
    for number, (words, damaged) in enumerate(cases.items()):
        assert r.fails(sessions("import", elsewhere(r.FIRST, "".join(damaged), name=f"{number}.jsonl")), 1, words)
    assert all_files(home) == []


def test_what_is_no_file_is_told(sessions, tmp_path, r):
    assert r.fails(sessions("import", tmp_path / "none.jsonl"), 1, "cannot read", "No such file")
    assert r.fails(sessions("import", tmp_path), 1, "cannot read", "directory")


def test_fork_needs_what_it_goes_on_from(elsewhere, sessions, r):
    first = elsewhere(r.FIRST)
    base = {"thread_id": r.FIRST, "end_ordinal_exclusive": 7, "end_byte_offset": first.stat().st_size}
    head = r.encoded([r.meta(r.SECOND, history_base=base)]).replace('"ordinal":0', '"ordinal":7')
    fork = elsewhere(r.SECOND, head)
    assert r.fails(sessions("import", fork), 1, f"goes on from session {r.FIRST}", "import that one before it")
    assert sessions("import", first, fork).returncode == 0
    assert "Here it is." in sessions("show", r.SECOND).stdout


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_read_only_home_is_one_clear_error(elsewhere, sessions, home, r):
    path = elsewhere(r.FIRST)
    home.chmod(0o500)
    assert r.fails(sessions("import", path), 8, "cannot import", "CODEX_HOME")
    home.chmod(0o700)


def test_home_whose_folder_is_a_file_is_one_clear_error(elsewhere, sessions, home, r):
    (home / "sessions").write_text("")
    assert r.fails(sessions("import", elsewhere(r.FIRST)), 8, "cannot import", "CODEX_HOME")
