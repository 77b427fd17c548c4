"""What a terminal shows and sends: the emulated screen and the sequences of keys, for terminal_kit.py."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pyte
from pyte.screens import Char
from rich.style import Style

_KEYS = {
    "enter": "\r", "tab": "\t", "backspace": "\x7f", "space": " ", "up": "\x1b[A", "down": "\x1b[B", "right": "\x1b[C",
    "left": "\x1b[D", "home": "\x1b[H", "end": "\x1b[F", "pageup": "\x1b[5~", "pagedown": "\x1b[6~", "delete": "\x1b[3~",
    "insert": "\x1b[2~", "f1": "\x1bOP", "f2": "\x1bOQ", "f3": "\x1bOR", "f4": "\x1bOS",
}  # fmt: skip
_CODES = {"enter": 13, "tab": 9, "backspace": 127, "space": 32, "esc": 27, "escape": 27}


def key_sequence(key: str, *, kitty: bool) -> str:
    """What a terminal sends for a key like `a`, `ctrl+c`, `alt+enter`, `shift+tab`, `esc`, `up`. With `kitty` that is what
    a terminal sends whose keyboard protocol has been asked to disambiguate."""
    *modifiers, name = key.split("+") if len(key) > 1 else [key]
    bits = sum({"shift": 1, "alt": 2, "ctrl": 4}[word] for word in modifiers)
    plain = _KEYS.get(name, "\x1b" if name in {"esc", "escape"} else name)
    if plain.startswith("\x1b") and len(plain) > 2:
        if not bits:
            return plain
        return f"{plain[:-1]};{1 + bits}~" if plain.endswith("~") else f"\x1b[1;{1 + bits}{plain[-1]}"
    if kitty and (bits & 6 or (bits and name in _CODES) or plain == "\x1b"):
        return f"\x1b[{_CODES.get(name) or ord(name)}" + (f";{1 + bits}u" if bits else "u")
    if name == "tab" and bits == 1:
        return "\x1b[Z"
    if bits & 4:
        plain = chr(ord(plain.upper()) & 0x1F) if plain != " " else "\x00"
    return ("\x1b" if bits & 2 else "") + (plain.upper() if bits & 1 else plain)


class Screen(pyte.Screen):
    """pyte's screen with a scrollback of its own, an alternate screen, and the resizing of xterm (rows are not wrapped
    anew)."""

    def __init__(self, columns: int, lines: int) -> None:
        self.kept: list[dict[int, Char]] = []
        self._main: tuple[Any, Any] | None = None
        super().__init__(columns, lines)

    @property
    def is_alternate(self) -> bool:
        return self._main is not None

    def index(self) -> None:
        if self.cursor.y == self.lines - 1 and self.margins is None and self._main is None:
            self.kept.append(dict(self.buffer[0]))
        super().index()

    def alternate(self, on: bool) -> None:
        if on and self._main is None:
            self._main = (self.buffer.copy(), (self.cursor.x, self.cursor.y))
            self.buffer.clear()
        elif not on and self._main is not None:
            buffer, (self.cursor.x, self.cursor.y) = self._main
            self.buffer.clear()
            self.buffer.update(buffer)
            self._main = None
            self.ensure_hbounds()
            self.ensure_vbounds()
        self.dirty.update(range(self.lines))

    def resize(self, lines: int | None = None, columns: int | None = None) -> None:
        lines, columns = lines or self.lines, columns or self.columns
        surplus = self.cursor.y - lines + 1
        if surplus > 0:
            if self._main is None:
                self.kept += [dict(self.buffer[y]) for y in range(surplus)]
            rows = {y - surplus: self.buffer[y] for y in range(surplus, self.lines) if y in self.buffer}
            self.buffer.clear()
            self.buffer.update(rows)
            self.cursor.y -= surplus
        for y in [y for y in self.buffer if y >= lines]:
            del self.buffer[y]
        for line in self.buffer.values():
            for x in [x for x in line if x >= columns]:
                del line[x]
        self.lines, self.columns = lines, columns
        self.cursor.x = min(self.cursor.x, columns - 1)
        self.set_margins()
        self.dirty.update(range(lines))


def row_text(line: Mapping[int, Char], columns: int) -> str:
    """Without blanks at its end."""
    return "".join(line[x].data if x in line else " " for x in range(columns)).rstrip()


def style(char: Char) -> Any:
    def colour(name: str) -> str | None:
        if name == "default":
            return None
        if re.fullmatch("[0-9a-f]{6}", name):
            return f"#{name}"
        return name.replace("brown", "yellow").replace("bright", "bright_")

    return Style(
        color=colour(char.fg), bgcolor=colour(char.bg), bold=char.bold, italic=char.italics,
        underline=char.underscore, strike=char.strikethrough, reverse=char.reverse,
    )  # fmt: skip
