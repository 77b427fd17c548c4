"""Keys with alt as terminals without the kitty protocol send them: escape, then the character.

textual 8 drops the alt of enter and of punctuation, so that alt+enter would send what is being written. This teaches
its table of sequences the ones that we have a use for. It is private to textual: pinned to 8.x, tested.
"""

from __future__ import annotations

from typing import Any, NamedTuple

_CHARACTERS = {
    "\r": "enter",
    "\x7f": "backspace",
    ",": "comma",
    ".": "full_stop",
    "<": "less_than_sign",
    ">": "greater_than_sign",
    "/": "slash",
    "-": "minus",
}


class _Key(NamedTuple):
    """What the parser asks of a key: its name."""

    value: str


def teach_keys() -> None:
    """Call it before the application runs; calling it again changes nothing."""
    from textual._ansi_sequences import ANSI_SEQUENCES_KEYS

    table: dict[str, Any] = ANSI_SEQUENCES_KEYS  # type: ignore[assignment]
    for character, name in _CHARACTERS.items():
        table[f"\x1b{character}"] = (_Key(f"alt+{name}"),)
