"""History as Chat Completions messages: each entry is converted once and kept as bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from codex_plugin_sdk import (
    ContentPart,
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    HistoryEntry,
    Message,
    Reasoning,
    ResponseItem,
    Value,
    value,
)

_ROLES = {"developer": "system", "system": "system", "user": "user", "assistant": "assistant"}


@value
class Piece(Value):
    """One entry's share of the messages.

    `kind` says how it is put together: `system` (`data` is text), `assistant` (text), `reasoning` (text), `call`
    (an encoded tool call), `output` (an encoded tool message), `message` (an encoded message), `none`. For
    calls and outputs `call_id` is theirs, for outputs `images` is an encoded user message or empty.
    """

    kind: str
    data: bytes = b""
    text: str = ""
    call_id: str = ""
    images: bytes = b""


class MessageEncoder:
    """Turns a history into messages. Entries are told apart by identity, as the kernel keeps them."""

    def __init__(self) -> None:
        self._pieces: dict[int, tuple[HistoryEntry, Piece]] = {}

    def encode(
        self, instructions: str, history: Sequence[HistoryEntry], *, reasoning_field: str | None = None
    ) -> list[bytes]:
        """The encoded messages, oldest first. Reasoning goes back in the member `reasoning_field` of the
        assistant message that followed it, or nowhere without one."""
        pieces = [self._piece(entry) for entry in history]
        if len(self._pieces) > 2 * len(history) + 64:  # a compaction has replaced most of the history
            self._pieces = {id(entry): self._pieces[id(entry)] for entry in history}
        return _Assembly(reasoning_field).run(instructions, pieces)

    def _piece(self, entry: HistoryEntry) -> Piece:
        # The entry is kept beside its piece, so that its id cannot pass to another object.
        found = self._pieces.get(id(entry))
        if found is None:
            found = self._pieces[id(entry)] = (entry, piece_of(entry.item))
        return found[1]


class _Assembly:
    """Puts pieces together: servers want one system message at the head, the calls of one answer in one
    assistant message, and their outputs right behind it."""

    def __init__(self, reasoning_field: str | None) -> None:
        self._reasoning_field = reasoning_field
        self._messages: list[bytes] = []
        self._text: str | None = None
        self._reasoning: list[str] = []
        self._calls: list[bytes] = []
        self._called: set[str] = set()
        self._images: list[bytes] = []

    def run(self, instructions: str, pieces: Iterable[Piece]) -> list[bytes]:
        head = [instructions] if instructions else []
        for piece in pieces:
            if piece.kind == "system" and not self._messages and self._text is None and not self._calls:
                head.append(piece.text)
                continue
            self._flush_head(head)
            self._add(piece)
        self._flush_head(head)
        self._flush_answer()
        self._flush_images()
        return self._messages

    def _flush_head(self, head: list[str]) -> None:
        if head:
            self._messages.append(_system("\n\n".join(head)))
            head.clear()

    def _add(self, piece: Piece) -> None:
        match piece.kind:
            case "reasoning":
                if self._calls or self._text is not None:
                    self._flush_answer()
                self._flush_images()
                self._reasoning.append(piece.text)
            case "assistant":
                if self._calls or self._text is not None:
                    self._flush_answer()
                self._flush_images()
                self._text = piece.text
            case "call":
                self._flush_images()
                self._calls.append(piece.data)
                self._called.add(piece.call_id)
            case "output":
                self._flush_answer()
                self._add_output(piece)
            case "system" | "message":
                self._flush_answer()
                self._flush_images()
                self._reasoning = []  # it led to no answer
                self._messages.append(_system(piece.text) if piece.kind == "system" else piece.data)
            case _:
                pass

    def _add_output(self, piece: Piece) -> None:
        if piece.call_id in self._called:
            self._messages.append(piece.data)
        else:
            # A compaction may have taken the call away; servers refuse an answer without a question.
            text = f"Output of an earlier tool call:\n{piece.text}"
            self._messages.append(orjson.dumps({"role": "user", "content": text}))
        if piece.images:
            self._images.append(piece.images)

    def _flush_images(self) -> None:
        self._messages += self._images
        self._images = []

    def _flush_answer(self) -> None:
        if self._text is None and not self._calls:
            return
        message: dict[str, Any] = {"role": "assistant", "content": self._text if self._text else None}
        if not self._calls:
            message["content"] = self._text
        if self._reasoning and self._reasoning_field:
            message[self._reasoning_field] = "\n\n".join(self._reasoning)
        encoded = orjson.dumps(message)
        if self._calls:
            encoded = b'%b,"tool_calls":[%b]}' % (encoded[:-1], b",".join(self._calls))
        self._messages.append(encoded)
        self._text, self._calls, self._reasoning = None, [], []


def piece_of(item: ResponseItem) -> Piece:
    """Convert one item. Kinds that this API has no words for become nothing."""
    match item:
        case Message():
            return _message(item)
        case Reasoning():
            text = _reasoning_text(item)
            return Piece(kind="reasoning", text=text) if text else Piece(kind="none")
        case FunctionCall():
            name = f"{item.namespace}__{item.name}" if item.namespace else item.name
            return _call(item.call_id, name, item.arguments or "{}")
        case CustomToolCall():
            return _call(item.call_id, item.name, orjson.dumps({"input": item.input}).decode())
        case FunctionCallOutput() | CustomToolCallOutput():
            return _output(item.call_id, item.output)
        case _:
            return Piece(kind="none")


def _message(item: Message) -> Piece:
    role = _ROLES.get(item.role, "user")
    texts = [part.text for part in item.content if part.text is not None]
    if role == "assistant":
        return Piece(kind="assistant", text="".join(texts))
    if role == "system":
        return Piece(kind="system", text="\n\n".join(texts))
    images = [part for part in item.content if part.image_url is not None]
    content = _parts(item.content) if images else "\n\n".join(texts)
    return Piece(kind="message", data=orjson.dumps({"role": role, "content": content}))


def _parts(parts: Iterable[ContentPart]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for part in parts:
        if part.image_url is not None:
            found.append({"type": "image_url", "image_url": {"url": part.image_url}})
        elif part.text is not None:
            found.append({"type": "text", "text": part.text})
    return found


def _call(call_id: str, name: str, arguments: str) -> Piece:
    body = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
    return Piece(kind="call", data=orjson.dumps(body), call_id=call_id)


def _output(call_id: str, output: str | tuple[ContentPart, ...]) -> Piece:
    images = b""
    if isinstance(output, str):
        text = output
    else:
        text = "\n\n".join(part.text for part in output if part.text is not None)
        shown = [part for part in output if part.image_url is not None]
        if shown:
            # Tool messages hold text alone; the images follow as the user's.
            images = orjson.dumps({"role": "user", "content": _parts(shown)})
            text = text or "The image follows."
    body = {"role": "tool", "tool_call_id": call_id, "content": text}
    return Piece(kind="output", data=orjson.dumps(body), text=text, call_id=call_id, images=images)


def _reasoning_text(item: Reasoning) -> str:
    content = item.content
    if not isinstance(content, list | tuple):
        return ""
    texts = [part.get("text") for part in content if isinstance(part, dict)]
    return "".join(text for text in texts if isinstance(text, str))


def _system(text: str) -> bytes:
    return orjson.dumps({"role": "system", "content": text})
