"""Words that both renderers say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codex_plugin_sdk import ReasoningItem, StreamRetry, WebSearchItem


def retry_text(retry: StreamRetry) -> str:
    """`Reconnecting... 1/5 (cause)`, which clients look for."""
    cause = f" ({retry.cause})" if retry.cause else ""
    return f"Reconnecting... {retry.attempt}/{retry.max_attempts}{cause}"


def reasoning_text(item: ReasoningItem) -> str:
    """The summaries, one below the other; empty when the provider gave none."""
    return "\n".join(item.summary)


def search_query(item: WebSearchItem) -> str:
    """What was searched for; for a page that was opened, its address."""
    if item.query or not isinstance(item.action, Mapping):
        return item.query
    return str(item.action.get("query") or item.action.get("url") or "")


def readable(value: Any) -> Any:
    """Plain data that JSON can hold: undecodable bytes become replacement characters, strangers their text."""
    match value:
        case str():
            return value.encode("utf-8", "surrogateescape" if _only_escapes(value) else "replace").decode(
                "utf-8", "replace"
            )
        case Mapping():
            return {readable(str(key)): readable(entry) for key, entry in value.items()}
        case list() | tuple():
            return [readable(entry) for entry in value]
        case bool() | float() | None:
            return value
        case int():
            return value if -(2**63) <= value < 2**64 else str(value)
        case _:
            return readable(str(value))


def _only_escapes(text: str) -> bool:
    return all(not 0xD800 <= ord(c) <= 0xDFFF or 0xDC80 <= ord(c) <= 0xDCFF for c in text)
