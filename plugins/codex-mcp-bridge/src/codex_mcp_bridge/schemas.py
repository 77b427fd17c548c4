"""Input schemas of tools: refused when they are hopeless, else made small, free of references, and safe to show.

Arguments are checked against the same, which accepts whatever the server's own schema accepts: keywords are only
dropped (`pattern` among them, which a server could make endless), so the server keeps the last word.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from codex_plugin_sdk import Value, value

from .safe_text import shown

MAX_NODES = 10_000
MAX_DEPTH = 40
MAX_TEXT_CHARS = 200_000
MAX_DESCRIPTION_CHARS = 1_000
MAX_NAME_CHARS = 200
_SMALL_CHARS = 200
_MAX_INTEGER = 2**63 - 1

_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems")
_TYPES = frozenset(("object", "array", "string", "number", "integer", "boolean", "null"))

Schema = dict[str, Any]


class HopelessSchema(ValueError):
    """A schema that no model should see; the message says why."""


@value
class Simplified(Value):
    """A schema twice: as the `model` is told it, an object with `properties` and no alternatives on top; and as
    arguments are `checked` against it. `nodes` is how many parts it has."""

    model: Mapping[str, Any]
    checked: Mapping[str, Any]
    nodes: int = 0


def simplified(schema: object) -> Simplified:
    """The schema without references and rare keywords, of at most `MAX_NODES` nodes. Raises `HopelessSchema`."""
    if not isinstance(schema, Mapping):
        raise HopelessSchema("its input schema is not an object")
    _measure(schema)
    work = _Simplifier(schema)
    found = work.run(schema)
    return Simplified(model=_top(found), checked=found, nodes=work.nodes)


def _measure(schema: Mapping[str, Any]) -> None:
    """Refuse what is too large or too deep, before anything recursive looks at it."""
    nodes = chars = 0
    pending: list[tuple[Any, int]] = [(schema, 1)]
    while pending:
        node, depth = pending.pop()
        nodes += 1
        inner = len(node) if isinstance(node, Mapping | list) else 0
        if nodes + len(pending) + inner > MAX_NODES:
            raise HopelessSchema(f"its input schema has more than {MAX_NODES:,} parts")
        if isinstance(node, str):
            chars += len(node)
        elif isinstance(node, Mapping):
            chars += sum(map(len, node))
            pending += [(entry, depth + 1) for entry in node.values()]
        elif isinstance(node, list):
            pending += [(entry, depth + 1) for entry in node]
        if chars > MAX_TEXT_CHARS:
            raise HopelessSchema(f"its input schema is longer than {MAX_TEXT_CHARS:,} characters")
        if depth > MAX_DEPTH:
            raise HopelessSchema(f"its input schema is nested more than {MAX_DEPTH} levels deep")


class _Simplifier:
    """Rewrites one schema; `root` is where its references point into."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self.nodes = 0
        self._chars = 0
        self._open: list[str] = []

    def run(self, schema: object, depth: int = 1) -> Schema:
        """The schema, rewritten. True, and what is no schema at all, permits everything."""
        self.nodes += 1
        if self.nodes > MAX_NODES or self._chars > MAX_TEXT_CHARS:
            raise HopelessSchema(f"its input schema grows beyond {MAX_NODES:,} parts when its references are followed")
        if depth > MAX_DEPTH or not isinstance(schema, Mapping):
            return {}
        if "$ref" in schema:
            return self._followed(schema, depth)
        found = self._words(schema)
        found |= self._object(schema, depth)
        found |= self._array(schema, depth)
        found |= self._choices(schema, depth)
        return found

    def _followed(self, schema: Mapping[str, Any], depth: int) -> Schema:
        """What a reference points to, with the words beside the reference over it. A loop, an address elsewhere
        and a missing target permit everything."""
        pointer = schema["$ref"]
        beside = {key: entry for key, entry in schema.items() if key != "$ref"}
        target = self._target(pointer) if isinstance(pointer, str) and pointer not in self._open else None
        if target is None:
            found = self.run(beside, depth + 1)
            return {key: found[key] for key in ("description",) if key in found}
        self._open.append(pointer)
        try:
            found = self.run(target, depth + 1)
        finally:
            self._open.pop()
        return self._both(found, self.run(beside, depth + 1)) if beside else found

    def _both(self, first: Schema, second: Schema) -> Schema:
        """Both must hold; where they speak of the same thing, both are kept side by side."""
        shared = (first.keys() & second.keys()) - {"description", "default"}
        if not shared:
            return first | second
        kept = {key: entry for key, entry in second.items() if key in ("description", "default")}
        first = {key: entry for key, entry in first.items() if key not in kept}
        return {"allOf": [first, {key: entry for key, entry in second.items() if key not in kept}], **kept}

    def _target(self, pointer: str) -> object | None:
        if not pointer.startswith("#") or (pointer != "#" and not pointer.startswith("#/")):
            return None
        place: Any = self._root
        for part in pointer[2:].split("/") if len(pointer) > 1 else ():
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(place, Mapping) and key in place:
                place = place[key]
            elif isinstance(place, list) and key.isascii() and key.isdigit() and int(key) < len(place):
                place = place[int(key)]
            else:
                return None
        return place if isinstance(place, Mapping) else None

    def _words(self, schema: Mapping[str, Any]) -> Schema:
        """What says something of the value itself."""
        found: Schema = {}
        if (kind := _kind(schema)) is not None:
            found["type"] = kind
        if isinstance(text := schema.get("description"), str) and text.strip():
            found["description"] = shown(text, MAX_DESCRIPTION_CHARS)
            self._chars += len(found["description"])
        if values := self._values(schema):
            found["enum"] = values
        for key in _NUMBERS:
            if isinstance(bound := schema.get(key), int | float) and not isinstance(bound, bool) and _is_plain(bound):
                found[key] = bound
        for key in _COUNTS:
            if isinstance(bound := schema.get(key), int) and not isinstance(bound, bool) and 0 <= bound <= _MAX_INTEGER:
                found[key] = bound
        if isinstance(format := schema.get("format"), str):
            found["format"] = shown(format, 40, lines=False)
        if _is_small(default := schema.get("default")):
            found["default"] = default
        return found

    def _values(self, schema: Mapping[str, Any]) -> list[Any]:
        """The only values permitted; empty where there are others."""
        given = [schema["const"]] if "const" in schema else schema.get("enum")
        values = list(given) if isinstance(given, list) and _is_plain(given) else []
        if values and schema.get("nullable") is True and None not in values:
            values.append(None)
        self.nodes += len(values)
        self._chars += sum(len(entry) for entry in values if isinstance(entry, str))
        return values

    def _object(self, schema: Mapping[str, Any], depth: int) -> Schema:
        found: Schema = {}
        properties = schema.get("properties")
        hidden: set[str] = set()
        if isinstance(properties, Mapping):
            kept = {}
            for name, entry in properties.items():
                if len(name) > MAX_NAME_CHARS or shown(name, lines=False) != name:
                    hidden.add(name)
                else:
                    self._chars += len(name)
                    kept[name] = self.run(entry, depth + 1)
            found["properties"] = kept
        required = schema.get("required")
        if isinstance(required, list) and (names := list(dict.fromkeys(map(str, required)))):
            if bad := [name for name in names if name in hidden]:
                raise HopelessSchema(f"it needs an argument with an unreadable name: {shown(bad[0], 60, lines=False)}")
            found["required"] = [name for name in names if shown(name, lines=False) == name]
        more = schema.get("additionalProperties")
        if isinstance(more, Mapping):
            found["additionalProperties"] = self.run(more, depth + 1)
        elif isinstance(more, bool) and not hidden and "patternProperties" not in schema:
            found["additionalProperties"] = more
        return found

    def _array(self, schema: Mapping[str, Any], depth: int) -> Schema:
        items = schema.get("items")
        if isinstance(items, Mapping) and "prefixItems" not in schema:
            return {"items": self.run(items, depth + 1)}
        # A model's API wants to hear of the items of every array, even if anything goes.
        kind = _kind(schema)
        return {"items": {}} if kind == "array" or (isinstance(kind, list) and "array" in kind) else {}

    def _choices(self, schema: Mapping[str, Any], depth: int) -> Schema:
        found: Schema = {}
        for key, kept in (("anyOf", "anyOf"), ("oneOf", "anyOf"), ("allOf", "allOf")):
            entries = schema.get(key)
            if isinstance(entries, list) and entries and kept not in found:
                found[kept] = [self.run(entry, depth + 1) for entry in entries]
        return found


