"""A text file as lines, and edits of it that leave every other byte as it was."""

from __future__ import annotations

import re
from collections.abc import Sequence

from codex_plugin_sdk import Value, value

_ENDING = re.compile("(\r\n|\n|\r)")


@value
class Edit(Value):
    """`removed` lines from `start` (counted from 0) on give way to `added` ones, which have no line endings."""

    start: int
    removed: int
    added: tuple[str, ...]


class Document:
    """The lines of a text without their endings.

    CRLF, LF and lone CR all end a line. `newline` is the first ending of the text: added lines get it, as does a
    last line that had none. The lines that stay keep theirs, also where a file mixes them.
    """

    def __init__(self, text: str) -> None:
        self.newline = "\n"
        self._endings: list[str] | None = None  # None: all are `newline`, but for a last line that is not terminated
        self.lines = self._split(text)
        self.terminated = not self.lines[-1]
        if self.terminated:
            self.lines.pop()

    def _split(self, text: str) -> list[str]:
        returns = text.count("\r")
        if not returns:
            return text.split("\n")
        if returns == text.count("\n") == text.count("\r\n"):
            self.newline = "\r\n"
            return text.split("\r\n")
        parts = _ENDING.split(text)
        self._endings = parts[1::2]
        self.newline = self._endings[0]
        return parts[::2]

    def raw(self, start: int, stop: int) -> list[str]:
        """Some lines as they stand in the file; a last line without an ending comes without."""
        return [self.lines[index] + self._ending(index) for index in range(start, min(stop, len(self.lines)))]

    def _ending(self, index: int) -> str:
        if index == len(self.lines) - 1 and not self.terminated:
            return ""
        return self.newline if self._endings is None else self._endings[index]

    def edited(self, edits: Sequence[Edit]) -> str:
        """The text with `edits` made, which are in order and do not overlap. Ends with a newline, or is empty."""
        if self._endings is not None:
            return self._edited_mixed(edits)
        out: list[str] = []
        at = 0
        for edit in edits:
            out += self.lines[at : edit.start]
            out += edit.added
            at = edit.start + edit.removed
        out += self.lines[at:]
        out.append("")
        return self.newline.join(out)

    def _edited_mixed(self, edits: Sequence[Edit]) -> str:
        raw = self.raw(0, len(self.lines))
        if raw and not self.terminated:
            raw[-1] += self.newline
        out: list[str] = []
        at = 0
        for edit in edits:
            out += raw[at : edit.start]
            out += [line + self.newline for line in edit.added]
            at = edit.start + edit.removed
        out += raw[at:]
        return "".join(out)
