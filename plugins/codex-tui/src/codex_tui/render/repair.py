"""Markdown that has not come to its end: what is open is closed, so that it looks as it will when the rest is there."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\\.|(`+)|(\*+|_+|~~)|(\]\()|(\[)|(\))|[^\\`*_~\[\])]+|.", re.DOTALL)


def repaired(block: list[str]) -> list[str]:
    """The lines of an open block with an end that closes what is open. A beginning of a table gets its rule."""
    first = block[0].strip()
    if first.startswith("|") and first.count("|") > 1:
        cells = first.strip("|").split("|")
        rule = "|" + "---|" * len(cells)
        if len(block) == 1:
            return [first if first.endswith("|") else first + "|", rule]
        if len(block) == 2 and not block[1].strip(" |:-"):
            return [block[0], rule]
    if any(line.lstrip(" >").startswith(("```", "~~~")) for line in block):
        return block  # code in an item or a quote: nothing in it is markup
    last = len(block) - 1
    while last and block[last - 1].strip() and not re.match(r" *(?:[-*+>]|\d+[.)]) ", block[last]):
        last -= 1
    closed = _closed("\n".join(block[last:])).split("\n")
    return [*block[:last], *closed]


def _closed(text: str) -> str:
    """A piece of inline Markdown with its open markers closed; markers at its very end are left out, since nothing is
    known of them yet."""
    lead = re.match(r" *(?:[-*+>]|\d+[.)]) +", text)
    begin = lead.end() if lead else 0
    head, text = text[:begin], text[begin:]
    bare = text.rstrip("*_`~") if not text.endswith("\\") else text
    dangling = text[len(bare) :]
    opened = _open(bare)
    if opened and dangling and opened[-1] and opened[-1][0] == dangling[0]:
        dangling = ""  # it begins to close what is open
    elif dangling and bare and not bare[-1].isspace():
        return head + text + "".join(reversed(opened)) if not opened else head + bare + "".join(reversed(opened))
    if not opened:
        return head + bare
    space = len(bare) - len(bare.rstrip())
    body = bare[: len(bare) - space] if space else bare
    return head + body + "".join(reversed(opened))


def _open(text: str) -> list[str]:
    """What is needed to close the markers that are open at the end of a text, the innermost last."""
    opened: list[str] = []
    for match in _TOKEN.finditer(text):
        code, mark, target, bracket, paren = match.groups()
        inner = opened[-1] if opened else ""
        if inner.startswith("`") or code:
            _code(opened, inner, code)
        elif inner == ")":
            if paren:
                opened.pop()
        elif mark:
            _marked(opened, mark, text, match.start(), match.end())
        elif bracket:
            opened.append("]")
        elif (target or match[0] == "]") and "]" in opened:
            _bracket_ends(opened)
            opened += [")"] if target else []
    return [close for close in opened if close != "]"]


def _code(opened: list[str], inner: str, code: str | None) -> None:
    """A run of backticks, or something else inside of code."""
    if code and code == inner:
        opened.pop()
    elif code and not inner.startswith("`"):
        opened.append(code)


def _bracket_ends(opened: list[str]) -> None:
    while opened.pop() != "]":
        pass


def _marked(opened: list[str], mark: str, text: str, start: int, end: int) -> None:
    """A run of `*`, `_` or `~` closes what it fits, or opens."""
    before = text[start - 1] if start else " "
    after = text[end] if end < len(text) else " "
    if mark[0] == "_" and before.isalnum() and after.isalnum():
        return
    if not before.isspace():
        while mark and opened and opened[-1][0] == mark[0] and mark.startswith(opened[-1]):
            mark = mark[len(opened.pop()) :]
    if mark and not after.isspace() and not before.isalnum() and len(mark) < 4:
        opened += [mark[:2], mark[2:]] if len(mark) == 3 else [mark]
