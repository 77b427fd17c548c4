"""What is wrong with a tool's JSON Schema, and arguments that a model should not have sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
HUGE = "x" * 1_000_000

Path = tuple[str | int, ...]


def schema_faults(schema: Mapping[str, Any]) -> list[str]:
    """What keeps a schema from describing the arguments of a call, one sentence each; empty when it is good.

    Judges the keywords that model servers read and lets others pass.
    """
    faults = list(_faults(schema, "parameters"))
    if schema.get("type") != "object":
        faults.insert(0, f"parameters: `type` must be 'object', not {schema.get('type')!r}")
    return faults


def strictness_faults(schema: Any, where: str = "parameters") -> list[str]:
    """What a `strict` definition lacks: servers refuse one whose objects leave anything open."""
    if not isinstance(schema, Mapping):
        return []
    faults = []
    if "properties" in schema:
        missing = [name for name in schema["properties"] if name not in schema.get("required", ())]
        if missing:
            faults.append(f"{where}: strict, but `required` lacks {missing}")
        if schema.get("additionalProperties") is not False:
            faults.append(f"{where}: strict, but `additionalProperties` is not false")
    return faults + [fault for place, part in _parts(schema, where) for fault in strictness_faults(part, place)]


def _faults(schema: Any, where: str) -> Iterator[str]:
    if not isinstance(schema, Mapping):
        yield f"{where}: a schema must be an object, not {type(schema).__name__}"
        return
    types = schema.get("type", ())
    for name in [types] if isinstance(types, str) else types:
        if name not in TYPES:
            yield f"{where}: {name!r} is not a JSON type"
    if not isinstance(schema.get("description", ""), str):
        yield f"{where}: `description` must be a string"
    if "enum" in schema and not (isinstance(schema["enum"], Sequence) and schema["enum"]):
        yield f"{where}: `enum` must list at least one value"
    if not isinstance(schema.get("additionalProperties", True), bool | Mapping):
        yield f"{where}: `additionalProperties` must be a boolean or a schema"
    if types == "array" and "items" not in schema:
        yield f"{where}: an array needs `items`"
    yield from _object_faults(schema, where)
    for place, part in _parts(schema, where):
        yield from _faults(part, place)


def _object_faults(schema: Mapping[str, Any], where: str) -> Iterator[str]:
    properties, required = schema.get("properties", {}), schema.get("required", ())
    if not isinstance(properties, Mapping):
        yield f"{where}: `properties` must be an object"
        return
    if isinstance(required, str) or not isinstance(required, Sequence):
        yield f"{where}: `required` must be a list"
        return
    if len(set(required)) != len(required):
        yield f"{where}: `required` names something twice"
    unknown = [name for name in required if name not in properties]
    if unknown:
        yield f"{where}: `required` names {unknown}, which `properties` lacks"


def _parts(schema: Mapping[str, Any], where: str) -> Iterator[tuple[str, Any]]:
    """The schemas inside a schema."""
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        for name, part in properties.items():
            yield f"{where}.{name}", part
    if "items" in schema:
        yield f"{where}[]", schema["items"]
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield f"{where}.*", schema["additionalProperties"]
    for word in ("anyOf", "oneOf", "allOf"):
        for number, part in enumerate(schema.get(word, ())):
            yield f"{where}/{word}/{number}", part


def bad_values() -> list[Any]:
    """A value of every JSON type, and some that are of the right type and still no good."""
    deep: list[Any] = []
    for _ in range(100):
        deep = [deep]
    return [None, True, False, -1, 10**18, 0.5, 1e308, "", "no such word", "\0", HUGE, [], [None], deep, {}, {"a": 1}]


def spoiled(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Variations of good arguments, each with what was done: every member at any depth replaced by every bad
    value, left out, and joined by a stranger; and every property that the good ones do without, filled badly."""
    yield "nothing at all", {}
    for path in _paths(arguments):
        if path:
            for bad in bad_values():
                yield f"{_name(path)} = {_short(bad)}", _with(arguments, path, bad)
            if isinstance(path[-1], str):
                yield f"without {_name(path)}", _without(arguments, path)
        if isinstance(_at(arguments, path), Mapping):
            yield f"a stranger in {_name(path)}", _with(arguments, (*path, "no_such_argument"), 1)
    properties = schema.get("properties", {})
    for name in [name for name in properties if name not in arguments]:
        for bad in bad_values():
            yield f"{name} = {_short(bad)}", {**arguments, name: bad}


def spoiled_text(text: str) -> Iterator[tuple[str, str]]:
    """Variations of a good freeform text, each with what was done."""
    yield "nothing at all", ""
    yield "the first half", text[: len(text) // 2]
    yield "the second half", text[len(text) // 2 :]
    yield "line breaks of another system", text.replace("\n", "\r\n")
    yield "one line", text.replace("\n", " ")
    for bad in (" ", "\0", "no such words", '{"input": null}', HUGE, "\n" * 100_000):
        yield _short(bad), bad
        yield f"{_short(bad)} in the middle", text[: len(text) // 2] + bad + text[len(text) // 2 :]


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _paths(part, (*path, name))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _paths(part, (*path, number))


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _with(value: Any, path: Path, bad: Any) -> Any:
    """A copy in which the place holds the bad value; the last step may be a new name."""
    if not path:
        return bad
    copy: Any = list(value) if isinstance(value, list) else dict(value)
    last = len(path) == 1
    copy[path[0]] = bad if last else _with(value[path[0]], path[1:], bad)
    return copy


def _without(value: Any, path: Path) -> Any:
    if len(path) == 1:
        return {name: part for name, part in value.items() if name != path[0]}
    return _with(value, path[:1], _without(value[path[0]], path[1:]))


def _name(path: Path) -> str:
    return ".".join(map(str, path)) or "the arguments"


def _short(bad: Any) -> str:
    text = repr(bad)
    return text if len(text) <= 40 else f"{text[:30]}… ({len(text)} characters)"