def _kind(schema: Mapping[str, Any]) -> str | list[str] | None:
    """`type` where it can be told to a model, with null for `nullable`."""
    given = schema.get("type")
    names = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    kinds = [name for name in names if isinstance(name, str) and name in _TYPES]
    if not kinds or len(kinds) != len(names):
        return None
    if schema.get("nullable") is True and "null" not in kinds:
        kinds.append("null")
    return kinds[0] if len(kinds) == 1 else kinds


def _is_small(found: object) -> bool:
    if isinstance(found, str):
        return len(found) <= _SMALL_CHARS and shown(found) == found
    return isinstance(found, bool | int | float) and _is_plain(found)


def _is_plain(found: Any) -> bool:
    """Whether JSON can say it to everybody: no infinite numbers, and none that takes more than 64 bits. One of them in
    one schema would keep every request from the model."""
    match found:
        case float():
            return math.isfinite(found)
        case int():
            return -_MAX_INTEGER <= found <= _MAX_INTEGER
        case list():
            return all(map(_is_plain, found))
        case Mapping():
            return all(map(_is_plain, found.values()))
        case _:
            return True


def _top(found: Schema) -> Schema:
    """APIs want an object on top, with properties and without alternatives: those of all branches are named."""
    if (kind := found.get("type", "object")) != "object" and not (isinstance(kind, list) and "object" in kind):
        raise HopelessSchema(f"its input schema wants {kind}, not an object")
    properties: Schema = {}
    required: list[str] = []
    for branch in found.get("anyOf", ()):
        for name, entry in branch.get("properties", {}).items():
            properties[name] = entry if properties.get(name, entry) == entry else {}
    branches = found.get("anyOf") or ()
    if branches:
        common = set.intersection(*(set(branch.get("required", ())) for branch in branches))
        required += [name for name in branches[0].get("required", ()) if name in common]
    for part in (*found.get("allOf", ()), found):
        for name, entry in part.get("properties", {}).items():
            properties[name] = entry if properties.get(name, entry) in (entry, {}) else properties[name]
        required += part.get("required", ())
    merged = "anyOf" in found or "allOf" in found
    top: Schema = {"type": "object", "properties": properties}
    if required:
        top["required"] = list(dict.fromkeys(required))
    if "additionalProperties" in found and not merged:
        top["additionalProperties"] = found["additionalProperties"]
    return top


class ArgumentCheck:
    """Checks arguments of one tool; what that needs is made with the first call."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._validator: Any = None

    def problem(self, arguments: Mapping[str, Any]) -> str:
        """What is wrong with the arguments, for the model; empty if nothing is."""
        if self._validator is None:
            from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
            from referencing import Registry

            # An empty registry: nothing is ever fetched. There is no `pattern` in the schema, so no slow regex.
            self._validator = Draft202012Validator(self._schema, registry=Registry())
        for error in self._validator.iter_errors(arguments):
            where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
            return f"{shown(where.lstrip('.'), 200, lines=False) or 'arguments'}: {shown(error.message, 500)}"
        return ""


def size_chars(schema: Mapping[str, Any]) -> int:
    """How long a schema is as JSON; roughly four characters are a token."""
    import json

    return len(json.dumps(schema, ensure_ascii=False, separators=(",", ":")))
