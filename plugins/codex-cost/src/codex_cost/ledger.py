"""What was spent and what is reserved, in one database that all processes of a home share.

Each step is one transaction that takes the write lock first: what it reads holds until it has written. A reservation
is a row of its own from before the request leaves until its cost is known; a process that is killed leaves its rows
behind, and they go on being counted. Nothing of this depends on the clock, but for the name of the day.

Amounts are integers (see `Amount`), so that sums are exact.
"""

from __future__ import annotations

import os
import sqlite3  # noqa: TID253 - this module is imported where a budget is set, and by `codex budget`
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

from codex_plugin_sdk import StoreError

from .amounts import Amount, Standing
from .caps import Cap

VERSION = 1
BUSY_S = 10.0
_SCHEMA = """
CREATE TABLE spent (
    thread TEXT, day TEXT, root TEXT NOT NULL,
    usd INTEGER NOT NULL DEFAULT 0, tokens INTEGER NOT NULL DEFAULT 0, turns INTEGER NOT NULL DEFAULT 0,
    agents INTEGER NOT NULL DEFAULT 0, wall_s INTEGER NOT NULL DEFAULT 0,
    unsettled INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (thread, day)
) WITHOUT ROWID;
CREATE INDEX spent_root ON spent (root);
CREATE INDEX spent_day ON spent (day);
CREATE TABLE reservations (
    id INTEGER PRIMARY KEY AUTOINCREMENT, thread TEXT NOT NULL, root TEXT NOT NULL, day TEXT NOT NULL,
    usd INTEGER NOT NULL, tokens INTEGER NOT NULL, model TEXT NOT NULL,
    pid INTEGER NOT NULL, process TEXT NOT NULL
);
CREATE TABLE agents (thread TEXT PRIMARY KEY, parent TEXT NOT NULL, root TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE warned (
    scope TEXT, name TEXT, measure TEXT, cap INTEGER, PRIMARY KEY (scope, name, measure, cap)
) WITHOUT ROWID;
CREATE TABLE prices (key TEXT PRIMARY KEY, rates TEXT NOT NULL) WITHOUT ROWID;
"""
_SPENT_COLUMNS = """
SELECT coalesce(sum(usd), 0), coalesce(sum(tokens), 0), coalesce(sum(turns), 0), coalesce(sum(agents), 0),
    coalesce(sum(wall_s), 0), coalesce(sum(unsettled), 0)
FROM spent WHERE """
_RESERVED_COLUMNS = "SELECT coalesce(sum(usd), 0), coalesce(sum(tokens), 0) FROM reservations WHERE "
_WHOSE = {"thread": "thread = ?", "tree": "root = ?", "day": "day = ?"}
_SPENT = {scope: _SPENT_COLUMNS + whose for scope, whose in _WHOSE.items()}
_RESERVED = {scope: _RESERVED_COLUMNS + whose for scope, whose in _WHOSE.items()}
_RESERVE = """
INSERT INTO reservations (thread, root, day, usd, tokens, model, pid, process) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_ADD = """
INSERT INTO spent (thread, day, root, usd, tokens, turns, agents, wall_s, unsettled)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (thread, day) DO UPDATE SET
    usd = usd + excluded.usd, tokens = tokens + excluded.tokens, turns = turns + excluded.turns,
    agents = agents + excluded.agents, wall_s = wall_s + excluded.wall_s, unsettled = unsettled + excluded.unsettled
