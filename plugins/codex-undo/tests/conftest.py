"""Trees of real files as values, and random changes of them."""

from __future__ import annotations

import os
import stat

import pytest

from codex_undo.journal import Journal
from codex_undo.recorder import Recorder, limits_of
from codex_undo.section import UndoSection
from codex_undo.undo import Undoing

THREAD = "019a0000-0000-7000-8000-000000000001"


def tree(root):
    """Everything below a folder: kind, permissions, bytes or target, and which names are one file."""
    found, inodes = {}, {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(folder, name)
            place = os.path.relpath(path, root)
            status = os.lstat(path)
            mode = stat.S_IMODE(status.st_mode)
            if stat.S_ISLNK(status.st_mode):
                found[place] = ("link", os.readlink(path))
            elif stat.S_ISDIR(status.st_mode):
                found[place] = ("dir", mode)
            else:
                with open(path, "rb") as file:
                    found[place] = ("file", mode, file.read())
                inodes.setdefault(status.st_ino, set()).add(place)
    groups = {frozenset(names) for names in inodes.values() if len(names) > 1}
    return found, groups


class Bench:
    """A workspace with a journal: turns by hand, undo and redo as the commands do it."""

    def __init__(self, folder, **options):
        self.home, self.work = folder / "home", folder / "work"
        self.home.mkdir()
        self.work.mkdir()
        self.section = UndoSection(**options)
        self.number = 0
        self.recorder = self.open()

    def open(self, thread=THREAD):
        self.recorder = Recorder(str(self.home), thread, THREAD, self.section)
        return self.recorder

    @property
    def roots(self):
        return [os.fsencode(os.path.realpath(self.work))]

    def begin(self):
        self.number += 1
        self.recorder.begin(f"turn-{self.number}", str(self.work))

    def turn(self, *commands):
        """A turn whose commands are functions; what could not be kept."""
        self.begin()
        said = []
        for command in commands:
            said += self.recorder.before_command(self.roots, alone=True)
            command()
            self.recorder.after_command()
        self.recorder.end()
        return said

    def undoing(self, work):
        """What `work` gives for an `Undoing` in another process's place."""
        self.recorder.close()
        journal = Journal.open(str(self.home), make=False)
        hidden = frozenset({os.fsencode(self.home)})
        try:
            with Undoing(journal, limits_of(self.section), hidden) as undoing:
                undoing.settle(THREAD)
                return work(undoing)
        finally:
            journal.close()
            self.open()

    def undo(self, *, partial=False, dry=False):
        return self.undoing(lambda it: it.undo(THREAD, it.last(THREAD), dry=dry, partial=partial))

    def redo(self, *, partial=False, dry=False):
        return self.undoing(lambda it: it.redo(THREAD, dry=dry, partial=partial))


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.recorder.close()


@pytest.fixture
def make_bench(tmp_path):
    made = []

    def make(**options):
        folder = tmp_path / f"bench-{len(made)}"
        folder.mkdir()
        made.append(Bench(folder, **options))
        return made[-1]

    yield make
    for one in made:
        one.recorder.close()


@pytest.fixture
def tree_of():
    """The function that gives a folder as a value."""
    return tree


def verdicts(outcome):
    return {os.path.basename(step.path).decode(): step.word for step in outcome.steps}


@pytest.fixture
def words():
    """What an outcome says of each file name."""
    return verdicts
