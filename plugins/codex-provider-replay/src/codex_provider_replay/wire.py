"""Events in the words of the Responses API, as a script's `events` hold them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from codex_plugin_sdk import (
    ModelEvent,
    OutputItemDone,
    OutputItemStarted,
    ReasoningTextDelta,
    ResponseCompleted,
    ResponseItem,
    ResponseStarted,
    TextDelta,
    ToolInputTextDelta,
)

from .script import usage_from

_PASSED_OVER = frozenset(
    {
        "response.in_progress",
        "response.content_part.added",
        "response.content_part.done",
        "response.output_text.done",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_part.done",
        "response.reasoning_summary_text.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.custom_tool_call_input.done",
    }
)


class WireError(ValueError):
    """An event is not what its type promises."""


def decode_event(raw: Mapping[str, Any], item: Callable[[Any], ResponseItem]) -> tuple[ModelEvent, ...]:
    """One event; none for those that tell nothing new. Raises `WireError`; `item` decodes items and may
    raise an error of its own."""
    kind = raw.get("type")
    match kind:
        case "response.created":
            return (ResponseStarted(response_id=_text(_table(raw, "response"), "id")),)
        case "response.output_item.added":
            return (OutputItemStarted(item=item(raw.get("item"))),)
        case "response.output_item.done":
            return (OutputItemDone(item=item(raw.get("item"))),)
        case "response.output_text.delta":
            return (TextDelta(item_id=_text(raw, "item_id"), delta=_text(raw, "delta")),)
        case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
            is_raw = kind == "response.reasoning_text.delta"
            return (ReasoningTextDelta(item_id=_text(raw, "item_id"), delta=_text(raw, "delta"), raw=is_raw),)
        case "response.custom_tool_call_input.delta":
            return (
                ToolInputTextDelta(
                    item_id=_text(raw, "item_id"),
                    call_id=_text(raw, "call_id") if "call_id" in raw else "",
                    delta=_text(raw, "delta"),
                ),
            )
        case "response.completed":
            return (_completed(_table(raw, "response")),)
        case str() if kind in _PASSED_OVER:
            return ()
        case _:
            raise WireError(f"events of type {kind!r} cannot be played; faults have a member of their own")


def _completed(response: Mapping[str, Any]) -> ResponseCompleted:
    usage = response.get("usage")
    if usage is not None and not isinstance(usage, dict):
        raise WireError("`usage` must be an object")
    try:
        return ResponseCompleted(
            response_id=_text(response, "id"), usage=usage_from(usage) if usage is not None else None
        )
    except (ValueError, TypeError) as error:
        raise WireError(f"usage: {error}") from error


def _table(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = raw.get(name)
    if not isinstance(found, dict):
        raise WireError(f"`{name}` must be an object")
    return found


def _text(raw: Mapping[str, Any], name: str) -> str:
    found = raw.get(name)
    if not isinstance(found, str):
        raise WireError(f"`{name}` must be a string")
    return found
