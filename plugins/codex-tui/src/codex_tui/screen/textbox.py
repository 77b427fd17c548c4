"""The text of the composer on the screen: drawing it, and the actions on it that are about text alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Offset, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from ..render.safe import shown
from .buffer import Buffer, Change, next_cluster, previous_cluster
from .paste import Parts
from .wrapping import Rows

MARK_CELLS = 2
MIN_ROWS = 3
MARK = "\u203a"
SHELL_MARK = "!"


class TextBox(Widget):
    """Draws a buffer, as many rows as it has, at most a third of the screen; then it scrolls. The composer that it is
    in has the focus and gives it what to do. `mark` stands before the first row."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "textbox--cursor",
        "textbox--part",
        "textbox--placeholder",
        "textbox--mark",
        "textbox--selected",
    }
    DEFAULT_CSS = """
    TextBox { height: auto; width: 100%; }
    TextBox > .textbox--cursor { text-style: reverse; }
    TextBox > .textbox--part { color: $accent; }
    TextBox > .textbox--placeholder { color: $text-muted; }
    TextBox > .textbox--mark { color: $accent; text-style: bold; }
    TextBox > .textbox--selected { text-style: reverse; }
    """

    class Pressed(Message):
        """The mouse has put the cursor somewhere."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.parts = parts
        self.buffer = Buffer()
        self.rows = Rows(self._label)
        self.mark = MARK
        self.placeholder = ""
        self.selected: tuple[int, int] | None = None
        self.shows_cursor = False
        self._top = 0
        self._goal: int | None = None
        self._height = 1

    def use(self, buffer: Buffer) -> None:
        """Show another text."""
        self.buffer = buffer
        self.rows.wrap(buffer.text, self.rows.width)
        self._settle()

    def replace(self, start: int, end: int, insert: str, *, cursor: int | None = None, typing: bool = False) -> None:
        """Change the text."""
        self._changed([self.buffer.replace(start, end, insert, cursor=cursor, typing=typing)])

    def insert(self, text: str, *, typing: bool = False) -> None:
        """Write at the cursor."""
        self.replace(self.buffer.cursor, self.buffer.cursor, text, typing=typing)

    def move(self, place: int) -> None:
        """Put the cursor there."""
        self.buffer.move(place)
        self._settle()

    def act(self, action: str) -> bool:
        """Do what a key of the composer stands for; False where there is nothing to do, or it is no such action."""
        if (place := self._target(action)) is not None:
            self.move(place)
            return True
        if action in ("up", "down"):
            return self._vertical(-1 if action == "up" else 1)
        if (span := self._span(action)) is not None:
            if span[0] == span[1]:
                return False
            kills = action not in ("delete-left", "delete-right")
            self._changed([self.buffer.kill(*span) if kills else self.buffer.replace(*span, "")])
            return True
        return self._other(action)

    def undo(self) -> None:
        """Take back."""
        self._changed(self.buffer.undo())

    def redo(self) -> None:
        """Do again."""
        self._changed(self.buffer.redo())

    def _other(self, action: str) -> bool:
        if action == "undo":
            self.undo()
        elif action == "redo":
            self.redo()
        elif action == "yank":
            self.insert(self.buffer.killed)
        elif action == "newline":
            self.insert("\n", typing=True)
        else:
            return False
        return True

    def _target(self, action: str) -> int | None:
        buffer = self.buffer
        match action:
            case "left":
                return previous_cluster(buffer.text, buffer.cursor)
            case "right":
                return next_cluster(buffer.text, buffer.cursor)
            case "word-left":
                return buffer.word_left()
            case "word-right":
                return buffer.word_right()
            case "line-start":
                return buffer.line_start()
            case "line-end":
                return buffer.line_end()
            case "text-start":
                return 0
            case "text-end":
                return len(buffer.text)
        return None

    def _span(self, action: str) -> tuple[int, int] | None:
        buffer, cursor = self.buffer, self.buffer.cursor
        match action:
            case "delete-left":
                return previous_cluster(buffer.text, cursor), cursor
            case "delete-right":
                return cursor, next_cluster(buffer.text, cursor)
            case "delete-word-left":
                return buffer.word_left(), cursor
            case "delete-word-right":
                return cursor, buffer.word_right()
            case "kill-line-start":
                # At the beginning of a line the newline before it goes, so that the key never does nothing.
                return min(buffer.line_start(), max(0, cursor - 1)), cursor
            case "kill-line-end":
                end = buffer.line_end()
                return cursor, end if end > cursor else min(len(buffer.text), end + 1)
        return None

    def _vertical(self, by: int) -> bool:
        row = self.rows.row_of(self.buffer.cursor)
        if not 0 <= row + by < len(self.rows):
            return False
        goal = self.rows.column_of(self.buffer.cursor) if self._goal is None else self._goal
        self.move(self.rows.place_at(row + by, goal))
        self._goal = goal
        return True

    def _changed(self, changes: Iterable[Change]) -> None:
        changes = list(changes)
        if len(changes) == 1:
            change = changes[0]
            self.rows.changed(self.buffer.text, change.start, len(change.removed), len(change.inserted))
        elif changes:
            self.rows.wrap(self.buffer.text, self.rows.width)
        self._settle()

    def _settle(self) -> None:
        """Bring the cursor into view, and draw."""
        self._goal = None
        if not self.is_attached:
            return
        row = self.rows.row_of(self.buffer.cursor)
        height = self._wanted_height(self.app.size.height)
        self._top = max(0, row - height + 1, min(self._top, row, len(self.rows) - height))
        if height != self._height:
            self._height = height
            self.refresh(layout=True)
        else:
            self.refresh()
        if self.shows_cursor:
            self.app.cursor_position = self.cursor_screen_offset

    @property
    def cursor_screen_offset(self) -> Offset:
        """Where the cursor is on the screen: there input methods show what is being composed."""
        place = self.buffer.cursor
        column, row = self.rows.column_of(place), self.rows.row_of(place)
        return self.content_region.offset + Offset(MARK_CELLS + column, row - self._top)

    @property
    def _draws_cursor(self) -> bool:
        """Not where the terminal shows its own."""
        return self.shows_cursor and not getattr(self.app, "has_terminal_cursor", False)

    def _wanted_height(self, screen_rows: int) -> int:
        return min(len(self.rows), max(MIN_ROWS, screen_rows // 3))

    def _fit(self, width: int) -> None:
        width = max(1, width - MARK_CELLS - 1)  # one for the cursor behind the last character
        if width != self.rows.width:
            self.rows.wrap(self.buffer.text, width)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many rows as the text has at this width."""
        del container, viewport
        self._fit(width)
        self._height = self._wanted_height(self.app.size.height)
        return self._height

    def on_resize(self) -> None:
        """Wrap anew."""
        self._fit(self.content_size.width)
        self._settle()

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Put the cursor where the mouse is."""
        row = min(len(self.rows) - 1, self._top + event.y)
        self.move(self.rows.place_at(row, max(0, event.x - MARK_CELLS)))
        self.post_message(self.Pressed())

    def render_line(self, y: int) -> Strip:
        """One row: the mark or blanks, then the text."""
        width, base, row = self.size.width, self.rich_style, self._top + y
        if row >= len(self.rows):
            return Strip.blank(width, base)
        if row == 0:
            lead = Segment(f"{self.mark} ", self.get_component_rich_style("textbox--mark"))
        else:
            more = (y == 0 and self._top > 0) or (y == self.size.height - 1 and row + 1 < len(self.rows))
            arrow = ("↑ " if y == 0 else "↓ ") if more else "  "
            lead = Segment(arrow, self.get_component_rich_style("textbox--placeholder"))
        body = self._row(row) if self.buffer.text else self._empty_row()
        return Strip([lead, *body]).adjust_cell_length(width, base)

    def _empty_row(self) -> list[Segment]:
        style = self.get_component_rich_style("textbox--placeholder")
        if not self._draws_cursor:
            return [Segment(self.placeholder, style)]
        cursor = self.get_component_rich_style("textbox--cursor")
        return [Segment(self.placeholder[:1] or " ", style + cursor), Segment(self.placeholder[1:], style)]

    def _row(self, row: int) -> list[Segment]:
        start, end = self.rows.span(row)
        text, base = self.buffer.text, self.rich_style
        cursor = self.buffer.cursor if self._draws_cursor and self.rows.row_of(self.buffer.cursor) == row else -1
        line = text[start:end].removesuffix("\n")
        marked = self.selected is not None and self.selected[0] < end and self.selected[1] > start
        if cursor < 0 and not marked and line.isascii() and "\t" not in line:
            return [Segment(line, base)]
        segments: list[Segment] = []
        for piece in self.rows.pieces(start, start + len(line)):
            shown, style = self._shown(text[piece.start : piece.end], piece.cells, base)
            if marked and self.selected and self.selected[0] <= piece.start < self.selected[1]:
                style += self.get_component_rich_style("textbox--selected", partial=True)
            if piece.start <= cursor < piece.end:
                style += self.get_component_rich_style("textbox--cursor", partial=True)
            if segments and segments[-1].style is style:
                segments[-1] = Segment(segments[-1].text + shown, style)
            else:
                segments.append(Segment(shown, style))
        if cursor >= start + len(line):
            segments.append(Segment(" ", base + self.get_component_rich_style("textbox--cursor", partial=True)))
        return segments

    def _label(self, character: str) -> str:
        """What is shown for a character: of a part its label, of one that hides a sign."""
        part = self.parts.get(character)
        return shown(character) if part is None else part.label

    def _shown(self, text: str, cells: int, base: Style) -> tuple[str, Style]:
        if text == "\t":
            return " " * cells, base
        label = self._label(text) if len(text) == 1 else text
        if label == text or not cells:
            return text, base
        label = label if len(label) <= cells else label[: max(0, cells - 1)] + "…"
        return label, base + self.get_component_rich_style("textbox--part", partial=True)
