"""Response items: what the model reads and writes, and what the history is made of.

The shapes follow the Responses API and the `response_item` lines of a rollout. Members that we do not
know are kept (`extra`, `UnknownItem`), so that decoding and encoding changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from .value import Value, field, value

Extra = Mapping[str, Any]


@value
class ContentPart(Value):
    """One part of a message or of a tool output.

    `type` is `input_text`, `output_text`, `input_image` (then `image_url` is an https or data URL) or a
    tag of another kind, whose members stand in `extra`.
    """

    type: str
    text: str | None = None
    image_url: str | None = None
    extra: Extra = field(factory=dict)


@value
class Message(Value):
    """A message; `role` is user, assistant, developer or system."""

    role: str
    content: tuple[ContentPart, ...]
    id: str | None = None
    extra: Extra = field(factory=dict)

    @property
    def text(self) -> str:
        """All text parts, joined."""
        return "".join(part.text or "" for part in self.content)

    @property
    def phase(self) -> str | None:
        """What the model wrote it for: `commentary` on its work, or its `final_answer`. None where it does not say."""
        found = self.extra.get("phase")
        return found if isinstance(found, str) else None


@value
class Reasoning(Value):
    """The model's reasoning, handed back to it unchanged in later requests."""

    summary: tuple[str, ...] = ()
    id: str | None = None
    content: Any = None
    encrypted_content: str | None = None
    extra: Extra = field(factory=dict)


@value
class FunctionCall(Value):
    """A call of a function tool; `arguments` is the model's text, not yet parsed."""

    call_id: str
    name: str
    arguments: str
    namespace: str | None = None
    id: str | None = None
    extra: Extra = field(factory=dict)


@value
class FunctionCallOutput(Value):
    """The answer to a function call: text, or content parts when it holds images."""

    call_id: str
    output: str | tuple[ContentPart, ...]
    id: str | None = None
    extra: Extra = field(factory=dict)


@value
class CustomToolCall(Value):
    """A call of a freeform tool; `input` is free text."""

    call_id: str
    name: str
    input: str
    id: str | None = None
    extra: Extra = field(factory=dict)


@value
class CustomToolCallOutput(Value):
    """The answer to a freeform call."""

    call_id: str
    output: str | tuple[ContentPart, ...]
    id: str | None = None
    extra: Extra = field(factory=dict)


@value
class WebSearchCall(Value):
    """A search that the provider ran by itself."""

    id: str | None = None
    status: str | None = None
    action: Any = None
    extra: Extra = field(factory=dict)


@value
class UnknownItem(Value):
    """An item of a kind that this version does not know; `raw` holds all of it, `type` included."""

    tag: str
    raw: Mapping[str, Any]


ResponseItem = (
    Message
    | Reasoning
    | FunctionCall
    | FunctionCallOutput
    | CustomToolCall
    | CustomToolCallOutput
    | WebSearchCall
    | UnknownItem
)
AnyToolCall = FunctionCall | CustomToolCall


_COPIED_BYTES = 1024


@value
class HistoryEntry(Value):
    """A response item beside its encoded form, which is made once and only ever joined afterwards."""

    item: ResponseItem
    encoded: bytes

    @classmethod
    def of(cls, item: ResponseItem) -> HistoryEntry:
        """Encode `item` once."""
        encoded = encode_item(item)
        if len(encoded) > _COPIED_BYTES:  # the encoder gives buffers up to three times as long as their text
            encoded = bytes(memoryview(encoded))
        return cls(item=item, encoded=encoded)


def text_message(role: str, *texts: str, id: str | None = None) -> Message:
    """A message of text parts, with the part type that belongs to the role."""
    kind = "output_text" if role == "assistant" else "input_text"
    return Message(role=role, content=tuple(ContentPart(type=kind, text=t) for t in texts), id=id)


def encode_item(item: ResponseItem) -> bytes:
    """The JSON of an item as the Responses API takes it."""
    return orjson.dumps(item_to_dict(item))


def item_to_dict(item: ResponseItem) -> dict[str, Any]:
    """The wire form of an item as plain data."""
    match item:
        case UnknownItem():
            return dict(item.raw)
        case Message():
            body: dict[str, Any] = {"type": "message", "role": item.role, "content": parts_to_list(item.content)}
        case Reasoning():
            body = {
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": text} for text in item.summary],
                "content": item.content,
                "encrypted_content": item.encrypted_content,
            }
        case FunctionCall():
            body = {
                "type": "function_call",
                "name": item.name,
                "arguments": item.arguments,
                "call_id": item.call_id,
            }
            if item.namespace is not None:
                body["namespace"] = item.namespace
        case FunctionCallOutput() | CustomToolCallOutput():
            tag = "function_call_output" if isinstance(item, FunctionCallOutput) else "custom_tool_call_output"
            output = item.output if isinstance(item.output, str) else parts_to_list(item.output)
            body = {"type": tag, "call_id": item.call_id, "output": output}
        case CustomToolCall():
            body = {"type": "custom_tool_call", "call_id": item.call_id, "name": item.name, "input": item.input}
        case WebSearchCall():
            known = {"status": item.status, "action": item.action}
            body = {"type": "web_search_call", **{name: found for name, found in known.items() if found is not None}}
    if item.id is not None:
        body["id"] = item.id
    body.update(item.extra)
    return body


