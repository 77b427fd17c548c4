"""Finding the lines of a chunk in a file: exactly first, then more and more leniently.

Each line that is sought gets a character of its own and the file becomes a string of such characters, so that
seeking is `str.find`, which takes time linear in the file even where most of its lines are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from .hunks import SPACE

_PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        **dict.fromkeys("\u2018\u2019\u201a\u201b", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f", '"'),
        **dict.fromkeys("\xa0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " "),
    }
)
_LAST_CHARACTER = 0x10FFFF


def _exact(line: str) -> str:
    return line


def _without_trailing_space(line: str) -> str:
    return line.rstrip(SPACE)


def _without_outer_space(line: str) -> str:
    return line.strip(SPACE)


def _plain(line: str) -> str:
    """Typographic dashes, quotes and spaces as their ASCII counterparts."""
    line = line.strip(SPACE)
    return line if line.isascii() else line.translate(_PLAIN)


LENIENCES: tuple[Callable[[str], str], ...] = (_exact, _without_trailing_space, _without_outer_space, _plain)
"""In the order in which they are tried; the first that finds the lines anywhere wins over an earlier place."""


class Seeker:
    """Finds runs of lines in one file. `wanted` are all lines that will be sought."""

    def __init__(self, lines: Sequence[str], wanted: Iterable[str]) -> None:
        self._lines = lines
        self._wanted = frozenset(wanted)
        self._indexes: list[_Index] = []

    def find(self, pattern: Sequence[str], start: int, *, at_end: bool = False) -> int | None:
        """The first place from `start` on where the lines are `pattern`, or None. With `at_end` only the last
        lines of the file will do. Lines that were not announced as wanted are never found."""
        if not pattern:
            return start
        for level, lenience in enumerate(LENIENCES):
            if level == len(self._indexes):
                self._indexes.append(_Index(self._lines, self._wanted, lenience))
            found = self._indexes[level].find(pattern, start, at_end=at_end)
            if found is not None:
                return found
        return None


class _Index:
    """One lenience's view of the file."""

    def __init__(self, lines: Sequence[str], wanted: frozenset[str], lenience: Callable[[str], str]) -> None:
        self._lenience = lenience
        self._lines = lines if lenience is _exact else [lenience(line) for line in lines]
        self._codes: dict[str, str] = {}
        for line in wanted:
            # Past a million different lines characters are used again; `find` looks at the lines themselves.
            self._codes.setdefault(lenience(line), chr(1 + len(self._codes) % _LAST_CHARACTER))
        code = self._codes.get
        self._text = "".join([code(line, "\0") for line in self._lines])

    def find(self, pattern: Sequence[str], start: int, *, at_end: bool) -> int | None:
        lines = [self._lenience(line) for line in pattern]
        if any(line not in self._codes for line in lines):
            return None
        text = "".join([self._codes[line] for line in lines])
        if at_end:
            start = max(start, len(self._lines) - len(lines))
        found = self._text.find(text, start)
        while found >= 0:
            if self._lines[found : found + len(lines)] == lines:
                return found
            found = self._text.find(text, found + 1)
        return None
