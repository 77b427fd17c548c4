"""What the subcommands of `codex execpolicy` do."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
import orjson

from codex_plugin_sdk import ExitCode, SandboxMode, UserError, codex_home

from .layers import SYSTEM_FOLDER, Layers, Setting
from .load import load_rules
from .rules import Match, RuleSet, decide

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

    from .judging import Lookup
    from .recorded import Command, Recording


def run_check(invocation: Invocation, given: Mapping[str, Any]) -> None:
    """`check`. Raises `RulesError`."""
    command = tuple(given["command"])
    for word in command:
        try:
            word.encode("utf-8")
        except UnicodeEncodeError as error:
            raise UserError("the command holds bytes that are not UTF-8", exit_code=ExitCode.USAGE) from error
    home = invocation.environ.get("HOME", "")
    rules = RuleSet([load_rules(path, home) for path in given["rules"]])
    matches = rules.matches(command, resolve=given["resolve"], cwd=os.getcwd())
    found: dict[str, object] = {"matchedRules": [{"prefixRuleMatch": _as_dict(match)} for match in matches]}
    decision = decide(matches)
    if decision is not None:
        found["decision"] = decision.value
    _print_json(found, pretty=given["pretty"])


def _as_dict(match: Match) -> dict[str, object]:
    found: dict[str, object] = {"matchedPrefix": list(match.prefix), "decision": match.decision.value}
    if match.resolved_program:
        found["resolvedProgram"] = match.resolved_program
    if match.rule.justification:
        found["justification"] = match.rule.justification
    return found


def run_suggest(invocation: Invocation, given: Mapping[str, Any]) -> None:
    """`suggest`. Raises `UserError`."""
    from .suggest import suggest

    recording, commands = _recorded(invocation, given["sessions"])
    layers = _layers(invocation)
    environ = invocation.environ
    found = suggest(commands, layers.matches, home=environ.get("HOME", ""), tmpdir=environ.get("TMPDIR"))
    _tell_broken(recording)
    if given["as_json"]:
        rules = [{"rule": rule.line, "prefix": list(rule.prefix), "ends": rule.ends} for rule in found.rules]
        _print_json({**_summary(recording, commands), "asked": found.asked, "ended": found.ended, "rules": rules})
        return
    what = f"{recording.sessions} sessions, {commands.total()} commands, {found.asked} of them asked about"
    if not found.rules:
        click.echo(f"# {what}; no rule would have ended a question that came up more than once.")
        return
    click.echo(f"# {what}; these rules would have ended {found.ended}.")
    for rule in found.rules:
        click.echo(f"{rule.line}  # {rule.ends}x")


def run_simulate(invocation: Invocation, given: Mapping[str, Any]) -> None:
    """`simulate`. Raises `UserError`, among them `RulesError`."""
    from .outcomes import Bench
    from .simulate import as_table, simulate, totals

    environ = invocation.environ
    home, tmpdir = environ.get("HOME", ""), environ.get("TMPDIR")
    new = RuleSet([load_rules(path, home) for path in given["rules"]])
    recording, commands = _recorded(invocation, given["sessions"])
    now, managed = _layers(invocation), _layers(invocation, ignore_own=True)
    rows = simulate(
        commands,
        Bench(now.matches, home=home, tmpdir=tmpdir),
        Bench(_both(managed, new), home=home, tmpdir=tmpdir),
        SandboxMode(given["sandbox"]) if given["sandbox"] else None,
    )
    _tell_broken(recording)
    if given["as_json"]:
        listed = [row.as_dict() for row in rows if row.changed or given["everything"]]
        _print_json({**_summary(recording, commands), "totals": totals(rows), "rows": listed})
        return
    click.echo(f"{recording.sessions} sessions, {commands.total()} commands, {len(commands)} different")
    for line in as_table(rows, everything=given["everything"]):
        click.echo(line)


def _both(managed: Layers, new: RuleSet) -> Lookup:
    def lookup(tokens: Sequence[str], cwd: str) -> list[Match]:
        return [*managed.matches(tokens, cwd), *new.matches(tokens, resolve=True, cwd=cwd)]

    return lookup


def _recorded(invocation: Invocation, sessions: Sequence[str]) -> tuple[Recording, Counter[Command]]:
    from .outcomes import counted
    from .recorded import Recording, rollout_paths

    recording = Recording()
    paths = rollout_paths(codex_home(invocation.environ), sessions)
    return recording, counted(recording.commands(paths))


def _layers(invocation: Invocation, *, ignore_own: bool = False) -> Layers:
    """The rules that hold here. Raises `UserError` where a managed file forbids everything."""
    home = codex_home(invocation.environ)
    cwd = os.path.abspath(invocation.flags.get("cwd") or os.getcwd())
    config = invocation.load_config(cwd=cwd)
    if ignore_own:
        config.merge_key("execpolicy.ignore_rules", given=True, origin="the command line")
    layers = Layers(
        Setting(
            codex_home=home,
            cwd=cwd,
            options=config.data,
            home=invocation.environ.get("HOME", ""),
            system_folder=SYSTEM_FOLDER,
            trusted=config.trusted,
        )
    )
    layers.refresh()
    if layers.closed:
        raise UserError(f"the managed rules cannot be used: {layers.closed}", exit_code=ExitCode.CONFIG)
    for problem in layers.problems:
        sys.stderr.write(f"warning: {problem}\n")
    return layers


def _tell_broken(recording: Recording) -> None:
    if recording.broken_lines:
        sys.stderr.write(f"warning: {recording.broken_lines} lines could not be read and are left out\n")


def _summary(recording: Recording, commands: Counter[Command]) -> dict[str, object]:
    return {
        "sessions": recording.sessions,
        "commands": commands.total(),
        "brokenLines": recording.broken_lines,
    }


def _print_json(found: Mapping[str, object], *, pretty: bool = False) -> None:
    option = orjson.OPT_INDENT_2 if pretty else 0
    click.echo(orjson.dumps(found, option=option))
