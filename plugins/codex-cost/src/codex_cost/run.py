"""What `codex cost` does."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import localcontext
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import ExitCode, StoreError, UserError, codex_home

from .places import changed_since, every_rollout, family, file_given, last_thread, named_thread
from .prices import EXACT, PriceBook
from .report import Report, as_json, as_text
from .rollout import Troubles, spendings
from .section import own_prices
from .tally import Tally, grouping

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

_SLACK_S = 5.0
"""Clocks of file systems are coarse, and of other machines a little off."""


def run_cost(invocation: Invocation, given: Mapping[str, Any]) -> None:
    """Carry out the command. Raises `UserError`, `ConfigError`, `StoreError`."""
    check_choices(given)
    since = beginning(given, datetime.now().astimezone())
    config = invocation.load_config(cwd=os.getcwd(), overrides=given["overrides"], profile=given["profile"])
    prices = PriceBook(own_prices(config.table("cost")))
    paths = wanted_paths(codex_home(invocation.environ), given, since)
    report = calculate(paths, prices, by=given["by"], since=since)
    _require_something_read(report, paths)
    sys.stdout.write(as_json(report) if given["as_json"] else as_text(report))
    for warning in () if given["as_json"] else report.warnings():
        sys.stderr.write(f"warning: {warning}\n")


def check_choices(given: Mapping[str, Any]) -> None:
    """At most one session, and at most one time. Raises `UserError`."""
    sessions = [word for word, is_given in (("a session", given["session"]), ("--last", given["last"])) if is_given]
    times = [f"--{name}" for name in ("today", "month", "since") if given[name]] + ["--all"] * given["everything"]
    for words in (sessions, times):
        if len(words) > 1:
            raise UserError(
                f"{' and '.join(words)} exclude each other", hint="give one of them", exit_code=ExitCode.USAGE
            )


def beginning(given: Mapping[str, Any], now: datetime) -> datetime | None:
    """From when on requests count, in UTC; None for all. Raises `UserError` for a date that is none."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if given["since"]:
        found = _moment(given["since"])
        if found > now:
            raise UserError(f"--since {given['since']} lies in the future", exit_code=ExitCode.USAGE)
    elif given["today"]:
        found = midnight
    elif given["month"] or not (given["everything"] or given["session"] or given["last"]):
        found = midnight.replace(day=1)
    else:
        return None
    # Local midnight of that day, which daylight saving may have put elsewhere than today's offset says.
    return (found.replace(tzinfo=None).astimezone() if not given["since"] else found).astimezone(UTC)


def _moment(text: str) -> datetime:
    try:
        return max(datetime.fromisoformat(text).astimezone(), datetime.fromtimestamp(0, UTC))
    except (ValueError, OverflowError) as error:
        raise UserError(
            f"--since {text!r} is no date", hint="write YYYY-MM-DD, or YYYY-MM-DDTHH:MM", exit_code=ExitCode.USAGE
        ) from error


def wanted_paths(home: str, given: Mapping[str, Any], since: datetime | None) -> list[str]:
    """The rollouts to read. Raises `UserError`, `StoreError`."""
    if given["session"]:
        for path in file_given(given["session"]):
            return [path]
    rollouts = every_rollout(home)
    if given["session"]:
        paths = family(rollouts, named_thread(home, rollouts, given["session"]))
    elif given["last"]:
        paths = family(rollouts, last_thread(rollouts))
    else:
        paths = list(rollouts.values())
    return paths if since is None else changed_since(paths, (since - timedelta(seconds=_SLACK_S)).timestamp())


def calculate(paths: list[str], prices: PriceBook, *, by: str, since: datetime | None = None) -> Report:
    """Read the rollouts and add up what they tell. Of each session only its id is kept in memory."""
    troubles, tally = Troubles(), Tally(grouping(by))
    sources: dict[str, str] = {}
    with localcontext(EXACT):
        for path in paths:
            for spending in spendings(path, troubles, with_tools=by == "tool"):
                if since is not None and (spending.at is None or spending.at < since):
                    troubles.undated_requests += spending.at is None
                    continue
                rates = prices.rates(spending)
                if rates is not None:
                    sources[spending.model] = rates.source
                tally.add(spending, None if rates is None else rates.cost(spending.tokens))
    return Report(by=by, since=since, tally=tally, troubles=troubles, sources=sources, table=prices.table_version())


def _require_something_read(report: Report, paths: list[str]) -> None:
    unread = report.troubles.files
    if paths and len(unread) == len(paths):
        path, reason = unread[0]
        raise StoreError(f"the session {path} cannot be read: {reason}", path=path, operation="read")
