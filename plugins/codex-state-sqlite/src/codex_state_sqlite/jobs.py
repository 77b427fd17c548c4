"""Jobs with leases: the transactions."""

from __future__ import annotations

import os
import secrets
import socket
import sqlite3  # noqa: TID253 - nothing on the way to a turn imports this module
from typing import Any

from codex_plugin_sdk.state import AlreadyDone, Claim, Claimed, InBackoff, LeasedByAnother, NothingToDo

from .clock import Clock

FIRST_DELAY_MS = 5_000
LONGEST_DELAY_MS = 60 * 60 * 1000
PATIENCE = 3
"""Leases that may end unrenewed, one after the other, before the next attempt has to wait as after a failure."""
_SLACK_MS = 60_000
"""How far the clocks of machines may differ."""
_COLUMNS = (
    "id, kind, key, payload, state, attempts, error, due_ms, set_ms, token, owner, lease_clock, lease_mono_from,"
    " lease_mono_until, lease_from_ms, lease_until_ms"
)
_DUE = "kind = :kind AND state = :state AND due_ms IS NOT NULL"


class JobTable:
    """The table of jobs as a clock shows it. Each method is for use within one writing transaction."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._owner = f"{socket.gethostname()}:{os.getpid()}"

    def add(self, connection: sqlite3.Connection, kind: str, key: str, payload: bytes) -> bool:
        """Note down a job that is due now, unless it is known."""
        now = self._clock.now_ms()
        done = connection.execute(
            "INSERT OR IGNORE INTO jobs (kind, key, payload, due_ms, set_ms) VALUES (?, ?, ?, ?, ?)",
            (kind, key, payload, now, now),
        )
        return done.rowcount == 1

    def claim(self, connection: sqlite3.Connection, kind: str, key: str | None, lease_s: float) -> Claim:
        """See `Jobs.claim_job`."""
        if key is not None:
            row = _row(connection, "kind = :kind AND key = :key", {"kind": kind, "key": key})
            return NothingToDo() if row is None else self._try(connection, row, lease_s)
        blocked: list[Claim] = []
        for row in self._candidates(connection, kind):
            outcome = self._try(connection, row, lease_s)
            if isinstance(outcome, Claimed):
                return outcome
            blocked.append(outcome)
        order = (LeasedByAnother, InBackoff, AlreadyDone)
        return min(blocked, key=lambda one: order.index(type(one)) if type(one) in order else 3, default=NothingToDo())

    def renew(self, connection: sqlite3.Connection, claim: Claimed, lease_s: float) -> bool:
        """See `Jobs.heartbeat`."""
        done = connection.execute(
            "UPDATE jobs SET lease_clock = :clock, lease_mono_from = :mono, lease_mono_until = :mono + :lease,"
            " lease_from_ms = :now, lease_until_ms = :now + :lease"
            " WHERE kind = :kind AND key = :key AND state = 'leased' AND token = :token",
            {**self._moment(lease_s), "kind": claim.kind, "key": claim.key, "token": claim.token},
        )
        return done.rowcount == 1

    def finish(self, connection: sqlite3.Connection, claim: Claimed, again_after_s: float | None) -> bool:
        """See `Jobs.finish_job`."""
        now = self._clock.now_ms()
        due = None if again_after_s is None else now + int(again_after_s * 1000)
        return self._end(connection, claim, "state = 'done', attempts = 0, error = ''", due, "")

    def fail(self, connection: sqlite3.Connection, claim: Claimed, error: str) -> bool:
        """See `Jobs.fail_job`."""
        due = self._clock.now_ms() + delay_ms(claim.attempt)
        return self._end(connection, claim, "state = 'waiting', error = :error", due, error)

    # -- one job -------------------------------------------------------------------------------------

    def _try(self, connection: sqlite3.Connection, row: dict[str, Any], lease_s: float) -> Claim:
        now = self._clock.now_ms()
        if row["state"] == "leased":
            if not self._lease_ended(row):
                return LeasedByAnother(owner=row["owner"], until_ms=row["lease_until_ms"])
            if row["attempts"] >= PATIENCE:
                until = now + delay_ms(row["attempts"] - PATIENCE + 1)
                why = f"{row['attempts']} leases ended before the work did, lastly that of {row['owner']}"
                connection.execute(
                    "UPDATE jobs SET state = 'waiting', error = ?, due_ms = ?, set_ms = ?, token = '' WHERE id = ?",
                    (why, until, now, row["id"]),
                )
                return InBackoff(attempts=row["attempts"], until_ms=until, error=why)
        elif row["due_ms"] is None:
            return AlreadyDone()
        elif row["due_ms"] > now >= row["set_ms"]:  # before it was set, the clock was put back
            if row["state"] == "done":
                return AlreadyDone(again_at_ms=row["due_ms"])
            return InBackoff(attempts=row["attempts"], until_ms=row["due_ms"], error=row["error"])
        return self._take(connection, row, lease_s)

    def _take(self, connection: sqlite3.Connection, row: dict[str, Any], lease_s: float) -> Claimed:
        token = secrets.token_hex(16)
        connection.execute(
            "UPDATE jobs SET state = 'leased', attempts = attempts + 1, token = :token, owner = :owner,"
            " lease_clock = :clock, lease_mono_from = :mono, lease_mono_until = :mono + :lease,"
            " lease_from_ms = :now, lease_until_ms = :now + :lease WHERE id = :id",
            {**self._moment(lease_s), "token": token, "owner": self._owner, "id": row["id"]},
        )
        return Claimed(
            kind=row["kind"], key=row["key"], token=token, payload=row["payload"], attempt=row["attempts"] + 1
        )

    def _lease_ended(self, row: dict[str, Any]) -> bool:
        if row["lease_clock"] == self._clock.name:
            return not row["lease_mono_from"] <= self._clock.mono_ms() < row["lease_mono_until"]
        now, lease = self._clock.now_ms(), row["lease_until_ms"] - row["lease_from_ms"]
        return not row["lease_from_ms"] - lease - _SLACK_MS <= now < row["lease_until_ms"]

    def _candidates(self, connection: sqlite3.Connection, kind: str) -> list[dict[str, Any]]:
        """Jobs to try in turn: leases (one that ended is free), what is due, what was set by a clock that has been put
        back; and of what is not due the first, to tell of it."""
        now = self._clock.now_ms()
        found = _rows(connection, "kind = :kind AND state = 'leased' ORDER BY lease_until_ms", {"kind": kind})
        for state in ("waiting", "done"):
            given = {"kind": kind, "state": state, "now": now}
            for where in (
                f"{_DUE} AND due_ms <= :now ORDER BY due_ms LIMIT 1",
                f"{_DUE} AND set_ms > :now LIMIT 1",
                f"{_DUE} AND due_ms > :now ORDER BY due_ms LIMIT 1",
            ):
                found += _rows(connection, where, given)
        return found or _rows(connection, "kind = :kind LIMIT 1", {"kind": kind})

    def _end(self, connection: sqlite3.Connection, claim: Claimed, changes: str, due: int | None, error: str) -> bool:
        done = connection.execute(
            f"UPDATE jobs SET {changes}, due_ms = :due, set_ms = :now, token = ''"  # noqa: S608 - words of our own
            " WHERE kind = :kind AND key = :key AND state = 'leased' AND token = :token",
            {
                "due": due,
                "now": self._clock.now_ms(),
                "kind": claim.kind,
                "key": claim.key,
                "token": claim.token,
                "error": error[:2000],
            },
        )
        return done.rowcount == 1

    def _moment(self, lease_s: float) -> dict[str, Any]:
        return {
            "clock": self._clock.name,
            "mono": self._clock.mono_ms(),
            "now": self._clock.now_ms(),
            "lease": int(lease_s * 1000),
        }


def delay_ms(attempt: int) -> int:
    """How long to wait after so many failures."""
    return int(min(FIRST_DELAY_MS * 2 ** min(attempt - 1, 20), LONGEST_DELAY_MS))


def _row(connection: sqlite3.Connection, where: str, given: dict[str, Any]) -> dict[str, Any] | None:
    return next(iter(_rows(connection, where, given)), None)


def _rows(connection: sqlite3.Connection, where: str, given: dict[str, Any]) -> list[dict[str, Any]]:
    names = _COLUMNS.replace(" ", "").split(",")
    found = connection.execute(f"SELECT {_COLUMNS} FROM jobs WHERE {where}", given)  # noqa: S608 - words of our own
    return [dict(zip(names, row, strict=True)) for row in found]
