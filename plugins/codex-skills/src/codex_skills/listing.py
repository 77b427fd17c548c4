"""`codex skills list`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import ExitCode, UserError
from codex_plugin_sdk.skills.listing import Listed, list_skills
from codex_plugin_sdk.skills.problems import Problem

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

SCHEMA_VERSION = 1


def run_list(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Carry out the command; returns the exit code. Raises `CodexError` for what is wrong before."""
    cwd = _folder(given.get("cwd") or invocation.flags.get("cwd"))
    config = invocation.load_config(cwd=cwd, overrides=given.get("overrides", ()), profile=given.get("profile"))
    listed, problems = list_skills(invocation, config, cwd)
    if given["as_json"]:
        _print_json(listed, problems, trusted=config.trusted)
    else:
        _print_table(listed)
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    return ExitCode.OK


def _print_json(listed: Sequence[Listed], problems: Sequence[Problem], *, trusted: bool) -> None:
    import orjson

    whole = {
        "schema_version": SCHEMA_VERSION,
        "project_trusted": trusted,
        "skills": [
            {
                "name": entry.skill.name,
                "scope": entry.skill.root.scope,
                "plugin": entry.skill.root.plugin or None,
                "enabled": entry.enabled,
                "shadowed_by": entry.shadowed_by or None,
                "path": entry.skill.path,
                "description": entry.skill.description,
            }
            for entry in listed
        ],
        "problems": [
            {"path": problem.path, "line": problem.line or None, "message": problem.message, "cure": problem.cure}
            for problem in problems
        ],
    }
    sys.stdout.write(orjson.dumps(whole, option=orjson.OPT_INDENT_2).decode() + "\n")


def _print_table(listed: Sequence[Listed]) -> None:
    if not listed:
        sys.stdout.write("no skills\n")
        return
    rows = [("NAME", "SCOPE", "ENABLED", "PATH", "DESCRIPTION"), *map(_row, listed)]
    widths = [max(len(row[at]) for row in rows) for at in range(4)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:4], widths, strict=True)]
        sys.stdout.write("  ".join((*cells, row[4])).rstrip() + "\n")


def _row(entry: Listed) -> tuple[str, str, str, str, str]:
    skill = entry.skill
    scope = f"{skill.root.scope} {skill.root.plugin}".rstrip()
    enabled = "shadowed" if entry.enabled and entry.shadowed_by else "yes" if entry.enabled else "no"
    return skill.name, scope, enabled, skill.path, skill.description


def _folder(chosen: str | None) -> str:
    if chosen is None:
        try:
            return os.getcwd()
        except OSError as error:
            raise UserError("the working directory is gone", hint="name a folder that exists with -C") from error
    path = os.path.abspath(os.path.expanduser(chosen))
    if not os.path.isdir(path):
        raise UserError(f"{path} is not a folder", hint="name one that exists with -C DIR")
    return path
