"""Takes here-documents out of a script before it is parsed.

tree-sitter's grammar nests what follows `<<EOF` on the line inside the redirection and loses some of it, so the
bodies are lifted out first, by a scan that knows quotes and comments and gives up on everything else.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_START = re.compile(
    r"<<(-?)[ \t]*(?:'([^'\n]+)'|\"([^\"\n$`\\]+)\"|\\?([A-Za-z_][\w.]*))(?=[ \t\n;|&)<>]|\Z)", re.ASCII
)
_SKIP = re.compile(r"[^\\'\"#<\n$`]+")
# An expansion in a string could hold quotes of its own: only literal strings are skipped.
_LITERAL_STRING = re.compile(r'"(?:[^"\\$`]|\\.)*"', re.DOTALL)
_SIMPLE_EXPANSION = re.compile(r"\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*\})", re.ASCII)


class Lifted(NamedTuple):
    """The script without its here-documents (blanks stand for `<<WORD`), the bodies that the shell expands and
    that hold more than plain variables, and why lifting failed (then the script is unchanged)."""

    script: str
    bodies: tuple[str, ...] = ()
    failure: str = ""


class _Delimiter(NamedTuple):
    word: str
    strip_tabs: bool
    expands: bool


def lift(script: str) -> Lifted:
    """Take the here-documents out of `script`; quick where it has none."""
    if "<<" not in script:
        return Lifted(script)
    out: list[str] = []
    bodies: list[str] = []
    pending: list[_Delimiter] = []
    at = 0
    while at < len(script):
        plain = _SKIP.match(script, at)
        if plain:
            out.append(plain.group())
            at = plain.end()
            continue
        char = script[at]
        step = _quoted(script, at)
        if script.startswith("<<", at) and not script.startswith("<<<", at):
            start = _START.match(script, at)
            if start is None or script[at - 1 : at].isdigit():
                return Lifted(script, failure="a here-document that could not be read")
            pending.append(_delimiter(start))
            step = start.end() - at
            out.append(" " * step)
        elif script.startswith(("$(", "`", "${", "$["), at) or step < 0:
            return Lifted(script, failure="a here-document beside expansions or open quotes")
        else:
            step = 3 if script.startswith("<<<", at) else step
            out.append(script[at : at + step])
        at += step
        if char == "\n":
            for delimiter in pending:
                body_end = _take_body(script, at, delimiter, bodies)
                if body_end < 0:
                    return Lifted(script, failure=f"a here-document without its end ({delimiter.word})")
                at = body_end
            pending.clear()
    if pending:
        return Lifted(script, failure=f"a here-document without its end ({pending[0].word})")
    return Lifted("".join(out), tuple(bodies))


def _quoted(script: str, at: int) -> int:
    """How many characters belong to the quote, escape or comment at `at`; -1 for one without an end."""
    char = script[at]
    if char == "\\":
        return 2
    if char == "'":
        close = script.find("'", at + 1)
        return close + 1 - at if close > 0 else -1
    if char == '"':
        string = _LITERAL_STRING.match(script, at)
        return string.end() - at if string else -1
    if char == "#" and (at == 0 or script[at - 1] in " \t\n;&|()") and not script.startswith("\\", max(0, at - 2)):
        close = script.find("\n", at)
        return (len(script) if close < 0 else close) - at
    return 1


def _delimiter(start: re.Match[str]) -> _Delimiter:
    dash, single, double, bare = start.groups()
    expands = bare is not None and "\\" not in start.group()
    return _Delimiter(single or double or bare, bool(dash), expands)


def _take_body(script: str, at: int, delimiter: _Delimiter, bodies: list[str]) -> int:
    """Where the script goes on behind the body that starts at `at`; -1 if it has no end."""
    begin = at
    while at < len(script):
        line_end = script.find("\n", at)
        line_end = len(script) if line_end < 0 else line_end
        line = script[at:line_end]
        if (line.lstrip("\t") if delimiter.strip_tabs else line) == delimiter.word:
            body = script[begin:at]
            if delimiter.expands and re.search(r"[$`\\]", _SIMPLE_EXPANSION.sub("", body)):
                bodies.append(body)
            return min(line_end + 1, len(script))
        at = line_end + 1
    return -1
