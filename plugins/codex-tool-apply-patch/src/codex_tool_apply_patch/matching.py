"""Finding the lines of a chunk in a file: exactly first, then more and more leniently.

Each line that is sought gets a character of its own and the file becomes a string of such characters, so that
seeking is `str.find`, which takes time linear in the file even where most of its lines are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from .hunks import SPACE

_PLAIN = (
    ("-", "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"),
    ("'", "\u2018\u2019\u201a\u201b"),
    ('"', "\u201c\u201d\u201e\u201f"),
    (" ", "\xa0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"),
)
_LAST_CHARACTER = 0x10FFFF

Lenience = Callable[[Sequence[str]], Sequence[str]]
"""Makes lines alike that are to count as equal."""


def _exact(lines: Sequence[str]) -> Sequence[str]:
    return lines


def _without_trailing_space(lines: Sequence[str]) -> Sequence[str]:
    return [line.rstrip(SPACE) for line in lines]


def _without_outer_space(lines: Sequence[str]) -> Sequence[str]:
    return [line.strip(SPACE) for line in lines]


def _plain(lines: Sequence[str]) -> Sequence[str]:
    """Typographic dashes, quotes and spaces as their ASCII counterparts."""
    text = "\n".join(_without_outer_space(lines))
    if text.isascii():
        return text.split("\n")
    for plain, fancy in _PLAIN:
        for character in fancy:  # `str.translate` takes ten times as long for a whole file
            text = text.replace(character, plain)
    return text.split("\n")


LENIENCES: tuple[Lenience, ...] = (_exact, _without_trailing_space, _without_outer_space, _plain)
"""In the order in which they are tried; the first that finds the lines anywhere wins over an earlier place."""


class Seeker:
    """Finds runs of lines in one file. `wanted` are all lines that will be sought."""

    def __init__(self, lines: Sequence[str], wanted: Iterable[str]) -> None:
        self._lines = lines
        self._wanted = list(dict.fromkeys(wanted))
        self._indexes: list[_Index] = []

    def find(self, pattern: Sequence[str], start: int, *, at_end: bool = False) -> int | None:
        """The first place from `start` on where the lines are `pattern`, or None. With `at_end` only the last
        lines of the file will do. Lines that were not announced as wanted are never found."""
        if not pattern or not self._lines:
            return None if pattern else start
        for level, lenience in enumerate(LENIENCES):
            if level == len(self._indexes):
                self._indexes.append(_Index(self._lines, self._wanted, lenience))
            found = self._indexes[level].find(pattern, start, at_end=at_end)
            if found is not None:
                return found
        return None


class _Index:
    """One lenience's view of the file."""

    def __init__(self, lines: Sequence[str], wanted: Sequence[str], lenience: Lenience) -> None:
        self._lenience = lenience
        self._lines = lenience(lines)
        self._codes: dict[str, str] = {}
        for line in lenience(wanted):
            # Past a million different lines characters are used again; `find` looks at the lines themselves.
            self._codes.setdefault(line, chr(1 + len(self._codes) % _LAST_CHARACTER))
        code = self._codes.get
        self._text = "".join([code(line, "\0") for line in self._lines])

    def find(self, pattern: Sequence[str], start: int, *, at_end: bool) -> int | None:
        lines = list(self._lenience(pattern))
        text = "".join([self._codes.get(line, "\0") for line in lines])
        if "\0" in text:
            return None  # not announced
        if at_end:
            start = max(start, len(self._lines) - len(lines))
        found = self._text.find(text, start)
        while found >= 0:
            if self._lines[found : found + len(lines)] == lines:
                return found
            found = self._text.find(text, found + 1)
        return None
