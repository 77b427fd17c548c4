"""Text of a server, made harmless: what could steer a terminal or hide from the reader is shown as an escape."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

_KEPT = frozenset("\n\t\u200c\u200d")
"""Line ends, tabs, and the two joiners that scripts and emoji need."""

_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
"""Categories that show nothing by themselves: controls, formats (bidi among them), surrogates, separators."""

_BLANKS = frozenset(("\u115f", "\u1160", "\u3164", "\uffa0"))
"""Letters that look like nothing at all."""

_LARGEST_BITS = 4096
"""Of a number that is written with its digits, which takes long for larger ones."""


def shown(text: str, limit: int | None = None, *, lines: bool = True) -> str:
    """The text with every hidden character escaped, cut behind `limit` characters; on one line unless `lines`."""
    cut = limit is not None and len(text) > limit
    kept = text[:limit] if cut else text
    plain = kept.replace("\n", "").replace("\t", "") if lines else kept
    if not (plain.isascii() and plain.isprintable()):
        kept = "".join([char if char.isalnum() and char not in _BLANKS else _shown(char, lines) for char in kept])
    return f"{kept}…" if cut else kept


def _shown(char: str, lines: bool) -> str:
    if char in _KEPT and (lines or char not in "\n\t"):
        return char
    if not lines and char == "\n":
        return " "
    if char in _BLANKS or unicodedata.category(char) in _HIDDEN or _is_invisible_mark(ord(char)):
        code = ord(char)
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return char


def _is_invisible_mark(code: int) -> bool:
    """Variation selectors beyond the sixteen that emoji use: they can carry any text unseen."""
    return 0xE0100 <= code <= 0xE01EF


def shown_data(data: Any, limit: int | None = None, depth: int = 32) -> Any:
    """Plain data with all its texts shown; what lies deeper than `depth` is left out. Numbers that not every
    JSON can say (infinite ones, those of more than 64 bits) become text."""
    match data:
        case str():
            return shown(data, limit)
        case Mapping():
            if depth <= 0:
                return "…"
            return {shown(str(key), limit): shown_data(entry, limit, depth - 1) for key, entry in data.items()}
        case Sequence():
            return "…" if depth <= 0 else [shown_data(entry, limit, depth - 1) for entry in data]
        case float() if not math.isfinite(data):
            return str(data)
        case int() if not -(2**63) <= data < 2**63:
            return f"{data:#x}" if data.bit_length() > _LARGEST_BITS else str(data)
        case _:
            return data