"""
_THREADS = """
SELECT thread, root FROM agents UNION SELECT thread, root FROM spent UNION SELECT thread, root FROM reservations
"""


class Who(NamedTuple):
    """Who spends, and on which day: a thread, and the one at the top of its tree."""

    thread: str
    root: str
    day: str

    def name(self, scope: str) -> str:
        """What the scope is called in the ledger."""
        return {"thread": self.thread, "tree": self.root, "day": self.day}[scope]


class Reservation(NamedTuple):
    """A row of the ledger. `process` tells processes apart that had the same id (see `process_name`)."""

    id: int
    thread: str
    root: str
    day: str
    usd: int
    tokens: int
    model: str
    pid: int
    process: str


class Refused(Exception):
    """A cap does not allow it; nothing was reserved."""

    def __init__(self, standing: Standing, need: int) -> None:
        super().__init__(standing.cap.key)
        self.standing, self.need = standing, need


def ledger_path(home: str) -> str:
    """The database of a home."""
    return os.path.join(home, "kernel", "budget.sqlite")


class Ledger:
    """A connection, made with the first step. All methods raise `StoreError`."""

    def __init__(self, path: str, *, pid: int, process: str, busy_s: float = BUSY_S) -> None:
        self.path = path
        self._pid, self._process, self._busy_s = pid, process, busy_s
        self._db: sqlite3.Connection | None = None

    # -- steps -----------------------------------------------------------------------------------------

    def add_agent(self, who: Who, parent: str, caps: Sequence[Cap]) -> None:
        """A sub-agent is there; a second time (it is resumed), nothing. `who.thread` is the sub-agent. Raises
        `Refused`."""
        with self._step() as db:
            if db.execute("SELECT 1 FROM agents WHERE thread = ?", (who.thread,)).fetchone():
                return
            starter = who._replace(thread=parent)
            _check(db, starter, caps, Amount(agents=1), ("agents",))
            db.execute("INSERT INTO agents VALUES (?, ?, ?)", (who.thread, parent, who.root))
            _add(db, starter, Amount(agents=1))

    def begin_turn(self, who: Who, caps: Sequence[Cap], soft: int = 1000) -> list[Standing]:
        """Count a turn; gives the caps that came close. Raises `Refused`."""
        with self._step() as db:
            _check(db, who, caps, Amount(turns=1), ("turns", "wall_s"))
            _add(db, who, Amount(turns=1))
            return _close(db, who, caps, soft)

    def reserve(self, who: Who, caps: Sequence[Cap], need: Amount, *, model: str = "", wall_ms: int = 0) -> int:
        """Set `need` aside, and give the number under which. `wall_ms` is what the turn took since the last step: that
        counts even if this is refused. Raises `Refused`."""
        if wall_ms:
            self.pass_time(who, wall_ms)
        with self._step() as db:
            _check(db, who, caps, need, ("usd", "tokens", "wall_s"))
            row = (who.thread, who.root, who.day, need.usd, need.tokens, model, self._pid, self._process)
            return int(db.execute(_RESERVE, row).lastrowid or 0)

    def settle(
        self,
        number: int,
        cost: Amount | None,
        *,
        wall_ms: int = 0,
        caps: Sequence[Cap] = (),
        soft: int = 1000,
    ) -> list[Standing]:
        """Put what was really spent in the place of a reservation, on its own day; `cost` None says that this is not
        known: then it was all that was reserved. A second time, nothing. Gives the caps that came close."""
        with self._step() as db:
            row = db.execute(
                "SELECT thread, root, day, usd, tokens FROM reservations WHERE id = ?", (number,)
            ).fetchone()
            if row is None:
                return []
            who = Who(*row[:3])
            db.execute("DELETE FROM reservations WHERE id = ?", (number,))
            spent = Amount(row[3], row[4]) if cost is None else cost
            _add(db, who, spent._replace(wall_s=spent.wall_s + wall_ms), unsettled=cost is None)
            return _close(db, who, caps, soft)

    def pass_time(self, who: Who, wall_ms: int) -> None:
        """Count time of a turn."""
        with self._step() as db:
            _add(db, who, Amount(wall_s=wall_ms))

    # -- looking ---------------------------------------------------------------------------------------

    def standings(self, who: Who, caps: Iterable[Cap]) -> list[Standing]:
        """How far each cap is used."""
        with self._step() as db:
            return list(_standings(db, who, caps))

    def reservations(self) -> list[Reservation]:
        """All that is reserved, the oldest first."""
        with self._step() as db:
            return [Reservation(*row) for row in db.execute("SELECT * FROM reservations ORDER BY id")]

    def unsettled(self, who: Who, scope: str) -> int:
        """How many requests of a scope were counted by what was reserved, because nobody told what they used."""
        with self._step() as db:
            return int(db.execute(_SPENT[scope], (who.name(scope),)).fetchone()[5])

    def root_of(self, thread: str, parent: str | None, root: str) -> str:
        """The root of a thread: that of the tree to which it, or its parent, has once been counted as a sub-agent. One
        that is resumed on its own does not get a budget of its own so."""
        with self._step() as db:
            row = db.execute("SELECT root FROM agents WHERE thread IN (?, ?) LIMIT 1", (thread, parent)).fetchone()
            return root if row is None else str(row[0])

    def threads(self) -> dict[str, str]:
        """The root of each thread that is known here."""
        with self._step() as db:
            return dict(db.execute(_THREADS).fetchall())

    # -- prices ----------------------------------------------------------------------------------------

    def price(self, key: str) -> str | None:
        """What `keep_price` kept: reading the table of prices takes much longer than a request may wait."""
        with self._step() as db:
            row = db.execute("SELECT rates FROM prices WHERE key = ?", (key,)).fetchone()
            return None if row is None else str(row[0])

    def keep_price(self, key: str, rates: str, *, edition: str) -> None:
        """Keep a price, and forget those whose key does not begin with this edition of the table."""
        with self._step() as db:
            db.execute("DELETE FROM prices WHERE substr(key, 1, ?) <> ?", (len(edition), edition))
            db.execute("INSERT OR REPLACE INTO prices VALUES (?, ?)", (key, rates))

    # -- the database ----------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the connection; the next step makes another."""
        if self._db is not None:
            self._db.close()
            self._db = None

    @contextmanager
    def _step(self) -> Iterator[sqlite3.Connection]:
        """A transaction that holds the write lock; rolled back by whatever is raised."""
        try:
            if self._db is None:
                self._db = _open(self.path, self._busy_s)
            with _transaction(self._db) as db:
                yield db
        except (sqlite3.Error, OSError) as error:
            raise _failure(self.path, error) from error


