"""Shapes of params, results and notifications: what is checked, and what `generate-json-schema` and `generate-ts`
print.

A shape is a plain value, so that declaring two hundred of them costs nothing at start-up. Unknown members of what
clients send are ignored, as the peer does; texts of refusals are those that clients know.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

from .wire import RpcError

JSON_TYPES: dict[str, tuple[Any, str]] = {
    "string": (str, "a string"),
    "integer": (int, "an integer"),
    "number": ((int, float), "a number"),
    "boolean": (bool, "a boolean"),
    "object": (dict, "a map"),
    "array": (list, "a sequence"),
    "null": (type(None), "unit"),
}


class Shape:
    """`kind` is a JSON type, `any`, `enum`, `union`, `tagged`, `map` or `record`. `definition` is the name by which the
    generated schemas refer to it, and `about` what they say of it."""

    def __init__(
        self,
        kind: str,
        *,
        fields: Mapping[str, Field] | None = None,
        values: tuple[str, ...] = (),
        items: Shape | None = None,
        options: tuple[Shape, ...] = (),
        name: str = "",
    ) -> None:
        self.kind, self.values, self.items, self.options, self.name = kind, values, items, options, name
        self.fields = fields or {}
        self.variants: Mapping[str, Shape] = {}
        self.definition, self.about = "", ""
        self.experimental = self.never_null = False


class Field:
    """A member of a record. One that is not required may be absent or null."""

    def __init__(self, shape: Shape, *, required: bool) -> None:
        self.shape, self.required = shape, required


ANY = Shape("any")
STRING, INTEGER, NUMBER, BOOLEAN = Shape("string"), Shape("integer"), Shape("number"), Shape("boolean")
OBJECT, NULL = Shape("object"), Shape("null")


def array(items: Shape) -> Shape:
    """A list of these."""
    return Shape("array", items=items)


def mapping(items: Shape) -> Shape:
    """An object whose members, of any name, are these."""
    return Shape("map", items=items)


def enum(*values: str) -> Shape:
    """One of these words."""
    return Shape("enum", values=values)


def union(*options: Shape) -> Shape:
    """Any of these."""
    return Shape("union", options=options)


def nullable(shape: Shape) -> Shape:
    """This, or null."""
    return union(shape, NULL)


def record(required: Mapping[str, Shape] | None = None, /, **optional: Shape) -> Shape:
    """An object with these members."""
    fields = {key: Field(shape, required=True) for key, shape in (required or {}).items()}
    fields |= {key: Field(shape, required=False) for key, shape in optional.items()}
    return Shape("record", fields=fields)


def tagged(tag: str = "type", /, **variants: Shape) -> Shape:
    """An object whose member `tag` is one of these words, and tells which record the rest is."""
    shape = Shape("tagged", name=tag)
    shape.variants = variants
    return shape


def named(name: str, shape: Shape, about: str = "") -> Shape:
    """The same under a name of its own in the generated schemas."""
    found = copy(shape)
    found.definition, found.about = name, about
    return found


def experimental(shape: Shape) -> Shape:
    """The same, of which generated schemas tell only those who ask for the experimental."""
    found = copy(shape)
    found.experimental = True
    return found


def never_null(shape: Shape) -> Shape:
    """The same, for members that may be absent and are never sent as null. A null of clients counts as absent."""
    found = copy(shape)
    found.never_null = True
    return found


def check(shape: Shape, found: Any) -> Any:
    """`found`, if it fits. Raises `RpcError` with the text that clients know."""
    wrong = fault(shape, found)
    if wrong:
        raise RpcError(f"Invalid request: {wrong}")
    return found


def fault(shape: Shape, found: Any, *, closed: bool = False) -> str:
    """What does not fit, in the words that clients know; empty if all does. Where `closed`, a member that was not
    declared does not fit either: so is checked what we send."""
    match shape.kind:
        case "any":
            return ""
        case "enum":
            return _enum_fault(shape, found)
        case "union":
            if any(not fault(option, found, closed=closed) for option in shape.options):
                return ""
            return "data did not match any variant"
        case "tagged":
            return _tagged_fault(shape, found, closed=closed)
        case "record":
            return _record_fault(shape, found, closed=closed)
        case "array" | "map":
            return _entries_fault(shape, found, closed=closed)
        case _:
            kind, words = JSON_TYPES[shape.kind]
            fits = isinstance(found, kind) and (shape.kind == "boolean" or not isinstance(found, bool))
            return "" if fits else _wrong_type(found, words)


def _enum_fault(shape: Shape, found: Any) -> str:
    if not isinstance(found, str):
        return _wrong_type(found, "string or map")
    return "" if found in shape.values else _unknown(found, shape.values)


def _unknown(found: str, known: Any) -> str:
    return f"unknown variant `{found}`, expected one of {', '.join(f'`{word}`' for word in known)}"


def _entries_fault(shape: Shape, found: Any, *, closed: bool) -> str:
    assert shape.items is not None
    kind, words = (list, "a sequence") if shape.kind == "array" else (dict, "a map")
    if not isinstance(found, kind):
        return _wrong_type(found, words)
    entries = found.values() if isinstance(found, dict) else found
    return next((wrong for entry in entries if (wrong := fault(shape.items, entry, closed=closed))), "")


def _tagged_fault(shape: Shape, found: Any, *, closed: bool) -> str:
    if not isinstance(found, dict):
        return _wrong_type(found, "a map")
    if shape.name not in found:
        return f"missing field `{shape.name}`"
    word = found[shape.name]
    if not isinstance(word, str):
        return _wrong_type(word, "variant identifier")
    variant = shape.variants.get(word)
    if variant is None:
        return _unknown(word, shape.variants)
    return _record_fault(variant, found, closed=closed, tag=shape.name)


def _record_fault(shape: Shape, found: Any, *, closed: bool, tag: str = "") -> str:
    if not isinstance(found, dict):
        return _wrong_type(found, "a map")
    for name, field in shape.fields.items():
        inner = found.get(name)
        if inner is None:
            if field.required and name not in found:
                return f"missing field `{name}`"
            strict = field.required or (closed and field.shape.never_null and name in found)
            if strict and (wrong := fault(field.shape, None)):
                return wrong
        elif wrong := fault(field.shape, inner, closed=closed):
            return wrong
    if closed and (strange := found.keys() - shape.fields.keys() - {tag}):
        return f"unknown field `{min(strange)}`"
    return ""


def _wrong_type(found: Any, wanted: str) -> str:
    match found:
        case None:
            shown = "null"
        case bool():
            shown = f"boolean `{str(found).lower()}`"
        case int():
            shown = f"integer `{found}`"
        case float():
            shown = f"floating point `{found}`"
        case str():
            shown = f'string "{found[:200]}"'
        case list():
            shown = "sequence"
        case _:
            shown = "map"
    return f"invalid type: {shown}, expected {wanted}"
