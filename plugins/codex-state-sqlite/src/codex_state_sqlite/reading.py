"""What a part of a rollout says: its head, and what the user and the agent said."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import IO, Any

import orjson

TAIL_BYTES = 256
_PREVIEW_CHARS = 200
_TEXT_CHARS = 64 * 1024
_LONG = "base_instructions"
_EVENTS = (b'"UserMessage"', b'"AgentMessage"', b'"user_message"', b'"agent_message"')
_MESSAGES = (b'"role":"user"', b'"role": "user"', b'"role":"assistant"', b'"role": "assistant"')
_CONTEXT = ("<", "# AGENTS.md")
"""How messages begin that the user has not written."""
_HEAD_BYTES = 400


class Part:
    """What the lines of a part say. `texts` are pieces of at most 64 K characters; `meta`, `preview` and `model` are
    empty if the part does not hold them."""

    def __init__(self) -> None:
        self.meta: dict[str, Any] = {}
        self.preview = ""
        self.model = ""
        self._texts: list[str] = []
        self._seen: set[str] = set()

    def add(self, line: bytes) -> None:
        """Look at a line."""
        head = line[:_HEAD_BYTES]
        if any(mark in line for mark in _EVENTS) or any(mark in head for mark in _MESSAGES):
            self._said(line)
        elif not self.model and b'"turn_context"' in head:
            self.model = _text(_payload(line, "turn_context").get("model"))
        elif not self.meta and b'"session_meta"' in head:
            found = _payload(line, "session_meta")
            self.meta = {key: value for key, value in found.items() if key != _LONG}

    def texts(self) -> Iterator[str]:
        """What was said, in pieces."""
        piece: list[str] = []
        size = 0
        for text in self._texts:
            for begin in range(0, len(text), _TEXT_CHARS):
                # A little of what stands before, so that words across the cut are found.
                part = text[max(begin - 256, 0) : begin + _TEXT_CHARS]
                if size + len(part) > _TEXT_CHARS and piece:
                    yield "\n".join(piece)
                    piece, size = [], 0
                piece.append(part)
                size += len(part)
        if piece:
            yield "\n".join(piece)

    def _said(self, line: bytes) -> None:
        try:
            found = orjson.loads(line)
        except orjson.JSONDecodeError:
            return
        payload = found.get("payload") if isinstance(found, dict) else None
        if not isinstance(payload, dict):
            return
        text, by_user = _message(found.get("type"), payload)
        if text.strip() and text not in self._seen:
            self._seen.add(text)  # as an item and as a message of the history
            self._texts.append(text)
            if by_user and not self.preview:
                self.preview = text.strip()[:_PREVIEW_CHARS]


def read_lines(file: IO[bytes], begin: int, limit: int) -> tuple[list[bytes], int]:
    """Whole lines from a place on, of `limit` bytes or a little more, and where they end. A line that is not ended yet
    is left."""
    file.seek(begin)
    data = file.read(limit)
    if len(data) == limit and not data.endswith(b"\n"):
        data += file.readline()
    cut = data.rfind(b"\n") + 1
    return data[:cut].splitlines(), begin + cut


def tail_sum(file: IO[bytes], end: int) -> int:
    """A checksum of what stands before a place: whether a file was only appended to."""
    begin = max(end - TAIL_BYTES, 0)
    file.seek(begin)
    return zlib.crc32(file.read(end - begin))


def _message(kind: object, payload: Mapping[str, Any]) -> tuple[str, bool]:
    """What somebody said in a line, and whether the user did."""
    inner = payload.get("type")
    if kind == "event_msg":
        item = payload.get("item")
        if inner == "item_completed" and isinstance(item, dict):
            by_user = item.get("type") == "UserMessage"
            return (
                (_joined(item.get("content")), by_user)
                if by_user or item.get("type") == "AgentMessage"
                else ("", False)
            )
        if inner in ("user_message", "agent_message"):
            return _text(payload.get("message")), inner == "user_message"
    elif kind == "response_item" and inner == "message":
        text, role = _joined(payload.get("content")), payload.get("role")
        if role == "assistant" or (role == "user" and not text.lstrip().startswith(_CONTEXT)):
            return text, role == "user"
    return "", False


def _payload(line: bytes, kind: str) -> Mapping[str, Any]:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    payload = found.get("payload") if isinstance(found, dict) and found.get("type") == kind else None
    return payload if isinstance(payload, dict) else {}


def _joined(content: object) -> str:
    parts = content if isinstance(content, list) else ()
    return "".join(_text(part.get("text")) for part in parts if isinstance(part, dict))


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""
