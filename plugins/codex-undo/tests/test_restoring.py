"""Undo and redo of real files: bytes, permissions, links; conflicts; what is cut off."""

import os
import random
import shutil

import pytest

from codex_plugin_sdk import StoreError, UserError


def test_bytes_modes_and_links_come_back_and_go_again(bench, tree_of):
    work = bench.work
    (work / "a.txt").write_text("one\n")
    (work / "run.sh").write_text("#!/bin/sh\n")
    (work / "run.sh").chmod(0o755)
    (work / "sub/empty").mkdir(parents=True)
    (work / "link").symlink_to("a.txt")
    (work / "one").write_bytes(os.urandom(300_000))
    os.link(work / "one", work / "two")
    before = tree_of(work)

    def change():
        (work / "a.txt").write_text("two\n")
        (work / "run.sh").chmod(0o600)
        shutil.rmtree(work / "sub")
        (work / "link").unlink()
        (work / "link").symlink_to("/etc/passwd")
        (work / "two").unlink()
        (work / "two").write_text("alone")
        (work / "new/deep").mkdir(parents=True)
        (work / "new/deep/file").write_text("made")

    bench.turn(change)
    after = tree_of(work)
    outcome = bench.undo()
    assert outcome.applied
    assert not outcome.unsolved
    assert tree_of(work) == before
    assert bench.redo().applied
    assert tree_of(work) == after


def test_undo_goes_back_turn_by_turn(bench, tree_of):
    file = bench.work / "f"
    states = [tree_of(bench.work)]
    for text in ("1", "2", "3"):
        bench.turn(lambda text=text: file.write_text(text))
        states.append(tree_of(bench.work))
    for state in states[-2::-1]:
        bench.undo()
        assert tree_of(bench.work) == state
    with pytest.raises(UserError, match="nothing is left to undo"):
        bench.undo()
    for state in states[1:]:
        bench.redo()
        assert tree_of(bench.work) == state
    with pytest.raises(UserError, match="nothing was undone"):
        bench.redo()


def test_what_the_user_changed_since_is_a_conflict_and_stays(bench, words):
    one, two = bench.work / "one", bench.work / "two"
    one.write_text("1")
    bench.turn(lambda: (one.write_text("turn"), two.write_text("turn")))
    one.write_text("mine")
    refused = bench.undo()
    assert refused.refused
    assert words(refused) == {"one": "conflict", "two": "remove"}
    assert (one.read_text(), two.read_text()) == ("mine", "turn")
    assert bench.undo(partial=True).applied
    assert one.read_text() == "mine"
    assert not two.exists()


def test_what_the_user_changed_between_two_commands_is_a_conflict(make_bench, words, monkeypatch):
    monkeypatch.setattr("codex_undo.recorder.RARELY", 0)
    bench = make_bench()
    file, own = bench.work / "file", bench.work / "own"
    file.write_text("1")
    bench.begin()
    bench.recorder.before_command(bench.roots, alone=True)
    file.write_text("turn")
    bench.recorder.after_command()
    file.write_text("mine")
    own.write_text("mine")
    bench.recorder.before_command(bench.roots, alone=True)
    file.write_text("turn again")
    bench.recorder.after_command()
    bench.recorder.end()
    outcome = bench.undo()
    assert words(outcome) == {"file": "conflict"}
    assert own.read_text() == "mine"


def test_a_folder_with_files_of_the_user_stays(bench, words):
    made = bench.work / "made"
    bench.turn(lambda: (made.mkdir(), (made / "by-turn").write_text("x")))
    (made / "mine").write_text("m")
    outcome = bench.undo()
    assert outcome.applied
    assert words(outcome) == {"made": "kept", "by-turn": "remove"}
    assert os.listdir(made) == ["mine"]


def test_a_link_swapped_in_is_not_followed(bench, tmp_path):
    sub = bench.work / "sub"
    sub.mkdir()
    (sub / "f").write_text("old")
    bench.turn(lambda: (sub / "f").write_text("new"))
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "f").write_text("new")
    shutil.rmtree(sub)
    sub.symlink_to(victim)
    assert bench.undo().refused
    assert (victim / "f").read_text() == "new"


