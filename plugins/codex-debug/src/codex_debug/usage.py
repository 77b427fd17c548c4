"""What a usage line says beyond click's types: the words and placeholders of a `metavar`."""

from __future__ import annotations

import re
from typing import NamedTuple

import click

_WORD = re.compile(r"--?[\w-]+|[A-Za-z][\w-]*")
_FILES = frozenset({"FILE", "FILES", "PATH", "PATHS", "CMD", "ARG"})
_FOLDERS = frozenset({"DIR", "DIRS", "FOLDER", "FOLDERS"})


class Literal(NamedTuple):
    """A word to be typed as it stands, as `status` in `[--] CMD [ARG]... | status [--json]`, and the options
    that only it has."""

    word: str
    options: tuple[str, ...]


def literals(ctx: click.Context) -> list[Literal]:
    """The words that may stand in the place of the first argument, from the alternatives of its metavar: those
    that begin with a small letter."""
    first = next((param for param in ctx.command.params if isinstance(param, click.Argument)), None)
    found = []
    for alternative in (first.metavar or "").split("|") if first is not None else ():
        words = [word for word in _WORD.findall(alternative) if word != "--"]
        if words and words[0].islower() and not words[0].startswith("-"):
            found.append(Literal(words[0], tuple(word for word in words if word.startswith("--"))))
    return found


def path_type(param: click.Parameter) -> str:
    """`file` or `dir` where the placeholder asks for one, else empty: most options take their path as text."""
    named = param.metavar or ((param.name or "").upper() if isinstance(param, click.Argument) else "")
    words = set(_WORD.findall(named))
    if words & _FILES:
        return "file"
    return "dir" if words & _FOLDERS else ""
