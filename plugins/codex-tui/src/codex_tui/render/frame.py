"""What cells have in common: a bullet with a title, a gutter below it, folding, and how numbers are written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.style import Style

from .safe import lines as safe_lines
from .theme import Theme
from .width import NULL, Line, Piece, clip, wrap

INDENT: Piece = ("  ", NULL)
UNFOLD = "ctrl+t"
FOLDED_HEAD, FOLDED_TAIL = 2, 3
"""Rows of an output that stay when it is folded."""


def titled(
    title: Sequence[Piece], width: int, theme: Theme, *, mark: str = "•", style: Style | None = None
) -> list[Line]:
    """A title behind a bullet, hanging."""
    return wrap(title, width, [(f"{mark} ", theme.accent if style is None else style)], [INDENT])


def gutter(rows: Iterable[Line], theme: Theme) -> list[Line]:
    """Rows below a title: `└` before the first of them. They have to be four cells narrower than the cell."""
    return [[("  └ " if not number else "    ", theme.dim), *row] for number, row in enumerate(rows)]


def paragraph(
    text: str, width: int, style: Style, first: Sequence[Piece] = (), rest: Sequence[Piece] = ()
) -> list[Line]:
    """Plain text of others as rows, its lines kept."""
    rows: list[Line] = []
    for line in safe_lines(text):
        rows += wrap([(line, style)] if line else [], width, rest if rows else first, rest)
    return rows


def left_out(count: int, theme: Theme, what: str = "lines") -> Line:
    """The row that stands for what is folded away."""
    return [(f"… +{count} {what if count != 1 else what.removesuffix('s')} ({UNFOLD})", theme.dim)]


def fold(rows: list[Line], width: int, theme: Theme, *, head: int = FOLDED_HEAD, tail: int = FOLDED_TAIL) -> list[Line]:
    """The first and the last rows, if there are more than both and one."""
    over = len(rows) - head - tail
    return rows if over < 2 else [*rows[:head], clip(left_out(over, theme), width), *rows[len(rows) - tail :]]
