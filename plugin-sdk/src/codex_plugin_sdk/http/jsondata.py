"""JSON as model servers send it: usually right, now and then half a character."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from codex_kernel.errors import StreamClosed


def loads_lenient(data: bytes) -> Any:
    """Parse JSON. Half a UTF-8 sequence or half a surrogate pair becomes U+FFFD instead of an error.

    Raises `ValueError` for what is not JSON at all.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        import json

        return _scrubbed(json.loads(data.decode("utf-8", "replace")))


def _scrubbed(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        case list():
            return [_scrubbed(entry) for entry in value]
        case dict():
            return {_scrubbed(key): _scrubbed(entry) for key, entry in value.items()}
        case _:
            return value


def event_object(data: bytes) -> dict[str, Any]:
    """The object that an event's data holds. Raises `StreamClosed` with its beginning if it is none."""
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            body = loads_lenient(data)
        except ValueError:
            raise StreamClosed(f"the server sent an event that is not JSON: {printable(data)}") from None
    if type(body) is not dict:
        raise StreamClosed(f"the server sent an event that is not an object: {printable(data)}")
    return body


def whole_events(events: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Of the events that the end of a stream left over, those before the first that was cut short."""
    whole = []
    for name, data in events:
        if data.strip() != b"[DONE]":
            try:
                loads_lenient(data)
            except ValueError:
                break
        whole.append((name, data))
    return whole


def count(raw: Any, name: str) -> int:
    """The token count `name` of an object; 0 where there is no object, no such member or no whole number."""
    found = raw.get(name) if isinstance(raw, Mapping) else None
    return found if isinstance(found, int) and not isinstance(found, bool) else 0


def printable(data: bytes, limit: int = 80) -> str:
    """The first `limit` bytes as text that a terminal can show."""
    text = data[:limit].decode("utf-8", "replace")
    shown = "".join(c if c.isprintable() else " " for c in text)
    return repr(shown + "…" if len(data) > limit else shown)
