"""What becomes of a database that is damaged: it is kept, and what it holds is saved as far as it can be read."""

from __future__ import annotations

import glob
import os
import sqlite3  # noqa: TID253 - nothing on the way to a turn imports this module
import time
import zlib
from contextlib import suppress
from urllib.parse import quote

from .schema import KEPT

MARK = ".damaged-"
_MOST = 3
"""Damaged files that are kept: a failing disk must not fill up with them."""


def put_aside(path: str) -> str:
    """Give the file, and the log beside it, another name; that name. Raises `OSError`."""
    base = f"{path}{MARK}{time.strftime('%Y%m%d-%H%M%S')}"
    aside, number = base, 1
    while os.path.lexists(aside):
        number += 1
        aside = f"{base}-{number}"
    os.rename(path, aside)
    with suppress(FileNotFoundError):
        os.rename(f"{path}-wal", f"{aside}-wal")
    with suppress(FileNotFoundError):
        os.unlink(f"{path}-shm")
    kept = [found for found in glob.glob(f"{glob.escape(path)}{MARK}*") if not found.endswith(("-wal", "-shm"))]
    for old in sorted(kept, key=_changed)[:-_MOST]:
        for beside in ("", "-wal", "-shm"):
            with suppress(OSError):
                os.unlink(old + beside)
    return aside


def take_over(connection: sqlite3.Connection, aside: str) -> int:
    """Copy what can be read of the tables that cannot be made anew; how many rows. Raises `sqlite3.Error` for the new
    database alone."""
    try:
        damaged = sqlite3.connect(f"file:{quote(aside)}?mode=rw", uri=True, timeout=1.0)
    except sqlite3.Error:
        return 0
    count = 0
    try:
        connection.execute("BEGIN IMMEDIATE")
        for table, columns in KEPT.items():
            count += _copy(damaged, connection, table, columns)
        connection.execute("COMMIT")
    finally:
        with suppress(sqlite3.Error):
            damaged.close()
    return count


def _copy(damaged: sqlite3.Connection, connection: sqlite3.Connection, table: str, columns: str) -> int:
    places = ", ".join("?" for _ in columns.split(","))
    count = 0
    try:
        rows = damaged.execute(f"SELECT {columns} FROM {table}")  # noqa: S608 - names of our own
    except sqlite3.Error:
        return 0
    while True:
        try:
            row = rows.fetchone()
        except sqlite3.Error:
            return count  # behind a damaged page nothing can be relied on
        if row is None:
            return count
        if table == "kv" and zlib.crc32(row[2]) != row[3]:
            continue
        with suppress(sqlite3.IntegrityError):  # a value that is there twice, or is missing
            connection.execute(f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({places})", row)  # noqa: S608
            count += 1


def _changed(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
