"""Forms that servers ask users to fill in: flat objects of plain values, rebuilt from what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .safe_text import shown, shown_data

MAX_FIELDS = 50
MAX_CHOICES = 500
MAX_WORD_CHARS = 200
MAX_TEXT_CHARS = 1_000
_KINDS = frozenset(("string", "number", "integer", "boolean"))
_FORMATS = frozenset(("email", "uri", "date", "date-time"))
_BOUNDS = ("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems")

Form = dict[str, Any]


class BadForm(ValueError):
    """A form that is not shown; the message says why."""


def checked_form(schema: object) -> Form:
    """The form, of known keywords only. Raises `BadForm` for anything but plain values, one level deep."""
    if not isinstance(schema, Mapping) or schema.get("type", "object") != "object":
        raise BadForm("its form is not an object")
    properties = schema.get("properties", {})
    if not isinstance(properties, Mapping) or len(properties) > MAX_FIELDS:
        raise BadForm(f"its form has no properties, or more than {MAX_FIELDS}")
    fields = {_word(name): _field(name, field) for name, field in properties.items()}
    required = schema.get("required") or []
    if not isinstance(required, list) or any(name not in fields for name in required):
        raise BadForm("it requires a field that is not in the form")
    return {"type": "object", "properties": fields, "required": list(dict.fromkeys(required))}


def _field(name: str, field: object) -> Form:
    if not isinstance(field, Mapping):
        raise BadForm(f"its field {shown(name, 60, lines=False)} is not described")
    kind = field.get("type")
    if kind == "array":
        items = field.get("items")
        if not isinstance(items, Mapping) or not (choices := _choices(items)):
            raise BadForm(f"its field {shown(name, 60, lines=False)} is a list of anything")
        found: Form = {"type": "array", "items": choices}
    elif kind in _KINDS:
        found = {"type": kind, **(_choices(field) if kind == "string" else {})}
    else:
        raise BadForm(f"its field {shown(name, 60, lines=False)} is no plain value")
    for key in ("title", "description"):
        if isinstance(text := field.get(key), str):
            found[key] = shown(text, MAX_TEXT_CHARS)
    for key in _BOUNDS:
        bound = field.get(key)
        if isinstance(bound, int | float) and not isinstance(bound, bool) and shown_data(bound) == bound:
            found[key] = bound
    if field.get("format") in _FORMATS:
        found["format"] = field["format"]
    if _is_readable(default := field.get("default")):
        found["default"] = default
    return found


def _is_readable(default: object) -> bool:
    """Whether a default can be shown as it is: an answer may be given by leaving it."""
    if isinstance(default, list):
        return len(default) <= MAX_CHOICES and all(isinstance(one, str) and _is_readable(one) for one in default)
    if isinstance(default, str):
        return len(default) <= MAX_TEXT_CHARS and shown(default) == default
    return isinstance(default, bool | int | float) and shown_data(default) == default


def _choices(field: Mapping[str, Any]) -> Form:
    """The choices of a field: `enum` (with `enumNames`), or `oneOf`/`anyOf` of `const` and `title`."""
    values = field.get("enum")
    if isinstance(values, list):
        _few(values)
        found: Form = {"type": "string", "enum": [_word(one) for one in values]}
        names = field.get("enumNames")
        if isinstance(names, list) and len(names) == len(values):
            found["enumNames"] = [shown(str(name), MAX_WORD_CHARS, lines=False) for name in names]
        return found
    for key in ("oneOf", "anyOf"):
        entries = field.get(key)
        if isinstance(entries, list):
            _few(entries)
            return {"type": "string", key: [_choice(entry) for entry in entries]}
    return {}


def _choice(entry: object) -> Form:
    if not isinstance(entry, Mapping):
        raise BadForm("one of its choices is not described")
    title = shown(str(entry.get("title", entry.get("const", ""))), MAX_WORD_CHARS, lines=False)
    return {"const": _word(entry.get("const")), "title": title}


def _few(choices: list[Any]) -> None:
    if not 0 < len(choices) <= MAX_CHOICES:
        raise BadForm(f"it offers no choice, or more than {MAX_CHOICES}")


def _word(given: object) -> str:
    """A name or a choice that goes back to the server as it is, so it must be readable as it is."""
    if not isinstance(given, str) or len(given) > MAX_WORD_CHARS or shown(given, lines=False) != given:
        raise BadForm("a name or a choice in its form is no short, readable text")
    return given


def needs_nothing(form: Form) -> bool:
    """Whether there is nothing to fill in: the user is only to agree."""
    return not form["properties"]


def checked_address(url: str) -> str:
    """An address that may be shown to be opened. Raises `BadForm`."""
    from urllib.parse import urlsplit

    if len(url) > 4_000 or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise BadForm("its address is too long, or holds characters that no address has")
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError as error:
        raise BadForm(f"its address cannot be read: {error}") from error
    if parts.scheme not in ("http", "https") or not host:
        raise BadForm("its address is neither http nor https")
    if parts.username is not None or parts.password is not None:
        raise BadForm("its address holds a user name, which can hide where it leads")
    return url
