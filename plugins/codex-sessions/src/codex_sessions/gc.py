"""`codex sessions gc`: deletes what is beyond the limits."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
import orjson

from codex_plugin_sdk import StoreError, UserError

from .home import Home, base_of, summary_body
from .order import confirmed
from .section import SessionsSection
from .wording import moment, one_line, plural, size

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation, ThreadSummary

SCHEMA = 1
_DAY_MS = 24 * 60 * 60 * 1000


def collect(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Delete what is beyond the limits, or only say what; 0, or 8 if something could not be deleted. Raises
    `UserError` where there is no limit or nobody to be asked."""
    home = Home(invocation)
    limits = _limits(home, given)
    if given["daily"]:
        if given["dry_run"]:
            raise click.UsageError("--daily and --dry-run exclude each other")
        from .daily import once_a_day

        return once_a_day(home, lambda: _collect(home, limits, given))
    return _collect(home, limits, given)


def _collect(home: Home, limits: SessionsSection, given: Mapping[str, Any]) -> int:
    found = list(home.everything())
    doomed = beyond(found, limits, int(time.time() * 1000))
    sure = given["dry_run"] or given["yes"] or not doomed
    if not sure:
        for one, reason in doomed:
            click.echo(_row(one, reason), err=True)
        total = size(sum(one.size_bytes for one, _ in doomed))
        question = f"Delete {plural(len(doomed), 'session')} ({total}) for good?"
        if not confirmed(question, "cannot confirm without an interactive terminal; rerun with --yes or --dry-run"):
            click.echo("Delete cancelled.")
            return 0
    gone, kept = _delete(home, doomed, given)
    _tell(gone, kept, len(found), given)
    return StoreError.exit_code if kept else 0


def beyond(found: Sequence[ThreadSummary], limits: SessionsSection, now_ms: int) -> list[tuple[ThreadSummary, str]]:
    """The sessions beyond the limits in the order in which they go (archived ones first, each kind from the one
    changed longest ago), and the limit that each is beyond. One that a kept session goes on from stays."""
    order = sorted(found, key=lambda one: (not one.archived, one.updated_at_ms))
    count, total = len(order), sum(one.size_bytes for one in order)
    reasons: dict[str, str] = {}
    for one in order:
        age = (now_ms - one.updated_at_ms) / _DAY_MS
        if limits.max_age_days is not None and age > limits.max_age_days:
            reason = "max_age_days"
        elif limits.max_count is not None and count > limits.max_count:
            reason = "max_count"
        elif limits.max_bytes is not None and total > limits.max_bytes:
            reason = "max_bytes"
        else:
            continue
        reasons[one.thread_id] = reason
        count, total = count - 1, total - one.size_bytes
    for thread_id in _needed(order, reasons):
        del reasons[thread_id]
    return [(one, reasons[one.thread_id]) for one in order if one.thread_id in reasons]


def _needed(found: Sequence[ThreadSummary], doomed: Collection[str]) -> set[str]:
    """Those of the doomed that a kept session goes on from, also by way of another."""
    bases = {one.thread_id: base_of(one) for one in found}
    needed: set[str] = set()
    waiting = [bases[id] for id in bases if id not in doomed]
    while waiting:
        base = waiting.pop()
        if base in doomed and base not in needed:
            needed.add(base)
            waiting.append(bases.get(base, ""))
    return needed


def _limits(home: Home, given: Mapping[str, Any]) -> SessionsSection:
    """The limits of the configuration, those of the command line over them."""
    limits: SessionsSection = home.config.section("sessions", SessionsSection)
    named = {name: given[name] for name in ("max_age_days", "max_count", "max_bytes") if given[name] is not None}
    limits = limits.replace(**named).checked()
    if limits == SessionsSection():
        raise UserError(
            "there is no limit: nothing would be deleted", hint="set [sessions] max_age_days = 90, or --max-age-days 90"
        )
    return limits


def _delete(
    home: Home, doomed: Sequence[tuple[ThreadSummary, str]], given: Mapping[str, Any]
) -> tuple[list[tuple[ThreadSummary, str]], list[tuple[ThreadSummary, StoreError]]]:
    """What went, and what did not. A base goes after those that go on from it, so that none is ever left without."""
    gone: list[tuple[ThreadSummary, str]] = []
    kept: list[tuple[ThreadSummary, StoreError]] = []
    needed: set[str] = set()
    waiting = list(doomed)
    while waiting:
        bases = {base_of(one) for one, _ in waiting}
        ready = [entry for entry in waiting if entry[0].thread_id not in bases] or waiting  # a ring has no beginning
        going = {one.thread_id for one, _ in ready}
        waiting = [entry for entry in waiting if entry[0].thread_id not in going]
        for one, reason in ready:
            if one.thread_id in needed:
                needed.add(base_of(one))
                continue
            try:
                if not given["dry_run"]:
                    home.delete(one.thread_id)
                gone.append((one, reason))
            except StoreError as error:  # open, or not ours to delete: the others still go
                kept.append((one, error))
                needed.add(base_of(one))
    return gone, kept


def _tell(
    gone: Sequence[tuple[ThreadSummary, str]],
    kept: Sequence[tuple[ThreadSummary, StoreError]],
    total: int,
    given: Mapping[str, Any],
) -> None:
    freed = sum(one.size_bytes for one, _ in gone)
    if given["as_json"]:
        body = {
            "schema": SCHEMA,
            "dry_run": given["dry_run"],
            "deleted": [{**summary_body(one), "reason": reason} for one, reason in gone],
            "not_deleted": [{**summary_body(one), "error": error.message} for one, error in kept],
            "sessions": total,
            "freed_bytes": freed,
        }
        click.echo(orjson.dumps(body))
    else:
        for one, reason in gone:
            click.echo(_row(one, reason))
        verb = "would go" if given["dry_run"] else "deleted"
        click.echo(f"{plural(len(gone), 'session')} of {total} {verb}, {size(freed)}", err=True)
    for _, error in kept:
        click.echo(f"kept: {one_line(error.message)}", err=True)


def _row(one: ThreadSummary, reason: str) -> str:
    words = one_line(one.name or one.preview, 60)
    archived = "archived  " if one.archived else ""
    return f"{one.thread_id}  {moment(one.updated_at_ms)}  {size(one.size_bytes):>8}  {archived}{reason}  {words}"
