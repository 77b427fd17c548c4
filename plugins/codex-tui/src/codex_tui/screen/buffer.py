"""The text that is being written: cursor, undo, words, kills. No terminal.

A part (a collapsed paste, an image) stands in the text as one code point that no text holds, a lone surrogate; see
`parts`. So it moves, is deleted and comes back by undo like any character.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import attrs

MAX_UNDO = 500
_WINDOW = 64
_WORD_RIGHT = re.compile(r"\W*\w+", re.UNICODE)
_SIMPLE = re.compile(r"[\n\t\ud800-\udfff]")
"""What is a cluster of its own, whatever stands beside it."""


class Change(NamedTuple):
    """`removed` at `start` became `inserted`; where the cursor was before and after."""

    start: int
    removed: str
    inserted: str
    before: int
    after: int


def next_cluster(text: str, place: int) -> int:
    """The end of the character, as a reader counts them, that begins at `place`."""
    if place >= len(text):
        return len(text)
    window = text[place : place + _WINDOW]
    if _SIMPLE.match(window) or window[:2].isascii():
        return place + 1
    from rich.cells import split_graphemes

    cut = _SIMPLE.search(window)
    spans, _ = split_graphemes(window[: cut.start()] if cut else window)
    return place + spans[0][1]


def previous_cluster(text: str, place: int) -> int:
    """The beginning of the character that ends at `place`."""
    if place <= 0:
        return 0
    window = text[max(0, place - _WINDOW) : place]
    if _SIMPLE.match(window, len(window) - 1) or window[-2:].isascii():
        return place - 1
    from rich.cells import split_graphemes

    for cut in _SIMPLE.finditer(window):
        window = text[max(0, place - _WINDOW) + cut.end() : place]
    spans, _ = split_graphemes(window)
    return place - (spans[-1][1] - spans[-1][0])


@attrs.define(eq=False)
class Buffer:
    """Text and cursor. `version` grows with each change of the text. All that changes it goes through `replace`."""

    text: str = ""
    cursor: int = 0
    version: int = 0
    killed: str = ""
    _undo: list[list[Change]] = attrs.field(factory=list)
    _redo: list[list[Change]] = attrs.field(factory=list)
    _typing: bool = False
    _killing: bool = False

    def replace(self, start: int, end: int, insert: str, *, cursor: int | None = None, typing: bool = False) -> Change:
        """Put `insert` where `start` to `end` was; the cursor goes behind it, or to `cursor`. What is typed in one go
        is undone in one go, word by word."""
        after = start + len(insert) if cursor is None else cursor
        change = Change(start, self.text[start:end], insert, self.cursor, after)
        if change.removed or insert:
            self._remember(change, typing=typing)
            self.text = self.text[:start] + insert + self.text[end:]
            self.version += 1
        self.cursor = after
        self._killing = False
        return change

    def _remember(self, change: Change, *, typing: bool) -> None:
        last = self._undo[-1][-1] if self._undo else None
        joins = (
            typing
            and self._typing
            and last is not None
            and last.after == change.start == change.before
            and not (last.inserted[-1:].isspace() and not change.inserted.isspace())
        )
        if joins:
            self._undo[-1].append(change)
        else:
            self._undo.append([change])
            del self._undo[:-MAX_UNDO]
        self._typing = typing
        self._redo.clear()

    def move(self, place: int) -> None:
        """Put the cursor there."""
        self.cursor = max(0, min(place, len(self.text)))
        self._typing = self._killing = False

    def undo(self) -> list[Change]:
        """Take back the last change; what was done to the text, in order; empty if there was none."""
        if not self._undo:
            return []
        group = self._undo.pop()
        self._redo.append(group)
        return self._apply([Change(c.start, c.inserted, c.removed, c.after, c.before) for c in reversed(group)])

    def redo(self) -> list[Change]:
        """Do again what was taken back last."""
        if not self._redo:
            return []
        group = self._redo.pop()
        self._undo.append(group)
        return self._apply(group)

    def _apply(self, changes: list[Change]) -> list[Change]:
        for change in changes:
            end = change.start + len(change.removed)
            self.text = self.text[: change.start] + change.inserted + self.text[end:]
            self.cursor = change.after
        self.version += 1
        self._typing = self._killing = False
        return changes

    def kill(self, start: int, end: int) -> Change:
        """Delete, and keep it for `yank`; what is killed in a row is kept together."""
        text, again = self.text[start:end], self._killing
        if text:
            if not again:
                self.killed = text
            elif start < self.cursor:
                self.killed = text + self.killed
            else:
                self.killed += text
        change = self.replace(start, end, "")
        self._killing = bool(text) or again
        return change

    def line_start(self) -> int:
        """Where the line of the cursor begins."""
        return self.text.rfind("\n", 0, self.cursor) + 1

    def line_end(self) -> int:
        """Where the line of the cursor ends, before its newline."""
        end = self.text.find("\n", self.cursor)
        return len(self.text) if end < 0 else end

    def word_left(self) -> int:
        """Where the word before the cursor begins."""
        place = self.cursor
        while place and not _in_word(self.text[place - 1]):
            place -= 1
            if is_part(self.text[place]):
                return place
        while place and _in_word(self.text[place - 1]):
            place -= 1
        return place

    def word_right(self) -> int:
        """Where the word after the cursor ends."""
        if self.cursor < len(self.text) and is_part(self.text[self.cursor]):
            return self.cursor + 1
        match = _WORD_RIGHT.match(self.text, self.cursor)
        return match.end() if match else len(self.text)


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def is_part(character: str) -> bool:
    """Whether it stands for a part."""
    return "\ud800" <= character <= "\udfff"
