"""The dearest matches of one word in many texts, without scoring all of them.

Scoring a hundred thousand paths would take a second. One pass of a regular expression finds what matches at all, and
where that is much, patterns for the dearest kinds of match are tried in order until no other kind can be dearer than
what was found.
"""

from __future__ import annotations

import re
from bisect import insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import islice

from .search_index import Part, Stop
from .search_score import BOUNDARY, GAP, GAP_MORE, HUMP, MATCH, START, Found, fold, score

SCORE_ALL = 1000
"""Up to so many matches are all scored."""
MOST_NAMES, MOST_PATHS = 20_000, 4_000
"""Of more matches, those that have two gaps or more are scored up to here only, in order of their paths."""
STEP = 256
"""After so many it is asked whether the answer is still wanted."""
_NO_WORD = r"[\W_]"
_WIDE = 64
"""Gaps longer than this are not told apart."""
_WIDTHS = ((1, 1), (2, 2), (3, 4), (5, 8), (9, _WIDE), (_WIDE + 1, 0))
"""Gaps are looked for by their width, the narrow ones first, since they are the dear ones."""
_SHAPES: dict[str, Mapping[int, str]] = {}


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
        self._shape = _shape_of(query)
        self._blob, self._cased = part.blob, part.cased
        self._places: Sequence[int] | None = None  # of the texts in `_blob`, where it holds not all

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
        fitting = list(self._lines(_in_order(query)))
        if len(fitting) <= SCORE_ALL:
            self._score(fitting)
            return self._result()
        self._narrow(fitting)
        kinds = self._kinds()
        while kinds and self._room(-kinds[0][0]) >= 0:
            cost, left, right, width = heappop(kinds)
            if not right:
                self._take(left)
            elif width < 0:  # does it occur at all?
                if re.search(f"{left}[^\\n]+?{right}", self._blob):
                    heappush(kinds, (cost, left, right, 0))
            else:
                least, most = _WIDTHS[width]
                self._take(f"{left}[^\\n]{{{least},{most or ''}}}?{right}")
                if most:
                    heappush(kinds, (cost + (most + 1 - least) * GAP_MORE, left, right, width + 1))
        two_gaps = _run(START, len(query), START, first=True) - 2 * GAP - (2 if self._at_start else 0)
        if len(query) > 2 and self._room(two_gaps) >= 0:
            self._score(fitting[: self._most])
        return self._result()

    def _narrow(self, fitting: Sequence[int]) -> None:
        """Look at these texts only, from now on."""
        part = self._part
        if len(fitting) * 2 < len(part.texts):
            self._blob = "\n".join(["", *(part.folded[place] for place in fitting), ""])
            self._cased = "\n".join(["", *(part.texts[place] for place in fitting), ""])
            self._places = fitting

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
        blob, line, before = self._cased if cased else self._blob, 0, 0
        places = self._places
        for number, match in enumerate(re.finditer(f"{pattern}[^\\n]*+", blob)):
            if not number % STEP and self._stop():
                raise Stopped
            start = match.start()
            line += blob.count("\n", before, start)
            before = start
            yield line - 1 if places is None else places[line - 1]

    def _score(self, places: Iterable[int]) -> None:
        part, known, shape = self._part, self._known, self._shape
        kept, limit = self._kept, self._limit
        for number, place in enumerate(places):
            if place in self._seen:
                continue
            self._seen.add(place)
            if not number % STEP and self._stop():
                raise Stopped
            text = part.texts[place].translate(shape)
            if text in known:
                found = known[text]
            else:
                found = known[text] = score(text, fold(text), self._query)
            if found is None:
                continue
            if len(kept) < limit or (-found[0], place) < kept[limit - 1][:2]:
                insort(kept, (-found[0], place, found[1]))
                if len(kept) > 2 * limit:
                    del kept[limit:]

    def _kinds(self) -> list[tuple[int, str, str, int]]:
        """Matches in one run or with one gap, as a heap: at most how dear they are (negative), patterns for what is
        before and behind the gap, and how wide it is (a place in `_WIDTHS`). The rest has two gaps or more, and comes
        when all of these have."""
        query, count = self._query, len(self._query)
        inner = START if "/" in query else BOUNDARY
        humps = {char: self._worth_anywhere(char) for char in set(query)}
        found = []
        for worth, where in ((START, self._front), (BOUNDARY, _NO_WORD), (humps[query[0]], "")):
            found.append((-_run(worth, count, inner, first=True), _behind(where, query), "", -1))
            for cut in range(1, count):
                left, right = query[:cut], query[cut:]
                if left not in self._blob or right not in self._blob:
                    continue
                seconds = ((START, self._front), (BOUNDARY, _NO_WORD), (humps[right[0]], ""))
                for more, place in seconds[self._at_start :]:
                    ceiling = _run(worth, cut, inner, first=True) - GAP + _run(more, count - cut, inner, first=False)
                    found.append((-ceiling, _behind(where, left), _behind(place, right), -1))
        heapify(found)
        return found

    def _worth_anywhere(self, char: str) -> int:
        """At most what a character is worth that neither begins a word nor a path's part."""
        if not char.isalnum():
            return 0 if char == "/" else BOUNDARY
        if char.isdigit() or not char.isascii():
            return HUMP
        upper = char.upper()
        return HUMP if re.search(_behind(r"[^\W\dA-Z_]", upper), self._cased) else 0


def _behind(place: str, text: str) -> str:
    """A pattern for a text at a place. The text comes first, since it is what is quick to find."""
    literal = re.escape(text)
    return f"{literal}(?<={place}{literal})" if place else literal


def _run(worth: int, count: int, inner: int, *, first: bool) -> int:
    """At most what a run is worth. Within it another word may begin, worth `inner`, which makes what follows dearer."""
    inner = max(worth, inner)
    return MATCH + worth * (2 if first else 1) + (count - 1) * (MATCH + inner)


def _shape_of(query: str) -> Mapping[int, str]:
    """A table for `str.translate` that makes texts alike which score alike: plain characters that are not in the query
    become one of their kind, so that few different texts are left to be scored."""
    found = _SHAPES.get(query)
    if found is None:
        kept = set(query) | set(query.upper())
        plain = (chr(code) for code in range(128) if chr(code) not in kept and chr(code) != "/")
        found = {ord(char): _like(char, kept) for char in plain}
        if len(_SHAPES) > STEP:
            _SHAPES.clear()
        _SHAPES[query] = found
    return found


def _like(char: str, kept: set[str]) -> str:
    """The first plain character of the same kind that is not in the query; the same length, the same bonuses."""
    kinds = ("0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    kind = next((kind for kind in kinds if char in kind), "".join(c for c in map(chr, range(128)) if not c.isalnum()))
    return next(other for other in kind if other not in kept and other != "/")  # at least `char` itself


def _in_order(query: str) -> str:
    """A pattern for texts that hold these characters in this order; without going back."""
    gaps = (f"[^{_class(char)}\\n]*+{re.escape(char)}" for char in query[1:])
    return re.escape(query[0]) + "".join(gaps)


def _class(char: str) -> str:
    return re.escape(char) if char not in "^]\\-" else f"\\{char}"