def test_edits_are_kept_by_path_without_a_scan(bench, tree_of):
    work = bench.work
    (work / "a").write_text("old")
    (work / "gone").write_text("bytes")
    before = tree_of(work)
    bench.begin()
    paths = [os.fsencode(work / name) for name in ("a", "gone", "new/dir/file")]
    bench.recorder.before_edits(paths)
    (work / "a").write_text("new")
    (work / "gone").unlink()
    (work / "new/dir").mkdir(parents=True)
    (work / "new/dir/file").write_text("made")
    bench.recorder.after_edits()
    bench.recorder.end()
    assert bench.recorder._active == []
    after = tree_of(work)
    assert bench.undo().applied
    assert tree_of(work) == before
    bench.redo()
    assert tree_of(work) == after


@pytest.mark.parametrize("moment", ["command", "after", "edits"])
def test_a_turn_that_is_killed_can_be_undone(bench, tree_of, moment):
    """The process does nothing at all any more: as after SIGKILL, only what is on the disk counts."""
    file = bench.work / "f"
    file.write_text("old")
    before = tree_of(bench.work)
    bench.begin()
    if moment == "edits":
        bench.recorder.before_edits([os.fsencode(file)])
    else:
        bench.recorder.before_command(bench.roots, alone=True)
    file.write_text("new")
    (bench.work / "made").write_text("x") if moment != "edits" else None
    if moment == "after":
        bench.recorder.after_command()
        bench.recorder.before_command(bench.roots, alone=True)
        (bench.work / "more").write_text("y")
    outcome = bench.undo()
    assert outcome.applied
    assert outcome.cut_off
    assert tree_of(bench.work) == before


def test_an_undo_that_is_cut_off_is_finished_by_the_next(bench, tree_of, monkeypatch):
    for name in "abc":
        (bench.work / name).write_text("old")
    before = tree_of(bench.work)
    bench.turn(lambda: [(bench.work / name).write_text("new") for name in "abc"])
    after = tree_of(bench.work)

    class Killed(BaseException):
        pass

    from codex_undo import restore

    real, count = restore._put, []

    def put(*args):
        if len(count) == 2:
            raise Killed
        count.append(1)
        real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(restore, "_put", put)
        with pytest.raises(Killed):
            bench.undo()
    assert tree_of(bench.work) not in (before, after)
    assert bench.undo().applied
    assert tree_of(bench.work) == before
    bench.redo()
    assert tree_of(bench.work) == after


def test_a_failure_in_the_middle_puts_everything_back(bench, tree_of, monkeypatch):
    for name in "abc":
        (bench.work / name).write_text("old")
    bench.turn(lambda: [(bench.work / name).write_text("new") for name in "abc"])
    after = tree_of(bench.work)
    from codex_undo import restore

    real = restore._put

    def put(path, state, blobs):
        if path.endswith(b"/c"):
            raise OSError(28, "No space left on device", path)
        real(path, state, blobs)

    with monkeypatch.context() as patch:
        patch.setattr(restore, "_put", put)
        with pytest.raises(StoreError, match="nothing was changed"):
            bench.undo()
    assert tree_of(bench.work) == after
    assert bench.undo().applied


def test_what_is_too_large_is_said_before_and_cannot_be_undone(make_bench, words):
    bench = make_bench(max_file_mb=1)
    big = bench.work / "big.bin"
    big.write_bytes(b"x" * (2 << 20))
    said = bench.turn(lambda: big.write_bytes(b"y"))
    assert said == [f"{big} (larger than 1 MB)"]
    outcome = bench.undo()
    assert words(outcome) == {"big.bin": "lost"}
    assert outcome.left_out == said
    assert big.read_bytes() == b"y"


def test_files_beyond_the_limit_are_said_and_left_out(make_bench):
    bench = make_bench(max_files=3)
    for number in range(5):
        (bench.work / f"f{number}").write_text("x")
    assert bench.turn(lambda: None) == ["what lies beyond the first 3 files"]


def test_git_and_names_that_are_excluded_stay_as_they_are(make_bench, words):
    bench = make_bench(exclude=("cache",))
    for name in (".git", "cache", "src"):
        (bench.work / name).mkdir()

    def change():
        for name in (".git", "cache", "src"):
            (bench.work / name / "f").write_text("x")

    bench.turn(change)
    assert words(bench.undo()) == {"f": "remove"}
    assert (bench.work / ".git/f").exists()
    assert (bench.work / "cache/f").exists()


