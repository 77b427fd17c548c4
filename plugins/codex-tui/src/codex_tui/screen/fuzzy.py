"""Finding what is meant by a few letters. No textual in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

WHOLE, WORD, RUN = 1000, 20, 10


class Match(NamedTuple):
    """How well a text fits, the more the better, and the places of the letters that were looked for."""

    score: int
    places: tuple[int, ...]


def match(wanted: str, text: str) -> Match | None:
    """Whether the letters of `wanted`, spaces aside, stand in `text` in their order. What stands there in one piece
    comes before what is scattered, beginnings of words before their middles, and short texts before long ones."""
    letters = wanted.casefold()
    lowered = _folded(text)
    place = lowered.find(letters)
    if place >= 0:
        at_word = place == 0 or not lowered[place - 1].isalnum()
        score = WHOLE + (WORD * 5 if at_word else 0) - min(place, 50) - min(len(text), 200) // 10
        return Match(score, tuple(range(place, place + len(letters))))
    places = _scattered(letters.replace(" ", ""), lowered)
    if places is None:
        return None
    score = sum(_weight(lowered, places, number) for number in range(len(places)))
    return Match(score - min(len(text), 200) // 10, places)


def _folded(text: str) -> str:
    """In lower case, letter by letter: places in it are places in the text."""
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else "".join(c.lower()[:1] or c for c in text)


def _scattered(letters: str, lowered: str) -> tuple[int, ...] | None:
    """Places of the letters: of the next beginning of a word where the rest still fits behind it, else the first."""
    places: list[int] = []
    at = 0
    for number, letter in enumerate(letters):
        found = lowered.find(letter, at)
        if found < 0:
            return None
        better = _word_start(letter, lowered, found)
        if better is not None and _fits(letters[number + 1 :], lowered, better + 1):
            follows = bool(places) and found == places[-1] + 1
            found = found if follows else better
        places.append(found)
        at = found + 1
    return tuple(places)


def _word_start(letter: str, lowered: str, at: int) -> int | None:
    while at >= 0:
        if at == 0 or not lowered[at - 1].isalnum():
            return at
        at = lowered.find(letter, at + 1)
    return None


def _fits(letters: str, lowered: str, at: int) -> bool:
    for letter in letters:
        at = lowered.find(letter, at) + 1
        if at == 0:
            return False
    return True


def _weight(lowered: str, places: Sequence[int], number: int) -> int:
    place = places[number]
    starts = place == 0 or not lowered[place - 1].isalnum()
    follows = number > 0 and places[number - 1] == place - 1
    return 1 + (WORD if starts else 0) + (RUN if follows else 0)
