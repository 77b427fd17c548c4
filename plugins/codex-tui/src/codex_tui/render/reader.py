"""Reads Markdown line by line and gives rows as soon as a block is complete.

What an item of a list holds is read by a reader of its own, so that a long item costs no more than a long answer.
Where a block ends depends on complete lines alone: the rows are the same however the text came.
"""

from __future__ import annotations

import re

from rich.style import Style

from . import blocks
from .blocks import Context
from .highlight import Highlighter
from .repair import repaired
from .safe import lines as safe_lines
from .theme import Theme
from .width import NULL, Line, cells, chop

MAX_BLOCK_CHARS = 3000
"""A paragraph that is longer is rendered in parts, so that no delta costs more than this."""
MAX_DEPTH = 8
"""Lists within lists; what is deeper is text."""

_FENCE = re.compile(r"( {0,3})(`{3,}|~{3,})\s*([^`]*)$")
_HALF_FENCE = re.compile(r" {0,3}(`+|~+)[^`~]*$")
_HALF_MARKER = re.compile(r"[ ]*(?:(?:[-*_+=#>`~|:]+|\d{1,9}[.)])[ ]*)+$|\[$")
_HALF_NUMBER = re.compile(r" *\d{1,9}$")
_ITEM = re.compile(r"( {0,3})([-*+]|\d{1,9}[.)])(?:( +)(?=\S)| *$)")
_TASK = re.compile(r"\[([ xX])\](?: |$)")
_HEADING = re.compile(r" {0,3}#{1,6}(?: |$)")
_RULE = re.compile(r" {0,3}(?:(?:-[ ]*){3,}|(?:\*[ ]*){3,}|(?:_[ ]*){3,})$")
_QUOTE = re.compile(r" {0,3}> ?")
_DELIMITER = re.compile(r" {0,3}\|?[ ]*:?-+:?[ ]*(?:\|[ ]*:?-+:?[ ]*)*\|?[ ]*$")
_INDENT = "  "


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


class _Fence:
    """A fence that is open."""

    def __init__(self, match: re.Match[str], theme: Theme) -> None:
        self.indent = len(match[1])
        self.mark = match[2]
        words = match[3].split()
        self.highlighter = Highlighter(words[0].strip("{}.,") if words else "", theme)

    def copy(self) -> _Fence:
        """Another one at the same place."""
        twin = _Fence.__new__(_Fence)
        twin.indent, twin.mark, twin.highlighter = self.indent, self.mark, self.highlighter.copy()
        return twin

    def closed_by(self, line: str) -> bool:
        """Whether a line ends the code."""
        bare = line.strip()
        return len(bare) >= len(self.mark) and not bare.strip(self.mark[0]) and not line.startswith("    ")

    def may_be_closed_by(self, half: str) -> bool:
        """Whether a line that is not complete may be the end of the code."""
        return bool(half.strip()) and not half.strip().strip(self.mark[0])

    def content(self, line: str) -> str:
        """A line of code without the indent of its fence."""
        return line[min(self.indent, _indent(line)) :]


class _Item:
    """An item of a list that is open: its mark, how far its content is indented, and who reads that."""

    def __init__(self, indent: int, width: int, mark: Line, reader: Reader, *, hangs: bool) -> None:
        self.indent = indent
        self.width = width
        self.mark = mark
        self.reader = reader
        self.hangs = hangs
        self.marked = False
        self.blank = False

    def copy(self) -> _Item:
        """Another one at the same place."""
        twin = _Item(self.indent, self.width, self.mark, self.reader.copy(), hangs=self.hangs)
        twin.marked, twin.blank = self.marked, self.blank
        return twin

    def holds(self, line: str) -> bool:
        """Whether a line belongs to the item: it is indented, or goes on with a paragraph."""
        if not line.strip() or _indent(line) >= self.width:
            return True
        if _ITEM.match(line.lstrip(" ")):
            return _indent(line) >= self.indent + 2  # less than it should be, but meant so
        return not self.blank and self.reader.in_paragraph() and not _begins(line)

    def content(self, line: str) -> str:
        """A line without the indent of the item."""
        if _indent(line) < self.width and _ITEM.match(line.lstrip(" ")):
            self.width = _indent(line)  # what follows is indented as little
        return line[min(self.width, _indent(line)) :]

    def take_rows(self) -> list[Line]:
        """The rows that are there, behind the mark or below it."""
        rows, self.reader.rows = self.reader.rows, []
        made: list[Line] = []
        for row in rows:
            if not self.marked:
                made += [[*self.mark, *row]] if self.hangs else [self.mark, row]
                self.marked = True
            elif self.hangs and row:
                made.append([(" " * sum(cells(text) for text, _ in self.mark), self.mark[-1][1]), *row])
            else:
                made.append(row)
        return made

    def last_rows(self) -> list[Line]:
        """The rows of its end."""
        self.reader.flush()
        rows = self.take_rows()
        return rows if self.marked else [*rows, self.mark]


