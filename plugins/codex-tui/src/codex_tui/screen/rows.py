"""A widget that shows rows which somebody else has made."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.strip import Strip
from textual.widget import Widget

from ..render import cells

_CONSOLE = Console(width=10_000, color_system="truecolor", legacy_windows=False)
"""Only makes segments of texts; nothing is written to it."""
_PLAIN = Style.null()


def strip_of(row: Text) -> Strip:
    """A row as textual draws it."""
    # a text without any style yields None for it, which textual's filters (NO_COLOR) do not take
    segments = [Segment(text, style or _PLAIN) for text, style, _ in row.render(_CONSOLE) if text]
    return Strip(segments, cells(row.plain))


def line_of(rows: Sequence[Text], y: int, width: int, base: Style, console: Console) -> Strip:
    """What `render_line` gives for a widget of these rows: blank below them."""
    if y >= len(rows):
        return Strip.blank(width, base)
    return Strip(rows[y].render(console)).apply_style(base).adjust_cell_length(width, base)


class Rows(Widget):
    """As high as it has rows; a row that is too wide is cut."""

    DEFAULT_CSS = "Rows { width: 100%; height: 0; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._strips: list[Strip] = []

    def show_rows(self, rows: Sequence[Text]) -> None:
        """Show these instead of what is shown."""
        strips = [strip_of(row) for row in rows]
        if strips == self._strips:
            return
        if len(strips) != len(self._strips):
            self.styles.height = len(strips)
        self._strips = strips
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One row."""
        if y >= len(self._strips):
            return Strip.blank(self.size.width, self.rich_style)
        return self._strips[y].adjust_cell_length(self.size.width, self.rich_style)
