"""One block of Markdown as rows: what markdown-it finds in it, laid out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Protocol

import attrs
from rich.style import Style

from . import tables
from .safe import lines as safe_lines
from .safe import shown
from .theme import Theme
from .width import NULL, Line, chop, wrap

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

TABLE_SAMPLE = 24
"""So many rows of a table decide how wide its columns are."""
_LEAST = 8
_BULLETS = ("•", "◦", "▪")


@attrs.define
class Context:
    """What a block has to know of those before it. `number` is that of the last item of an ordered list, `table` the
    columns of a table that goes on, `continued` the rest of a block that was too long."""

    first: bool = True
    kind: str = ""
    number: int = 0
    table: tables.Columns | None = None
    table_goes_on: bool = False
    continued: bool = False

    def copy(self) -> Context:
        """Another one of the same content."""
        return attrs.evolve(self)

    def before(self, target: Target, kind: str) -> None:
        """A block of a kind begins: an empty row if one belongs there."""
        apart = target.gap or kind in ("heading", "code", "table") or self.kind in ("code", "table")
        if apart and not self.first and not self.continued:
            target.rows.append([])
        self.first = self.continued = target.gap = False
        self.kind = kind


class Target(Protocol):
    """Who takes the rows."""

    rows: list[Line]
    gap: bool
    width: int
    base: Style
    theme: Theme
    context: Context


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": 12})
    parser.enable(["table", "strikethrough"])
    # A definition further down would change what was shown; so would a line under a paragraph.
    # What holds other blocks is read before (`reader`).
    parser.disable(["reference", "lheading", "html_block", "html_inline", "list", "blockquote", "fence"])
    parser.validateLink = lambda url: True  # type: ignore[method-assign]  # shown as text, never followed
    return parser


@attrs.define
class _Node:
    """A token with what is inside of it."""

    token: Token
    children: list[_Node] = attrs.field(factory=list)

    @property
    def kind(self) -> str:
        return self.token.type.removesuffix("_open")


def _tree(tokens: Sequence[Token]) -> list[_Node]:
    root: list[_Node] = []
    stack = [root]
    for token in tokens:
        if token.nesting < 0:
            stack.pop()
            continue
        node = _Node(token)
        stack[-1].append(node)
        if token.nesting > 0:
            stack.append(node.children)
    return root


def render(block: list[str], target: Target) -> None:
    """Append the rows of a block, given as its lines."""
    context = target.context
    painter = _Painter(target.theme, target.base)
    going_on, context.table = context.table, None
    for node in _tree(_parser().parse("\n".join(block))):
        if node.kind == "table":
            _table(node, target, painter, going_on)
            continue
        context.before(target, node.kind)
        target.rows += painter.rows(node, target.width)


def _table(node: _Node, target: Target, painter: _Painter, going_on: tables.Columns | None) -> None:
    context = target.context
    head, body = painter.table_cells(node)
    columns = going_on or tables.columns(head, body, painter.aligns(node), target.width, goes_on=context.table_goes_on)
    if going_on is None:
        context.before(target, "table")
        target.rows += tables.head_rows(columns, target.theme)
    target.rows += tables.body_rows(columns, body, target.theme, first=going_on is None)
    if context.table_goes_on:
        context.table = columns


def bullet(depth: int) -> str:
    """The mark of an item that has no number."""
    return _BULLETS[min(depth, 2)]


def task_mark(theme: Theme, *, done: bool) -> tuple[str, Style]:
    """The mark of an item that is a task."""
    return ("☑", theme.success) if done else ("☐", theme.dim)


def inside(width: int, indent: int) -> tuple[int, bool]:
    """The width within an indent, which is left out where little would remain."""
    return (width - indent, True) if width - indent >= _LEAST else (width, False)


class _Painter:
    """Lays out nodes. `base` is the style of text where nothing else is said."""

    def __init__(self, theme: Theme, base: Style) -> None:
        self.theme = theme
        self.base = base

    def rows(self, node: _Node, width: int) -> list[Line]:
        """The rows of one node."""
        match node.kind:
            case "paragraph":
                return self._wrapped(node, width, self.base)
            case "heading":
                return self._heading(node, width)
            case "code_block":
                return self._code(node.token, width)
            case "hr":
                return [[("─" * min(width, 60), self.theme.rule)]]
            case _:
                text = shown(node.token.content)
                return [row for line in text.split("\n") for row in wrap([(line, self.base)], width)]

    def _heading(self, node: _Node, width: int) -> list[Line]:
        theme = self.theme
        level = int(node.token.tag[1:] or 1)
        style = theme.heading
        if level == 1:
            style += Style(underline=True)
        elif level > 2:
            style += theme.emphasis
        return self._wrapped(node, width, style)

    def _wrapped(self, node: _Node, width: int, base: Style) -> list[Line]:
        return [row for line in self._inline(node, base) for row in wrap(line, width)]

    def _code(self, token: Token, width: int) -> list[Line]:
        """Code by its indent alone: of no language that is known."""
        prefix = [("  ", NULL)]
        rows: list[Line] = []
        for line in safe_lines(token.content.removesuffix("\n")):
            rows += chop([(line, self.theme.code_block)], width, prefix, prefix) if line else [[]]
        return rows

    def table_cells(self, node: _Node) -> tuple[list[list[Line]], list[list[list[Line]]]]:
        """The head and the rows of a table, each cell as lines."""
        rows = [
            [self._cell(cell, head=part.kind == "thead") for cell in row.children]
            for part in node.children
            for row in part.children
        ]
        return rows[0], rows[1:]

    def _cell(self, node: _Node, *, head: bool) -> list[Line]:
        return list(self._inline(node, self.base + self.theme.strong if head else self.base))

    @staticmethod
    def aligns(node: _Node) -> list[str]:
        """left, right or center for each column."""
        head = node.children[0].children[0].children
        return [str(cell.token.attrGet("style") or "").removeprefix("text-align:") or "left" for cell in head]

    def _inline(self, node: _Node, base: Style) -> list[Line]:
        tokens = node.children[0].token.children if node.children else None
        return _Inline(self.theme, base).lines(tokens or [])


class _Inline:
    """Text with its emphasis."""

    def __init__(self, theme: Theme, base: Style) -> None:
        self._theme = theme
        self._styles = [base]
        self._links: list[tuple[str, str]] = []
        self._rows: list[Line] = [[]]

    def lines(self, tokens: Sequence[Token]) -> list[Line]:
        """The lines of a paragraph: a line break of the source stays one."""
        for token in tokens:
            self._take(token)
        return self._rows

    def _take(self, token: Token) -> None:
        theme = self._theme
        match token.type:
            case "softbreak" | "hardbreak":
                self._rows.append([])
            case "code_inline":
                self._add(token.content, self._styles[-1] + theme.code)
            case "strong_open":
                self._styles.append(self._styles[-1] + theme.strong)
            case "em_open":
                self._styles.append(self._styles[-1] + theme.emphasis)
            case "s_open":
                self._styles.append(self._styles[-1] + theme.strike)
            case "link_open":
                self._links.append((str(token.attrGet("href") or ""), ""))
                self._styles.append(self._styles[-1] + theme.link)
            case "link_close":
                self._styles.pop()
                self._address()
            case "strong_close" | "em_close" | "s_close":
                self._styles.pop()
            case "image":
                self._add(f"[image: {token.content}] ({_readable(str(token.attrGet('src') or ''))})", theme.link)
            case _:
                self._add(token.content, self._styles[-1])

    def _add(self, text: str, style: Style) -> None:
        if self._links:
            href, so_far = self._links[-1]
            self._links[-1] = (href, so_far + text)
        if text:
            self._rows[-1].append((shown(text).replace("\n", " "), style))

    def _address(self) -> None:
        """The address behind the words of a link, unless they are the same."""
        href, words = self._links.pop()
        address = _readable(href)
        if address and words not in (address, href, address.removeprefix("mailto:"), address.rstrip("/")):
            if self._rows[-1] and words:
                self._add(" ", self._styles[-1])
            self._add(f"({address})", self._styles[-1] + self._theme.dim)


def _readable(href: str) -> str:
    """An address as it was written, as far as that is safe to read."""
    from mdurl import decode

    return "".join(_printable(decode(href)))


def _printable(text: str) -> Iterator[str]:
    for char in text:
        yield "%20" if char == " " else char