def parts_to_list(parts: Sequence[ContentPart]) -> list[dict[str, Any]]:
    """Content parts as plain data."""
    result = []
    for part in parts:
        body: dict[str, Any] = {"type": part.type}
        if part.text is not None:
            body["text"] = part.text
        if part.image_url is not None:
            body["image_url"] = part.image_url
        body.update(part.extra)
        result.append(body)
    return result


def decode_item(raw: Mapping[str, Any]) -> ResponseItem:
    """An item from its wire form.

    A payload that does not have the members its tag promises becomes an `UnknownItem` too: what a server
    or an old rollout says is data, and data is never a reason to stop.
    """
    decode = _DECODERS.get(raw.get("type", ""))
    if decode is not None:
        try:
            return decode(dict(raw))
        except (KeyError, TypeError, AttributeError, ValueError):
            pass
    return UnknownItem(tag=str(raw.get("type", "")), raw=dict(raw))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a string, not {type(value).__name__}")
    return value


def _optional_text(value: Any) -> str | None:
    return None if value is None else _text(value)


def _parts(raw: Any) -> tuple[ContentPart, ...]:
    parts = []
    for entry in raw:
        body = dict(entry)
        parts.append(
            ContentPart(
                type=_text(body.pop("type")),
                text=_optional_text(body.pop("text", None)),
                image_url=_optional_text(body.pop("image_url", None)),
                extra=body,
            )
        )
    return tuple(parts)


def _message(raw: dict[str, Any]) -> Message:
    del raw["type"]
    return Message(
        role=_text(raw.pop("role")),
        content=_parts(raw.pop("content")),
        id=_optional_text(raw.pop("id", None)),
        extra=raw,
    )


def _reasoning(raw: dict[str, Any]) -> Reasoning:
    del raw["type"]
    summary = tuple(_text(part["text"]) for part in raw.pop("summary", None) or ())
    return Reasoning(
        summary=summary,
        id=_optional_text(raw.pop("id", None)),
        content=raw.pop("content", None),
        encrypted_content=_optional_text(raw.pop("encrypted_content", None)),
        extra=raw,
    )


def _function_call(raw: dict[str, Any]) -> FunctionCall:
    del raw["type"]
    return FunctionCall(
        call_id=_text(raw.pop("call_id")),
        name=_text(raw.pop("name")),
        arguments=_text(raw.pop("arguments")),
        namespace=_optional_text(raw.pop("namespace", None)),
        id=_optional_text(raw.pop("id", None)),
        extra=raw,
    )


def _output(raw: Any) -> str | tuple[ContentPart, ...]:
    return raw if isinstance(raw, str) else _parts(raw)


def _function_call_output(raw: dict[str, Any]) -> FunctionCallOutput:
    del raw["type"]
    output, id = _output(raw.pop("output")), _optional_text(raw.pop("id", None))
    return FunctionCallOutput(call_id=_text(raw.pop("call_id")), output=output, id=id, extra=raw)


def _custom_call(raw: dict[str, Any]) -> CustomToolCall:
    del raw["type"]
    return CustomToolCall(
        call_id=_text(raw.pop("call_id")),
        name=_text(raw.pop("name")),
        input=_text(raw.pop("input")),
        id=_optional_text(raw.pop("id", None)),
        extra=raw,
    )


def _custom_call_output(raw: dict[str, Any]) -> CustomToolCallOutput:
    del raw["type"]
    output, id = _output(raw.pop("output")), _optional_text(raw.pop("id", None))
    return CustomToolCallOutput(call_id=_text(raw.pop("call_id")), output=output, id=id, extra=raw)


def _web_search(raw: dict[str, Any]) -> WebSearchCall:
    del raw["type"]
    # A null is kept among the others: it comes back as a null, and what was not there does not come back.
    given = {name: raw.pop(name) for name in ("id", "status", "action") if raw.get(name) is not None}
    id, status = _optional_text(given.get("id")), _optional_text(given.get("status"))
    return WebSearchCall(id=id, status=status, action=given.get("action"), extra=raw)


_DECODERS: dict[str, Callable[[dict[str, Any]], ResponseItem]] = {
    "message": _message,
    "reasoning": _reasoning,
    "function_call": _function_call,
    "function_call_output": _function_call_output,
    "custom_tool_call": _custom_call,
    "custom_tool_call_output": _custom_call_output,
    "web_search_call": _web_search,
}
