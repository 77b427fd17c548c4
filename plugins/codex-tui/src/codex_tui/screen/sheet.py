"""A dialogue of which the middle scrolls: what is asked stands above, what the keys do below.

Text of others (commands, reasons, messages of servers) stands to the right of a bar and is wrapped there, whole: it can
neither leave its column, to look like something that we say, nor be cut without the reader seeing it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.style import Style
from rich.text import Text

from ..render.safe import lines, one_line
from ..render.width import chop, text_of, wrap
from ..session.asks import Choice, Fact
from .drawn import NO_POINTER, POINTER, Drawn

BAR = "│ "
LEAST = 12
"""Cells for which rows are made at least; a terminal that is narrower cuts them."""
NARROW = 50
"""Cells below which names stand above what they name."""


class Sheet(Drawn):
    """`body` is what scrolls; `head` and `foot` do not. `seen` tells how many rows of the body have been on the
    screen, from its first on."""

    def __init__(self) -> None:
        super().__init__()
        self.top = 0
        self.seen = 0
        self._page = 1
        self._made: tuple[int, list[Text]] | None = None

    def head(self, width: int) -> list[Text]:
        """The rows above: of ours alone, and few."""
        return []

    def body(self, width: int) -> list[Text]:
        """The rows that scroll."""
        raise NotImplementedError

    def foot(self, width: int) -> list[Text]:
        """The rows below."""
        return []

    # -- scrolling -------------------------------------------------------------------------------

    def changed(self) -> None:
        """The body is to be made anew."""
        self._made = None
        self.redraw(resized=True)

    def scroll_rows(self, rows: int) -> None:
        """Up (negative) or down."""
        self.top = max(0, self.top + rows)
        self.redraw()

    def scroll_page(self, pages: int) -> None:
        """Up (negative) or down; one row of the former page stays."""
        self.scroll_rows(pages * max(1, self._page - 1))

    def reveal(self, first: int, last: int) -> None:
        """Scroll so that these rows of the body are on the screen, the last of them if there is no room for all."""
        if first < self.top:
            self.top = max(0, first)
        if last >= self.top + self._page:
            self.top = last - self._page + 1
        self.redraw()

    def read_on(self) -> None:
        """Go to what has not been on the screen yet."""
        self.top = self.seen - (self._page > 1 and self.seen > 0)
        self.redraw()

    def is_shown(self, rows: range) -> bool:
        """Whether all of these rows of the body are on the screen."""
        return self.top <= rows.start and rows.stop <= self.top + self._page and self.seen > 0

    def has_seen(self, rows: int) -> bool:
        """Whether the first rows of the body, so many, have been on the screen."""
        return self.seen >= rows

    def wheel(self, step: int) -> None:
        """The wheel scrolls."""
        self.scroll_rows(2 * step)

    # -- drawing ---------------------------------------------------------------------------------

    def _rows(self, width: int) -> list[Text]:
        if self._made is None or self._made[0] != width:
            if self._made is not None:
                self.seen = 0  # it is laid out in another way
            self._made = width, self.body(width)
        return self._made[1]

    def wanted_height(self, width: int) -> int:
        """See `Drawn`."""
        width = max(width, LEAST)
        return len(self.head(width)) + len(self._rows(width)) + len(self.foot(width))

    def draw(self, width: int, height: int) -> Sequence[Text]:
        """See `Drawn`."""
        width = max(width, LEAST)
        head, foot, rows = self.head(width), self.foot(width), self._rows(width)
        if height < len(head) + len(foot) + 3:
            foot = foot[:1] if height >= len(head) + 3 else []
        if height < len(head) + len(foot) + 2:
            head = head[:1]
        room = max(1, height - len(head) - len(foot))
        is_long = len(rows) > room
        self._page = max(1, room - is_long)
        self.top = max(0, min(self.top, len(rows) - self._page))
        end = self.top + self._page
        self.seen = max(self.seen, end) if self.top <= self.seen else self.seen
        middle = rows[self.top : end]
        if is_long and room > 1:
            middle = [*middle, *[Text()] * (self._page - len(middle)), self._more(len(rows) - end)]
        return [*head, *middle, *foot][:height]

    def _more(self, below: int) -> Text:
        parts = [f"↑ {self.top}" if self.top else "", f"↓ {below} more rows (pgdn)" if below > 0 else ""]
        return Text("  ".join(part for part in parts if part), self.ink("muted"))

    # -- pieces ----------------------------------------------------------------------------------

    def title_rows(self, title: str, width: int) -> list[Text]:
        """The title, whole; it may name what a server calls itself."""
        return _wrapped(" ".join(one_line(title).split()), width, self.ink("title"))

    def fact_rows(self, facts: Iterable[Fact], width: int) -> list[Text]:
        """Facts, their text to the right of a bar."""
        facts, muted = tuple(facts), self.ink("muted")
        found: list[Text] = []
        if width < NARROW:
            for fact in facts:
                found += _wrapped(one_line(fact.name), width, muted)
                found += barred(fact.text, width, muted, code=fact.code)
            return found
        names = [one_line(fact.name) for fact in facts]
        column = min(max((len(name) for name in names), default=0), 14)
        for fact, name in zip(facts, names, strict=True):
            rows = barred(fact.text, width - column - 1, muted, code=fact.code)
            labels = _wrapped(name, column, muted)
            for number in range(max(len(rows), len(labels))):
                row = labels[number].copy() if number < len(labels) else Text()
                row.pad_right(column + 1 - row.cell_len)
                row.append_text(rows[number] if number < len(rows) else Text(BAR, muted))
                found.append(row)
        return found

    def choice_rows(self, choices: Sequence[Choice], at: int, width: int) -> tuple[list[Text], list[range]]:
        """The choices, and which rows each takes."""
        rows: list[Text] = []
        places = []
        for number, choice in enumerate(choices):
            style = self.ink("pointed") if number == at else Style.null()
            mark = f"{POINTER if number == at else NO_POINTER}{number + 1} {choice.key or ' '} "
            label = _wrapped(one_line(choice.label), width - len(mark), style)
            found = [
                Text.assemble((mark if not index else " " * len(mark), style), row) for index, row in enumerate(label)
            ]
            found += [
                Text.assemble(" " * len(mark), row)
                for line in lines(choice.detail) if choice.detail
                for row in _wrapped(line, width - len(mark), self.ink("muted"))
            ]  # fmt: skip
            places.append(range(len(rows), len(rows) + len(found)))
            rows += found
        return rows, places

    def hint_rows(self, parts: Iterable[str], width: int) -> list[Text]:
        """What keys do: as many of them as fit in one row, the first in any case."""
        text = ""
        for part in parts:
            longer = f"{text} · {part}" if text else part
            if len(longer) > width and text:
                break
            text = longer
        return [Text(text[:width], self.ink("muted"))]


def barred(text: str, width: int, muted: Style, *, code: bool = False) -> list[Text]:
    """A text of others, made harmless, behind a bar in each of its rows: cut between words, or with `code` where the
    row is full, so that no space is lost."""
    bar = [(BAR, muted)]
    cut = chop if code else wrap
    return [text_of(row) for line in lines(text) for row in cut([(line, Style.null())], width, bar, bar)]


def _wrapped(text: str, width: int, style: Style) -> list[Text]:
    return [text_of(row) for row in wrap([(text, style)], max(width, 1))]
