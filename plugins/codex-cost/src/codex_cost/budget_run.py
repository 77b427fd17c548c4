"""What `codex budget` does."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from codex_plugin_sdk import ExitCode, UserError, codex_home

from .amounts import Amount, Standing, exact, number, shown
from .caps import SCOPES, Budget, read_budget
from .ledger import Ledger, Reservation, Who, ledger_path
from .places import every_rollout, last_thread, named_thread
from .processes import is_running

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

VERSION = 1


def run_budget(invocation: Invocation, given: Mapping[str, Any]) -> None:
    """Carry out the command. Raises `UserError`, `ConfigError`, `StoreError`."""
    config = invocation.load_config(cwd=os.getcwd(), overrides=given["overrides"], profile=given["profile"])
    budget = read_budget(config.data)
    home = codex_home(invocation.environ)
    path = ledger_path(home)
    ledger = Ledger(path, pid=os.getpid(), process="") if os.path.exists(path) else None
    try:
        who = _whose(home, ledger, given["session"])
        body = report(budget, ledger, who)
    finally:
        if ledger is not None:
            ledger.close()
    sys.stdout.write(orjson.dumps(body).decode() + "\n" if given["as_json"] else as_text(budget, body))


def _whose(home: str, ledger: Ledger | None, wanted: str | None) -> Who:
    """The session that is meant, by what the ledger and the rollouts know of it."""
    day = time.strftime("%Y-%m-%d")
    roots = {} if ledger is None else ledger.threads()
    rollouts = every_rollout(home)
    if wanted is None:
        thread = last_thread(rollouts) if rollouts else ""
    else:
        found = [id for id in roots if id.startswith(wanted)]  # also those that were never recorded
        thread = found[0] if len(found) == 1 else named_thread(home, rollouts, wanted) if rollouts else ""
        if not thread:
            raise UserError(
                f"there is no session {wanted!r} in {home}", hint="codex sessions list", exit_code=ExitCode.USAGE
            )
    return Who(thread, roots.get(thread, thread), day)


def report(budget: Budget | None, ledger: Ledger | None, who: Who) -> dict[str, Any]:
    """What there is to tell, in plain data."""
    caps = () if budget is None else budget.caps
    standings = [Standing(cap, 0, 0) for cap in caps] if ledger is None else ledger.standings(who, caps)
    held = [] if ledger is None else [one for one in ledger.reservations() if _belongs(one, who)]
    return {
        "version": VERSION,
        "thread": who.thread or None,
        "tree": who.root or None,
        "day": who.day,
        "soft": None if budget is None else budget.soft / 1000,
        "caps": [_cap(standing, who) for standing in standings],
        "reservations": [_reservation(one) for one in held],
        "unsettled_requests": {scope: 0 if ledger is None else ledger.unsettled(who, scope) for scope in SCOPES},
    }


def _belongs(reservation: Reservation, who: Who) -> bool:
    return reservation.root == who.root or reservation.day == who.day


def _cap(standing: Standing, who: Who) -> dict[str, Any]:
    scope, measure, limit = standing.cap
    return {
        "scope": scope,
        "name": who.name(scope),
        "key": standing.cap.key,
        "measure": measure,
        "cap": exact(measure, limit),
        "spent": exact(measure, standing.spent),
        "reserved": exact(measure, standing.reserved),
        "left": exact(measure, standing.left),
    }


def _reservation(one: Reservation) -> dict[str, Any]:
    amount = Amount(one.usd, one.tokens)
    return {
        "thread": one.thread,
        "day": one.day,
        "model": one.model,
        "usd": exact("usd", amount.usd),
        "tokens": amount.tokens,
        "pid": one.pid,
        "running": is_running(one.pid, one.process),
    }


def as_text(budget: Budget | None, body: Mapping[str, Any]) -> str:
    """A table, and what must be known besides."""
    if budget is None:
        return "No budget is set. For instance: [budget] usd = 1.50 in config.toml, or -c budget.usd=1.50\n"
    rows = [("", "cap", "spent", "reserved", "left"), *map(_row, body["caps"])]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]
    dead = sum(not one["running"] for one in body["reservations"])
    if dead:
        lines += ["", f"{dead} reserved by processes that ended without a word; they go on being counted."]
    if unsettled := max(body["unsettled_requests"].values()):
        lines += ["", f"{unsettled} counted by what was reserved, because nobody told what they used."]
    return "\n".join(lines) + "\n"


def _row(cap: Mapping[str, Any]) -> tuple[str, ...]:
    measure = cap["measure"]
    units = {name: _units(measure, cap[name]) for name in ("cap", "spent", "reserved", "left")}
    cells = (shown(measure, units["cap"]), *(number(measure, units[name]) for name in ("spent", "reserved", "left")))
    return (f"{cap['scope']} {cap['name'] or '(none yet)'}", *cells)


def _units(measure: str, told: str | float) -> int:
    from decimal import Decimal

    from .caps import MEASURES

    return int(Decimal(str(told)) * MEASURES[measure])
