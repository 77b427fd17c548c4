"""`codex skills validate`: every problem of files that the user names."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence

from codex_plugin_sdk import ExitCode
from codex_plugin_sdk.skills.files import NAME, read_text
from codex_plugin_sdk.skills.front_matter import examine
from codex_plugin_sdk.skills.problems import Problem, UnusableError
from codex_plugin_sdk.skills.roots import Root
from codex_plugin_sdk.skills.scan import scan


def run_validate(paths: Sequence[str]) -> int:
    """Carry out the command; returns the exit code."""
    checked = errors = warnings = 0
    for path in paths:
        for problems in _each(os.path.abspath(os.path.expanduser(path))):
            checked += 1
            for problem in problems:
                sys.stdout.write(f"{problem.where}: {problem.severity}: {problem.message} ({problem.cure})\n")
                errors += problem.severity == "error"
                warnings += problem.severity == "warning"
    sys.stderr.write(f"{checked} checked, {errors} errors, {warnings} warnings\n")
    return ExitCode.CONFIG if errors else ExitCode.OK


def _each(path: str) -> Iterator[Sequence[Problem]]:
    """The problems of each skill at a path, and of the folders on the way to it."""
    if not os.path.isdir(path):
        yield validate_file(path)
        return
    if os.path.lexists(os.path.join(path, NAME)):
        yield validate_file(os.path.join(path, NAME))
        return
    found = scan(Root(path=path, scope="user"))
    if found.problems:
        yield found.problems
    elif not found.skills:
        yield [Problem(path=path, line=0, message="holds no skill", cure=f"a skill is a folder that holds a {NAME}")]
    for folder in found.skills:
        yield validate_file(os.path.join(path, folder, NAME))


def validate_file(path: str) -> Sequence[Problem]:
    """The problems of one `SKILL.md`."""
    if os.path.basename(path) != NAME and os.path.lexists(path):
        return [Problem(path=path, line=0, message=f"is not named {NAME}", cure=f"rename it to {NAME}")]
    try:
        text, _ = read_text(path)
    except UnusableError as error:
        return [Problem(path=path, line=error.line, message=error.message, cure=error.cure)]
    return examine(path, text, os.path.basename(os.path.dirname(path))).problems
