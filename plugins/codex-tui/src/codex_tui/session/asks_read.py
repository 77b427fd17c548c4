"""Members of requests, each checked for what it should be. Raises `BadAsk` for anything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from ..link import Message
from .asks import BadAsk


def text(params: Message, name: str) -> str:
    """A string that must be there."""
    found = params.get(name)
    if not isinstance(found, str):
        raise BadAsk(f"`{name}` is {shown(found)}, no text")
    return found


def optional_text(params: Message, name: str) -> str:
    """A string; empty for none."""
    return "" if params.get(name) is None else text(params, name)


def number(params: Message, name: str) -> float | int | None:
    """A number, or none."""
    found = params.get(name)
    if found is not None and (isinstance(found, bool) or not isinstance(found, int | float)):
        raise BadAsk(f"`{name}` is {shown(found)}, no number")
    return found


def record(params: Message, name: str) -> Mapping[str, Any]:
    """An object that must be there."""
    found = params.get(name)
    if not isinstance(found, Mapping):
        raise BadAsk(f"`{name}` is {shown(found)}, no object")
    return found


def optional_record(params: Message, name: str) -> Mapping[str, Any]:
    """An object; an empty one for none."""
    return {} if params.get(name) is None else record(params, name)


def items(params: Message, name: str) -> Sequence[Any]:
    """A list; empty for none."""
    found = params.get(name)
    if found is None:
        return ()
    if not isinstance(found, list | tuple):
        raise BadAsk(f"`{name}` is {shown(found)}, no list")
    return found


def texts(params: Message, name: str) -> tuple[str, ...]:
    """A list of strings; empty for none."""
    found = items(params, name)
    if not all(isinstance(entry, str) for entry in found):
        raise BadAsk(f"`{name}` is {shown(found)}, no list of texts")
    return tuple(found)


def records(params: Message, name: str) -> tuple[Mapping[str, Any], ...]:
    """A list of objects; empty for none."""
    found = items(params, name)
    if not all(isinstance(entry, Mapping) for entry in found):
        raise BadAsk(f"`{name}` is {shown(found)}, no list of objects")
    return tuple(found)


def shown(found: object) -> str:
    """A value as JSON, for people; cut, since it stands in a message."""
    whole = as_json(found)
    return whole if len(whole) <= 80 else f"{whole[:79]}…"


def as_json(found: object) -> str:
    """A value as JSON, whole."""
    try:
        return orjson.dumps(found).decode()
    except TypeError:
        return repr(found)
