"""A widget that shows blocks: the base of the pager and of the transcript in full-screen mode."""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from .rows import line_of
from .viewport import Blocks, Row, Viewport

WHEEL_ROWS = 3
GUTTER = 1
"""Cells on the left, in which the block that is pointed at is marked."""


class BlocksView(Widget, can_focus=True):
    """Fills what it is given. Whoever changes the blocks calls `changed`."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"blocks--bar", "blocks--found", "blocks--pointed"}
    DEFAULT_CSS = """
    BlocksView { width: 100%; height: 100%; }
    BlocksView > .blocks--bar { color: $text-muted; }
    BlocksView > .blocks--found { text-style: reverse; }
    BlocksView > .blocks--pointed { color: $text-accent; text-style: bold; }
    """

    def __init__(self, blocks: Blocks, *, follow: bool = False, wheel_rows: int = WHEEL_ROWS) -> None:
        super().__init__()
        self.viewport = Viewport(blocks, follow=follow)
        self._wheel_rows = wheel_rows
        self._found = ""
        self._pointed: int | None = None
        self._lines: list[Text] = []
        self._page: list[Row] = []
        self._drawn_size: Size | None = None

    @property
    def blocks(self) -> Blocks:
        """What is shown."""
        return self.viewport.blocks

    def bar(self, width: int) -> Text | None:
        """The row below; None if there is none."""
        return None

    def toggle(self, block: int) -> bool:
        """Fold or unfold a block; False if there is nothing to do with it."""
        return False

    def changed(self) -> None:
        """The blocks have changed."""
        self._drawn_size = None
        self.refresh()

    # -- drawing ---------------------------------------------------------------------------------

    def ink(self, name: str) -> Style:
        """The style of a component class, without a background of its own."""
        return self.get_component_rich_style(f"blocks--{name}", partial=True)

    def notify_style_update(self) -> None:
        """See textual."""
        super().notify_style_update()
        self._drawn_size = None

    def render_line(self, y: int) -> Strip:
        """See textual."""
        size = self.content_size
        if self._drawn_size != size:
            self._draw(size)
            self._drawn_size = size
        return line_of(self._lines, y, size.width, self.rich_style, self.app.console)

    def _draw(self, size: Size) -> None:
        bar = self.bar(size.width)
        height = max(1, size.height - (bar is not None))
        self._page = self.viewport.page(max(1, size.width - GUTTER), height)
        self._lines = [self._line(row) for row in self._page]
        self._lines += [Text()] * (height - len(self._lines))
        # Made a second time, since what it tells of the place is known only now.
        bar = self.bar(size.width)
        if bar is not None:
            self._lines[height:] = [bar]

    def _line(self, row: Row) -> Text:
        pointed = row.block == self._pointed and self.has_focus
        line = Text("▌" if pointed else " ", self.ink("pointed") if pointed else "")
        text = row.text
        if self._found and self._found in text.plain.casefold():
            text = text.copy()
            _mark(text, self._found, self.ink("found"))
        return line.append_text(text)

    # -- moves -----------------------------------------------------------------------------------

    def act(self, action: str) -> bool:
        """Do what the key map calls up, down, page-up, page-down, half-page-up, half-page-down, home, end; the global
        scroll-up, scroll-down, scroll-top and scroll-bottom as well. False for anything else."""
        page = max(1, self.viewport.height - 1)
        steps = {"up": -1, "down": 1, "page-up": -page, "page-down": page, "scroll-up": -page, "scroll-down": page}
        steps |= {"half-page-up": -max(1, page // 2), "half-page-down": max(1, page // 2)}
        if action in steps:
            self.viewport.scroll(steps[action])
        elif action in ("home", "scroll-top"):
            self.viewport.home()
        elif action in ("end", "scroll-bottom"):
            self.viewport.end()
        else:
            return False
        self.changed()
        return True

    def point(self, step: int) -> None:
        """Point at the next (1) or the former (-1) block that is seen; beyond the window it moves along."""
        count = len(self.blocks)
        if not count or not self._page:
            return
        seen = [row.block for row in self._page]
        if self._pointed is None or not seen[0] <= self._pointed <= seen[-1]:
            self._pointed = seen[0] if step > 0 else seen[-1]
        else:
            self._pointed = max(0, min(count - 1, self._pointed + step))
        if self._pointed not in seen:
            self.viewport.go(self._pointed, lead=self.viewport.height // 2)
        self.changed()

    @property
    def pointed(self) -> int | None:
        """The block that is pointed at."""
        return self._pointed

    def _toggle(self, block: int | None) -> None:
        if block is not None and block < len(self.blocks) and self.toggle(block):
            self.changed()

    def on_focus(self) -> None:
        """What is pointed at is marked only as long as it has the focus."""
        self.changed()

    def on_blur(self) -> None:
        """See `on_focus`."""
        self.changed()

    # -- mouse -----------------------------------------------------------------------------------

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The wheel."""
        self._wheel(self._wheel_rows, event)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The wheel."""
        self._wheel(-self._wheel_rows, event)

    def _wheel(self, rows: int, event: events.MouseEvent) -> None:
        self.viewport.scroll(rows)
        self.changed()
        event.stop()

    def on_click(self, event: events.Click) -> None:
        """A click folds or unfolds."""
        offset = event.get_content_offset(self)
        if offset is not None and 0 <= offset.y < len(self._page):
            self._pointed = self._page[offset.y].block
            self._toggle(self._pointed)
            self.changed()


def _mark(text: Text, letters: str, style: Style) -> None:
    """Mark letters that were looked for. Case folding may change lengths; then the row stays unmarked."""
    folded = text.plain.casefold()
    if len(folded) != len(text.plain):
        return
    at = folded.find(letters)
    while at >= 0:
        text.stylize(style, at, at + len(letters))
        at = folded.find(letters, at + len(letters))
