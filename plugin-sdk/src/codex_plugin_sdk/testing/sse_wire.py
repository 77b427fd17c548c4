"""Answers of model servers as event streams: the Responses and the Chat Completions dialect.

Both take the same response items, so that one test can be run against either.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from codex_plugin_sdk import (
    CustomToolCall,
    FunctionCall,
    Message,
    Reasoning,
    ResponseItem,
    TokenUsage,
    item_to_dict,
)

from .scripted_http import Reply

USAGE = TokenUsage(
    input_tokens=100, cached_input_tokens=40, output_tokens=20, reasoning_output_tokens=5, total_tokens=120
)
"""What an answer costs unless a script says otherwise."""

_BLOCK_BYTES = 32_768


def event(name: str, body: Mapping[str, Any]) -> bytes:
    """One named event with its type in the data as well, as the Responses API sends it."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps({"type": name, **body}))


def data(body: Mapping[str, Any]) -> bytes:
    """One event without a name."""
    return b"data: %b\n\n" % orjson.dumps(body)


def stream(events: Iterable[bytes]) -> Reply:
    """A reply that sends each event as a chunk of its own; long streams in larger blocks."""
    steps = list(events)
    if len(steps) > 200:
        whole = b"".join(steps)
        steps = [whole[at : at + _BLOCK_BYTES] for at in range(0, len(whole), _BLOCK_BYTES)]
    return Reply(steps=tuple(steps))


def _pieces(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


# -- Responses -----------------------------------------------------------------------------------


def responses_answer(
    *items: ResponseItem, usage: TokenUsage | None = USAGE, response_id: str = "resp_1", delta_chars: int = 8
) -> Reply:
    """A complete answer of the Responses API; texts stream in pieces of `delta_chars`."""
    return stream(responses_events(items, usage=usage, response_id=response_id, delta_chars=delta_chars))


def responses_events(
    items: Sequence[ResponseItem],
    *,
    usage: TokenUsage | None = USAGE,
    response_id: str = "resp_1",
    delta_chars: int = 8,
    complete: bool = True,
) -> list[bytes]:
    """The events of such an answer; without the last one unless `complete`."""
    found = [event("response.created", {"response": {"id": response_id, "status": "in_progress"}})]
    for index, item in enumerate(items):
        found += _item_events(item, index, delta_chars)
    if complete:
        found.append(responses_completed(usage, response_id))
    return found


def responses_completed(usage: TokenUsage | None = USAGE, response_id: str = "resp_1") -> bytes:
    """The event that ends a good answer."""
    counts = None
    if usage is not None:
        counts = {
            "input_tokens": usage.input_tokens,
            "input_tokens_details": {"cached_tokens": usage.cached_input_tokens},
            "output_tokens": usage.output_tokens,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning_output_tokens},
            "total_tokens": usage.total_tokens,
        }
    return event("response.completed", {"response": {"id": response_id, "status": "completed", "usage": counts}})


def responses_failed(code: str, message: str) -> Reply:
    """An answer that fails within the stream."""
    body = {"response": {"id": "resp_1", "status": "failed", "error": {"code": code, "message": message}}}
    return stream([event("response.created", {"response": {"id": "resp_1"}}), event("response.failed", body)])


def responses_incomplete(reason: str) -> Reply:
    """An answer that the server gave up on."""
    body = {"response": {"id": "resp_1", "status": "incomplete", "incomplete_details": {"reason": reason}}}
    return stream([event("response.created", {"response": {"id": "resp_1"}}), event("response.incomplete", body)])


def _item_events(item: ResponseItem, index: int, delta_chars: int) -> list[bytes]:
    whole = item_to_dict(item)
    whole["id"] = item_id = whole.get("id") or f"item_{index}"
    place = {"item_id": item_id, "output_index": index}
    begun = dict(whole)
    deltas: list[bytes] = []
    match item:
        case Message():
            begun["content"] = []
            deltas = [
                event("response.output_text.delta", {**place, "content_index": 0, "delta": piece})
                for piece in _pieces(item.text, delta_chars)
            ]
        case Reasoning():
            begun["summary"] = []
            for at, text in enumerate(item.summary):
                part = {**place, "summary_index": at}
                deltas.append(event("response.reasoning_summary_part.added", part))
                deltas += [
                    event("response.reasoning_summary_text.delta", {**part, "delta": piece})
                    for piece in _pieces(text, delta_chars)
                ]
        case FunctionCall():
            begun["arguments"] = ""
            deltas = [
                event("response.function_call_arguments.delta", {**place, "delta": piece})
                for piece in _pieces(item.arguments, delta_chars)
            ]
        case CustomToolCall():
            begun["input"] = ""
            deltas = [
                event("response.custom_tool_call_input.delta", {**place, "delta": piece})
                for piece in _pieces(item.input, delta_chars)
            ]
        case _:
            pass
    added = event("response.output_item.added", {"output_index": index, "item": begun})
    return [added, *deltas, event("response.output_item.done", {"output_index": index, "item": whole})]


# -- Chat Completions ----------------------------------------------------------------------------


def chat_answer(
    *items: ResponseItem, usage: TokenUsage | None = USAGE, response_id: str = "chatcmpl-1", delta_chars: int = 8
) -> Reply:
    """A complete answer of a Chat Completions server. Freeform calls come as functions with `input`."""
    deltas = chat_deltas(items, delta_chars=delta_chars)
    reason = "tool_calls" if any(isinstance(i, FunctionCall | CustomToolCall) for i in items) else "stop"
    events = [chat_chunk(delta, response_id=response_id) for delta in deltas]
    events.append(chat_chunk({}, finish_reason=reason, response_id=response_id))
    if usage is not None:
        events.append(data({"id": response_id, "choices": [], "usage": chat_usage(usage)}))
    return stream([*events, b"data: [DONE]\n\n"])


def chat_chunk(delta: Mapping[str, Any], *, finish_reason: str | None = None, response_id: str = "chatcmpl-1") -> bytes:
    """One chunk with one choice."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return data({"id": response_id, "object": "chat.completion.chunk", "model": "scripted", "choices": [choice]})


def chat_usage(usage: TokenUsage) -> dict[str, Any]:
    """Token counts in this dialect's words."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_output_tokens},
    }


def chat_deltas(items: Sequence[ResponseItem], *, delta_chars: int = 8) -> list[dict[str, Any]]:
    """The deltas that make up the items, in order."""
    found: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    calls = 0
    for item in items:
        match item:
            case Message():
                found += [{"content": piece} for piece in _pieces(item.text, delta_chars)]
            case Reasoning():
                found += [{"reasoning_content": p} for p in _pieces("\n\n".join(item.summary), delta_chars)]
            case FunctionCall() | CustomToolCall():
                found += _call_deltas(item, calls, delta_chars)
                calls += 1
            case _:
                raise TypeError(f"a Chat Completions server does not send {type(item).__name__}")
    return found


def _call_deltas(item: FunctionCall | CustomToolCall, index: int, delta_chars: int) -> list[dict[str, Any]]:
    text = item.arguments if isinstance(item, FunctionCall) else orjson.dumps({"input": item.input}).decode()
    first = {"index": index, "id": item.call_id, "type": "function", "function": {"name": item.name, "arguments": ""}}
    rest = [{"index": index, "function": {"arguments": piece}} for piece in _pieces(text, delta_chars)]
    return [{"tool_calls": [call]} for call in [first, *rest]]
