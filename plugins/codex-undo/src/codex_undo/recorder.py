"""Records what the turns of one thread change. Everything here works synchronously, on one worker thread at a time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from .journal import Change, Entry, Journal, now_ms
from .locks import Locks
from .scan import Differences, LeftOut, Limits, Tree, peers_in, read
from .section import UndoSection
from .states import CONTENT, LINKS, State, same, state_of

RARELY = 40
"""Between two scans that nothing forces, so many times of what a scan takes: at most a fortieth is spent on them."""

FRESH = 5
"""What was looked at before the first command of a turn holds for so many times of what a scan takes."""


class Recorder:
    """One thread's turns. Raises `StoreError` from every method that writes."""

    def __init__(self, codex_home: str, thread: str, family: str, section: UndoSection) -> None:
        self._home, self._thread, self._family, self._section = codex_home, thread, family, section
        real = os.fsencode(os.path.realpath(codex_home))
        self._hidden = frozenset({real, os.path.join(real, b"kernel")})
        self.limits = limits_of(section)
        self._journal: Journal | None = None
        self._locks: Locks | None = None
        self._trees: dict[bytes, Tree] = {}
        self._active: list[bytes] = []
        self._entry: Entry | None = None
        self._entry_written: Entry | None = None
        self._before: dict[bytes, State | None] = {}
        self._after: dict[bytes, State | None] = {}
        self._names: dict[bytes, tuple[bytes, ...]] = {}
        self._mixed: set[bytes] = set()
        self._written: dict[bytes, Change] = {}
        self._edited: set[bytes] = set()
        self._clean = False
        self._last_scan = 0.0
        self._turn, self._cwd = "", b""

    # -- the turn ----------------------------------------------------------------------------------------

    def begin(self, turn_id: str, cwd: str) -> None:
        """A turn begins. Nothing is read or written."""
        self._turn, self._cwd = turn_id, os.fsencode(os.path.realpath(cwd))
        self._entry = None
        self._active = []
        self._forget()

    def prepare(self, roots: Sequence[bytes], stopped: Callable[[], bool]) -> None:
        """Keep the contents of the roots before anybody needs them. Raises `Stopped`, `StoreError`."""
        journal = self._open()
        with journal.guarded("keep the files as they are"):
            for tree in self._trees_of(roots):
                if tree.root not in self._active:
                    tree.scan(journal.blobs, self.limits, self._hidden, stopped)
                    tree.scanned_at = time.monotonic()
            journal.blobs.flush()

    def before_command(self, roots: Sequence[bytes], *, alone: bool) -> list[str]:
        """A command is about to run: what it may change is kept when this returns. `alone` says that no other one runs.
        Returns what cannot be undone."""
        journal = self._open()
        trees = self._trees_of(roots)
        fresh = [tree for tree in trees if tree.root not in self._active]
        with journal.guarded("keep the files as they are"):
            looked = bool(self._active) and alone and self._due()
            if looked:
                self._look(ours=not self._clean)
            for tree in fresh:
                if time.monotonic() - tree.scanned_at >= FRESH * tree.took_s:
                    tree.scan(journal.blobs, self.limits, self._hidden)
                    tree.scanned_at = time.monotonic()
                self._last_scan = tree.scanned_at
                self._active.append(tree.root)
                self._names |= peers_in(tree.marks)
            self._clean = False
            if fresh:
                self._begin_entry()
                self._note_left(fresh)
            self._write()
            if looked or fresh:
                self._hold()
        return [said for tree in fresh for said in tree.left.words(self.limits)]

    def after_command(self) -> None:
        """No command runs any more: what changes from now on is not theirs, if there is time to look."""
        if self._active and not self._clean and self._due():
            with self._open().guarded("see what changed"):
                self._look(ours=True)
                self._clean = True
                self._write()  # before the baseline moves on: a process that ends in between loses nothing
                self._hold()

    def before_edits(self, paths: Sequence[bytes]) -> list[str]:
        """Files are about to be edited. Returns those that cannot be undone."""
        journal = self._open()
        left = LeftOut()
        with journal.guarded("keep the files as they are"):
            for path in _with_missing_parents(paths):
                mark = read(path, journal.blobs, self.limits, left)
                state = state_of(mark)
                tree = self._tree_with(path)
                if tree is not None:
                    if path in self._before and not same(state, state_of(tree.marks.get(path))):
                        self._mixed.add(path)
                    if mark is not None:
                        tree.marks[path] = mark
                    else:
                        tree.marks.pop(path, None)
                elif path in self._after and not same(state, self._after[path]):
                    self._mixed.add(path)
                self._before.setdefault(path, state)
                self._edited.add(path)
            self._clean = False
            self._begin_entry()
        self._write()
        return left.words(self.limits)

    def after_edits(self) -> None:
        """They were edited."""
        if not self._edited:
            return
        with self._open().guarded("see what changed"):
            for path in self._edited:
                self._after[path] = self._now(path)
            self._edited.clear()
        self._write()

    def end(self) -> None:
        """The turn is over: its entry is complete."""
        if self._entry is None:
            return
        journal = self._open()
        with journal.guarded("see what changed"):
            for path in self._edited:
                self._after[path] = self._now(path)
            if self._active and not self._clean:
                self._look(ours=True)
            journal.blobs.flush()
            for root in self._active:
                journal.baselines.save(self._trees[root])
                self._after = named(self._after, self._trees[root])
        changes = self._changes()
        if changes:
            gone = self._written.keys() - changes.keys()
            self._entry = self._entry.replace(state="done", ended_ms=now_ms())
            journal.forget_changes(self._entry, gone)
            journal.write(self._entry, changes)
        else:
            journal.drop([self._entry.id])
        with journal.guarded("see what changed"):
            journal.baselines.release(held_name(self._entry))
        self._entry = None
        self._forget()
        self._prune()

    def close(self) -> None:
        """The thread ends."""
        if self._journal is not None:
            self._journal.close()
        if self._locks is not None:
            self._locks.close()
        self._journal = self._locks = None

    # -- inside ------------------------------------------------------------------------------------------

    def _forget(self) -> None:
        self._before, self._after, self._mixed, self._written = {}, {}, set(), {}
        self._edited, self._names = set(), {}
        self._clean = False

    def _open(self) -> Journal:
        if self._journal is None:
            journal = Journal.open(self._home)
            assert journal is not None
            locks = Locks(journal.folder)
            with journal.guarded("lock the undo journal"):
                locks.share()
                locks.take(self._thread)
            self._journal, self._locks = journal, locks
            for entry in journal.entries("thread = ? and kind = 'turn' and state = 'open'", self._thread):
                recover(journal, entry, self.limits, self._hidden)
        return self._journal

    def _trees_of(self, roots: Sequence[bytes]) -> list[Tree]:
        journal = self._open()
        for root in roots:
            if root not in self._trees:
                tree = Tree(root)
                journal.baselines.load(tree, journal.blobs.all)
                self._trees[root] = tree
        return [self._trees[root] for root in roots]

    def _tree_with(self, path: bytes) -> Tree | None:
        return next((self._trees[root] for root in self._active if path.startswith(root + b"/")), None)

    def due(self) -> bool:
        """Whether `after_command` would look. May be asked at any time from any thread."""
        return bool(self._edited or self._active) and self._due()

    def idle(self, roots: Sequence[bytes]) -> bool:
        """Whether `before_command` will neither read nor write."""
        return not self._edited and not self.due() and all(root in self._active for root in roots)

    def _due(self) -> bool:
        took = sum(self._trees[root].took_s for root in self._active)
        return time.monotonic() - self._last_scan >= RARELY * took

    def _look(self, *, ours: bool) -> None:
        journal = self._open()
        for root in self._active:
            found = self._trees[root].scan(journal.blobs, self.limits, self._hidden)
            self._note(found, ours=ours)
        self._last_scan = time.monotonic()
        for root in self._active:
            self._trees[root].scanned_at = self._last_scan

    def _note(self, found: Differences, *, ours: bool) -> None:
        if not ours:
            self._mixed.update(path for path in found if path in self._before)
            return
        for path, (before, after) in found.items():
            self._before.setdefault(path, before)
            self._after[path] = after

    def _now(self, path: bytes) -> State | None:
        """The state of an edited path, as it is; a tree that covers it knows it then."""
        journal = self._open()
        mark = read(path, journal.blobs, self.limits, LeftOut())
        tree = self._tree_with(path)
        if tree is not None and mark is not None:
            tree.marks[path] = mark
        elif tree is not None:
            tree.marks.pop(path, None)
        return state_of(mark)

    def _begin_entry(self) -> None:
        journal = self._open()
        if self._entry is None:
            self._entry = journal.begin(
                Entry(
                    id=0,
                    kind="turn",
                    thread=self._thread,
                    family=self._family,
                    turn=self._turn,
                    cwd=self._cwd,
                    began_ms=now_ms(),
                )
            )
        self._entry = self._entry.replace(roots=tuple(self._active))

    def _hold(self) -> None:
        """Contents first, then the baseline that names them."""
        journal, entry = self._open(), self._entry
        if entry is not None:
            journal.blobs.flush()
            for root in self._active:
                journal.baselines.hold(self._trees[root], held_name(entry))

    def _note_left(self, trees: Sequence[Tree]) -> None:
        assert self._entry is not None
        left = [
            *self._entry.notes.get("left_out", ()),
            *(said for tree in trees for said in tree.left.words(self.limits)),
        ]
        if left:
            self._entry = self._entry.replace(notes={**self._entry.notes, "left_out": left})

    def _changes(self) -> dict[bytes, Change]:
        found = {}
        for path, before in self._before.items():
            if before is not None and self._tree_with(path) is not None:
                before = before.replace(peers=self._names.get(path, ()))  # noqa: PLW2901 - as the turn found it
            after = self._after.get(path)
            mixed = path in self._mixed
            if path not in self._after and path not in self._edited:
                continue
            if mixed or not same(before, after) or _peers(before) != _peers(after):
                found[path] = Change(before=before, after=after, mixed=mixed)
        return found

    def _write(self) -> None:
        if self._entry is None:
            return
        now = {
            path: Change(before=before, after=self._after.get(path), mixed=path in self._mixed)
            for path, before in self._before.items()
        }
        new = {path: change for path, change in now.items() if self._written.get(path) != change}
        if new or self._entry != self._entry_written:
            self._open().write(self._entry, new)
        self._written, self._entry_written = now, self._entry

    def _prune(self) -> None:
        journal, locks = self._open(), self._locks
        assert locks is not None
        with journal.guarded("prune the undo journal"):
            if not locks.alone():
                return
        try:
            section = self._section
            locks.tidy()
            journal.prune(section.keep_turns, section.max_mb << 20, self._needed)
        finally:
            with journal.guarded("prune the undo journal"):
                locks.share_again()

    def _needed(self) -> set[str]:
        return {mark[CONTENT] for tree in self._trees.values() for mark in tree.marks.values()}