def test_a_session_that_runs_cannot_be_undone(bench):
    (bench.work / "f").write_text("1")
    bench.turn(lambda: (bench.work / "f").write_text("2"))
    running = bench.recorder
    running.before_command(bench.roots, alone=True)
    close, running.close = running.close, lambda: None
    try:
        with pytest.raises(StoreError, match="is running"):
            bench.undo()
    finally:
        close()


def test_a_redo_is_refused_after_further_turns(bench):
    file = bench.work / "f"
    bench.turn(lambda: file.write_text("1"))
    bench.undo()
    bench.turn(lambda: file.write_text("2"))
    with pytest.raises(UserError, match="went on after the undo"):
        bench.redo()


def test_agents_below_a_thread_are_undone_with_its_turn(bench, tree_of):
    work = bench.work
    (work / "f").write_text("0")
    before = tree_of(work)
    parent = bench.recorder
    bench.begin()
    parent.before_command(bench.roots, alone=True)
    child = bench.open("019a0000-0000-7000-8000-000000000002")
    bench.turn(lambda: ((work / "f").write_text("child"), (work / "g").write_text("child")))
    child.close()
    (work / "f").write_text("parent")
    parent.after_command()
    parent.end()
    parent.close()
    assert bench.undo().applied
    assert tree_of(work) == before


class Changes:
    """Random changes of a tree, without names that lead out of it."""

    def __init__(self, root, seed):
        self.root, self.random = root, random.Random(seed)

    def paths(self):
        found = []
        for folder, folders, files in os.walk(self.root):
            found += [os.path.join(folder, name) for name in folders + files]
        return sorted(found)

    def fresh(self):
        folders = [str(self.root)] + [p for p in self.paths() if os.path.isdir(p) and not os.path.islink(p)]
        return os.path.join(
            self.random.choice(folders), self.random.choice("abcdefgh\u00e4 ") + str(self.random.randrange(6))
        )

    def file(self):
        return self.random.choice([p for p in self.paths() if os.path.isfile(p) and not os.path.islink(p)] or [None])

    def any(self):
        return self.random.choice(self.paths() or [None])

    def once(self):
        kind = self.random.choice(
            ["write", "write", "append", "mkdir", "link", "hard", "mode", "remove", "move", "same"]
        )
        path, other = self.fresh(), self.any()
        if kind == "write" and not os.path.lexists(path):
            with open(path, "wb") as file:
                file.write(self.random.randbytes(self.random.choice([0, 5, 200_000])))
        elif kind == "append" and (path := self.file()):
            with open(path, "ab") as file:
                file.write(b"more")
        elif kind == "same" and (path := self.file()):
            with open(path, "r+b") as file:
                file.write(b"@" if os.path.getsize(path) else b"")
        elif kind == "mkdir" and not os.path.lexists(path):
            os.mkdir(path)
        elif kind == "link" and not os.path.lexists(path):
            os.symlink(self.random.choice(["..", "nowhere", "/etc", "a1"]), path)
        elif kind == "hard" and not os.path.lexists(path) and (source := self.file()):
            os.link(source, path)
        elif kind == "mode" and other and not os.path.islink(other):
            os.chmod(
                other, self.random.choice([0o700, 0o755, 0o750] if os.path.isdir(other) else [0o600, 0o644, 0o755])
            )
        elif kind == "remove" and other:
            shutil.rmtree(other) if os.path.isdir(other) and not os.path.islink(other) else os.unlink(other)
        elif kind == "move" and other and not os.path.lexists(path) and not path.startswith(other):
            os.rename(other, path)


@pytest.mark.parametrize("seed", range(6))
def test_any_changes_are_undone_to_the_exact_tree_and_redone(bench, tree_of, seed):
    changes = Changes(bench.work, seed)
    for _ in range(15):
        changes.once()
    states = [tree_of(bench.work)]
    for _ in range(3):
        bench.turn(*[lambda: [changes.once() for _ in range(4)]] * 2)
        states.append(tree_of(bench.work))
    distinct = [state for state, following in zip(states, [*states[1:], None], strict=True) if state != following]
    for state in distinct[-2::-1]:
        outcome = bench.undo()
        assert outcome.applied, outcome.unsolved
        assert tree_of(bench.work) == state
    for state in distinct[1:]:
        outcome = bench.redo()
        assert outcome.applied, outcome.unsolved
        assert tree_of(bench.work) == state
