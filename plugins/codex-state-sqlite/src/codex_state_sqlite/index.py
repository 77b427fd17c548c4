"""The index of rollouts: catches up with files by their size, time and place, in steps of a bounded length."""

from __future__ import annotations

import os
import sqlite3  # noqa: TID253 - nothing on the way to a turn imports this module
import time
from collections.abc import Iterator, Mapping
from typing import Any

from .database import Database
from .files import RolloutFile, folders, rollouts
from .reading import Part, read_lines, tail_sum
from .rows import is_current, new_row, save, select, with_head

STEP_BYTES = 1024 * 1024
_MOST_TRIGRAMS = 48
Row = dict[str, Any]


class Index:
    """The rollouts of a home in its database. One that `walks` goes on where it was when it is called again."""

    def __init__(self, home: str, database: Database) -> None:
        self._home, self._database = home, database
        self._walk: Iterator[bool] | None = None

    def refresh(self, budget_s: float) -> bool:
        """Catch up for about so long; True once everything was looked at. Raises `StoreError`."""
        deadline = time.monotonic() + budget_s
        walk = self._walk = self._walk or self._steps()
        for _ in walk:
            if time.monotonic() >= deadline:
                return False
        self._walk = None
        return True

    def _steps(self) -> Iterator[bool]:
        """Looks at one folder, or reads a part of one file, from one yield to the next."""
        seen = set()
        for folder in folders(self._home):
            seen.add(folder)
            found = rollouts(self._home, folder)
            rows = self._rows_of(folder)
            gone = rows.keys() - {one.file for one in found}
            if gone:
                self._forget([rows[file]["id"] for file in gone])
            yield True
            for one in found:
                row = rows.get(one.file)
                if not is_current(row, one):
                    for _ in self._read(one, row):
                        yield True
        self._forget_folders(seen)

    # -- one file ------------------------------------------------------------------------------------

    def _read(self, found: RolloutFile, row: Row | None) -> Iterator[bool]:
        """Read what was appended, or all of a file that was changed otherwise."""
        path = os.path.join(self._home, found.folder, found.file)
        try:
            with open(path, "rb") as file:
                begin = row["read_to"] if row is not None and _was_appended(file, found, row) else 0
                begun: Row = row if row is not None and begin else new_row(found)
                fresh = begin == 0
                while True:
                    lines, end = read_lines(file, begin, STEP_BYTES)
                    part = Part()
                    for line in lines:
                        part.add(line)
                    last = end == begin or end >= found.size
                    now = with_head(begun, part.meta, part.preview, part.model)
                    now |= {"read_to": end, "tail": tail_sum(file, end), "updated_ms": found.mtime_ns // 1_000_000}
                    if last:  # only then it is as its folder shows it
                        now |= {"size": found.size, "mtime_ns": found.mtime_ns, "inode": found.inode}
                    else:
                        now |= {"size": -1, "inode": found.inode}
                    if not self._write(begun, now, list(part.texts()), fresh=fresh):
                        return  # another process reads it too, and was quicker
                    begun, begin, fresh = now, end, False
                    yield True
                    if last:
                        return
        except OSError:
            return  # gone, or not to be read by us: it stays unread, and is read as a file by who needs it

    def _write(self, begun: Row, now: Row, texts: list[str], *, fresh: bool) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            there = select(connection, "folder = ? AND file = ?", (now["folder"], now["file"]))
            if there and not fresh and (there[0]["read_to"], there[0]["tail"]) != (begun["read_to"], begun["tail"]):
                return False
            if not there and not fresh:
                return False
            id = save(connection, now)
            if fresh:
                _drop_texts(connection, [id])
            for text in texts:
                cursor = connection.execute("INSERT INTO texts (rollout) VALUES (?)", (id,))
                body = text.encode("utf-8", "replace").decode()
                connection.execute("INSERT INTO said (rowid, body) VALUES (?, ?)", (cursor.lastrowid, body))
            return True

        return self._database.write(work)

    # -- rows ----------------------------------------------------------------------------------------

    def _rows_of(self, folder: str) -> Mapping[str, Row]:
        rows = self._database.read(lambda connection: select(connection, "folder = ?", (folder,)))
        return {row["file"]: row for row in rows}

    def _forget(self, ids: list[int]) -> None:
        def work(connection: sqlite3.Connection) -> None:
            _drop_texts(connection, ids)
            connection.executemany("DELETE FROM rollouts WHERE id = ?", ((id,) for id in ids))

        self._database.write(work)

    def _forget_folders(self, seen: set[str]) -> None:
        def known(connection: sqlite3.Connection) -> list[str]:
            return [folder for (folder,) in connection.execute("SELECT DISTINCT folder FROM rollouts")]

        for folder in set(self._database.read(known)) - seen:
            self._forget([row["id"] for row in self._rows_of(folder).values()])

    # -- questions -----------------------------------------------------------------------------------

    def compare(self) -> tuple[list[Row], list[RolloutFile]]:
        """The rows that are as their files are, and the files that were not read as they are. Raises `StoreError`."""
        known = self._database.read(lambda connection: select(connection, "1", ()))
        by_place = {(row["folder"], row["file"]): row for row in known}
        current, unread = [], []
        for folder in folders(self._home):
            for found in rollouts(self._home, folder):
                row = by_place.get((found.folder, found.file))
                # One without a whole line is nobody's: who reads it sees whether a session has begun there at all.
                if row is not None and is_current(row, found) and row["read_to"]:
                    current.append(row)
                else:
                    unread.append(found)
        return current, unread

    def saying(self, text: str) -> set[int] | None:
        """Ids of rows in which this may have been said; None for a text that is too short. Raises `StoreError`."""
        query = _query(text)
        if query is None:
            return None

        def work(connection: sqlite3.Connection) -> set[int]:
            found = connection.execute(
                "SELECT DISTINCT rollout FROM texts WHERE id IN (SELECT rowid FROM said WHERE said MATCH ?)", (query,)
            )
            return {id for (id,) in found}

        return self._database.read(work)

    def compact(self) -> bool:
        """Begin anew where most of what is in the index belongs to texts that are gone; whether it did. Raises
        `StoreError`."""

        def work(connection: sqlite3.Connection) -> bool:
            (used, highest) = connection.execute("SELECT count(*), coalesce(max(id), 0) FROM texts").fetchone()
            if highest < 1000 or used * 2 > highest:
                return False
            clear(connection)
            return True

        return self._database.write(work)

    def rebuild(self) -> None:
        """Forget everything that is known of rollouts. Raises `StoreError`."""
        self._walk = None
        self._database.write(clear)


def clear(connection: sqlite3.Connection) -> None:
    """Empty the tables of the index."""
    connection.execute("INSERT INTO said (said) VALUES ('delete-all')")
    for table in ("texts", "rollouts"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 - our words
    connection.execute("DELETE FROM sqlite_sequence WHERE name = 'texts'")


def _was_appended(file: Any, found: RolloutFile, row: Row) -> bool:
    """Whether what was read of a file still stands there."""
    if row["inode"] != found.inode or not 0 < row["read_to"] <= found.size or found.size == row["size"]:
        return False
    return bool(tail_sum(file, row["read_to"]) == row["tail"])


def _drop_texts(connection: sqlite3.Connection, ids: list[int]) -> None:
    """The texts of rollouts. Their trigrams stay and belong to nobody; see `Index.compact`."""
    connection.executemany("DELETE FROM texts WHERE rollout = ?", ((id,) for id in ids))


def _query(text: str) -> str | None:
    """All trigrams of a text, or of its beginning; None if there are none."""
    text = text.strip()
    trigrams = dict.fromkeys(text[at : at + 3] for at in range(len(text) - 2))
    usable = [one for one in trigrams if "\0" not in one][:_MOST_TRIGRAMS]
    return " AND ".join('"' + one.replace('"', '""') + '"' for one in usable) or None
