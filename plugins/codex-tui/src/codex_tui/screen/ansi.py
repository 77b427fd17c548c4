"""Rows of segments as what is written to a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.segment import Segment
from textual.strip import Strip

from .painter import Row

SAFE = dict.fromkeys([*range(32), *range(127, 160)], "\N{REPLACEMENT CHARACTER}")
"""For `str.translate`: nothing that a terminal would obey."""


def bare_row(strip: Strip, console: Console) -> Row:
    """The row with the colours of the console and without blanks at its end: a terminal that becomes narrower would
    wrap them. Control characters are replaced, wherever they have come from."""
    segments = [part if part.text.isprintable() else _harmless(part) for part in strip if not part.control]
    while segments and not segments[-1].text.strip(" ") and _is_invisible(segments[-1]):
        segments.pop()
    if segments and segments[-1].text.endswith(" ") and _is_invisible(segments[-1]):
        segments[-1] = Segment(segments[-1].text.rstrip(" "), segments[-1].style)
    strip = Strip(segments)
    return Row(strip.render(console), strip.cell_length)


def _harmless(part: Segment) -> Segment:
    return Segment(part.text.translate(SAFE), part.style)


def _is_invisible(part: Segment) -> bool:
    style = part.style
    return style is None or not (
        style.reverse or style.underline or style.strike or (style.bgcolor is not None and not style.bgcolor.is_default)
    )
