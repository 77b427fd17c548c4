"""Whether a SQLite database is whole, found out without changing it and within a time."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from codex_plugin_sdk import Value, value

if TYPE_CHECKING:
    import sqlite3

BUSY_S = 0.25
_STEPS = 2000  # of SQLite's machine between two looks at the clock
_MAKE_ANEW = "end all sessions, then move it (with its -wal and -shm) away: a new one is made when it is needed"


@value
class Verdict(Value):
    """What was found. `sound` with `whole` false means that no fault was met in the time that there was;
    `damaged` that the content is at fault, not the access."""

    path: str
    words: str
    sound: bool = False
    whole: bool = True
    damaged: bool = False
    cure: str = ""


def examine(path: str, until: float) -> Verdict:
    """Check a database until a moment of `time.monotonic`."""
    import sqlite3

    if not os.access(path, os.R_OK):
        return Verdict(path=path, words="cannot be read", cure=f"chown or chmod u+rw {path}")
    if time.monotonic() >= until:
        return Verdict(path=path, words="not looked at, there was no time", sound=True, whole=False)
    try:
        connection = sqlite3.connect(_address(path), uri=True, timeout=BUSY_S)
    except sqlite3.Error as error:
        return _refused(path, error)
    try:
        return _checked(path, connection, until)
    finally:
        connection.close()


def _checked(path: str, connection: sqlite3.Connection, until: float) -> Verdict:
    import sqlite3

    connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
    try:
        row = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if str(error) == "interrupted":
            return Verdict(path=path, words="no fault in the part that was read", sound=True, whole=False)
        return _refused(path, error)
    except sqlite3.DatabaseError as error:
        return Verdict(path=path, words=f"is damaged: {error}", damaged=True, cure=_MAKE_ANEW)
    said = str(row[0]) if row else "nothing was said"
    if said == "ok":
        return Verdict(path=path, words="ok", sound=True)
    return Verdict(path=path, words=f"is damaged: {' '.join(said.split())}", damaged=True, cure=_MAKE_ANEW)


def _refused(path: str, error: Exception) -> Verdict:
    if "locked" in str(error) or "busy" in str(error):
        cure = "is a session at work? Then this is no fault; if none is, restart the machine"
        return Verdict(path=path, words="is locked by another process", cure=cure)
    return Verdict(path=path, words=f"cannot be opened: {error}", cure=f"check its permissions, or {_MAKE_ANEW}")


def _address(path: str) -> str:
    """For reading alone. Where no one's changes wait in a log, SQLite is told that the file is at rest: else it
    makes files beside a database in WAL mode even to read it."""
    from urllib.parse import quote

    try:
        at_rest = os.stat(f"{path}-wal").st_size == 0
    except OSError:
        at_rest = True
    return f"file:{quote(os.fsencode(path))}?mode=ro" + ("&immutable=1" if at_rest else "")
