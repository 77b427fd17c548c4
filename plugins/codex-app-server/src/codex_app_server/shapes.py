"""Shapes of params and results: what is checked, and what `generate-json-schema` and `generate-ts` print.

A shape is a plain value, so that declaring two hundred of them costs nothing at start-up. Unknown members are ignored,
as the peer does; texts of refusals are those that clients know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .wire import RpcError

JSON_TYPES: dict[str, tuple[Any, str]] = {
    "string": (str, "a string"),
    "integer": (int, "an integer"),
    "number": ((int, float), "a number"),
    "boolean": (bool, "a boolean"),
    "object": (dict, "a map"),
    "array": (list, "a sequence"),
}


class Shape:
    """`kind` is a JSON type, `any`, `enum`, `union` or `record`."""

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


class Field:
    """A member of a record. One that is not required may be absent or null."""

    def __init__(self, shape: Shape, *, required: bool) -> None:
        self.shape, self.required = shape, required


ANY = Shape("any")
STRING, INTEGER, NUMBER, BOOLEAN = Shape("string"), Shape("integer"), Shape("number"), Shape("boolean")
OBJECT = Shape("object")


def array(items: Shape) -> Shape:
    """A list of these."""
    return Shape("array", items=items)


def enum(*values: str) -> Shape:
    """One of these words."""
    return Shape("enum", values=values)


def union(*options: Shape) -> Shape:
    """Any of these."""
    return Shape("union", options=options)


def record(required: Mapping[str, Shape] | None = None, /, **optional: Shape) -> Shape:
    """An object with these members."""
    fields = {key: Field(shape, required=True) for key, shape in (required or {}).items()}
    fields |= {key: Field(shape, required=False) for key, shape in optional.items()}
    return Shape("record", fields=fields)


def check(shape: Shape, found: Any) -> Any:
    """`found`, if it fits. Raises `RpcError` with the text that clients know."""
    fault = _fault(shape, found)
    if fault:
        raise RpcError(f"Invalid request: {fault}")
    return found


def _fault(shape: Shape, found: Any) -> str:
    match shape.kind:
        case "any":
            return ""
        case "enum":
            if not isinstance(found, str):
                return _wrong_type(found, "string or map")
            expected = ", ".join(f"`{word}`" for word in shape.values)
            return "" if found in shape.values else f"unknown variant `{found}`, expected one of {expected}"
        case "union":
            if any(not _fault(option, found) for option in shape.options):
                return ""
            return f"data did not match any variant{f' of untagged enum {shape.name}' if shape.name else ''}"
        case "record":
            return _record_fault(shape, found)
        case "array":
            if not isinstance(found, list):
                return _wrong_type(found, "a sequence")
            assert shape.items is not None
            return next((fault for entry in found if (fault := _fault(shape.items, entry))), "")
        case _:
            kind, words = JSON_TYPES[shape.kind]
            fits = isinstance(found, kind) and (shape.kind == "boolean" or not isinstance(found, bool))
            return "" if fits else _wrong_type(found, words)


def _record_fault(shape: Shape, found: Any) -> str:
    if not isinstance(found, dict):
        return _wrong_type(found, "a map")
    for name, field in shape.fields.items():
        inner = found.get(name)
        if inner is None:
            if field.required and name not in found:
                return f"missing field `{name}`"
            if field.required:
                return _wrong_type(None, JSON_TYPES.get(field.shape.kind, (None, "a value"))[1])
        elif fault := _fault(field.shape, inner):
            return fault
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
