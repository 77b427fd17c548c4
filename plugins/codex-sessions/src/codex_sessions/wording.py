"""How sessions are worded: times, sizes, and text from a recording that must not steer a terminal."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_UNITS = ("B", "KB", "MB", "GB", "TB")


def plain(text: str) -> str:
    """Text in which nothing moves a cursor, changes a color or turns the direction of writing: such characters stand
    as `\\x1b`. Line feeds and tabs stay; a carriage return before a line feed goes."""
    return _CONTROLS.sub(_visible, text.replace("\r\n", "\n"))


def one_line(text: str, limit: int = 0) -> str:
    """Plain text on one line, cut to so many characters (0: whole)."""
    if limit:
        text = text[: limit * 8]  # what is cut anyway need not be looked at
    line = plain(" ".join(text.split()))
    return line if not limit or len(line) <= limit else line[: limit - 1] + "…"


def moment(unix_ms: int) -> str:
    """`2026-11-21 15:03` in local time; `?` for a time that is not known."""
    if unix_ms <= 0:
        return "?"
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(unix_ms / 1000))
    except (OverflowError, ValueError, OSError):
        return "?"


def utc(unix_ms: int) -> str | None:
    """`2026-11-21T15:03:14Z`; None for a time that is not known."""
    if unix_ms <= 0:
        return None
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(unix_ms / 1000))
    except (OverflowError, ValueError, OSError):
        return None


def size(count: int) -> str:
    """`1.5 MB`, in thousands."""
    amount, unit = float(count), 0
    while amount >= 999.5 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{count} B" if unit == 0 else f"{amount:.1f} {_UNITS[unit]}"


def took(milliseconds: int | None) -> str:
    """`2.1 s`, `3 min 4 s`; empty if not known."""
    if milliseconds is None:
        return ""
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    minutes, rest = divmod(milliseconds // 1000, 60)
    return f"{minutes} min {rest} s"


def tokens(usage: Mapping[str, Any]) -> str:
    """`240 tokens: 200 in (80 cached), 40 out (10 reasoning)`."""
    total, given, cached = (usage.get(name, 0) for name in ("total_tokens", "input_tokens", "cached_input_tokens"))
    out, thought = usage.get("output_tokens", 0), usage.get("reasoning_output_tokens", 0)
    return f"{total} tokens: {given} in ({cached} cached), {out} out ({thought} reasoning)"


def plural(count: int, noun: str) -> str:
    """`1 session`, `2 sessions`, `2 matches`."""
    ending = "" if count == 1 else "es" if noun.endswith("ch") else "s"
    return f"{count} {noun}{ending}"


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
