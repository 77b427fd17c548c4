"""The dearest matches of one word in many texts, without scoring all of them.

Scoring a hundred thousand paths would take a second. One pass of a regular expression finds what matches at all, and
where that is much, patterns for the dearest kinds of match are tried in order until no other kind can be dearer than
what was found.
"""

from __future__ import annotations

import re
from bisect import insort
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from .search_index import Part, Stop
from .search_score import BOUNDARY, GAP, HUMP, MATCH, START, Found, score

SCORE_ALL = 2000
"""Up to so many matches are all scored."""
MOST_NAMES, MOST_PATHS = 20_000, 4_000
"""Of more matches, those that have two gaps or more are scored up to here only, in order of their paths."""
STEP = 256
"""After so many it is asked whether the answer is still wanted."""
_NO_WORD = r"[\W_]"
_WIDE = 64
"""Gaps longer than this are not told apart."""


class Stopped(Exception):
    """The query was given up."""


class Best:
    """The dearest matches of one word in a part. `at_start`: the texts are names, in which only the front counts as
    the start of a path's part."""

    def __init__(self, part: Part, query: str, limit: int, stop: Stop, *, at_start: bool) -> None:
        self._part, self._query, self._limit, self._stop = part, query, limit, stop
        self._front = r"\n" if at_start else r"[\n/]"
        self._at_start = at_start
        self._most = MOST_NAMES if at_start else MOST_PATHS
        self._seen: set[int] = set()
        self._kept: list[tuple[int, int, tuple[int, ...]]] = []
        self._known: dict[str, Found | None] = {}

    def skip(self, places: Sequence[int]) -> None:
        """Leave these out."""
        self._seen.update(places)

    def all(self) -> list[tuple[int, Found]]:
        """Place and match, the dearest first, equal ones in order. Raises `Stopped`."""
        query = self._query
        if query[0].isalnum():  # in front each character is worth the most, so that the first such texts will do
            self._take(_behind(self._front, query), alike=True)
        if len(query) == 1:
            self._take(_behind(_NO_WORD, query) if query.isalnum() else re.escape(query), alike=True)
            self._take_humps()
            self._take(re.escape(query), alike=True)
            return self._result()
        if self._full():
            return self._result()
        few = list(islice(self._lines(_in_order(query)), SCORE_ALL + 1))
        if len(few) <= SCORE_ALL:
            self._score(few)
            return self._result()
        for ceiling, left, right in self._kinds():
            room = self._room(ceiling)
            if room < 0:
                break
            gap = f"[^\\n]{{1,{room + 1}}}?" if right and room < _WIDE else "[^\\n]+?" if right else ""
            self._take(left + gap + right)
        two_gaps = _run(START, len(query), first=True) - 2 * GAP - (2 if self._at_start else 0)
        if len(query) > 2 and self._room(two_gaps) >= 0:
            self._score(islice(self._lines(_in_order(query)), self._most))
        return self._result()

    def _room(self, ceiling: int) -> int:
        """By how much a match may stay below the ceiling and still count; below 0: none counts."""
        return ceiling + self._kept[self._limit - 1][0] if self._full() else _WIDE

    def _take_humps(self) -> None:
        """Texts in which the only character is a hump: case counts here, which the folded text does not tell."""
        char = self._query
        pattern = _behind(r"[^\d\n]", char) if char.isdigit() else _behind(r"[^\W\d_A-Z]", char.upper())
        if char.upper() != char or char.isdigit():
            self._take(pattern, alike=True, cased=True)

    def _full(self) -> bool:
        return len(self._kept) >= self._limit

    def _result(self) -> list[tuple[int, Found]]:
        return [(place, (-worth, indices)) for worth, place, indices in self._kept[: self._limit]]

    def _take(self, pattern: str, *, alike: bool = False, cased: bool = False) -> None:
        """Score what matches. If all are worth alike and less than what is kept, the first ones will do, and none where
        enough is kept."""
        places = self._lines(pattern, cased=cased)
        if alike:
            missing = 0 if self._full() else self._limit
            places = islice((place for place in places if place not in self._seen), missing)
        self._score(places)

    def _lines(self, pattern: str, *, cased: bool = False) -> Iterator[int]:
        """Places of the texts in which a pattern is found, each once."""
        blob, line, before = self._part.cased if cased else self._part.blob, 0, 0
        for number, match in enumerate(re.finditer(f"{pattern}[^\\n]*+", blob)):
            if not number % STEP and self._stop():
                raise Stopped
            start = match.start()
            line += blob.count("\n", before, start)
            before = start
            yield line - 1

    def _score(self, places: Iterable[int]) -> None:
        part, known = self._part, self._known
        kept, limit = self._kept, self._limit
        for number, place in enumerate(places):
            if place in self._seen:
                continue
            self._seen.add(place)
            if not number % STEP and self._stop():
                raise Stopped
            text = part.texts[place]
            if text in known:
                found = known[text]
            else:
                found = known[text] = score(text, part.folded[place], self._query)
            if found is None:
                continue
            if len(kept) < limit or (-found[0], place) < kept[limit - 1][:2]:
                insort(kept, (-found[0], place, found[1]))
                if len(kept) > 2 * limit:
                    del kept[limit:]

    def _kinds(self) -> list[tuple[int, str, str]]:
        """Matches in one run or with one gap: at most how dear they are, and patterns for what is before and behind the
        gap; the dearest first. The rest has two gaps or more, and comes when all of these have."""
        query, count = self._query, len(self._query)
        humps = {char: self._worth_anywhere(char) for char in set(query)}
        found = []
        for worth, where in ((START, self._front), (BOUNDARY, _NO_WORD), (humps[query[0]], "")):
            found.append((_run(worth, count, first=True), _behind(where, query), ""))
            for cut in range(1, count):
                left, right = query[:cut], query[cut:]
                if left not in self._part.blob or right not in self._part.blob:
                    continue
                seconds = ((START, self._front), (BOUNDARY, _NO_WORD), (humps[right[0]], ""))
                for more, place in seconds[self._at_start :]:
                    ceiling = _run(worth, cut, first=True) - GAP + _run(more, count - cut, first=False)
                    found.append((ceiling, _behind(where, left), _behind(place, right)))
        return sorted(found, key=lambda kind: -kind[0])

    def _worth_anywhere(self, char: str) -> int:
        """At most what a character is worth that neither begins a word nor a path's part."""
        if not char.isalnum():
            return 0 if char == "/" else BOUNDARY
        if char.isdigit() or not char.isascii():
            return HUMP
        upper = char.upper()
        return HUMP if re.search(_behind(r"[^\W\dA-Z_]", upper), self._part.cased) else 0


def _behind(place: str, text: str) -> str:
    """A pattern for a text at a place. The text comes first, since it is what is quick to find."""
    literal = re.escape(text)
    return f"{literal}(?<={place}{literal})" if place else literal


def _run(worth: int, count: int, *, first: bool) -> int:
    """At most what a run is worth. Within it another word may begin, which makes what follows dearer."""
    inner = max(worth, BOUNDARY)
    return MATCH + worth * (2 if first else 1) + (count - 1) * (MATCH + inner)


def _in_order(query: str) -> str:
    """A pattern for texts that hold these characters in this order; without going back."""
    gaps = (f"[^{_class(char)}\\n]*+{re.escape(char)}" for char in query[1:])
    return re.escape(query[0]) + "".join(gaps)


def _class(char: str) -> str:
    return re.escape(char) if char not in "^]\\-" else f"\\{char}"
