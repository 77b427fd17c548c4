"""A shell command that is nothing but a patch.

Models that were taught to run commands write `apply_patch <<'EOF' …` into the shell tool. Such a command can be
taken as a call of the patch tool: the user sees file changes, and policy judges them as such.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_WORD = r"""(?:[^\s'"\\$`~*?\[\](){}<>|&;#!]|\\[^\n])+"""
"""A word that means itself, apart from backslashes: nothing in it is expanded."""

_COMMAND = re.compile(
    rf"""
    \s*
    (?: cd [ \t]+ (?: '(?P<single>[^']*)' | "(?P<double>[^"\\$`!]*)" | (?P<bare>(?!-){_WORD}) ) [ \t]* && \s* )?
    apply_?patch [ \t]*
    << (?P<tabs>-?) [ \t]*
    (?: '(?P<quoted>[^'\n]+)' | "(?P<double_quoted>[^"\\$`\n]+)" | \\?(?P<plain>[\w.+-]+) )
    [ \t]* \r?\n
    """,
    re.VERBOSE,
)


class ShellPatch(NamedTuple):
    """The patch of a shell command, and the folder that the command changes to, if it does."""

    folder: str | None
    patch: str


def extract_patch(script: str) -> ShellPatch | None:
    """The patch if `script` is only an `apply_patch` (or `applypatch`) here-document, optionally after
    `cd FOLDER &&`; None for everything else: other commands, pipes, redirections, a folder that the shell
    would expand.

    The document is taken by the letter, also where its delimiter is not quoted and a shell would expand `$`:
    no patch means that. A missing last delimiter is forgiven, as shells do.
    """
    start = _COMMAND.match(script)
    if start is None:
        return None
    delimiter = start["quoted"] or start["double_quoted"] or start["plain"]
    lines = script[start.end() :].split("\n")
    if start["tabs"]:
        lines = [line.lstrip("\t") for line in lines]
    end = next((index for index, line in enumerate(lines) if line.rstrip("\r") == delimiter), len(lines))
    if any(line.strip() for line in lines[end + 1 :]):
        return None
    return ShellPatch(_folder(start), "\n".join(lines[:end]))


def _folder(start: re.Match[str]) -> str | None:
    if start["bare"] is not None:
        return re.sub(r"\\(.)", r"\1", start["bare"])
    return start["single"] if start["single"] is not None else start["double"]
