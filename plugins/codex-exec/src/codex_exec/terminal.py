"""What may reach a terminal: no control sequences of strangers, no flood, colour only when wanted."""

from __future__ import annotations

import re

MAX_LINES = 40
MAX_CHARS = 8_000
MAX_LINE_CHARS = 2_000
MAX_DIFF_LINES = 200
MAX_DIFF_CHARS = 40_000

_SEQUENCE = re.compile(
    "\x1b\\[[0-?]{0,256}[ -/]{0,16}[@-~]"  # CSI: colours, cursor movements
    "|\x9b[0-?]{0,256}[ -/]{0,16}[@-~]"  # the same in one character
    "|[\x1b][\\]PX^_][^\x07\x1b\x9c]{0,4096}(?:\x07|\x1b\\\\|\x9c)"  # OSC and strings: titles, links, clipboard
    "|\x1b[ -/]{0,16}[0-~]"
)
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

_STYLES = {
    "bold": "1",
    "dim": "2",
    "italic": "3",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "magenta": "35",
    "cyan": "36",
}


class Paint:
    """Wraps text in colours, or leaves it as it is."""

    def __init__(self, *, color: bool) -> None:
        self._color = color

    def __call__(self, text: str, *styles: str) -> str:
        """The text in these styles; every line is closed, so that a cut one colours nothing else."""
        if not self._color or not text:
            return text
        start = f"\x1b[{';'.join(_STYLES[style] for style in styles)}m"
        return "\n".join(f"{start}{line}\x1b[0m" if line else line for line in text.split("\n"))


def neutral(text: str) -> str:
    """Text without terminal control: sequences are dropped, other control characters are shown as escapes.

    A carriage return becomes a line break, so that nothing overwrites what was shown before it.
    """
    if text.isprintable():
        return text
    text = _SEQUENCE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return _CONTROL.sub(lambda found: _escape(found[0]), text)


def one_line(text: str) -> str:
    """As `neutral`, for what stands within a line: line breaks are shown as escapes too, and it is cut."""
    if len(text) > MAX_LINE_CHARS:
        text = text[: MAX_LINE_CHARS - 1] + "…"
    if text.isprintable():
        return text
    return _CONTROL.sub(lambda found: _escape(found[0]), _SEQUENCE.sub("", text)).replace("\n", "\\n")


def _escape(character: str) -> str:
    code = ord(character)
    if code == 0x0D:
        return "\\r"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def shorten(text: str, max_lines: int = MAX_LINES, max_chars: int = MAX_CHARS) -> str:
    """The beginning and the end of a long text, with a line between them that says how much is left out."""
    if len(text) <= max_chars and text.count("\n") <= max_lines:
        return text
    head = _head_end(text, max_lines // 2, max_chars // 2)
    tail = max(head, _tail_start(text, max_lines // 2, max_chars // 2))
    if tail == head:
        return text
    lines = text.count("\n", head, tail)
    note = f"… {lines} lines left out …" if lines > 1 else f"… {tail - head} characters left out …"
    before = text[:head] if text[:head].endswith("\n") else text[:head] + "\n"
    return f"{before}{note}\n{text[tail:]}"


def _head_end(text: str, lines: int, chars: int) -> int:
    end = 0
    for _ in range(lines):
        found = text.find("\n", end, chars)
        if found < 0:
            return end or min(chars, len(text))
        end = found + 1
    return end


def _tail_start(text: str, lines: int, chars: int) -> int:
    floor = max(0, len(text) - chars)
    start = len(text)
    # A newline at the very end closes the last line and is not one more.
    at = len(text) - 1 if text.endswith("\n") else len(text)
    for _ in range(lines):
        found = text.rfind("\n", floor, at)
        if found < 0:
            return start if start < len(text) else floor
        start, at = found + 1, found
    return start


def in_time(milliseconds: int) -> str:
    """A duration for people: 131ms, 2.4s, 3m12s."""
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    seconds = milliseconds / 1000
    return f"{seconds:.1f}s" if seconds < 60 else f"{int(seconds) // 60}m{int(seconds) % 60:02d}s"
