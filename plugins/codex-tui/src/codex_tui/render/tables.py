"""Tables: columns that fit, or, where they do not, one line per cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from .theme import Theme
from .width import NULL, Line, cells, room, wrap

_BETWEEN = " │ "
_LEAST = 5
_WORD = 14


@attrs.frozen
class Columns:
    """How a table is laid out: `widths` of its columns, empty where the cells stand below each other."""

    head: Sequence[list[Line]]
    widths: tuple[int, ...]
    aligns: Sequence[str]
    total: int


def columns(
    head: Sequence[list[Line]],
    body: Sequence[Sequence[list[Line]]],
    aligns: Sequence[str],
    width: int,
    *,
    goes_on: bool = False,
) -> Columns:
    """The layout for what is known of a table. Where more rows follow, columns get of the space that is left."""
    rows = [head, *body]
    natural = [max(1, *(_width(row[number]) for row in rows if number < len(row))) for number in range(len(head))]
    least = [min(size, max(_LEAST, min(_WORD, _longest(rows, number)))) for number, size in enumerate(natural)]
    space = width - len(_BETWEEN) * (len(head) - 1)
    if goes_on and (spare := (space - sum(natural)) // len(natural)) > 0:
        natural = [size + min(spare, 2 + size // 4) for size in natural]
    widths = tuple(_fitted(natural, least, space)) if sum(least) <= space else ()
    return Columns(head, widths, aligns, width)


def _width(cell: list[Line]) -> int:
    return max((sum(room(text) for text, _ in line) for line in cell), default=0)


def _longest(rows: Sequence[Sequence[list[Line]]], number: int) -> int:
    """The longest word of a column."""
    words = [
        room(word)
        for row in rows
        if number < len(row)
        for line in row[number]
        for word in "".join(text for text, _ in line).split()
    ]
    return max(words, default=1)


def _fitted(natural: list[int], least: list[int], space: int) -> list[int]:
    """Widths that fill the space at most: the widest columns give first."""
    widths = list(natural)
    over = sum(widths) - space
    while over > 0:
        # the widest that may still give is brought down to the next one
        giving = [number for number, size in enumerate(widths) if size > least[number]]
        widest = max(widths[number] for number in giving)
        top = [number for number in giving if widths[number] == widest]
        lower = max([widths[number] for number in giving if widths[number] < widest], default=0)
        floor = max(lower, *(least[number] for number in top))
        step = max(1, min(widest - floor, over // len(top)))
        for number in top:
            if over > 0:
                taken = min(step, over, widths[number] - least[number])
                widths[number] -= taken
                over -= taken
    return widths


def head_rows(layout: Columns, theme: Theme) -> list[Line]:
    """The names of the columns with a rule below; nothing where cells stand below each other."""
    if not layout.widths:
        return []
    rule: Line = [("─┼─".join("─" * size for size in layout.widths), theme.rule)]
    return [*_beside(layout, layout.head, theme), rule]


def body_rows(layout: Columns, body: Sequence[Sequence[list[Line]]], theme: Theme, *, first: bool) -> list[Line]:
    """The rows of a table. `first`: nothing but the head is above them."""
    if layout.widths:
        return [line for row in body for line in _beside(layout, row, theme)]
    rows: list[Line] = []
    if first and not body:
        return [line for cell in layout.head for text in cell for line in wrap(text, layout.total)]
    for number, row in enumerate(body):
        if number or not first:
            rows.append([])
        rows += _below(layout, row, theme)
    return rows


def _below(layout: Columns, row: Sequence[list[Line]], theme: Theme) -> list[Line]:
    rows: list[Line] = []
    for name, cell in zip(layout.head, row, strict=False):
        title = [piece for line in name for piece in line]
        lines = cell or [[]]
        first: Line = [*title, (": ", theme.dim), *lines[0]] if title else lines[0]
        for number, line in enumerate([first, *lines[1:]]):
            indent = [("  ", NULL)]
            rows += wrap(line, layout.total, indent if number else (), indent)
    return rows


def _beside(layout: Columns, row: Sequence[list[Line]], theme: Theme) -> list[Line]:
    """One row of a table, which has several lines where a cell does not fit."""
    columns = [
        [part for line in (row[number] if number < len(row) else []) for part in wrap(line, size)]
        for number, size in enumerate(layout.widths)
    ]
    rows: list[Line] = []
    for place in range(max(1, *(len(lines) for lines in columns))):
        parts = [lines[place] if place < len(lines) else [] for lines in columns]
        out = _lined_up(layout, parts, theme, cells)
        if sum(room(text) for text, _ in out) > layout.total:
            out = _lined_up(layout, parts, theme, room)
        rows.append(out)
    return rows


def _lined_up(layout: Columns, parts: Sequence[Line], theme: Theme, measure: Callable[[str], int]) -> Line:
    out: Line = []
    for number, (line, size) in enumerate(zip(parts, layout.widths, strict=True)):
        if number:
            out.append((_BETWEEN, theme.rule))
        missing = max(0, size - sum(measure(text) for text, _ in line))
        left = {"right": missing, "center": missing // 2}.get(layout.aligns[number], 0)
        right = missing - left if number < len(parts) - 1 else 0
        out += [(" " * left, NULL), *line, (" " * right, NULL)]
    return [piece for piece in out if piece[0]]
