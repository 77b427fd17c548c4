"""Dialogues that draw their rows themselves: one widget, however many entries it shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.geometry import Size
from textual.strip import Strip

from ..keymap import keymap_of
from ..render.safe import one_line
from .dialog import Dialog
from .rows import line_of

POINTER, NO_POINTER = "\u203a ", "  "
MOST_BESIDE = 3
"""Rows that are left to each of the others on the screen; they can do with fewer than they have."""
MOVES = frozenset({"up", "down", "page-up", "page-down", "home", "end"})


def plain(text: str) -> str:
    """Text of others in one row: what would act is shown as a sign, spaces are not doubled."""
    return " ".join(one_line(text).split())


def fitted(text: Text, width: int) -> Text:
    """The text cut off at `width` cells, with `…` where something is missing."""
    if text.cell_len > width:
        text = text.copy()
        text.truncate(max(width, 0), overflow="ellipsis")
    return text


def between(left: Text, right: Text, width: int) -> Text:
    """Both in one row, the right one at its end; where there is no room for both, only the left one."""
    room = width - left.cell_len - right.cell_len
    if room < 1:
        return fitted(left, width)
    return Text.assemble(left, " " * room, right)


class Pointer:
    """Which entry is pointed at, and which is the first that can be seen."""

    def __init__(self) -> None:
        self.at = 0
        self.top = 0

    def move(self, action: str, count: int, page: int) -> None:
        """One of `MOVES`, in a list of `count` entries of which `page` are seen. Up and down go round."""
        last = count - 1
        if last < 0:
            return
        page = max(1, page - 1)
        match action:
            case "up":
                self.at = self.at - 1 if self.at > 0 else last
            case "down":
                self.at = self.at + 1 if self.at < last else 0
            case "page-up":
                self.at = max(0, self.at - page)
            case "page-down":
                self.at = min(last, self.at + page)
            case "home":
                self.at = 0
            case "end":
                self.at = last

    def show(self, count: int, page: int) -> range:
        """The entries that are seen."""
        self.at = max(0, min(self.at, count - 1))
        page = max(1, page)
        self.top = max(0, min(self.top, self.at, count - page))
        if self.at >= self.top + page:
            self.top = self.at - page + 1
        return range(self.top, min(count, self.top + page))


class Line:
    """A line of text that is typed into, at its end."""

    def __init__(self, text: str = "") -> None:
        self.text = text

    def take(self, event: events.Key) -> bool:
        """Whether the key changed the line."""
        match event.key:
            case "backspace":
                changed = self.text[:-1]
            case "ctrl+u":
                changed = ""
            case "ctrl+w" | "ctrl+backspace" | "alt+backspace":
                changed = self.text.rstrip().rpartition(" ")[0]
                changed += " " if changed else ""
            case _:
                is_text = event.is_printable and not event.key.startswith(("alt+", "ctrl+", "super+"))
                typed = event.character or "" if is_text else ""
                changed = self.text + typed
        if changed == self.text:
            return False
        self.text = changed
        return True

    def paste(self, text: str) -> None:
        """Add the first line of what was pasted."""
        lines = text.strip().splitlines()
        self.text += "".join(c for c in lines[0] if c.isprintable()) if lines else ""


class Drawn(Dialog):
    """`draw` gives the rows for a size, `wanted_height` tells how many there would best be. Call `redraw` when
    something has changed."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "drawn--title",
        "drawn--muted",
        "drawn--pointed",
        "drawn--match",
        "drawn--good",
        "drawn--bad",
    }
    DEFAULT_CSS = """
    Drawn > .drawn--title { text-style: bold; }
    Drawn > .drawn--muted { color: $text-muted; }
    Drawn > .drawn--pointed { color: $text-accent; text-style: bold; }
    Drawn > .drawn--match { text-style: bold underline; }
    Drawn > .drawn--good { color: $text-success; }
    Drawn > .drawn--bad { color: $text-error; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._drawn: list[Text] = []
        self._drawn_size: Size | None = None

    def draw(self, width: int, height: int) -> Sequence[Text]:
        """At most `height` rows of at most `width` cells."""
        raise NotImplementedError

    def wanted_height(self, width: int) -> int:
        """Rows with which everything can be seen."""
        raise NotImplementedError

    # -- for those that draw ---------------------------------------------------------------------

    def ink(self, name: str) -> Style:
        """The style of one of the component classes, without the background that it lies on."""
        return self.get_component_rich_style(f"drawn--{name}", partial=True)

    def title_row(self, text: str) -> Text:
        """The title."""
        return Text(plain(text), self.ink("title"))

    def typed_row(self, text: str, empty: str, width: int) -> Text:
        """What was typed to find something, its end if it is long; `empty` says what can be typed."""
        if not text:
            return fitted(Text(f"  {empty}", self.ink("muted")), width)
        row = Text("/ ", self.ink("muted"))
        row.append(text)
        row.append("▏", self.ink("pointed"))
        return row if row.cell_len <= width else Text("…") + row[row.cell_len - width + 1 :]

    def side_by_side(
        self, rows: Sequence[Text], beside: Sequence[Text], left: int, width: int, height: int
    ) -> list[Text]:
        """`rows` in the first `left` cells, `beside` in what is left of `width`."""
        lines = []
        for place in range(height):
            line = fitted(rows[place], left) if place < len(rows) else Text()
            line.pad_right(left - line.cell_len)
            line.append(" │ ", self.ink("muted"))
            if place < len(beside):
                line.append_text(fitted(beside[place], width - left - 3))
            lines.append(line)
        return lines

    def redraw(self, *, resized: bool = False) -> None:
        """Something has changed; with `resized` perhaps how many rows there would best be."""
        self._drawn_size = None
        self.refresh(layout=resized)

    def list_action(self, key: str) -> str | None:
        """What a key does in a list, as the key map has it."""
        return keymap_of(self).action("list", key)

    def wheel(self, step: int) -> None:
        """The wheel was turned, down (1) or up (-1)."""

    # -- textual ---------------------------------------------------------------------------------

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The wheel is for the dialogue, not for what is behind it."""
        self.wheel(1)
        event.stop()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """See above."""
        self.wheel(-1)
        event.stop()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """See textual."""
        wanted = self.wanted_height(width)
        return max(1, min(wanted, viewport.height - self._rows_beside() if viewport.height else wanted))

    def _rows_beside(self) -> int:
        """Rows that what stands above and below on the screen needs: the status line would be pushed off it."""
        above = set(self.ancestors)
        others = [child for child in self.screen.children if child.display and child is not self and child not in above]
        heights = [child.styles.height for child in others]
        rows = [int(height.value) for height in heights if height is not None and height.is_cells]
        return sum(min(count, MOST_BESIDE) for count in rows)

    def notify_style_update(self) -> None:
        """See textual."""
        super().notify_style_update()
        self._drawn_size = None

    def render_line(self, y: int) -> Strip:
        """See textual."""
        size = self.content_size
        if self._drawn_size != size:
            self._drawn = list(self.draw(size.width, size.height))
            self._drawn_size = size
        return line_of(self._drawn, y, size.width, self.rich_style, self.app.console)
