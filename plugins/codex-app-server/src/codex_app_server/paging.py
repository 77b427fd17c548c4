"""Lists in pages: a cursor is the place of the next entry, as a decimal number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .shapes import INTEGER, STRING, Shape
from .wire import RpcError

PAGE: dict[str, Shape] = {"cursor": STRING, "limit": INTEGER}
"""The members by which a page is asked for."""


def page(entries: Sequence[Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """`data` and `nextCursor` (None on the last page). Raises `RpcError` for a cursor that is none."""
    cursor = params.get("cursor")
    if cursor is not None and not (cursor.isascii() and cursor.isdigit() and int(cursor) <= len(entries)):
        raise RpcError(f"invalid cursor: {cursor}")
    start = int(cursor or 0)
    limit = params.get("limit")
    if limit is not None and limit < 0:
        raise RpcError(f"Invalid request: invalid value: integer `{limit}`, expected u32")
    end = len(entries) if limit is None else start + max(1, limit)
    return {"data": list(entries[start:end]), "nextCursor": str(end) if end < len(entries) else None}
