"""One SQLite file that all processes of a home share.

Every use is one transaction that may be carried out again: another process may hold the file for a moment, may have put
it aside because it was damaged, or may have brought it to a newer version.
"""

from __future__ import annotations

import os
import random
import sqlite3  # noqa: TID253 - nothing on the way to a turn imports this module
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar
from urllib.parse import quote

from codex_plugin_sdk import StoreError

from .damage import put_aside, take_over
from .failures import Damaged, Unavailable, is_busy, is_damage, is_moved, store_error
from .schema import STEPS, Step
from .setup_lock import alone

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
_FORGOTTEN: list[sqlite3.Connection] = []
"""Connections of the process that we were forked from: closing them here would disturb it."""
_PRAGMAS = ("synchronous = NORMAL", "cell_size_check = ON", "trusted_schema = OFF", "journal_size_limit = 16777216")
_NOTHING = (0, 0)
_SHORTEST_WAIT_S, _LONGEST_WAIT_S = 0.0003, 0.02


class Database:
    """The database at `path`, opened when it is first used. May be used by several threads, one at a time.

    `notices` collects what the user should know. `wait_s` is how long others may be in the way before it is an error.
    """

    def __init__(self, path: str, *, steps: Sequence[Step] = STEPS, vfs: str = "", wait_s: float = 30.0) -> None:
        self.path = path
        self.notices: list[str] = []
        self._steps, self._vfs, self._wait_s = steps, vfs, wait_s
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._identity = _NOTHING
        self._pid = os.getpid()

    def read(self, work: Work[T]) -> T:
        """What `work` finds, in one state of the database. Raises `StoreError`."""
        return self._use("BEGIN", work)

    def write(self, work: Work[T]) -> T:
        """Carry out `work` whole or not at all. Raises `StoreError`."""
        return self._use("BEGIN IMMEDIATE", work)

    def is_sound(self) -> bool:
        """Look through the whole file; one that is damaged is put aside and replaced, and the new one is sound. Raises
        `StoreError`."""

        def look(connection: sqlite3.Connection) -> bool:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise Damaged(str(found).splitlines()[0])
            return True

        return self.read(look)

    def close(self) -> None:
        """Let go of the file; a later use opens it again."""
        with self._lock:
            if self._connection is not None:
                if self._pid == os.getpid():
                    self._connection.close()
                else:
                    _FORGOTTEN.append(self._connection)
                self._connection = None

    # -- transactions --------------------------------------------------------------------------------

    def _use(self, begin: str, work: Work[T]) -> T:
        deadline = time.monotonic() + self._wait_s
        wait_s, replaced = _SHORTEST_WAIT_S, False
        while True:
            try:
                with self._lock:
                    return self._transaction(begin, work)
            except Exception as error:
                if is_damage(error):
                    if replaced:
                        raise StoreError(f"{self.path} is damaged again: {error}", path=self.path) from error
                    replaced = True
                    self._replace(str(error))
                elif isinstance(error, sqlite3.Error) and is_moved(error):
                    self.close()
                elif not isinstance(error, sqlite3.Error):
                    raise
                elif not is_busy(error) or time.monotonic() > deadline:
                    raise store_error(error, self.path) from error
            # By chance, so that nobody comes last again and again.
            time.sleep(random.uniform(_SHORTEST_WAIT_S, wait_s))
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)

    def _transaction(self, begin: str, work: Work[T]) -> T:
        connection = self._opened()
        connection.execute(begin)
        try:
            found = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # some errors have ended it already
                connection.execute("ROLLBACK")
            raise
        return found

    # -- opening -------------------------------------------------------------------------------------

    def _opened(self) -> sqlite3.Connection:
        if self._pid != os.getpid():
            self.close()
            self._pid = os.getpid()
        if self._connection is not None and _identity(self.path) == self._identity:
            return self._connection
        self.close()
        try:
            while self._connection is None:
                if _identity(self.path) == _NOTHING:
                    with alone(self.path):
                        _create(self.path)
                self._open()
        except OSError as error:
            raise Unavailable(
                f"{os.path.dirname(self.path)} cannot be written: {error.strerror}", path=self.path
            ) from error
        return self._connection

    def _open(self) -> None:
        """Open the file that is there; nothing comes of it if another one takes its place meanwhile."""
        self._identity = _identity(self.path)
        try:
            connection = self._connect()
        except Unavailable:
            if _identity(self.path) != self._identity:
                return
            raise
        try:
            if not _is_current(connection, len(self._steps)):
                with alone(self.path):
                    self._prepare(connection)
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
            connection.execute("PRAGMA busy_timeout = 0")  # we wait ourselves: in shorter steps, and fairly
        except BaseException:
            connection.close()
            raise
        if _identity(self.path) == self._identity:
            self._connection = connection
        else:
            connection.close()

    def _connect(self) -> sqlite3.Connection:
        vfs = f"&vfs={self._vfs}" if self._vfs else ""
        uri = f"file:{quote(self.path)}?mode=rw{vfs}"
        try:
            return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=5.0)
        except sqlite3.OperationalError as error:
            raise Unavailable(f"{self.path} cannot be opened: {error}", path=self.path) from error

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Bring the file to this version; nobody else does so meanwhile."""
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(self._steps):
            raise Unavailable(
                f"{self.path} was written by a newer version of this program (its format is {version}, not"
                f" {len(self._steps)})",
                path=self.path,
                hint="update this one too",
            )
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if is_busy(error):
                raise
            mode = str(error)
        if mode != "wal":
            raise Unavailable(
                f"the file system of {os.path.dirname(self.path)} has no shared memory for a database ({mode})",
                path=self.path,
            )
        for number in range(version, len(self._steps)):
            if version:
                _back_up(connection, f"{self.path}.backup-v{number}")
            connection.execute("BEGIN IMMEDIATE")
            for statement in self._steps[number]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number + 1}")
            connection.execute("COMMIT")

    # -- damage --------------------------------------------------------------------------------------

    def _replace(self, why: str) -> None:
        """Put the damaged file aside, unless another process has done so, and save what can be read of it."""
        with self._lock:
            self.close()
            try:
                with alone(self.path):
                    if _identity(self.path) != self._identity:
                        return
                    aside = put_aside(self.path)
                    _create(self.path)
                    connection = self._connect()
                    try:
                        self._prepare(connection)
                        saved = take_over(connection, aside)
                    finally:
                        connection.close()
            except (OSError, sqlite3.Error) as error:
                raise store_error(error, self.path) from error
        self.notices.append(
            f"the state database was damaged ({why}); it is kept as {aside}, {saved} of its values could be read, and"
            " the index is made anew from the sessions"
        )


def _is_current(connection: sqlite3.Connection, version: int) -> bool:
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    return bool(mode == "wal" and found == version)


def _identity(path: str) -> tuple[int, int]:
    """Which file it is; zeros where there is none. The file is not opened: to close it again would end the locks that
    other connections of this process hold on it."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return _NOTHING
    return (status.st_dev, status.st_ino)


def _create(path: str) -> None:
    """Make an empty file for this user alone, unless there is one. What an earlier one has left beside it goes: it
    would be taken for this one's. Raises `OSError`."""
    if _identity(path) != _NOTHING:
        return
    for beside in ("-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError):
            os.unlink(path + beside)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _back_up(connection: sqlite3.Connection, path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    target = sqlite3.connect(path)
    try:
        connection.backup(target)
    except BaseException:
        os.unlink(path)  # half of one would be taken for a whole one
        raise
    finally:
        target.close()
