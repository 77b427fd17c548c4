"""`codex sandbox status`: the survey for people and for programs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import Candidate, ExitCode, SandboxUnavailable

from .options import Task, task_of
from .survey import Survey, survey

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation, Probe

SCHEMA_VERSION = 1


def print_status(invocation: Invocation, given: Mapping[str, Any], *, as_json: bool) -> int:
    """Print it to stdout. Raises `SandboxUnavailable`, after printing, when no engine can be used; `ConfigError`."""
    import anyio

    task = task_of(invocation, given)
    found = anyio.run(survey, task.engine, task.policy)
    sys.stdout.write(_json(task, found) if as_json else _table(task, found))
    sys.stdout.flush()
    if found.chosen is None:
        raise SandboxUnavailable(found.problem, hint=found.cure)
    return ExitCode.OK


def _json(task: Task, found: Survey) -> str:
    import orjson

    report = {
        "schema_version": SCHEMA_VERSION,
        "mode": found.policy.mode.value,
        "permission_profile": task.profile,
        "network": found.policy.network.value,
        "preference": found.preference.value,
        "chosen": found.chosen,
        "confined": found.confined,
        "problem": found.problem,
        "cure": found.cure,
        "engines": [engine_entry(candidate, found) for candidate in found.candidates],
    }
    return orjson.dumps(report, option=orjson.OPT_INDENT_2).decode() + "\n"


def engine_entry(candidate: Candidate, found: Survey) -> dict[str, object]:
    """An engine for programs."""
    probe = candidate.probe
    return {
        "name": candidate.name,
        "version": probe.version,
        "available": probe.available,
        "usable": not candidate.reason,
        "chosen": candidate.name == found.chosen,
        "degraded": probe.degraded,
        "proof": _proof(candidate),
        "reason": candidate.reason,
        "cure": probe.cure,
        "guarantees": guarantee_entries(probe),
    }


def guarantee_entries(probe: Probe) -> list[dict[str, object]]:
    """What an engine enforces, and what not, for programs."""
    return [{"name": g.name, "enforced": g.enforced, "why": g.why} for g in probe.guarantees]


def _proof(candidate: Candidate) -> str:
    """`now`, `earlier`, `failed`, or `none` where it was not tried out."""
    if not candidate.proved:
        return "none"
    return "failed" if candidate.reason else "earlier" if candidate.cached else "now"


_PROOFS = {
    "none": "not tried out",
    "failed": "failed when tried out",
    "now": "proved now",
    "earlier": "proved earlier on this machine",
}


def _table(task: Task, found: Survey) -> str:
    policy = found.policy
    what = f"profile {task.profile} ({policy.mode})" if task.profile else str(policy.mode)
    head = f"{what}, network {policy.network}, preference {found.preference}: "
    if not found.confined:
        return head + ("commands run unconfined\n" if found.chosen else "nothing runs commands unconfined here\n")
    lines = [head + (f"commands are confined by {found.chosen}" if found.chosen else "no engine can be used")]
    for candidate in found.candidates:
        lines += ["", *_candidate_lines(candidate, found)]
    return "\n".join(lines) + "\n"


def _candidate_lines(candidate: Candidate, found: Survey) -> list[str]:
    probe = candidate.probe
    words = ["chosen"] if candidate.name == found.chosen else [] if candidate.reason else ["could be used"]
    words += [_PROOFS[_proof(candidate)]] if probe.available else ["not available"]
    words += ["degraded"] if probe.degraded else []
    lines = [f"{candidate.name}: {', '.join(words)}"]
    if probe.version:
        lines.append(f"  version    {probe.version}")
    if candidate.reason:
        lines.append(f"  not used   {candidate.reason}")
    if probe.cure:
        lines.append(f"  cure       {probe.cure}")
    width = max((len(guarantee.name) for guarantee in probe.guarantees), default=0)
    for guarantee in probe.guarantees:
        word = "enforced" if guarantee.enforced else f"NOT enforced{f': {guarantee.why}' if guarantee.why else ''}"
        lines.append(f"  {guarantee.name:<{width}}  {word}")
    return lines
