"""Words that both renderers say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codex_plugin_sdk import McpServerStatus, ReasoningItem, StreamRetry, WebSearchItem


def retry_text(retry: StreamRetry) -> str:
    """`Reconnecting... 1/5 (cause)`, which clients look for."""
    cause = f" ({retry.cause})" if retry.cause else ""
    return f"Reconnecting... {retry.attempt}/{retry.max_attempts}{cause}"


class ServerFailures:
    """What is said of MCP servers that could not be started: each failure once, however often it is tried."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def text(self, status: McpServerStatus) -> str | None:
        """A sentence for a new failure, None for anything else."""
        if status.status != "failed":
            return None
        told = f"MCP server {status.server} is not available: {status.error or 'it did not start'}"
        if told in self._said:
            return None
        self._said.add(told)
        return told


def reasoning_text(item: ReasoningItem) -> str:
    """The summaries, one below the other; empty when the provider gave none."""
    return "\n".join(item.summary)


def in_snake_case(word: str) -> str:
    """A word of the protocol as streams of `codex exec` have it."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in word)


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