def limits_of(section: UndoSection) -> Limits:
    """The limits of scans by the configuration: what a root looks like takes half of the journal at most."""
    out = frozenset(os.fsencode(name) for name in section.exclude)
    return Limits(section.max_file_mb << 20, section.max_files, section.max_mb << 19, out)


def held_name(entry: Entry) -> str:
    """The name under which a turn holds its baselines."""
    return f"{entry.id}"


def recover(journal: Journal, entry: Entry, limits: Limits, hidden: frozenset[bytes]) -> Entry:
    """Complete the entry of a turn whose process is gone, from what it held: what differs now counts as its doing.
    Nobody can tell what was changed by others since; `notes["cut_off"]` says so."""
    changes = journal.changes(entry)
    with journal.guarded("see what a turn changed that was cut off"):
        for root in entry.roots:
            tree = journal.baselines.held(held_name(entry), root)
            if tree is None or not os.path.isdir(root):
                continue
            for path, (before, after) in tree.scan(journal.blobs, limits, hidden).items():
                known = changes.get(path) or Change(before=before, after=after)
                changes[path] = known.replace(after=after)
            names = named({path: change.after for path, change in changes.items()}, tree)
            changes = {path: change.replace(after=names[path]) for path, change in changes.items()}
        for path, change in changes.items():
            if not any(path.startswith(root + b"/") for root in entry.roots):
                state = state_of(read(path, journal.blobs, limits, LeftOut()))
                changes[path] = change.replace(after=state)
    kept = {path: one for path, one in changes.items() if one.mixed or not same(one.before, one.after)}
    done = entry.replace(state="done", ended_ms=now_ms(), notes={**entry.notes, "cut_off": True})
    journal.forget_changes(entry, changes.keys() - kept.keys())
    if kept:
        journal.write(done, kept)
    else:
        journal.drop([entry.id])
    with journal.guarded("see what a turn changed that was cut off"):
        journal.baselines.release(held_name(entry))
    return done


def named(states: dict[bytes, State | None], tree: Tree) -> dict[bytes, State | None]:
    """The states with the names that their files have in the tree by now: a file may get another name, or lose one,
    without a change of its own."""
    if not any(mark[LINKS] > 1 for path in states if (mark := tree.marks.get(path)) is not None) and not any(
        _peers(state) for state in states.values()
    ):
        return states
    names = peers_in(tree.marks)
    return {
        path: state if state is None or path not in tree.marks else state.replace(peers=names.get(path, ()))
        for path, state in states.items()
    }


def _peers(state: State | None) -> tuple[bytes, ...]:
    return () if state is None else state.peers


def _with_missing_parents(paths: Sequence[bytes]) -> list[bytes]:
    """The paths, with the folders that will have to be made for them before them."""
    found: dict[bytes, None] = {}
    for path in paths:
        missing = []
        parent = os.path.dirname(path)
        while not os.path.lexists(parent):
            missing.append(parent)
            parent = os.path.dirname(parent)
        found.update(dict.fromkeys(reversed(missing)))
        found[path] = None
    return list(found)
