"""Entries of the journal: what each turn, undo and redo changed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson

from codex_plugin_sdk import Value, field, value

from .baseline import Baselines
from .blobs import Blobs
from .database import connect, failures, folder_of, transaction
from .states import State, from_json, to_json

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator


@value
class Change(Value):
    """What an entry did to a path. `mixed`: somebody else changed it in between."""

    before: State | None
    after: State | None
    mixed: bool = False


@value
class Entry(Value):
    """`kind` is turn, undo or redo; `state` open or done. `family` is the thread at the top of the tree of agents.
    `notes` holds what was left out, and of an undo the entries that it undid."""

    id: int
    kind: str
    thread: str
    family: str
    turn: str
    cwd: bytes
    began_ms: int
    ended_ms: int | None = None
    state: str = "open"
    undone_by: int | None = None
    roots: tuple[bytes, ...] = ()
    notes: Mapping[str, Any] = field(factory=dict)


class Journal:
    """The journal of one home. Every method raises `StoreError`; one thread uses it at a time."""

    def __init__(self, folder: str, database: sqlite3.Connection) -> None:
        self.folder = folder
        self.database = database
        self.blobs = Blobs(folder, database)
        self.baselines = Baselines(folder, self.generation)

    @classmethod
    def open(cls, codex_home: str, *, make: bool = True) -> Journal | None:
        """The journal; None where there is none and none is to be made."""
        folder = folder_of(codex_home)
        database = connect(folder, make=make)
        return None if database is None else cls(folder, database)

    def close(self) -> None:
        """Let go of the files."""
        with self.guarded("close the undo journal"):
            self.database.close()

    def generation(self) -> str:
        """A word that changes whenever contents are removed, and with the database."""
        return str(self.database.execute("select word from generation").fetchone()[0])

    @contextmanager
    def guarded(self, operation: str) -> Iterator[None]:
        """What the disk says in here is a `StoreError`."""
        with failures(operation, os.path.join(self.folder, "journal.sqlite")):
            yield

    # -- writing ---------------------------------------------------------------------------------------

    def begin(self, entry: Entry) -> Entry:
        """Open an entry; it gets its id."""
        with self.guarded("write the undo journal"), transaction(self.database):
            row = self.database.execute(
                "insert into entries values (null, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) returning id",
                _row(entry)[1:],
            ).fetchone()
        return entry.replace(id=row[0])

    def write(self, entry: Entry, changes: Mapping[bytes, Change]) -> None:
        """Write an entry as it is now, with changes that are new or different; contents that wait as well."""
        rows = [(entry.id, path, _text(one.before), _text(one.after), int(one.mixed)) for path, one in changes.items()]
        with self.guarded("write the undo journal"), transaction(self.database):
            self.blobs.flush()
            self.database.executemany("insert or replace into changes values (?, ?, ?, ?, ?)", rows)
            self.database.execute(
                "insert or replace into entries values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", _row(entry)
            )

    def forget_changes(self, entry: Entry, paths: Iterable[bytes]) -> None:
        """Remove changes that came to nothing."""
        with self.guarded("write the undo journal"), transaction(self.database):
            self.database.executemany(
                "delete from changes where entry = ? and path = ?", [(entry.id, path) for path in paths]
            )

    def drop(self, ids: Iterable[int]) -> None:
        """Remove entries."""
        wanted = [(id,) for id in ids]
        with self.guarded("write the undo journal"), transaction(self.database):
            self.database.executemany("delete from changes where entry = ?", wanted)
            self.database.executemany("delete from entries where id = ?", wanted)

    def mark(self, ids: Sequence[int], undone_by: int | None, finished: Entry | None = None) -> None:
        """Note that entries were undone, or no longer are; together with an entry that is done by it."""
        with self.guarded("write the undo journal"), transaction(self.database):
            self.database.executemany("update entries set undone_by = ? where id = ?", [(undone_by, id) for id in ids])
            if finished is not None:
                self.database.execute(
                    "update entries set state = ?, ended_ms = ?, undone_by = ? where id = ?",
                    (finished.state, finished.ended_ms, finished.undone_by, finished.id),
                )

    # -- reading ---------------------------------------------------------------------------------------

    def entries(self, where: str, *values: Any) -> list[Entry]:
        """Entries by a condition of ours, the newest first."""
        with self.guarded("read the undo journal"):
            rows = self.database.execute(
                f"select * from entries where {where} order by id desc",  # noqa: S608 - callers write it out
                values,
            ).fetchall()
        return [_entry(row) for row in rows]

    def changes(self, entry: Entry) -> dict[bytes, Change]:
        """What an entry did."""
        with self.guarded("read the undo journal"):
            rows = self.database.execute(
                "select path, before, after, mixed from changes where entry = ?", (entry.id,)
            ).fetchall()
        return {row[0]: Change(before=_state(row[1]), after=_state(row[2]), mixed=bool(row[3])) for row in rows}

    # -- pruning ---------------------------------------------------------------------------------------

    def prune(self, keep_turns: int, max_bytes: int, live: Callable[[], set[str]] = set) -> None:
        """Drop the oldest entries beyond the limits, when they are exceeded by a fifth, and what only they needed. The
        caller is alone with the journal; `live` gives contents that it needs besides."""
        with self.guarded("prune the undo journal"):
            turns = [
                row[0] for row in self.database.execute("select id from entries where state = 'done' order by id desc")
            ]
            size = self.blobs.stored_bytes()
        if len(turns) <= keep_turns * 1.2 and size <= max_bytes:
            return
        self.drop(turns[keep_turns:])
        turns = turns[:keep_turns]
        while self._sweep(live) > max_bytes * 0.9 and turns:
            half = len(turns) // 2
            self.drop(turns[half:])
            turns = turns[:half]
            if not turns:
                self.baselines.forget_roots(time.time() - 60)
                self._sweep(live)

    def _sweep(self, also: Callable[[], set[str]]) -> int:
        """Remove contents that nothing names; what is left in bytes."""
        with self.guarded("prune the undo journal"), transaction(self.database):
            live = self.baselines.contents() | also()
            for row in self.database.execute("select before, after from changes"):
                live.update(state.content for state in map(_state, row) if state is not None)
            self.blobs.drop_except(live)
            self.database.execute("update generation set word = hex(randomblob(16))")
            return self.blobs.stored_bytes()


def now_ms() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


def _row(entry: Entry) -> tuple[Any, ...]:
    roots = orjson.dumps([root.decode("latin-1") for root in entry.roots]).decode()
    return (
        *(entry.id, entry.kind, entry.thread, entry.family, entry.turn, entry.cwd, entry.began_ms, entry.ended_ms),
        *(entry.state, entry.undone_by, roots, orjson.dumps(entry.notes).decode()),
    )


def _entry(row: tuple[Any, ...]) -> Entry:
    return Entry(
        id=row[0],
        kind=row[1],
        thread=row[2],
        family=row[3],
        turn=row[4],
        cwd=row[5],
        began_ms=row[6],
        ended_ms=row[7],
        state=row[8],
        undone_by=row[9],
        roots=tuple(root.encode("latin-1") for root in orjson.loads(row[10])),
        notes=orjson.loads(row[11]),
    )


def _text(state: State | None) -> str | None:
    return None if state is None else orjson.dumps(to_json(state)).decode()


def _state(text: str | None) -> State | None:
    return None if text is None else from_json(orjson.loads(text))
