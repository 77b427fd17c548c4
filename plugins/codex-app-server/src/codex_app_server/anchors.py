"""Pages of a stream: a cursor names the entry that it stands before or behind, not a number."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from .wire import RpcError

T = TypeVar("T")


def read_limit(params: Mapping[str, Any], default: int, most: int) -> int:
    """How many entries a page may hold. Raises `RpcError`."""
    limit = params.get("limit")
    if limit is not None and limit < 0:
        raise RpcError(f"Invalid request: invalid value: integer `{limit}`, expected u32")
    return min(max(1, default if limit is None else limit), most)


def encode_anchor(scope: str, key: str, *, inclusive: bool) -> str:
    """A cursor."""
    return f"{scope}:{'at' if inclusive else 'behind'}:{key}"


def decode_anchor(scope: str, cursor: str) -> tuple[str, bool]:
    """Key, and whether its entry belongs to the page. Raises `RpcError`."""
    found, _, rest = cursor.partition(":")
    where, _, key = rest.partition(":")
    if found != scope or where not in ("at", "behind") or not key:
        raise RpcError(f"invalid cursor: {cursor}")
    return key, where == "at"


def page_of_stream(
    entries: Iterable[tuple[str, T]], scope: str, cursor: str | None, limit: int, *, descending: bool
) -> tuple[list[T], str | None, str | None]:
    """A page of entries with their keys, the next cursor, and one that begins at the page's first entry and goes the
    other way. Holds a page at a time. Raises `RpcError` for a cursor that is none, or whose entry is gone."""
    anchor = None if cursor is None else decode_anchor(scope, cursor)
    found = _last(entries, anchor, limit + 1) if descending else _first(entries, anchor, limit + 1)
    if found is None:
        raise RpcError(f"invalid cursor: {cursor}")
    page = found[:limit]
    following = encode_anchor(scope, page[-1][0], inclusive=False) if len(found) > limit else None
    back = encode_anchor(scope, page[0][0], inclusive=True) if page else None
    return [entry for _, entry in page], following, back


def page_of_keys(
    keys: Sequence[str], scope: str, cursor: str | None, limit: int, *, descending: bool
) -> tuple[Sequence[int], str | None, str | None]:
    """The same where all keys are known: places of the page's entries instead of these."""
    start = len(keys) - 1 if descending else 0
    if cursor is not None:
        key, inclusive = decode_anchor(scope, cursor)
        if key not in keys:
            raise RpcError(f"invalid cursor: {cursor}")
        start = keys.index(key) + (0 if inclusive else -1 if descending else 1)
    left = range(start, -1, -1) if descending else range(start, len(keys))
    page = left[:limit]
    following = encode_anchor(scope, keys[page[-1]], inclusive=False) if len(left) > limit else None
    return page, following, encode_anchor(scope, keys[page[0]], inclusive=True) if page else None


def _first(entries: Iterable[tuple[str, T]], anchor: tuple[str, bool] | None, count: int) -> list[tuple[str, T]] | None:
    found: list[tuple[str, T]] = []
    passed = anchor is None
    for key, entry in entries:
        if passed or (anchor is not None and key == anchor[0] and anchor[1]):
            found.append((key, entry))
        passed = passed or (anchor is not None and key == anchor[0])
        if len(found) == count:
            break
    return found if passed else None


def _last(entries: Iterable[tuple[str, T]], anchor: tuple[str, bool] | None, count: int) -> list[tuple[str, T]] | None:
    found: deque[tuple[str, T]] = deque(maxlen=count)
    for key, entry in entries:
        if anchor is not None and key == anchor[0]:
            if anchor[1]:
                found.append((key, entry))
            return list(reversed(found))
        found.append((key, entry))
    return list(reversed(found)) if anchor is None else None
