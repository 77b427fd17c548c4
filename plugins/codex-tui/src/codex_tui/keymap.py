"""Which key does what, by context. Knows nothing of a terminal, so that configuration can be checked anywhere.

A key has one name, which is also textual's: modifiers in alphabetical order, then the key: `ctrl+c`, `alt+enter`,
`shift+tab`, `f1`, `alt+comma`. In configuration `Ctrl-C`, `alt+,` and `esc` do as well.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from codex_plugin_sdk import ConfigError

from .keys_default import ALIASES, DEFAULTS, FOREIGN_ACTIONS, FOREIGN_CONTEXTS, SHARED

_MODIFIERS = {
    "alt": "alt",
    "option": "alt",
    "opt": "alt",
    "meta": "alt",
    "control": "ctrl",
    "ctrl": "ctrl",
    "shift": "shift",
    "super": "super",
    "cmd": "super",
    "command": "super",
    "hyper": "hyper",
}
_MODIFIER = re.compile(rf"({'|'.join(_MODIFIERS)})[+-](?=.)", re.IGNORECASE | re.DOTALL)
_FUNCTION_KEYS = tuple(f"f{number}" for number in range(1, 25))
_SPECIAL_KEYS = ("up", "down", "left", "right", "home", "end", "pageup", "pagedown", "insert", "delete", "backspace")
_NAMED = frozenset((*_SPECIAL_KEYS, "enter", "escape", "tab", "space", *_FUNCTION_KEYS))
_OTHER_NAMES = {
    "esc": "escape",
    "return": "enter",
    "\r": "enter",
    "del": "delete",
    "ins": "insert",
    "bs": "backspace",
    "pgup": "pageup",
    "page-up": "pageup",
    "page_up": "pageup",
    "pgdn": "pagedown",
    "pgdown": "pagedown",
    "page-down": "pagedown",
    "page_down": "pagedown",
}
# What a terminal cannot tell apart.
_SAME = {"ctrl+i": "tab", "ctrl+m": "enter", "ctrl+left_square_bracket": "escape"}
_UNICODE_NAMES = {
    "solidus": "slash",
    "reverse_solidus": "backslash",
    "commercial_at": "at",
    "hyphen_minus": "minus",
    "plus_sign": "plus",
    "low_line": "underscore",
}
_PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
_SIGNS = {
    "comma": ",",
    "period": ".",
    "dot": ".",
    "minus": "-",
    "plus": "+",
    "slash": "/",
    "backslash": "\\",
    "semicolon": ";",
    "quote": "'",
    "question": "?",
    "equal": "=",
    "backtick": "`",
}
_SHOWN = {"escape": "esc", "pageup": "pgup", "pagedown": "pgdn", "delete": "del", "up": "↑", "down": "↓"}
_SHOWN |= {"left": "←", "right": "→"}


def _character_name(character: str) -> str:
    """The name of a key that types this character, as textual has it."""
    if character.isalnum():
        return character
    if character == " ":
        return "space"
    name = unicodedata.name(character, character).lower().replace("-", "_").replace(" ", "_")
    return _UNICODE_NAMES.get(name, name)


_CHARACTERS = {_character_name(character): character for character in _PUNCTUATION}


@lru_cache(maxsize=1024)
def key_name(text: str) -> str | None:
    """The one name of a key, None if this names none."""
    modifiers: set[str] = set()
    rest = text if text == " " else text.strip(" ")
    while match := _MODIFIER.match(rest):
        modifiers.add(_MODIFIERS[match[1].lower()])
        rest = rest[match.end() :]
    name = _base_name(rest, modified=bool(modifiers))
    if name is None:
        return None
    if len(name) == 1 and modifiers == {"shift"} and name.isalpha():
        return name.upper()
    whole = "+".join([*sorted(modifiers), name])
    return _SAME.get(whole, whole)


def _base_name(name: str, *, modified: bool) -> str | None:
    if len(name) == 1 and name != "\r":
        if not name.isprintable():
            return None
        return _character_name(name.lower() if modified else name)
    lowered = name.lower()
    lowered = _OTHER_NAMES.get(lowered, lowered)
    if lowered in _NAMED or lowered in _CHARACTERS:
        return lowered
    return _character_name(_SIGNS[lowered]) if lowered in _SIGNS else None


def shown(key: str) -> str:
    """A key as a hint has it: `ctrl+c`, `alt+,`, `↑`."""
    head, separator, last = key.rpartition("+")
    return head + separator + (_SHOWN.get(last) or _CHARACTERS.get(last, last))


class Keymap:
    """What each key does. `problems` are sentences on what of the configuration has no effect here."""

    def __init__(self, table: Mapping[str, Mapping[str, tuple[str, ...]]], problems: tuple[str, ...] = ()) -> None:
        self.table = table
        self.problems = problems
        self._actions = {
            context: {key: action for action, keys in actions.items() for key in keys}
            for context, actions in table.items()
        }

    @classmethod
    def default(cls) -> Keymap:
        """The keys without configuration."""
        return cls(DEFAULTS)

    @classmethod
    def from_config(cls, table: Mapping[str, Any]) -> Keymap:
        """The defaults, changed by `[tui.keymap]`: context, action, and a key, a list of keys or `[]` for none.

        A key that the user gives to one action is taken from another that has it by default, if that has more keys.
        Raises `ConfigError` for what is unknown, no key, or would do two things.
        """
        chosen, problems = _chosen(table)
        keymap = cls(_merged(chosen), tuple(problems))
        if conflicts := keymap.conflicts():
            raise ConfigError(
                "; ".join(conflicts), where="tui.keymap", hint="give one of them another key, or [] for none"
            )
        return keymap

    def action(self, context: str, key: str) -> str | None:
        """What a key does in a context, None for nothing. `key` is as textual names it."""
        actions = self._actions[context]
        found = actions.get(key)
        if found is None and (name := key_name(key)) is not None:
            found = actions.get(name)
        return found

    def keys(self, context: str, action: str) -> tuple[str, ...]:
        """The keys of an action, the first being the one to show; none if it has none."""
        return self.table[context][action]

    def hint(self, context: str, action: str) -> str:
        """The first key of an action, as it is shown; empty if it has none."""
        keys = self.keys(context, action)
        return shown(keys[0]) if keys else ""

    def conflicts(self) -> tuple[str, ...]:
        """Sentences on keys that are to do two things at once; both actions are named."""
        found = []
        for contexts in (("global", "composer"), ("list",), ("approval",), ("pager",)):
            seen: dict[str, str] = {}
            for place, key in _uses(self.table, contexts):
                other = seen.setdefault(key, place)
                if other != place and tuple(sorted((place, other))) not in SHARED:
                    found.append(f"{shown(key)} is both {other} and {place}")
        return tuple(found)


def _uses(table: Mapping[str, Mapping[str, tuple[str, ...]]], contexts: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for context in contexts:
        for action, keys in table[context].items():
            for key in keys:
                yield f"{context}.{action}", key


def _chosen(table: Mapping[str, Any]) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """What the user wants, by our names (`composer.submit`), and what has no effect."""
    chosen: dict[str, tuple[str, ...]] = {}
    problems = []
    for context, actions in table.items():
        if context not in DEFAULTS and context not in FOREIGN_CONTEXTS:
            raise ConfigError(
                f"there is no context {context!r}", where="tui.keymap", hint=f"one of {', '.join(DEFAULTS)}"
            )
        if not isinstance(actions, Mapping):
            raise ConfigError("has to be a table of actions", where=f"tui.keymap.{context}")
        for action, value in actions.items():
            place = _place(context, action)
            if place is None:
                problems.append(f"tui.keymap.{context}.{action} has no effect here")
            else:
                chosen[place] = _keys(f"tui.keymap.{context}.{action}", value)
    return chosen, problems


def _place(context: str, action: str) -> str | None:
    name = f"{context}.{action}"
    place = ALIASES.get(name) or f"{context}.{action.replace('_', '-')}"
    if place.partition(".")[2] in DEFAULTS.get(place.partition(".")[0], {}):
        return place
    if name in FOREIGN_ACTIONS or context in FOREIGN_CONTEXTS:
        return None
    raise ConfigError(
        f"there is no action {action!r}",
        where=f"tui.keymap.{context}",
        hint=f"one of {', '.join(DEFAULTS[context])}",
    )


def _keys(where: str, value: Any) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise ConfigError("has to be a key or a list of keys", where=where, hint='such as "ctrl+r", or [] for none')
    keys = []
    for text in texts:
        name = key_name(text)
        if name is None:
            named = ", ".join(sorted(_NAMED - set(_FUNCTION_KEYS)))
            raise ConfigError(
                f"{text!r} is no key",
                where=where,
                hint=f"a character or one of {named}, f1 to f24, after any of ctrl+, alt+, shift+, super+",
            )
        keys.append(name)
    return tuple(dict.fromkeys(keys))


def _merged(chosen: Mapping[str, tuple[str, ...]]) -> dict[str, dict[str, tuple[str, ...]]]:
    """The defaults with what was chosen; a chosen key leaves the default actions that are active beside it."""
    merged: dict[str, dict[str, tuple[str, ...]]] = {}
    for context, actions in DEFAULTS.items():
        beside = ("global", "composer") if context in ("global", "composer") else (context,)
        taken = {key: place for place, keys in chosen.items() if place.partition(".")[0] in beside for key in keys}
        merged[context] = {}
        for action, keys in actions.items():
            place = f"{context}.{action}"
            if place in chosen:
                merged[context][action] = chosen[place]
            else:
                left = tuple(key for key in keys if _stays(place, key, taken))
                merged[context][action] = left or keys  # its last key is not taken silently: that is a conflict
    return merged


def _stays(place: str, key: str, taken: Mapping[str, str]) -> bool:
    return key not in taken or tuple(sorted((place, taken[key]))) in SHARED


def keymap_of(widget: Any) -> Keymap:
    """The keys of the application that a widget is in; the defaults where it has none, or no application."""
    try:
        found = getattr(widget.app, "keymap", None)
    except Exception:  # noqa: BLE001 - textual raises an error of its own where there is no application
        found = None
    return found if isinstance(found, Keymap) else _DEFAULT


_DEFAULT = Keymap.default()
