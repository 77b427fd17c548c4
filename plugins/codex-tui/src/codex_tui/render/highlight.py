"""Code in colours, line by line, so that a block that still grows is never read again.

Most lexers of pygments are machines of regular expressions; such a one is run here with its state kept between the
lines. A comment between `/*` and `*/`, which is one expression in most lexers, is closed for them where a line ends.
Other lexers see each line on its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from rich.style import Style

from .theme import Theme
from .width import NULL, Line

MAX_LINES = 2000
"""From this line on a block is shown in one colour."""
MAX_LINE_CHARS = 2000

_ROLES = (
    ("Comment", "comment"),
    ("Keyword.Type", "type"),
    ("Keyword", "keyword"),
    ("Operator.Word", "keyword"),
    ("Literal.String", "string"),
    ("Literal.Number", "number"),
    ("Name.Function", "function"),
    ("Name.Class", "type"),
    ("Name.Decorator", "function"),
    ("Name.Tag", "keyword"),
    ("Name.Attribute", "type"),
    ("Name.Builtin", "function"),
    ("Generic.Inserted", "added"),
    ("Generic.Deleted", "removed"),
    ("Generic.Heading", "heading"),
    ("Generic.Subheading", "hunk"),
)


class Highlighter:
    """Colours the lines of one block, in order. `language` is what stands after the fence, or a file's ending; an
    unknown one gives lines in one colour."""

    def __init__(self, language: str, theme: Theme) -> None:
        self._theme = theme
        self._base = theme.code_block
        self._lexer = _lexer(language.lower()) if theme.colours != "none" else None
        self._stack: list[str] = ["root"]
        self._in_comment = False
        self._lines = 0

    def copy(self) -> Highlighter:
        """Another one at the same place, for a line that is not complete yet."""
        twin = Highlighter.__new__(Highlighter)
        twin.__dict__ = {**self.__dict__, "_stack": list(self._stack)}
        return twin

    def line(self, text: str) -> Line:
        """The next line in pieces."""
        self._lines += 1
        if self._lexer is None or self._lines > MAX_LINES or len(text) > MAX_LINE_CHARS or not text:
            return [(text, self._base)] if text else []
        before = "/*" if self._in_comment else ""
        source = before + text
        if source.rfind("/*") > source.rfind("*/") and _has_block_comments(self._lexer):
            stack = list(self._stack)
            pieces, last = self._coloured(source + "*/", stack, len(before), len(source))
            if last.startswith("Comment"):
                self._stack, self._in_comment = stack, True
                return pieces
        self._in_comment = False
        return self._coloured(source + "\n", self._stack, len(before), len(source))[0]

    def _coloured(self, source: str, stack: list[str], begin: int, end: int) -> tuple[Line, str]:
        """The pieces of what stands between two places, and the kind of the last token."""
        pieces: Line = []
        kind = ""
        for place, kind, value in _tokens(self._lexer, source, stack):
            part = value[max(0, begin - place) : max(0, end - place)]
            if not part:
                continue
            style = self._base + _role_style(self._theme, kind)
            if pieces and (pieces[-1][1] == style or part.isspace()):
                pieces[-1] = (pieces[-1][0] + part, pieces[-1][1])
            else:
                pieces.append((part, style))
        return pieces, kind


@lru_cache(64)
def _has_block_comments(lexer: Any) -> bool:
    """Whether `/*` begins a comment in a language. Lexers know such a comment only as a whole."""
    return any(kind.startswith("Comment") for _, kind, _ in _tokens(lexer, "/* x */", ["root"]))


@lru_cache(2048)
def _role_style(theme: Theme, kind: str) -> Style:
    for prefix, role in _ROLES:
        if kind == prefix or kind.startswith(prefix + "."):
            found = getattr(theme, role)
            assert isinstance(found, Style)
            return found
    return NULL


@lru_cache(64)
def _lexer(language: str) -> Any:
    """The lexer of a language, None if there is none."""
    if not language or len(language) > 40:
        return None
    from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]
    from pygments.util import ClassNotFound  # type: ignore[import-untyped]

    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


def _tokens(lexer: Any, source: str, stack: list[str]) -> Iterator[tuple[int, str, str]]:
    """The tokens of a text: place, kind, value. `stack` is changed to the state at its end."""
    from pygments.lexer import ExtendedRegexLexer, RegexLexer  # type: ignore[import-untyped]

    if not isinstance(lexer, RegexLexer) or isinstance(lexer, ExtendedRegexLexer):
        for place, kind, value in lexer.get_tokens_unprocessed(source):
            yield place, _name(kind), value
        return
    place = 0
    states = lexer._tokens  # what a lexer's class is compiled to; there is no public way to keep its state
    while place < len(source):
        rule = _first_rule(states[stack[-1]], source, place)
        if rule is None:
            if source[place] == "\n":
                stack[:] = ["root"]
            yield place, "Text", source[place]
            place += 1
            continue
        found, action, change = rule
        if action is not None:
            yield from _acted(lexer, action, found)
        stuck = found.end() == place and not change
        place = found.end() + stuck
        _move(stack, change)


def _first_rule(rules: Any, source: str, place: int) -> tuple[Any, Any, Any] | None:
    """The first rule of a state that matches: its match, what it makes of it, and where it goes."""
    for matches, action, change in rules:
        if found := matches(source, place):
            return found, action, change
    return None


def _acted(lexer: Any, action: Any, found: Any) -> Iterator[tuple[int, str, str]]:
    from pygments.token import _TokenType  # type: ignore[import-untyped]

    if type(action) is _TokenType:
        yield found.start(), _name(action), found[0]
        return
    for place, kind, value in action(lexer, found):
        yield place, _name(kind), value


def _move(stack: list[str], change: Any) -> None:
    """What a rule does to the stack of states: a number pops, a name pushes."""
    if isinstance(change, int):
        del stack[max(1, len(stack) + change) :]
    elif change == "#push":
        stack.append(stack[-1])
    elif change:
        for state in change:
            if state == "#pop":
                del stack[max(1, len(stack) - 1) :]
            else:
                stack.append(stack[-1] if state == "#push" else state)
    del stack[50:]


@lru_cache(512)
def _name(kind: Any) -> str:
    return ".".join(kind)
