"""Values of the contracts as plain data for JSON, without writing a codec for each."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

import orjson

from codex_plugin_sdk import Value


def plain(found: Any) -> Any:
    """What orjson does not know by itself: values as objects with a `type`, sets as lists, the rest as text."""
    if isinstance(found, Value):
        members = {name: getattr(found, name) for name in type(found).field_names()}
        return {"type": type(found).__name__, **members}
    if isinstance(found, Enum):
        return found.value
    if isinstance(found, Mapping):
        return dict(found)
    if isinstance(found, set | frozenset):
        return sorted(map(str, found))
    return found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)


def encoded(found: Any) -> bytes:
    """JSON of anything that guards are told; undecodable characters become replacement characters."""
    try:
        return orjson.dumps(found, default=plain, option=orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError:
        import json

        text = json.dumps(found, default=plain, ensure_ascii=False)
        return text.encode("utf-8", "replace")
