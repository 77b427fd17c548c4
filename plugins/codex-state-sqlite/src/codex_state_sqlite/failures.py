"""What SQLite's errors mean here."""

from __future__ import annotations

import sqlite3  # noqa: TID253 - nothing on the way to a turn imports this module

from codex_plugin_sdk import StoreError

BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_USELESS = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN})
MOVED = 1032  # SQLITE_READONLY_DBMOVED: the file has another name now


class Damaged(Exception):
    """The database holds what nobody has written."""


class Unavailable(StoreError):
    """There is no database here and there can be none: a home that is read-only, a file system without what a shared
    database needs, a database of a newer version."""


def code_of(error: sqlite3.Error) -> int:
    """The primary result code; 0 where the module itself complains."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection is in the way, for a moment."""
    return code_of(error) in BUSY


def is_moved(error: sqlite3.Error) -> bool:
    """Whether the file was put aside by another process."""
    return getattr(error, "sqlite_errorcode", 0) == MOVED


def is_damage(error: Exception) -> bool:
    """Whether the file is not, or no longer, a database that can be read."""
    return isinstance(error, Damaged) or (isinstance(error, sqlite3.Error) and code_of(error) in DAMAGED)


def store_error(error: sqlite3.Error | OSError, path: str) -> StoreError:
    """The error for the user."""
    why = error.strerror if isinstance(error, OSError) else None
    useless = isinstance(error, sqlite3.Error) and code_of(error) in _USELESS
    return (Unavailable if useless else StoreError)(
        f"the state database {path} cannot be used: {why or error}",
        path=path,
        operation="use the state database",
        hint="is there room on the disk, and may this user write there?",
    )
