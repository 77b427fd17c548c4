"""Measuring and wrapping, in cells of a terminal.

Two measures. `cells` is what a row takes on a terminal that knows Unicode as well as we do; it is rich's own, since
textual lays out by it. `room` is the most that any terminal would take: one that draws the parts of a joined emoji
side by side, or a flag as two letters. Rows are cut by `room`, so that none is wider than asked for, whoever measures
(rich, wcwidth's wcswidth, or the terminal); columns are lined up by `cells`.

Text stays in logical order: whether right-to-left text is turned around is the terminal's affair.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from rich.cells import cell_len
from rich.style import Style
from rich.text import Span, Text

Piece = tuple[str, Style]
Line = list[Piece]
"""One line, or one row, in pieces of one style each."""

NULL = Style.null()
_ZWJ, _VS16 = "\u200d", "\ufe0f"
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_WORDS = re.compile(r" +|[^ ]+")
_NO_START = frozenset("、。，．：；？！）」』】〉》〕］｝’”…ー々")  # noqa: RUF001  # they stay with the character before
_MIN_CONTENT = 4


def cells(text: str) -> int:
    """The width of a text as rich and textual see it."""
    return len(text) if text.isascii() else cell_len(text)


def room(text: str) -> int:
    """The most cells that any terminal takes for a text."""
    return len(text) if text.isascii() else sum(size for _, size in graphemes(text))


@lru_cache(4096)
def _most(char: str) -> int:
    """The widest that one code point may be drawn."""
    code = ord(char)
    if 0x1F000 <= code <= 0x1FAFF or 0x17000 <= code <= 0x191FF or 0x1B000 <= code <= 0x1B2FF:
        return 2  # newer emoji and scripts are wide in newer tables; flags' letters are wide when apart
    size = cell_len(char)
    return 1 if not size and unicodedata.category(char) == "Mc" else size


def graphemes(text: str) -> list[tuple[str, int]]:
    """What is drawn as one, each with its room: a base with its marks, joined emoji, pairs of flag letters."""
    found: list[tuple[str, int]] = []
    joined = False
    for char in text:
        size = _most(char)
        if found and (joined or _belongs(char, found[-1][0])):
            base, width = found[-1]
            wide = 2 if char == _VS16 and width == 1 else width + (size if size and char != _ZWJ else 0)
            found[-1] = (base + char, wide)
        else:
            found.append((char, size))
        joined = char == _ZWJ
    return found


def _belongs(char: str, before: str) -> bool:
    """Whether a character continues what is drawn before it."""
    if char in (_ZWJ, _VS16):
        return True
    code = ord(char)
    if code < 0x300:
        return False
    if 0x1F1E6 <= code <= 0x1F1FF:
        return len(before) == 1 and 0x1F1E6 <= ord(before) <= 0x1F1FF
    return 0x1F3FB <= code <= 0x1F3FF or not cell_len(char) or unicodedata.category(char) == "Mc"


def breaks(text: str, first: int, rest: int) -> list[tuple[int, int]]:
    """Where a text (one line) is cut into rows: start and end of each, the first at most `first` cells, the others
    `rest`. Spaces at a cut are left out; words that fit no row are cut between graphemes."""
    if room(text) <= first:
        return [(0, len(text))]
    rows: list[tuple[int, int]] = []
    begin = end = used = 0
    limit = first
    for start, stop, size in _units(text, min(first, rest)):
        if used + size <= limit:
            used += size
            if text[start] != " " or not end:
                end = stop
            continue
        if text[start] == " ":
            used = limit  # the next word goes to the next row
            continue
        if end > begin:
            rows.append((begin, end))
        begin, end, used, limit = start, stop, size, rest
    if end > begin or not rows:
        rows.append((begin, end))
    return rows


def _units(text: str, limit: int) -> Iterable[tuple[int, int, int]]:
    """Parts between which a row may end: words, runs of spaces, wide characters, pieces of what fits no row."""
    for match in _WORDS.finditer(text):
        word, start = match[0], match.start()
        size = room(word)
        if (word.isascii() and size <= limit) or word[0] == " ":
            yield start, match.end(), size
        else:
            yield from _parts(word, start, limit, size)


def _parts(word: str, start: int, limit: int, whole: int) -> Iterable[tuple[int, int, int]]:
    begin, size = start, 0
    here = start
    for grapheme, width in _pieces_of(word, limit):
        ideograph = width == 2 and grapheme not in _NO_START
        if size and (size + width > limit or ideograph):
            yield begin, here, size
            begin, size = here, 0
        size += width
        here += len(grapheme)
        if ideograph and whole > limit and size >= limit:
            yield begin, here, size
            begin, size = here, 0
    if here > begin:
        yield begin, here, size


def _pieces_of(word: str, limit: int) -> Iterable[tuple[str, int]]:
    for grapheme, width in graphemes(word):
        if width <= limit:
            yield grapheme, width
        else:  # a family of emoji on a row that is narrower: its members one by one
            yield from ((char, _most(char)) for char in grapheme)


def cut(line: Sequence[Piece], spans: Iterable[tuple[int, int]]) -> list[Line]:
    """The parts of a line between offsets that grow."""
    rows: list[Line] = []
    for begin, end in spans:
        row: Line = []
        offset = 0
        for text, style in line:
            after = offset + len(text)
            if after > begin and offset < end:
                row.append((text[max(0, begin - offset) : end - offset], style))
            offset = after
        rows.append(row)
    return rows


def wrap(line: Sequence[Piece], width: int, first: Sequence[Piece] = (), rest: Sequence[Piece] = ()) -> list[Line]:
    """A line as rows of at most `width` cells, cut between words, `first` before the first row and `rest` before the
    others (a hanging indent). Prefixes that leave no room are shortened."""
    first, first_size = _prefix(first, width)
    rest, rest_size = _prefix(rest, width)
    text = line[0][0] if len(line) == 1 else "".join(part for part, _ in line)
    spans = breaks(text, width - first_size, width - rest_size)
    if len(spans) == 1 and spans[0] == (0, len(text)):
        return [[*first, *line]]
    rows = cut(line, spans)
    return [[*(rest if number else first), *row] for number, row in enumerate(rows)]


def chop(line: Sequence[Piece], width: int, first: Sequence[Piece] = (), rest: Sequence[Piece] = ()) -> list[Line]:
    """Like `wrap`, but cut wherever the row is full, and no space is lost: for code and output."""
    first, first_size = _prefix(first, width)
    rest, rest_size = _prefix(rest, width)
    text = line[0][0] if len(line) == 1 else "".join(part for part, _ in line)
    if room(text) <= width - first_size:
        return [[*first, *line]]
    rows = cut(line, _chops(text, width - first_size, width - rest_size))
    return [[*(rest if number else first), *row] for number, row in enumerate(rows)]


def _chops(text: str, first: int, rest: int) -> list[tuple[int, int]]:
    if text.isascii():
        starts = [0, *range(first, len(text), rest)]
        return list(zip(starts, [*starts[1:], len(text)], strict=True))
    spans: list[tuple[int, int]] = []
    begin = here = used = 0
    limit = first
    for grapheme, size in _pieces_of(text, min(first, rest)):
        if used + size > limit:
            spans.append((begin, here))
            begin, used, limit = here, 0, rest
        used += size
        here += len(grapheme)
    return [*spans, (begin, here)]


def _prefix(pieces: Sequence[Piece], width: int) -> tuple[Sequence[Piece], int]:
    size = sum(room(text) for text, _ in pieces)
    spare = max(0, width - _MIN_CONTENT)
    if size <= spare:
        return pieces, size
    short = clip(pieces, spare)
    return short, sum(room(text) for text, _ in short)


def clip(line: Sequence[Piece], width: int, more: str = "") -> Line:
    """The beginning of a line that fits; `more` (such as `…`) stands at its end if something had to go."""
    if sum(room(text) for text, _ in line) <= width:
        return list(line)
    left = width - room(more)
    row: Line = []
    for text, style in line:
        part, size = _fitting(text, left)
        if part:
            row.append((part, style))
        left -= size
        if len(part) < len(text):
            break
    if more and width >= room(more):
        row.append((more, row[-1][1] if row else NULL))
    return row


def _fitting(text: str, width: int) -> tuple[str, int]:
    if text.isascii():
        return text[: max(0, width)], min(len(text), max(0, width))
    used = chars = 0
    for grapheme, size in graphemes(text):
        if used + size > width:
            break
        used += size
        chars += len(grapheme)
    return text[:chars], used


def shorten(text: str, width: int) -> str:
    """A text of at most `width` cells, `…` at its end if something had to go."""
    return "".join(part for part, _ in clip([(text, NULL)], width, "…"))


def pad(line: Line, width: int, style: Style = NULL, measure: Callable[[str], int] = cells) -> Line:
    """The line with spaces up to `width` cells, which what follows lines up with. With `room` as the measure no
    terminal finds it wider, but what follows may stand too far left on most."""
    missing = width - sum(measure(text) for text, _ in line)
    return [*line, (" " * missing, style)] if missing > 0 else line


def expand_tabs(text: str, size: int) -> str:
    """Tabs as spaces up to the next stop."""
    if "\t" not in text:
        return text
    if text.isascii():
        return text.expandtabs(size)
    first, *others = text.split("\t")
    column = cells(first)
    parts = [first]
    for part in others:
        gap = size - column % size
        parts += [" " * gap, part]
        column += gap + cells(part)
    return "".join(parts)


def text_of(row: Sequence[Piece]) -> Text:
    """A row as rich's Text."""
    spans: list[Span] = []
    offset = 0
    for part, style in row:
        after = offset + len(part)
        if part and style:
            spans.append(Span(offset, after, style))
        offset = after
    plain = row[0][0] if len(row) == 1 else "".join(part for part, _ in row)
    if _CONTROL.search(plain):  # all text has been made harmless before; this is the last gate
        plain = _CONTROL.sub("\ufffd", plain)
    return Text(plain, spans=spans, end="", no_wrap=True)
