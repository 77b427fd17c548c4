"""Where the motions of vi lead: functions of text and place alone."""

from __future__ import annotations

from collections.abc import Callable

from .buffer import next_cluster, previous_cluster

Motion = Callable[[str, int], int]


def line_start(text: str, place: int) -> int:
    """Where the line begins."""
    return text.rfind("\n", 0, place) + 1


def line_end(text: str, place: int) -> int:
    """Where the line ends, before its newline."""
    end = text.find("\n", place)
    return len(text) if end < 0 else end


def first_non_blank(text: str, place: int) -> int:
    """The first character of the line that is no blank; its end if there is none."""
    start, end = line_start(text, place), line_end(text, place)
    while start < end and text[start] in " \t":
        start += 1
    return start


def last_on_line(text: str, place: int) -> int:
    """The last place of a line on which the cursor of normal mode may be."""
    start, end = line_start(text, place), line_end(text, place)
    return max(start, previous_cluster(text, end)) if end > start else start


def settled(text: str, place: int) -> int:
    """A place that normal mode allows, nearest to this one."""
    place = max(0, min(place, len(text)))
    return min(place, last_on_line(text, place))


def left(text: str, place: int) -> int:
    """One character back, within the line."""
    return max(line_start(text, place), previous_cluster(text, place)) if place else 0


def right(text: str, place: int) -> int:
    """One character on, within the line."""
    return min(line_end(text, place), next_cluster(text, place))


def _kind(character: str) -> int:
    if character.isspace():
        return 0
    return 1 if character.isalnum() or character == "_" else 2


def word(text: str, place: int) -> int:
    """The beginning of the next word; an empty line is one."""
    end = len(text)
    if place < end and (kind := _kind(text[place])):
        while place < end and _kind(text[place]) == kind:
            place += 1
    while place < end and not _kind(text[place]):
        if text[place : place + 2] == "\n\n":
            return place + 1
        place += 1
    return place


def word_end(text: str, place: int) -> int:
    """The last character of the word, of the next one at its end."""
    last = len(text) - 1
    place += 1
    while place < last and not _kind(text[place]):
        place += 1
    while place < last and _kind(text[place + 1]) == _kind(text[place]):
        place += 1
    return max(0, min(place, last))


def word_back(text: str, place: int) -> int:
    """The beginning of the word, of the one before at its beginning."""
    place -= 1
    while place > 0 and not _kind(text[place]):
        place -= 1
    while place > 0 and _kind(text[place - 1]) == _kind(text[place]):
        place -= 1
    return max(0, place)


def line_below(text: str, place: int) -> int:
    """The same column on the next line; the place itself on the last."""
    end = line_end(text, place)
    if end == len(text):
        return place
    return min(end + 1 + place - line_start(text, place), line_end(text, end + 1))


def line_above(text: str, place: int) -> int:
    """The same column on the line before; the place itself on the first."""
    start = line_start(text, place)
    if not start:
        return place
    above = line_start(text, start - 1)
    return min(above + place - start, start - 1)


def line_number(text: str, number: int) -> int:
    """Where a line begins, the first being 1; the last line if there are fewer."""
    place = 0
    for _ in range(number - 1):
        end = text.find("\n", place)
        if end < 0:
            break
        place = end + 1
    return place


def find(text: str, place: int, way: str, character: str) -> int | None:
    """Where f, F, t or T (`way`) lead within the line, None for nowhere."""
    start, end = line_start(text, place), line_end(text, place)
    if way in "ft":
        found = text.find(character, place + 1, end)
        return None if found < 0 else found - (way == "t")
    found = text.rfind(character, start, place)
    return None if found < 0 else found + (way == "T")


EXCLUSIVE: dict[str, Motion] = {
    "h": left,
    "left": left,
    "backspace": left,
    "l": right,
    "right": right,
    " ": right,
    "w": word,
    "b": word_back,
    "0": line_start,
    "home": line_start,
    "^": first_non_blank,
}
INCLUSIVE: dict[str, Motion] = {"e": word_end, "$": last_on_line, "end": last_on_line}
LINEWISE: dict[str, Motion] = {"j": line_below, "down": line_below, "k": line_above, "up": line_above}
KNOWN = EXCLUSIVE.keys() | INCLUSIVE.keys() | LINEWISE.keys() | {"G", ";", ","}
"""All keys that move."""