def _open(path: str, busy_s: float) -> sqlite3.Connection:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    if not os.path.exists(path):
        # Journals get the mode of the database. One in use must not be opened here: closing would drop its locks.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    until = time.monotonic() + busy_s
    db = sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)
    try:
        while True:
            try:
                _prepare(db, path)
                return db
            except sqlite3.OperationalError as error:
                # Changing the journal does not wait for others, whatever the time-out.
                if not _is_busy(error) or time.monotonic() > until:
                    raise
                time.sleep(0.01)
    except BaseException:
        db.close()
        raise


def _prepare(db: sqlite3.Connection, path: str) -> None:
    db.execute("PRAGMA synchronous = NORMAL")
    if db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        db.execute("PRAGMA journal_mode = WAL")
    if db.execute("PRAGMA user_version").fetchone()[0] == VERSION:
        return
    with _transaction(db):
        found = db.execute("PRAGMA user_version").fetchone()[0]
        if found > VERSION:
            raise StoreError(
                f"the ledger of budgets {path} is of a newer version ({found}) than this program knows ({VERSION})",
                path=path,
                operation="open",
                hint="update codex-cost",
            )
        if found == 0:
            for statement in filter(str.strip, _SCHEMA.split(";")):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {VERSION}")


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk has ended it already
            db.execute("ROLLBACK")
        raise


def _is_busy(error: sqlite3.Error) -> bool:
    return "locked" in str(error) or "busy" in str(error)


def _failure(path: str, error: Exception) -> StoreError:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    if isinstance(error, sqlite3.Error) and _is_busy(error):
        hint = "another program holds it; try again"
    elif type(error) is sqlite3.DatabaseError:
        hint = f"it is damaged: move {path} away, and what was spent up to now is forgotten"
    else:
        hint = "is the folder writable, and the disk not full? Without [budget] nothing is counted"
    return StoreError(
        f"the ledger of budgets {path} cannot be used, so nothing may be spent: {text}",
        path=path,
        operation="write",
        hint=hint,
    )


# -- within a step -------------------------------------------------------------------------------------


def _standings(db: sqlite3.Connection, who: Who, caps: Iterable[Cap]) -> Iterator[Standing]:
    known: dict[str, tuple[Amount, Amount]] = {}
    for cap in caps:
        if cap.scope not in known:
            known[cap.scope] = _sums(db, cap.scope, who.name(cap.scope))
        spent, reserved = known[cap.scope]
        yield Standing(cap, spent.of(cap.measure), reserved.of(cap.measure))


def _sums(db: sqlite3.Connection, scope: str, name: str) -> tuple[Amount, Amount]:
    spent = db.execute(_SPENT[scope], (name,)).fetchone()
    reserved = db.execute(_RESERVED[scope], (name,)).fetchone()
    return Amount(*spent[:5]), Amount(*reserved)


def _check(db: sqlite3.Connection, who: Who, caps: Sequence[Cap], need: Amount, measures: tuple[str, ...]) -> None:
    asked = [cap for cap in caps if cap.measure in measures]
    for standing in _standings(db, who, asked):
        wanted = need.of(standing.cap.measure)
        if standing.refuses(wanted):
            raise Refused(standing, wanted)


def _add(db: sqlite3.Connection, who: Who, amount: Amount, *, unsettled: bool = False) -> None:
    db.execute(_ADD, (who.thread, who.day, who.root, *amount, int(unsettled)))


def _close(db: sqlite3.Connection, who: Who, caps: Sequence[Cap], soft: int) -> list[Standing]:
    """The caps of which more than the soft part is spent, each told once as long as it is not changed."""
    found = []
    for standing in _standings(db, who, caps):
        cap = standing.cap
        if not cap.limit or standing.spent * 1000 < cap.limit * soft:
            continue
        row = (cap.scope, who.name(cap.scope), cap.measure, cap.limit)
        if db.execute("INSERT OR IGNORE INTO warned VALUES (?, ?, ?, ?)", row).rowcount:
            found.append(standing)
    return found
