"""From the events of the Responses API to model events: pure, and nothing decoded that no one wants."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from codex_plugin_sdk import (
    CustomToolCall,
    ModelEvent,
    OutputItemDone,
    OutputItemStarted,
    ProviderError,
    ReasoningTextDelta,
    ResponseCompleted,
    ResponseStarted,
    StreamClosed,
    TextDelta,
    TokenUsage,
    ToolInputTextDelta,
    decode_item,
)
from codex_plugin_sdk.http.jsondata import count, event_object, whole_events

CUT_SHORT = "stream closed before response.completed"

_TEXT = b"response.output_text.delta"
DELTAS = frozenset(
    {
        _TEXT,
        b"response.reasoning_summary_text.delta",
        b"response.reasoning_summary_part.added",
        b"response.reasoning_text.delta",
        b"response.custom_tool_call_input.delta",
    }
)
"""Events that only show progress; what they say comes again, whole, in `response.output_item.done`."""

IGNORED = frozenset(
    {
        b"response.in_progress",
        b"response.content_part.added",
        b"response.content_part.done",
        b"response.output_text.done",
        b"response.output_text.annotation.added",
        b"response.function_call_arguments.delta",
        b"response.function_call_arguments.done",
        b"response.custom_tool_call_input.done",
        b"response.reasoning_summary_part.done",
        b"response.reasoning_summary_text.done",
        b"response.reasoning_text.done",
        b"response.refusal.delta",
    }
)
"""Events that tell nothing which another does not."""


Handler = Callable[[dict[str, Any]], ModelEvent | None]


class ResponseReader:
    """Reads one answer. `completed` once its last event has been seen."""

    def __init__(self, *, want_deltas: bool = True) -> None:
        self.completed = False
        self.skip = IGNORED if want_deltas else IGNORED | DELTAS
        self._call_ids: dict[str, str] = {}  # item id -> call id of freeform calls that are streaming
        self._by_name: dict[bytes, Handler] = {
            b"response.created": self._created,
            b"response.output_item.added": self._added,
            b"response.output_text.delta": self._text,
            b"response.reasoning_summary_part.added": self._summary_part,
            b"response.reasoning_summary_text.delta": self._summary,
            b"response.reasoning_text.delta": self._raw_reasoning,
            b"response.custom_tool_call_input.delta": self._tool_input,
            b"response.output_item.done": self._done,
            b"response.completed": self._completed,
            b"response.failed": self._failed,
            b"response.incomplete": self._incomplete,
            b"error": self._error,
        }

    def read(self, events: Iterable[tuple[bytes, bytes]]) -> tuple[list[ModelEvent], ProviderError | None]:
        """The model events of a batch, and the error that ended it, if one did."""
        found: list[ModelEvent] = []
        by_name, skip = self._by_name, self.skip
        try:
            for name, data in events:
                if name in skip:
                    continue
                if data == b"[DONE]":  # some servers end every stream like this
                    continue
                body = event_object(data)
                handler = by_name.get(name) or self._look_inside(body)
                event = None if handler is None else handler(body)
                if event is not None:
                    found.append(event)
                    if self.completed:
                        break
        except ProviderError as error:
            return found, error
        return found, None

    def read_last(self, events: Iterable[tuple[bytes, bytes]]) -> tuple[list[ModelEvent], ProviderError | None]:
        """The same for what the stream's end left over, which may be cut short and then counts for nothing."""
        return self.read(whole_events(events))

    def _look_inside(self, body: dict[str, Any]) -> Handler | None:
        """The handler of an event that has no name, or one that says nothing."""
        kind = body.get("type")
        if isinstance(kind, str):
            name = kind.encode()
            return None if name in self.skip else self._by_name.get(name)
        return self._error if body.get("error") else None

    # -- one method per kind of event ------------------------------------------------------------

    def _created(self, body: dict[str, Any]) -> ModelEvent:
        return ResponseStarted(response_id=_id(body))

    def _added(self, body: dict[str, Any]) -> ModelEvent | None:
        raw = body.get("item")
        if not isinstance(raw, Mapping):
            return None
        item = decode_item(raw)
        if isinstance(item, CustomToolCall) and item.id is not None:
            self._call_ids[item.id] = item.call_id
        return OutputItemStarted(item=item)

    def _text(self, body: dict[str, Any]) -> ModelEvent | None:
        delta = body.get("delta")
        return TextDelta(item_id=body.get("item_id") or "", delta=delta) if isinstance(delta, str) else None

    def _summary(self, body: dict[str, Any]) -> ModelEvent | None:
        delta = body.get("delta")
        return ReasoningTextDelta(item_id=body.get("item_id") or "", delta=delta) if isinstance(delta, str) else None

    def _summary_part(self, body: dict[str, Any]) -> ModelEvent | None:
        # Parts are paragraphs: a blank line between them, none before the first.
        if not body.get("summary_index"):
            return None
        return ReasoningTextDelta(item_id=body.get("item_id") or "", delta="\n\n")

    def _raw_reasoning(self, body: dict[str, Any]) -> ModelEvent | None:
        delta = body.get("delta")
        if not isinstance(delta, str):
            return None
        return ReasoningTextDelta(item_id=body.get("item_id") or "", delta=delta, raw=True)

    def _tool_input(self, body: dict[str, Any]) -> ModelEvent | None:
        delta, item_id = body.get("delta"), body.get("item_id") or ""
        call_id = body.get("call_id") or self._call_ids.get(item_id)
        if not isinstance(delta, str) or not call_id:
            return None
        return ToolInputTextDelta(item_id=item_id, call_id=call_id, delta=delta)

    def _done(self, body: dict[str, Any]) -> ModelEvent:
        raw = body.get("item")
        if not isinstance(raw, Mapping):
            raise StreamClosed("the server sent response.output_item.done without an item")
        return OutputItemDone(item=decode_item(raw))

    def _completed(self, body: dict[str, Any]) -> ModelEvent:
        self.completed = True
        response = body.get("response")
        usage = response.get("usage") if isinstance(response, Mapping) else None
        return ResponseCompleted(response_id=_id(body), usage=usage_of(usage))

    def _failed(self, body: dict[str, Any]) -> ModelEvent:
        response = body.get("response")
        raise _error_of(response.get("error") if isinstance(response, Mapping) else None)

    def _incomplete(self, body: dict[str, Any]) -> ModelEvent:
        response = body.get("response")
        details = response.get("incomplete_details") if isinstance(response, Mapping) else None
        reason = details.get("reason") if isinstance(details, Mapping) else None
        raise ProviderError(f"Incomplete response returned, reason: {reason or 'unknown'}", retryable=False)

    def _error(self, body: dict[str, Any]) -> ModelEvent:
        error = body.get("error")
        raise _error_of(error if error else body)


def _error_of(error: Any) -> ProviderError:
    from codex_plugin_sdk.http.failures import event_error  # off the way to the first request

    return event_error(error)


def _id(body: Mapping[str, Any]) -> str:
    response = body.get("response")
    found = response.get("id") if isinstance(response, Mapping) else None
    return found if isinstance(found, str) else ""


def usage_of(raw: Any) -> TokenUsage | None:
    """Token counts from the wire; a count that is missing or no number is 0."""
    if not isinstance(raw, Mapping):
        return None
    inputs, outputs = raw.get("input_tokens_details"), raw.get("output_tokens_details")
    read, written = count(raw, "input_tokens"), count(raw, "output_tokens")
    return TokenUsage(
        input_tokens=read,
        cached_input_tokens=count(inputs, "cached_tokens"),
        cache_write_input_tokens=count(inputs, "cache_write_tokens"),
        output_tokens=written,
        reasoning_output_tokens=count(outputs, "reasoning_tokens"),
        total_tokens=count(raw, "total_tokens") or read + written,
    )
