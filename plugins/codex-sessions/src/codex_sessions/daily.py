"""What is done once a day for a home, by whichever process comes first."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, assert_never

import click

from codex_plugin_sdk import CodexError, PluginMissing
from codex_plugin_sdk.state import (
    AlreadyDone,
    Claimed,
    InBackoff,
    Jobs,
    LeasedByAnother,
    NothingToDo,
    open_state,
)

from .wording import moment, one_line

if TYPE_CHECKING:
    from .home import Home

JOB = ("sessions", "gc")
DAY_S = 24 * 60 * 60.0
_LEASE_S = 60 * 60.0
"""Longer than it takes to delete all that there is: nobody is there to renew it meanwhile."""


def once_a_day(home: Home, work: Callable[[], int]) -> int:
    """Do the work unless it was done within a day, is under way elsewhere, or failed a moment ago; its exit code, else
    0. Raises `PluginMissing` without a state store, `StoreError`, and what the work raises."""
    jobs = open_state(home.config, home.plugins, home.environ)
    if not isinstance(jobs, Jobs):
        raise PluginMissing("no state store is installed that knows of jobs", hint="pip install codex-state-sqlite")
    jobs.add_job(*JOB)
    claim = jobs.claim_job(*JOB, lease_s=_LEASE_S)
    match claim:
        case Claimed():
            return _carry_out(jobs, claim, work)
        case AlreadyDone(again_at_ms=again):
            click.echo(f"nothing to do before {moment(again or 0)}", err=True)
        case LeasedByAnother(owner=owner):
            click.echo(f"process {one_line(owner)} is at it", err=True)
        case InBackoff(until_ms=until, error=error):
            click.echo(f"it failed: {one_line(error)}; not tried again before {moment(until)}", err=True)
        case NothingToDo():
            click.echo("there is nothing to do", err=True)
        case unknown:
            assert_never(unknown)
    return 0


def _carry_out(jobs: Jobs, claim: Claimed, work: Callable[[], int]) -> int:
    try:
        code = work()
    except CodexError as error:
        jobs.fail_job(claim, error.message)
        raise
    if code:
        jobs.fail_job(claim, f"exit code {code}")
    else:
        jobs.finish_job(claim, again_after_s=DAY_S)
    return code
