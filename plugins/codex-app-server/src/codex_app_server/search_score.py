"""The score of a fuzzy match: the dearest way to find the characters of a query in a text, in order.

A matched character is worth 16; more at the start of a word, a path's part or a hump (`fooBar`), and in a run. A gap
costs 3, and 1 for each further character. The figures are those that clients know from Codex.
"""

from __future__ import annotations

MATCH, GAP, GAP_MORE = 16, 3, 1
START, BOUNDARY, HUMP, RUN = 9, 8, 5, 4
"""What a character is worth more: after a `/` and in front, after what is no word, as a hump, in a run."""

Found = tuple[int, tuple[int, ...]]
"""The score, and where the characters are."""


def fold(text: str) -> str:
    """The text without case and accents, character for character."""
    if text.isascii():
        return text.lower()
    return "".join(_fold_char(char) for char in text)


def _fold_char(char: str) -> str:
    if char.isascii():
        return char.lower()
    import unicodedata

    plain = unicodedata.normalize("NFD", char)[0].lower()
    return plain[0] if plain else char


class _Bonuses(dict[str, int]):
    """Two neighbours -> what the place of the second is worth; filled as they are met."""

    def __missing__(self, pair: str) -> int:
        if len(self) > _MANY:
            self.clear()
        found = self[pair] = _bonus(pair[:-1] or "/", pair[-1])
        return found


def _bonus(before: str, char: str) -> int:
    if not char.isalnum():
        return 0 if char == "/" else BOUNDARY
    if before == "/":
        return START
    if not before.isalnum():
        return BOUNDARY
    return HUMP if (before.islower() and char.isupper()) or (char.isdigit() and not before.isdigit()) else 0


_MANY = 50_000
_BONUSES = _Bonuses()


def score(text: str, folded: str, query: str) -> Found | None:
    """The best match of a folded query, the first of equal ones; None where there is none. An empty query matches."""
    if not query:
        return 0, ()
    bonuses = _BONUSES
    rows: list[dict[int, tuple[int, int, int]]] = []  # of each character: place -> score, bonus of its run, from where
    above: dict[int, tuple[int, int, int]] = {}
    for index, char in enumerate(query):
        row: dict[int, tuple[int, int, int]] = {}
        places = iter(above.items())
        waiting = next(places, None)
        best, best_at = None, -1
        at = folded.find(char, min(above) + 1 if index else 0)
        while at >= 0:
            here = bonuses[text[at - 1 : at + 1] if at else text[0]]
            if not index:
                row[at] = (MATCH + 2 * here, here, -1)
            else:
                while waiting is not None and waiting[0] < at - 1:
                    if best is None or waiting[1][0] + waiting[0] > best:
                        best, best_at = waiting[1][0] + waiting[0], waiting[0]
                    waiting = next(places, None)
                cell = None if best is None else (best - at - GAP + 2 * GAP_MORE + here + MATCH, here, best_at)
                beside = above.get(at - 1)
                if beside is not None:
                    run = max(beside[1], RUN)
                    if here >= BOUNDARY and here > run:
                        run = here
                    joined = beside[0] + max(run, here) + MATCH
                    if cell is None or joined > cell[0]:
                        cell = (joined, run, at - 1)
                if cell is not None:
                    row[at] = cell
            at = folded.find(char, at + 1)
        if not row:
            return None
        rows.append(row)
        above = row
    return _trace(rows)


def _trace(rows: list[dict[int, tuple[int, int, int]]]) -> Found:
    last = rows[-1]
    at = max(last, key=lambda place: (last[place][0], -place))
    total = last[at][0]
    indices = []
    for row in reversed(rows):
        indices.append(at)
        at = row[at][2]
    return total, tuple(reversed(indices))


def score_at(text: str, start: int, length: int) -> int:
    """The score of a run that is given."""
    if not length:
        return 0
    bonuses = _BONUSES
    run = bonuses[text[start - 1 : start + 1] if start else text[0]]
    total = MATCH + 2 * run
    for at in range(start + 1, start + length):
        here = bonuses[text[at - 1 : at + 1] if at else text[0]]
        run = max(run, RUN)
        if here >= BOUNDARY and here > run:
            run = here
        total += max(run, here) + MATCH
    return total
