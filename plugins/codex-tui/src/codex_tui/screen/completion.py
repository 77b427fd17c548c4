"""What can be completed where the cursor is, and by what: commands after `/`, files after `@`, skills after `$`."""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import attrs

MAX_TOKEN_CHARS = 512
_ENDS = frozenset(" \t\n")


@attrs.frozen(kw_only=True)
class Candidate:
    """`value` is what is inserted (without the sign), `label` what is shown if that is something else, `matched` the
    places in it that the query met. `path` is where a file or skill is, if not `value`. A command that `takes_more`
    is completed by enter, not run."""

    value: str
    label: str = ""
    detail: str = ""
    matched: tuple[int, ...] = ()
    path: str = ""
    takes_more: bool = False


Provider = Callable[[str], Awaitable[Sequence[Candidate]]]
"""Gives the candidates for what is typed after the sign, best first. May take its time, and be cancelled."""
Providers = Mapping[str, Provider]
"""By sign: `/`, `@` and `$`."""


@attrs.frozen(kw_only=True)
class Token:
    """What is being completed: `text[start:end]` begins with `sign`; `query` is what lies between it and the
    cursor."""

    sign: str
    start: int
    end: int
    query: str


def token_at(text: str, cursor: int, signs: Mapping[str, Any]) -> Token | None:
    """What there is to complete where the cursor is. `/` counts at the very beginning, the others before a word."""
    start = cursor
    while start and not _ends(text[start - 1]):
        start -= 1
        if cursor - start > MAX_TOKEN_CHARS:
            return None
    if start == cursor or text[start] not in signs:
        return None
    sign = text[start]
    if (sign == "/" and start) or (sign != "/" and text[:1] == "!" and sign == "$"):
        return None
    end = cursor
    while end < len(text) and not _ends(text[end]):
        end += 1
    return Token(sign=sign, start=start, end=end, query=text[start + 1 : cursor])


def _ends(character: str) -> bool:
    return character in _ENDS or "\ud800" <= character <= "\udfff"


def inserted(sign: str, candidate: Candidate) -> str:
    """What stands in the text for a candidate: a path as it is, in quotes if it has blanks; the rest with its sign."""
    if sign != "@":
        return sign + candidate.value
    return shlex.quote(candidate.value) if any(map(str.isspace, candidate.value)) else candidate.value
