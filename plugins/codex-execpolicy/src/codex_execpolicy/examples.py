"""Splitting the examples of a rule into tokens, and writing tokens as a line."""

from __future__ import annotations

import re
from collections.abc import Sequence

_BLANK = " \t\n"
_PLAIN = re.compile(r"[A-Za-z0-9_./=:@+, -]*")
_ESCAPED_IN_DOUBLE = '$`"\\'


def split_example(text: str) -> list[str]:
    """The tokens of a command line by a shell's quoting rules alone: nothing is expanded, `&&`, `>` and `|` are
    ordinary characters, `#` at the start of a word begins a comment.

    Raises `ValueError` for a quote that is not closed and a backslash at the end.
    """
    if _PLAIN.fullmatch(text):
        return text.split()
    words: list[str] = []
    at = 0
    while at < len(text):
        if text[at] in _BLANK:
            at += 1
        elif text[at] == "#":
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
        else:
            word, at = _word(text, at)
            words.append(word)
    return words


def _word(text: str, at: int) -> tuple[str, int]:
    parts: list[str] = []
    while at < len(text) and text[at] not in _BLANK:
        char = text[at]
        at += 1
        if char == "'":
            end = text.find("'", at)
            if end < 0:
                raise ValueError("a quote that is not closed")
            parts.append(text[at:end])
            at = end + 1
        elif char == '"':
            at = _double_quoted(text, at, parts)
        elif char == "\\":
            if at >= len(text):
                raise ValueError("a backslash at the end")
            parts.append("" if text[at] == "\n" else text[at])
            at += 1
        else:
            parts.append(char)
    return "".join(parts), at


def _double_quoted(text: str, at: int, parts: list[str]) -> int:
    while at < len(text):
        char = text[at]
        at += 1
        if char == '"':
            return at
        if char == "\\" and at < len(text):
            following = text[at]
            at += 1
            if following == "\n":
                continue
            parts.append(following if following in _ESCAPED_IN_DOUBLE else char + following)
        else:
            parts.append(char)
    raise ValueError("a quote that is not closed")


def join_tokens(tokens: Sequence[str]) -> str:
    """A line that `split_example` reads back as these tokens."""
    from shlex import quote

    return " ".join(quote(token) for token in tokens)
