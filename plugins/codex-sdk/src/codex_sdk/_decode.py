"""From JSON objects to attrs classes: camelCase members to snake_case fields, checked against their annotations."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Hashable, Mapping
from functools import cache
from typing import Any, TypeVar, cast

import attrs

T = TypeVar("T")
Read = Callable[[Any], Any]
_MISSING = object()


class Unreadable(Exception):
    """An object does not have the form that it should have."""


def camel(name: str) -> str:
    """`thread_id` as `threadId`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def decode(cls: type[T], found: Any) -> T:
    """An instance of an attrs class. A field `raw` gets the object itself, so that nothing is lost; members that the
    class does not know are left to it. Raises `Unreadable`."""
    if not isinstance(found, dict):
        raise Unreadable(f"{cls.__name__}: not an object: {found!r:.100}")
    given: dict[str, Any] = {}
    for name, key, read, required in _plan(cast(Hashable, cls)):
        if name == "raw":
            given[name] = found
            continue
        value = found.get(key, _MISSING)
        if value is _MISSING or (value is None and not required):
            if required:
                raise Unreadable(f"{cls.__name__}: `{key}` is missing")
            continue  # the default
        given[name] = read(value)
    return cls(**given)


@cache
def _plan(cls: Any) -> tuple[tuple[str, str, Read, bool], ...]:
    hints = typing.get_type_hints(cls)
    return tuple(
        (
            field.name,
            field.metadata.get("key") or camel(field.name),
            field.metadata.get("read") or _reader(hints[field.name]),
            field.default is attrs.NOTHING,
        )
        for field in attrs.fields(cls)
    )


def _reader(hint: Any) -> Read:
    """How to read one value of an annotation."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return lambda value: value
    if origin is types.UnionType or origin is typing.Union:
        (inner,) = (arg for arg in args if arg is not type(None))
        read = _reader(inner)
        return lambda value: None if value is None else read(value)
    if origin is tuple:
        return _many(_reader(args[0]))
    if origin is not None and issubclass(origin, Mapping):
        return _checked(dict)
    if attrs.has(hint):
        return lambda value: decode(hint, value)
    if hint is float:
        return _checked((int, float))
    if hint in (str, int, bool):
        return _checked(hint)
    raise TypeError(f"no way to read {hint!r}")


def _many(read: Read) -> Read:
    def many(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise Unreadable(f"not a list: {value!r:.100}")
        return tuple(map(read, value))

    return many


def _checked(kind: Any) -> Read:
    def check(value: Any) -> Any:
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise Unreadable(f"not a {getattr(kind, '__name__', 'number')}: {value!r:.100}")
        return value

    return check


def raw_field() -> Any:
    """The object that an instance was read from; it does not count in comparisons."""
    return attrs.field(factory=dict, repr=False, eq=False)
