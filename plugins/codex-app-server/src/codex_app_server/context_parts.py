"""What fills the context of an open thread, by kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import orjson

from codex_plugin_sdk import Message, Reasoning

if TYPE_CHECKING:
    from codex_plugin_sdk import HistoryEntry

    from .loaded import LoadedThread

BYTES_PER_TOKEN = 4
"""Roughly, of what nobody has counted."""
_TOLD = ("<environment_context>", "# AGENTS.md instructions for ", "<permissions>", "<turn_aborted>")
"""How texts begin that are not the user's own, although they stand in the user's place."""
KINDS = ("instructions", "tools", "context", "user", "agent", "reasoning", "calls", "outputs", "other")


def context_parts(loaded: LoadedThread) -> dict[str, Any]:
    """The figures. Servers count tokens only as a whole: parts are estimated by their bytes."""
    state = loaded.state
    sizes = dict.fromkeys(KINDS, (0, 0))
    for kind, size in _pieces(loaded):
        count, total = sizes[kind]
        sizes[kind] = (count + 1, total + size)
    whole = sum(size for _, size in sizes.values())
    used = state.last_total_tokens or whole // BYTES_PER_TOKEN
    return {
        "threadId": loaded.id,
        "windowTokens": state.model_info.context_window,
        "compactAtTokens": state.compact_limit,
        "usedTokens": used,
        "parts": [
            {"kind": kind, "items": count, "bytes": size, "tokens": round(used * size / whole)}
            for kind, (count, size) in sizes.items()
            if count
        ],
    }


def _pieces(loaded: LoadedThread) -> Iterator[tuple[str, int]]:
    state = loaded.state
    if state.instructions:
        yield "instructions", len(state.instructions.encode())
    for tool in state.definitions:
        yield "tools", len(tool.description.encode()) + len(orjson.dumps(tool.parameters, default=str))
    for entry in state.recorder.history.entries():
        yield _kind(entry), len(entry.encoded)


def _kind(entry: HistoryEntry) -> str:
    match entry.item:
        case Message(role="assistant"):
            return "agent"
        case Message(role="user") as message:
            return "context" if message.text.startswith(_TOLD) else "user"
        case Message():
            return "context"
        case Reasoning():
            return "reasoning"
        case item:
            word = type(item).__name__
            return "outputs" if word.endswith("Output") else "calls" if word.endswith("Call") else "other"
