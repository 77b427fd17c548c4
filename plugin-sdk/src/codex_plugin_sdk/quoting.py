"""A command's words as one line, quoted as Codex quotes them: clients compare these texts."""

from __future__ import annotations

import re
from collections.abc import Sequence

_PLAIN = re.compile(r"[A-Za-z0-9+\-./:@\]_]+\Z")
_SINGLE = re.compile(r"\^?[^'\\^]*\Z")
_RUN_PLAIN = re.compile(r"[A-Za-z0-9+\-./:@\]_]+")
_RUN_SINGLE = re.compile(r"\^?[^'\\^]*")
_RUN_DOUBLE = re.compile(r"[^`$!^]+")


def command_line(argv: Sequence[str]) -> str:
    """The words, each quoted if need be and joined by spaces; a shell reads back the same words."""
    return " ".join(map(quote, argv))


def quote(word: str) -> str:
    """One word. The longest piece that one kind of quotes can hold comes first, then the rest in the same
    way; of kinds that hold equally much, none is preferred to single, and single to double quotes."""
    if _PLAIN.match(word):
        return word
    if _SINGLE.match(word):
        return f"'{word}'"
    pieces = []
    start = 0
    while start < len(word):
        end, piece = _longest(word, start)
        pieces.append(piece)
        start = end
    return "".join(pieces)


def _longest(word: str, start: int) -> tuple[int, str]:
    single = _end(_RUN_SINGLE, word, start)
    double = _end(_RUN_DOUBLE, word, start)
    end = max(single, double)
    if _end(_RUN_PLAIN, word, start) == end:
        return end, word[start:end]
    piece = word[start:end]
    if single == end:
        return end, f"'{piece}'"
    escaped = piece.replace("\\", "\\\\").replace('"', '\\"')
    return end, f'"{escaped}"'


def _end(pattern: re.Pattern[str], word: str, start: int) -> int:
    found = pattern.match(word, start)
    return found.end() if found else start
