"""Markdown to rows while it streams.

The text is read line by line into blocks that are rendered one by one. What is behind the last of them is rendered
again with each delta, everything before only once.
"""

from __future__ import annotations

from rich.text import Text

from .reader import Reader
from .theme import Theme
from .width import Line, text_of

MAX_LINE_CHARS = 1500
"""A line that is longer is taken as several."""
_SEEK = 200


class StreamingMarkdown:
    """Rows of a text that grows. `feed` takes all of the text so far; if it does not begin with what was fed before,
    everything is rendered anew. `first` stands before the first row and `rest` before the others that are not empty;
    `width` is that of the rows without them."""

    def __init__(self, width: int, theme: Theme, first: Line | None = None, rest: Line | None = None) -> None:
        self._width = max(1, width)
        self._theme = theme
        self._first = first or []
        self._rest = rest or []
        self._start()

    def _start(self) -> None:
        self._reader = Reader(self._width, self._theme)
        self._text = ""
        self._read = 0
        self._done: list[Text] = []
        self._tail: list[Text] | None = []
        self._finished = False

    def feed(self, text_so_far: str) -> None:
        """Take the text as it is now. Cost: what is new, and the block that is open."""
        if len(text_so_far) == len(self._text) and text_so_far == self._text:
            return
        if self._finished or not text_so_far.startswith(self._text):
            self._start()
        self._text = text_so_far
        while line := _next_line(text_so_far, self._read):
            self._read += len(line)
            self._reader.line(_clean(line))
        self._take_rows()
        self._tail = None

    def finish(self) -> None:
        """Nothing follows: all rows are stable."""
        if self._finished:
            return
        self._reader.line(_clean(self._text[self._read :]))
        self._reader.flush()
        self._take_rows()
        self._tail = []
        self._finished = True

    def _take_rows(self) -> None:
        self._done += self._texts(self._reader.rows)
        self._reader.rows = []

    def _texts(self, rows: list[Line]) -> list[Text]:
        if self._done or not rows:
            return [text_of([*self._rest, *row] if row else row) for row in rows]
        first = text_of([*self._first, *rows[0]])
        return [first, *(text_of([*self._rest, *row] if row else row) for row in rows[1:])]

    @property
    def stable_rows(self) -> int:
        """How many rows from the top can no longer change."""
        return len(self._done)

    def rows(self, start: int = 0) -> list[Text]:
        """The rows from one on, each at most `width` cells."""
        if self._tail is None:
            reader = self._reader.copy()
            reader.half(_clean(self._text[self._read :]))
            self._tail = self._texts(reader.rows)
        if start >= len(self._done):
            return self._tail[start - len(self._done) :]
        return self._done[start:] + self._tail


def _next_line(text: str, start: int) -> str:
    """The next line that is complete, with its newline, or as much as counts as one; empty if there is none."""
    most = start + MAX_LINE_CHARS + _SEEK
    end = text.find("\n", start, most)
    if end >= 0:
        return text[start : end + 1]
    if len(text) < most:
        return ""
    space = text.find(" ", start + MAX_LINE_CHARS, most)
    return text[start : space + 1 if space >= 0 else start + MAX_LINE_CHARS]


def _clean(line: str) -> str:
    """A line without its end; CR in it, and tabs, are spaces, since they are no Markdown."""
    return line.rstrip("\r\n").replace("\r", " ").expandtabs(4)


def markdown(text: str, width: int, theme: Theme, first: Line | None = None, rest: Line | None = None) -> list[Text]:
    """The rows of a text that is complete."""
    whole = StreamingMarkdown(width, theme, first, rest)
    whole.feed(text)
    whole.finish()
    return whole.rows()
