"""A change of files, hunk by hunk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from rich.style import Style
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.widgets import TextArea

from ..keymap import keymap_of
from ..render.safe import lines, one_line
from ..render.width import chop, text_of, wrap
from ..session.hunks import PatchReview, Piece
from .drawn import NO_POINTER, POINTER, fitted
from .sheet import BAR, Sheet

Edit = Callable[[str], Awaitable[str | None]]
"""Has a text edited outside; None: left as it was."""
_MARKS = {None: "?", True: "y", False: "n"}


class PatchReviewDialog(Sheet):
    """Answers with the `PatchReview`, in which everything is decided, or None: go back.

    y and n decide a hunk and go on to the next, e edits it (with `edit` outside, else in place), a and r take or refuse
    all that are left; enter is the answer once nothing is left.
    """

    DEFAULT_CSS = """
    PatchReviewDialog TextArea { height: 1fr; margin: 1 0 2 0; border: none; padding: 0; }
    """

    def __init__(self, review: PatchReview, *, edit: Edit | None = None) -> None:
        super().__init__()
        self.review = review
        self.announcement = f"The change, in {len(review.pieces)} parts"
        self._edit = edit
        self._at = 0
        self._problem = ""
        self._starts: list[int] = []
        self._area = TextArea(soft_wrap=False, show_line_numbers=False)
        self._area.display = False
        self._editing = False

    def compose(self) -> ComposeResult:
        """What a hunk is edited in, which is hidden until then."""
        yield self._area

    @property
    def _piece(self) -> Piece:
        return self.review.pieces[self._at]

    # -- keys ------------------------------------------------------------------------------------

    async def on_key(self, event: events.Key) -> None:
        """All keys are the dialog's while nothing is edited."""
        if self._editing:
            taken = self._while_editing(event)
        else:
            taken = await self._take(event)
        if taken:
            event.stop()
            event.prevent_default()

    async def _take(self, event: events.Key) -> bool:
        self._problem = ""
        action = keymap_of(self).action("approval", event.key) or keymap_of(self).action("list", event.key)
        if action in ("up", "down"):
            self._go(self._at + (1 if action == "down" else -1))
        elif action in ("page-up", "page-down"):
            self.scroll_page(1 if action == "page-down" else -1)
        elif action == "cancel":
            self.answer(None)
        elif action == "accept":
            self._finish()
        elif action == "edit" or event.character == "e":
            await self._begin_edit()
        elif event.character in ("y", "n"):
            self._piece.taken = event.character == "y"
            self._piece.now = self._piece.now if self._piece.taken else self._piece.text
            self._go_on()
        elif event.character in ("a", "r"):
            self.review.decide_all(event.character == "a")
            self.changed()
        elif event.character == "u":
            self._piece.taken, self._piece.now = None, self._piece.text
            self.changed()
        else:
            return False
        return True

    def _go(self, place: int) -> None:
        self._at = max(0, min(place, len(self.review.pieces) - 1))
        self.changed()
        self._show()

    def _go_on(self) -> None:
        """To the next that is not decided."""
        pieces = self.review.pieces
        order = [*range(self._at + 1, len(pieces)), *range(self._at)]
        self._go(next((place for place in order if pieces[place].taken is None), self._at))

    def _show(self) -> None:
        rows = self._rows(max(1, self.content_size.width))
        ends = [*self._starts[1:], len(rows)]
        self.reveal(self._starts[self._at], ends[self._at] - 1)
        self.reveal(self._starts[self._at], self._starts[self._at])

    def _finish(self) -> None:
        if self.review.undecided:
            self._problem = f"{self.review.undecided} of {len(self.review.pieces)} are not decided yet"
            self._go_on() if self._piece.taken is not None else self.redraw()
        else:
            self.answer(self.review)

    # -- editing ---------------------------------------------------------------------------------

    async def _begin_edit(self) -> None:
        piece = self._piece
        if not piece.editable:
            self._problem = "there is nothing in it to edit: y or n"
            self.redraw()
        elif self._edit is not None:
            text = await self._edit(piece.now)
            if text is not None:
                self._take_text(text)
        else:
            self._area.text = piece.now
            self._show_editor(True)
            self._area.focus()

    def _while_editing(self, event: events.Key) -> bool:
        if event.key not in ("escape", "ctrl+s"):
            return False
        if event.key == "escape" or self._take_text(self._area.text):
            self._show_editor(False)
            self.focus()
        return True

    def _show_editor(self, editing: bool) -> None:
        self._editing = self._area.display = editing
        self.redraw(resized=True)

    def _take_text(self, text: str) -> bool:
        try:
            self._piece.edit(text)
        except ValueError as error:
            self._problem = f"it would not apply: {one_line(str(error))}"
            self.redraw()
            return False
        self._problem = ""
        self._go_on()
        return True

    # -- drawing ---------------------------------------------------------------------------------

    def head(self, width: int) -> list[Text]:
        """How far it is, or what is edited."""
        count, done = len(self.review.pieces), len(self.review.pieces) - self.review.undecided
        title = f"Hunk by hunk: {done} of {count} decided"
        if self._editing:
            title = f"Edit {self._piece.title}"
        return [fitted(Text(one_line(title), self.ink("title")), width)]

    def body(self, width: int) -> list[Text]:
        """All pieces."""
        rows: list[Text] = []
        self._starts = []
        for place, piece in enumerate(self.review.pieces):
            self._starts.append(len(rows))
            rows += self._piece_rows(piece, place == self._at, width)
        return rows

    def _piece_rows(self, piece: Piece, pointed: bool, width: int) -> list[Text]:
        style = self.ink("pointed") if pointed else Style.null()
        mark = f"{POINTER if pointed else NO_POINTER}[{_MARKS[piece.taken]}] "
        edited = " (edited)" if piece.is_edited else ""
        indent = " " * len(mark)
        first, rest = [(mark, style)], [(indent, style)]
        rows = [text_of(row) for row in wrap([(one_line(piece.title) + edited, style)], width, first, rest)]
        bar = [(BAR, self.ink("muted"))]
        body = piece.now.removesuffix("\n")
        for line in lines(body) if body else ():
            sign = line[:1] if piece.hunk is not None else "+" if piece.change.kind == "add" else "-"
            colour = {"+": self.ink("good"), "-": self.ink("bad")}.get(sign, Style.null())
            rows += [text_of(row) for row in chop([(line, colour)], width, bar, bar)]
        return rows

    def foot(self, width: int) -> list[Text]:
        """What is wrong, and what keys do."""
        problem = [fitted(Text(self._problem, self.ink("bad")), width)] if self._problem else []
        if self._editing:
            hints = self.hint_rows(
                ("ctrl+s keeps it", "esc leaves it as it was", "lines that come begin with +"), width
            )
            return [*(problem or [Text()]), *hints]
        ready = ("enter is the answer",) if not self.review.undecided else ()
        keys = (*ready, "y take", "n refuse", "e edit", "a/r the rest", "u undo", "esc back")
        return [*problem, *self.hint_rows(keys, width)]

    def wanted_height(self, width: int) -> int:
        """See `Drawn`."""
        if self._editing:
            return max(12, len(self._area.text.split("\n")) + 5)
        return super().wanted_height(width)

    def draw(self, width: int, height: int) -> list[Text]:
        """See `Drawn`."""
        if not self._editing:
            return list(super().draw(width, height))
        foot = self.foot(width)
        blank = max(0, height - 1 - len(foot))
        return [*self.head(width), *[Text()] * blank, *foot]
