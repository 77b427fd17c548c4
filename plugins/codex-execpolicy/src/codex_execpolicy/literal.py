"""Strings as Starlark literals, and files that consist of literals only.

The rules that approvals write are one plain line each. A file of only such lines means the same under every
reading of Starlark, so it is read without the interpreter: most sessions never load it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .declare import ABSENT

# Strings of these characters stand for themselves, in Starlark as in JSON: no backslash, no control character.
_STRING = r'"[^"\\\x00-\x1f]*"'
_ALTERNATIVES = rf"\[{_STRING}(?:, ?{_STRING})*\]"
_ELEMENT = rf"(?:{_STRING}|{_ALTERNATIVES})"
_LINE = re.compile(
    rf"(?:prefix_rule\((?:pattern ?= ?)?(?P<pattern>\[{_ELEMENT}(?:, ?{_ELEMENT})*\])"
    rf'(?:, ?decision ?= ?"(?P<decision>[a-z]+)")?(?:, ?justification ?= ?(?P<why>{_STRING}))?\))?'
    r" *(?:#[^\x00-\x1f]*)?"
)
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def string_literal(text: str) -> str:
    """A literal that Starlark reads back as exactly `text`. What cannot be seen is escaped, so that a person who
    reviews the line sees all of it. Raises `ValueError` for text that is not Unicode (lone surrogates)."""
    return '"' + "".join(_SHORT.get(char) or _character(char) for char in text) + '"'


def _character(char: str) -> str:
    code = ord(char)
    if 0xD800 <= code <= 0xDFFF:
        raise ValueError("text that is not Unicode cannot be written in a rules file")
    if char == " " or char.isprintable():
        return char
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def prefix_rule_line(prefix: Sequence[str], decision: str = "allow", justification: str = "") -> str:
    """The line of a rule, without a line end. Raises `ValueError` as `string_literal` does."""
    words = ", ".join(string_literal(word) for word in prefix)
    why = f", justification={string_literal(justification)}" if justification else ""
    return f"prefix_rule(pattern=[{words}], decision={string_literal(decision)}{why})"


def network_rule_line(host: str, protocol: str, decision: str = "allow") -> str:
    """The line of a network rule, without a line end. Raises `ValueError` as `string_literal` does."""
    words = [f"{name}={string_literal(text)}" for name, text in zip(_NETWORK, (host, protocol, decision), strict=True)]
    return f"network_rule({', '.join(words)})"


_NETWORK = ("host", "protocol", "decision")


def read_literals(text: str) -> list[list[object]] | None:
    """The declarations of a file of plain lines, as `declare.build` takes them; None for every other file."""
    from json import loads

    found: list[list[object]] = []
    for line in text.split("\n"):
        match = _LINE.fullmatch(line)
        if match is None:
            return None
        pattern, decision, why = match.groups()
        if pattern is not None:
            found.append(["prefix", pattern, decision or "allow", (), (), loads(why) if why else ABSENT])
    if found:
        patterns = loads(f"[{','.join(str(entry[1]) for entry in found)}]")
        for entry, pattern in zip(found, patterns, strict=True):
            entry[1] = pattern
    return found
