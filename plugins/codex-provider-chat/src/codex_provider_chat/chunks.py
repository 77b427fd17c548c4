"""From the chunks of a Chat Completions stream to model events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from codex_plugin_sdk import (
    Message,
    ModelEvent,
    OutputItemDone,
    OutputItemStarted,
    ProviderError,
    Reasoning,
    ReasoningTextDelta,
    ResponseCompleted,
    ResponseStarted,
    StreamClosed,
    TextDelta,
    TokenUsage,
    new_item_id,
    text_message,
)
from codex_plugin_sdk.http.jsondata import count, event_object, printable, whole_events

from .calls import CallAssembler

CUT_SHORT = "stream closed before the answer was finished"
REASONING_FIELDS = ("reasoning_content", "reasoning")
_BROKEN_OFF = frozenset({"length", "content_filter"})


class _Text:
    """An item that grows by text."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.pieces: list[str] = []


class ChunkReader:
    """Reads one answer. `finished` once the model has said why it stopped; `ended` once the stream has said
    that nothing follows; `reasoning_field` is the member in which the server gives reasoning, if it does."""

    def __init__(self, calls: CallAssembler, *, want_deltas: bool = True) -> None:
        self.finished = False
        self.ended = False
        self.reasoning_field: str | None = None
        self._calls = calls
        self._want_deltas = want_deltas
        self._id = ""
        self._usage: TokenUsage | None = None
        self._reasoning: _Text | None = None
        self._message: _Text | None = None
        self._found: list[ModelEvent] = []

    def read(self, events: Iterable[tuple[bytes, bytes]]) -> tuple[list[ModelEvent], ProviderError | None]:
        """The model events of a batch, and the error that ended it, if one did."""
        try:
            for name, data in events:
                if data.strip() == b"[DONE]":
                    self.ended = True
                    break
                body = event_object(data)
                if name == b"error":
                    raise _error_of(body.get("error") or body)
                self._chunk(body)
        except ProviderError as error:
            return self._taken(), error
        return self._taken(), None

    def read_last(self, events: Iterable[tuple[bytes, bytes]]) -> tuple[list[ModelEvent], ProviderError | None]:
        """The same for what the stream's end left over, which may be cut short and then counts for nothing."""
        return self.read(whole_events(events))

    def read_document(self, data: bytes) -> tuple[list[ModelEvent], ProviderError | None]:
        """The same for a server that answered with one JSON document instead of a stream."""
        try:
            self._chunk(event_object(data))
            if not self._id:
                raise ProviderError(
                    f"the server answered with JSON that is no chat completion: {printable(data)}", retryable=False
                )
        except ProviderError as error:
            return self._taken(), error
        self.ended = True
        return self._taken(), None

    def close(self) -> list[ModelEvent]:
        """The complete items and `ResponseCompleted`, after the end. Raises `StreamClosed` if it came early."""
        if not (self.finished or self.ended) or not self._id:
            raise StreamClosed(CUT_SHORT)
        self._end_reasoning()
        if self._message is not None:
            text = "".join(self._message.pieces)
            self._found.append(OutputItemDone(item=text_message("assistant", text, id=self._message.id)))
        self._found += [OutputItemDone(item=item) for item in self._calls.items()]
        self._found.append(ResponseCompleted(response_id=self._id, usage=self._usage))
        return self._taken()

    def _taken(self) -> list[ModelEvent]:
        found, self._found = self._found, []
        return found

    def _chunk(self, body: dict[str, Any]) -> None:
        if body.get("error"):
            raise _error_of(body["error"])
        choices = body.get("choices")
        if not isinstance(choices, list):
            return
        if not self._id:
            found = body.get("id")
            self._id = found if isinstance(found, str) and found else new_item_id("chatcmpl")
            self._found.append(ResponseStarted(response_id=self._id))
        if isinstance(body.get("usage"), Mapping):
            self._usage = usage_of(body["usage"])
        if choices and isinstance(choices[0], Mapping):
            self._choice(choices[0])

    def _choice(self, choice: Mapping[str, Any]) -> None:
        delta = choice.get("delta") or choice.get("message")
        if isinstance(delta, Mapping):
            self._delta(delta)
        reason = choice.get("finish_reason")
        if reason in _BROKEN_OFF:
            raise ProviderError(f"Incomplete response returned, reason: {reason}", retryable=False)
        if reason:
            self.finished = True

    def _delta(self, delta: Mapping[str, Any]) -> None:
        for field in REASONING_FIELDS:
            text = delta.get(field)
            if isinstance(text, str) and text:
                self.reasoning_field = field
                self._add_reasoning(text)
                break
        content = delta.get("content") or delta.get("refusal")
        if isinstance(content, list):  # parts, as the input has them
            content = "".join(part.get("text") or "" for part in content if isinstance(part, Mapping))
        if isinstance(content, str) and content:
            self._add_text(content)
        if delta.get("tool_calls"):
            self._end_reasoning()
            self._calls.add(delta["tool_calls"])
        elif isinstance(delta.get("function_call"), Mapping):  # the API's form before 2023-11
            self._calls.add([{"index": 0, "function": delta["function_call"]}])

    def _add_reasoning(self, text: str) -> None:
        if self._reasoning is None:
            self._reasoning = _Text(new_item_id("rs"))
            self._found.append(OutputItemStarted(item=Reasoning(id=self._reasoning.id)))
        self._reasoning.pieces.append(text)
        if self._want_deltas:
            self._found.append(ReasoningTextDelta(item_id=self._reasoning.id, delta=text, raw=True))

    def _end_reasoning(self) -> None:
        if self._reasoning is None:
            return
        content = [{"type": "reasoning_text", "text": "".join(self._reasoning.pieces)}]
        self._found.append(OutputItemDone(item=Reasoning(id=self._reasoning.id, content=content)))
        self._reasoning = None

    def _add_text(self, text: str) -> None:
        self._end_reasoning()
        if self._message is None:
            self._message = _Text(new_item_id("msg"))
            self._found.append(OutputItemStarted(item=Message(role="assistant", content=(), id=self._message.id)))
        self._message.pieces.append(text)
        if self._want_deltas:
            self._found.append(TextDelta(item_id=self._message.id, delta=text))


def _error_of(error: Any) -> ProviderError:
    from codex_plugin_sdk.http.failures import event_error  # off the way to the first request

    return event_error(error)


def usage_of(raw: Mapping[str, Any]) -> TokenUsage:
    """Token counts from the wire; a count that is missing or no number is 0."""
    read, written = count(raw, "prompt_tokens"), count(raw, "completion_tokens")
    return TokenUsage(
        input_tokens=read,
        cached_input_tokens=count(raw.get("prompt_tokens_details"), "cached_tokens"),
        output_tokens=written,
        reasoning_output_tokens=count(raw.get("completion_tokens_details"), "reasoning_tokens"),
        total_tokens=count(raw, "total_tokens") or read + written,
    )
