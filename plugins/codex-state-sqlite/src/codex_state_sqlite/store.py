"""The state store of a home: what the contracts promise, over one database."""

from __future__ import annotations

import os
import sqlite3  # noqa: TID253 - nothing on the way to a turn imports this module
import zlib
from collections.abc import Callable, Sequence
from typing import TypeVar

from codex_plugin_sdk import StoreError, ThreadSummary
from codex_plugin_sdk.state import Claim, Claimed, IndexedThreads

from .clock import Clock
from .database import Database
from .failures import Damaged
from .files import thread_names
from .index import Index
from .jobs import JobTable
from .rows import place, summary, with_beginnings

T = TypeVar("T")
PLACE = ("kernel", "state.sqlite")


def database_path(codex_home: str) -> str:
    """Where the database of a home lies."""
    return os.path.join(os.path.abspath(codex_home), *PLACE)


class SqliteState:
    """Implements `StateStore`, `Jobs` and `RolloutIndex` for one home. Nothing is opened before it is used."""

    def __init__(
        self, codex_home: str, *, index: bool = True, database: Database | None = None, clock: Clock | None = None
    ) -> None:
        self._home = os.path.abspath(codex_home)
        self.database = database or Database(database_path(codex_home))
        self._jobs = JobTable(clock or Clock())
        self._indexes = index
        self.index = Index(self._home, self.database)
        self._notices: list[str] = []
        self._told = 0

    def close(self) -> None:
        """Let go of the file."""
        self.database.close()

    # -- values --------------------------------------------------------------------------------------

    def get(self, namespace: str, key: str) -> bytes | None:
        """The value, or None. Raises `StoreError` where there can be no database."""

        def work(connection: sqlite3.Connection) -> bytes | None:
            row = connection.execute(
                "SELECT data, crc FROM kv WHERE namespace = ? AND key = ?", (namespace, key)
            ).fetchone()
            if row is None:
                return None
            if zlib.crc32(row[0]) != row[1]:
                raise Damaged(f"the value {namespace}/{key} is not what was written")
            return bytes(row[0])

        return self.database.read(work)

    def put(self, namespace: str, key: str, data: bytes) -> None:
        """Set a value. Raises `StoreError`."""
        row = (namespace, key, bytes(data), zlib.crc32(data))
        self.database.write(lambda connection: connection.execute("INSERT OR REPLACE INTO kv VALUES (?, ?, ?, ?)", row))

    def delete(self, namespace: str, key: str) -> None:
        """Remove a value if it is there. Raises `StoreError`."""
        where = (namespace, key)
        self.database.write(
            lambda connection: connection.execute("DELETE FROM kv WHERE namespace = ? AND key = ?", where)
        )

    def keys(self, namespace: str) -> Sequence[str]:
        """The keys of a namespace, sorted. Raises `StoreError`."""
        found = self.database.read(
            lambda connection: connection.execute("SELECT key FROM kv WHERE namespace = ?", (namespace,)).fetchall()
        )
        return sorted(key for (key,) in found)

    # -- jobs ----------------------------------------------------------------------------------------

    def add_job(self, kind: str, key: str, payload: bytes = b"") -> bool:
        """Note down a job. This and the others are told by `Jobs`; all raise `StoreError`."""
        return self.database.write(lambda connection: self._jobs.add(connection, kind, key, payload))

    def claim_job(self, kind: str, key: str | None = None, *, lease_s: float = 60.0) -> Claim:
        """Take a job, or tell why not."""
        return self.database.write(lambda connection: self._jobs.claim(connection, kind, key, lease_s))

    def heartbeat(self, claim: Claimed, *, lease_s: float = 60.0) -> bool:
        """Renew the lease."""
        return self.database.write(lambda connection: self._jobs.renew(connection, claim, lease_s))

    def finish_job(self, claim: Claimed, *, again_after_s: float | None = None) -> bool:
        """It is done."""
        return self.database.write(lambda connection: self._jobs.finish(connection, claim, again_after_s))

    def fail_job(self, claim: Claimed, error: str) -> bool:
        """It failed."""
        return self.database.write(lambda connection: self._jobs.fail(connection, claim, error))

    # -- the index -----------------------------------------------------------------------------------

    def refresh(self, budget_s: float) -> bool:
        """Catch up with the files. This and the next two are told by `RolloutIndex`, and never raise."""
        if not self._indexes:
            return True
        return self._or(True, lambda: self.index.refresh(budget_s))

    def threads(self, text: str | None = None) -> IndexedThreads | None:
        """What is known of all threads."""

        def look() -> IndexedThreads:
            ids = None if text is None else self.index.saying(text)
            current, unread = self.index.compare()
            names = thread_names(self._home)
            rows, orphans = with_beginnings(current)
            found = sorted((summary(self._home, row, names) for row in rows), key=_born, reverse=True)
            return IndexedThreads(
                threads=tuple(found),
                unread=tuple(self._path(one["folder"], one["file"]) for one in (*map(place, unread), *orphans)),
                said=None
                if ids is None
                else frozenset(self._path(r["folder"], r["file"]) for r in rows if r["id"] in ids),
            )

        return self._or(None, look) if self._indexes else None

    def forget(self) -> bool:
        """Drop all that is known of rollouts; whether that was done."""

        def drop() -> bool:
            self.index.rebuild()
            return True

        return self._indexes and self._or(False, drop)

    def notices(self) -> Sequence[str]:
        """What the user should be told, each once."""
        found = [*self.database.notices, *self._notices]
        fresh, self._told = found[self._told :], len(found)
        return fresh

    def _or(self, otherwise: T, look: Callable[[], T]) -> T:
        """What is found; `otherwise`, and a notice, where the index cannot be used."""
        try:
            return look()
        except StoreError as error:
            told = f"the index of sessions is not used: {error.message}"
            if told not in self._notices:
                self._notices.append(told)
            return otherwise

    def _path(self, folder: str, file: str) -> str:
        return os.path.join(self._home, folder, file)


def _born(found: ThreadSummary) -> tuple[int, str]:
    return (found.created_at_ms, found.thread_id)
