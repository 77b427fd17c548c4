"""Taking back turns, and taking that back."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from codex_plugin_sdk import CodexError, StoreError, UserError, Value, value

from .journal import Change, Entry, Journal, now_ms
from .locks import Locks
from .plan import Step, merged, plan, reverse
from .recorder import recover
from .restore import carry_out, keep_present
from .states import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from .scan import Limits


@value
class Outcome(Value):
    """What was done, or would be: the turns, newest first, and a step for each path. `refused` when nothing was done
    for its conflicts."""

    thread: str
    entries: tuple[Entry, ...]
    steps: tuple[Step, ...]
    applied: bool = False
    refused: bool = False
    journal_id: int | None = None

    @property
    def unsolved(self) -> list[Step]:
        """The steps that cannot be done."""
        return [step for step in self.steps if step.verdict in ("conflict", "lost")]

    @property
    def cut_off(self) -> bool:
        """Whether a turn among them did not come to its end."""
        return any(entry.notes.get("cut_off") for entry in self.entries)

    @property
    def left_out(self) -> list[str]:
        """What was not kept when the turns ran."""
        return list(dict.fromkeys(said for entry in self.entries for said in entry.notes.get("left_out", ())))


class Undoing:
    """Undo and redo on an open journal. `then` of both is done after the files, within what is taken back if it fails.
    Raises `UserError`, `StoreError`."""

    def __init__(self, journal: Journal, limits: Limits, hidden: frozenset[bytes]) -> None:
        self._journal, self._limits, self._hidden = journal, limits, hidden
        self._locks = Locks(journal.folder)

    def __enter__(self) -> Undoing:
        with self._journal.guarded("lock the undo journal"):
            self._locks.share()
        return self

    def __exit__(self, *_: object) -> None:
        self._locks.close()

    # -- which ---------------------------------------------------------------------------------------------

    def newest_thread(self, cwd: bytes, kind: str = "turn") -> str:
        """The thread that changed files in this folder last, or whose change was taken back last. Raises
        `UserError`."""
        which = "undone_by is null" if kind == "undo" else "1"
        found = self._journal.entries(f"cwd = ? and kind = ? and {which}", cwd, kind)
        if not found:
            raise UserError(f"no turn in this folder is there to {'redo' if kind == 'undo' else 'undo'}", hint=_HINT)
        return found[0].family

    def threads(self, beginning: str) -> list[str]:
        """Threads whose id begins so."""
        found = self._journal.entries("substr(family, 1, ?) = ?", len(beginning), beginning)
        return list(dict.fromkeys(entry.family for entry in found))

    def settle(self, thread: str) -> None:
        """Complete what was cut off. Raises `StoreError` while a process runs the thread or an agent below it."""
        entries = self._journal.entries("family = ? and state = 'open' and kind = 'turn'", thread)
        with self._journal.guarded("lock the undo journal"):
            for name in {thread, *(entry.thread for entry in entries)}:
                self._locks.require(name)
        for entry in entries:
            recover(self._journal, entry, self._limits, self._hidden)

    def require_complete(self, thread: str) -> None:
        """Raise `StoreError` where something that was cut off would have to be completed first, and somebody who runs
        the thread keeps us from that."""
        if self._journal.entries("family = ? and state = 'open' and kind = 'turn'", thread):
            self.settle(thread)

    def last(self, thread: str) -> list[Entry]:
        """The last turn of the thread that is not undone, with what agents below it did meanwhile. Raises
        `UserError`."""
        turns = self._turns(thread)
        own = next((entry for entry in turns if entry.thread == thread), turns[0] if turns else None)
        if own is None:
            raise UserError(f"nothing is left to undo in session {thread}", hint=_HINT)
        return [entry for entry in turns if entry.id >= own.id]

    def of_turns(self, thread: str, ids: Sequence[str]) -> list[Entry]:
        """The entries of these turns of the thread, and of what agents did since the first of them began."""
        turns = self._turns(thread)
        first = min((entry.id for entry in turns if entry.thread == thread and entry.turn in set(ids)), default=None)
        return [] if first is None else [entry for entry in turns if entry.id >= first]

    def _turns(self, thread: str) -> list[Entry]:
        return self._journal.entries("family = ? and kind = 'turn' and undone_by is null", thread)

    def undone(self, thread: str) -> tuple[Entry, list[Entry]]:
        """The undo that a redo takes back, and its turns. Raises `UserError`."""
        undos = self._journal.entries("family = ? and kind = 'undo' and undone_by is null", thread)
        undos = [entry for entry in undos if entry.state == "done"]
        if not undos:
            raise UserError(f"nothing was undone in session {thread}", hint="codex undo takes back its last turn")
        later = self._journal.entries("family = ? and kind = 'turn' and id > ?", thread, undos[0].id)
        if later:
            raise UserError(
                f"session {thread} went on after the undo, so that it cannot be taken back",
                hint="codex undo takes back the turns since",
            )
        return undos[0], self._journal.entries("undone_by = ?", undos[0].id)

    # -- doing ---------------------------------------------------------------------------------------------

    def undo(
        self, thread: str, entries: Sequence[Entry], *, dry: bool, partial: bool, then: Callable[[], None] | None = None
    ) -> Outcome:
        """Take back turns of a thread."""
        changes = reverse(merged([(entry, self._journal.changes(entry)) for entry in entries]))
        steps = plan(changes, self._journal.blobs)
        outcome = Outcome(thread=thread, entries=tuple(entries), steps=tuple(steps))
        if dry or (outcome.unsolved and not partial):
            return outcome.replace(refused=bool(outcome.unsolved) and not partial)
        begun = self._journal.begin(self._entry("undo", thread, entries))
        self._apply(begun, steps, changes, then)
        self._journal.mark([entry.id for entry in entries], begun.id, _done(begun))
        return outcome.replace(applied=True, journal_id=begun.id)

    def redo(self, thread: str, *, dry: bool, partial: bool) -> Outcome:
        """Take back the last undo of a thread."""
        undo, turns = self.undone(thread)
        changes = reverse(self._journal.changes(undo))
        steps = plan(changes, self._journal.blobs)
        outcome = Outcome(thread=thread, entries=tuple(turns), steps=tuple(steps))
        if dry or (outcome.unsolved and not partial):
            return outcome.replace(refused=bool(outcome.unsolved) and not partial)
        begun = self._journal.begin(self._entry("redo", thread, turns))
        self._apply(begun, steps, changes, None)
        self._journal.mark([entry.id for entry in turns], None, _done(begun))
        self._journal.mark([undo.id], begun.id)
        return outcome.replace(applied=True, journal_id=begun.id)

    def _entry(self, kind: str, thread: str, entries: Sequence[Entry]) -> Entry:
        newest = entries[0] if entries else None
        return Entry(
            id=0,
            kind=kind,
            thread=thread,
            family=thread,
            turn=newest.turn if newest else "",
            cwd=newest.cwd if newest else b"",
            began_ms=now_ms(),
            roots=tuple(dict.fromkeys(root for entry in entries for root in entry.roots)),
            notes={"entries": [entry.id for entry in entries]},
        )

    def _apply(
        self, begun: Entry, steps: Sequence[Step], changes: Mapping[bytes, Change], then: Callable[[], None] | None
    ) -> None:
        """First everything that is replaced is kept and written down, then the files are changed: cut off at any
        moment, it can be called again and goes on where it was."""
        journal = self._journal
        roots = begun.roots if any(step.verdict == "do" and step.want for step in steps) else ()
        found = {step.path: _recorded(step, changes[step.path]) for step in steps if step.verdict in ("do", "done")}
        try:
            with journal.guarded("keep the files as they are"):
                keep_present(steps, journal.blobs)
            journal.write(begun, found)
            with journal.guarded("make the folder of the session again"):
                for root in roots:
                    os.makedirs(root, exist_ok=True)
            carry_out(steps, journal.blobs)
            if then is not None:
                self._and_then(then, steps)
        except (OSError, CodexError):
            journal.drop([begun.id])
            raise

    def _and_then(self, then: Callable[[], None], steps: Sequence[Step]) -> None:
        try:
            then()
        except CodexError as error:
            try:
                carry_out(_back(steps), self._journal.blobs)
            except StoreError as again:
                raise StoreError(
                    f"{error.message}; and the files could not be put back: {again.message}",
                    path=again.path,
                    operation="undo",
                ) from error
            raise


def _recorded(step: Step, change: Change) -> Change:
    """What an undo did to a path. One that was as wanted already may have been left so by an undo that was cut off."""
    before: State | None = change.before if step.verdict == "done" else step.now
    if before is not None and change.before is not None and before.same(change.before):
        before = change.before  # it knows the other names of the file
    return Change(before=before, after=step.want)


def _back(steps: Sequence[Step]) -> list[Step]:
    return [found.replace(want=step.now) for step in steps if step.verdict == "do" for found in [_seen_again(step)]]


def _seen_again(step: Step) -> Step:
    from .plan import observe

    now, identity = observe(step.path)
    return step.replace(now=now, seen=identity)


def _done(entry: Entry) -> Entry:
    return entry.replace(state="done", ended_ms=now_ms())


_HINT = "`codex undo ID` names another session; codex sessions list shows them"
