"""The journal's database: `$CODEX_HOME/kernel/undo/journal.sqlite`, for this user alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from codex_plugin_sdk import StoreError

if TYPE_CHECKING:
    import sqlite3

BUSY_S = 10
VERSION = 1
_SCHEMA = """
create table if not exists entries (
    id integer primary key, kind text not null, thread text not null, family text not null, turn text not null,
    cwd blob not null, began_ms integer not null, ended_ms integer, state text not null,
    undone_by integer, roots text not null default '[]', notes text not null default '{}'
);
create index if not exists entries_of_thread on entries (thread, id);
create index if not exists entries_of_folder on entries (cwd, id);
create table if not exists changes (
    entry integer not null, path blob not null, before text, after text, mixed integer not null default 0,
    primary key (entry, path)
) without rowid;
create table if not exists blobs (digest blob primary key, stored integer not null, codec integer not null, data blob);
create table if not exists generation (word text not null);
insert into generation select hex(randomblob(16)) where not exists (select * from generation);
create index if not exists blob_sizes on blobs (stored);
"""


def folder_of(codex_home: str) -> str:
    """Where the journal lies."""
    return os.path.join(codex_home, "kernel", "undo")


def connect(folder: str, *, make: bool) -> sqlite3.Connection | None:
    """Open the database; None where there is none and none is to be made. Used by one thread at a time. Raises
    `StoreError`."""
    import sqlite3

    path = os.path.join(folder, "journal.sqlite")
    if not make and not os.path.exists(path):
        return None
    with failures("open the undo journal", path):
        os.makedirs(folder, mode=0o700, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        found = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            found.execute("pragma journal_mode = wal")
            found.execute("pragma synchronous = normal")
            _prepare(found, path)
        except BaseException:
            found.close()
            raise
    return found


def _prepare(database: sqlite3.Connection, path: str) -> None:
    version = database.execute("pragma user_version").fetchone()[0]
    if version > VERSION:
        raise StoreError(
            f"the undo journal {path} was written by a newer version", path=path, operation="open", hint="upgrade codex"
        )
    if version < VERSION:
        with transaction(database):
            for statement in _SCHEMA.split(";"):
                database.execute(statement)
            database.execute(f"pragma user_version = {VERSION}")


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing; the writers of several processes come one after the other."""
    database.execute("begin immediate")
    try:
        yield
    except BaseException:
        database.execute("rollback")
        raise
    database.execute("commit")


@contextmanager
def failures(operation: str, path: str) -> Iterator[None]:
    """Turn what a disk or a database says into `StoreError`."""
    import sqlite3

    try:
        yield
    except sqlite3.DatabaseError as error:
        damaged = "malformed" in str(error) or "not a database" in str(error)
        hint = f"it is damaged: move {path} away, and a new one is begun" if damaged else _HINT
        raise StoreError(f"could not {operation}: {error}", path=path, operation=operation, hint=hint) from error
    except OSError as error:
        place = error.filename if isinstance(error.filename, str) else path
        text = f"could not {operation} ({place}): {error.strerror or error}"
        raise StoreError(text, path=place, operation=operation, hint=_HINT) from error


_HINT = "make room or make it writable; `[undo] required = false` goes on without undo"