class _Quote(_Item):
    """A quote that is open. All of its rows stand behind a bar."""

    def copy(self) -> _Quote:
        """Another one at the same place."""
        twin = _Quote(0, 0, self.mark, self.reader.copy(), hangs=self.hangs)
        twin.marked, twin.blank = self.marked, self.blank
        return twin

    def holds(self, line: str) -> bool:
        """Whether a line belongs to the quote: it has the mark, or goes on with a paragraph."""
        if _QUOTE.match(line):
            return True
        goes_on = bool(line.strip()) and not _begins(line) and not _ITEM.match(line)
        return goes_on and not self.blank and self.reader.in_paragraph()

    def content(self, line: str) -> str:
        """A line without the mark of the quote."""
        return _QUOTE.sub("", line, count=1)

    def take_rows(self) -> list[Line]:
        """The rows that are there, behind the bar."""
        rows, self.reader.rows = self.reader.rows, []
        return [[*self.mark, *row] for row in rows] if self.hangs else rows

    def last_rows(self) -> list[Line]:
        """The rows of its end."""
        self.reader.flush()
        return self.take_rows()


def _begins(line: str) -> bool:
    return bool(_FENCE.match(line) or _HEADING.match(line) or _RULE.match(line) or _QUOTE.match(line))


class Reader:
    """Takes lines one by one and gives `rows`. A copy of it reads what is not complete yet. `depth` are the items and
    quotes around it, `lists` the items alone; `base` is the style of text."""

    def __init__(self, width: int, theme: Theme, *, depth: int = 0, lists: int = 0, base: Style = NULL) -> None:
        self.width = width
        self.theme = theme
        self.depth = depth
        self.lists = lists
        self.base = base
        self.rows: list[Line] = []
        self.gap = False
        self.context = Context()
        self._fence: _Fence | None = None
        self._item: _Item | None = None
        self._block: list[str] = []
        self._chars = 0

    def copy(self) -> Reader:
        """Another one at the same place, whose rows begin empty."""
        twin = Reader.__new__(Reader)
        twin.__dict__ = {**self.__dict__, "rows": [], "_block": list(self._block), "context": self.context.copy()}
        twin._fence = self._fence.copy() if self._fence else None
        twin._item = self._item.copy() if self._item else None
        return twin

    def in_paragraph(self) -> bool:
        """Whether a line without an indent would go on with a paragraph."""
        if self._item is not None:
            return self._item.reader.in_paragraph()
        return bool(self._block) and not self._in_table()

    def line(self, line: str, *, half: bool = False) -> None:
        """The next line. `half`: it is not complete."""
        if self._fence is not None:
            self._code(line)
        elif self._item is not None and self._item.holds(line):
            self._inside(self._item, line, half=half)
        else:
            self._end_item()
            if line.strip():
                self._text(line, half=half)
            else:
                self.flush()
                self.gap = True

    def _code(self, line: str) -> None:
        assert self._fence is not None
        if self._fence.closed_by(line):
            self._fence = None
            self.gap = True
            return
        for text in safe_lines(self._fence.content(line)):
            pieces = self._fence.highlighter.line(text)
            prefix = [(_INDENT, NULL)]
            self.rows += chop(pieces, self.width, prefix, prefix) if pieces else [[]]

    def _inside(self, item: _Item, line: str, *, half: bool = False) -> None:
        content = item.content(line)
        item.blank = not content.strip()
        if half:
            item.reader.half(content)
        else:
            item.reader.line(content)
        self.rows += item.take_rows()

    def _end_item(self) -> None:
        if self._item is not None:
            self.rows += self._item.last_rows()
            self.gap = self._item.blank and not isinstance(self._item, _Quote)
            self._item = None

    def _text(self, line: str, *, half: bool) -> None:
        item = None if _RULE.match(line) or self.depth >= MAX_DEPTH else _ITEM.match(line)
        if self._ends_here(line, item):
            self.flush()
        if not self._block and (fence := _FENCE.match(line)):
            self.context.before(self, "code")
            self._fence = _Fence(fence, self.theme)
        elif item and not self._block:
            self._begin_item(line, item, half=half)
        elif self.depth < MAX_DEPTH and not self._block and _QUOTE.match(line):
            self._begin_quote(line, half=half)
        else:
            self._take(line)
            if _HEADING.match(line) or (_RULE.match(line) and len(self._block) == 1):
                self.flush()

    def _begin_item(self, line: str, match: re.Match[str], *, half: bool) -> None:
        word = match[2]
        kind = "ordered_list" if word[0].isdigit() else "bullet_list"
        number = 0
        if word[0].isdigit():
            follows = self.context.kind == kind and not self.context.first
            number = self.context.number + 1 if follows else int(word[:-1])
        self.context.before(self, kind)
        self.context.number = number
        width = match.end() if match[3] and len(match[3]) < 5 else match.end(2) + 1
        content = line[width:]
        mark, style = f"{number}." if word[0].isdigit() else blocks.bullet(self.lists), self.theme.marker
        if task := _TASK.match(content):
            mark, style = blocks.task_mark(self.theme, done=task[1] != " ")
            content = content[task.end() :]
        inner, hangs = blocks.inside(self.width, cells(mark) + 1)
        pieces: Line = [(mark, style), (" ", NULL)]
        reader = Reader(inner, self.theme, depth=self.depth + 1, lists=self.lists + 1, base=self.base)
        self._item = _Item(len(match[1]), width, pieces, reader, hangs=hangs)
        if content.strip():
            self._item.blank = False
            self._inside(self._item, " " * width + content, half=half)

    def _begin_quote(self, line: str, *, half: bool) -> None:
        self.context.before(self, "blockquote")
        inner, hangs = blocks.inside(self.width, 2)
        style = self.base + self.theme.quote
        reader = Reader(inner, self.theme, depth=self.depth + 1, lists=self.lists, base=style)
        self._item = _Quote(0, 0, [("│ ", style)], reader, hangs=hangs)
        self._inside(self._item, line, half=half)

    def _ends_here(self, line: str, item: re.Match[str] | None) -> bool:
        """Whether a line ends the block before it."""
        if not self._block:
            return False
        if _DELIMITER.match(line) and len(self._block) == 1 and "|" in self._block[0] and "|" in line:
            return False
        if _begins(line):
            return self.depth < MAX_DEPTH or not _QUOTE.match(line)
        if self._in_table():
            return "|" not in line
        # a number other than 1 within a paragraph is a number
        return item is not None and (item[2] in ("-", "*", "+", "1.", "1)"))

    def _in_table(self) -> bool:
        return len(self._block) > 1 and "|" in self._block[0] and bool(_DELIMITER.match(self._block[1]))

    def _take(self, line: str) -> None:
        if self._in_table():
            self._block.append(line)
            if len(self._block) >= blocks.TABLE_SAMPLE + 2:
                self._flush_table()
            return
        if self._chars + len(line) > MAX_BLOCK_CHARS and self._block:
            self.flush()
            self.context.continued = True
        self._block.append(line)
        self._chars += len(line)

    def _flush_table(self) -> None:
        """Render what is there of a long table; the rows that follow have the same columns."""
        head = self._block[:2]
        self.flush(keep_table=True)
        if self.context.table is not None:
            self._block = head

    def flush(self, *, keep_table: bool = False) -> None:
        """Render what is open, since it ends here."""
        self._end_item()
        if self._block:
            self.context.table_goes_on = keep_table
            blocks.render(self._block, self)
        self._block = []
        self._chars = 0

    def half(self, line: str) -> None:
        """The last line, which may go on: what is shown of it should stay when it does. Nothing follows."""
        if self._fence is not None:
            if line and not self._fence.may_be_closed_by(line):
                self._code(line)
        elif self._item is not None and self._item.holds(line) and not self._is_unclear(line):
            self._inside(self._item, line, half=True)
        elif self._in_table() and "|" in line:
            self._half_block()  # a row of a table is shown when it is complete
        else:
            if line.strip() and not self._is_unclear(line):
                self.line(line, half=True)
            self._half_block()

    def _is_unclear(self, line: str) -> bool:
        """Whether a line has only begun to be something: the mark of an item, a fence, a rule."""
        if self._item is not None and _HALF_NUMBER.match(line):
            return True
        if not _HALF_MARKER.match(line) and not _HALF_FENCE.match(line):
            return False
        return not self._block or not line.strip().strip("`~-*_=+#>|:")

    def _half_block(self) -> None:
        if self._item is not None:
            self._item.reader._half_block()
            self.rows += self._item.take_rows()
        elif self._fence is None and self._block:
            self._block = repaired(self._block)
            self.flush()
