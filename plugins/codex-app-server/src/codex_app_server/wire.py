"""JSON-RPC as Codex speaks it: one JSON object a message, no `jsonrpc` member, ids echoed as they came."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import orjson

from codex_plugin_sdk import ProtocolError, Value, value

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""More than this in one message is refused unread."""

MAX_DEPTH = 190
"""Arrays and objects within each other. What we write of it (rollouts, notifications) lies a few deeper."""
ORJSON_DEPTH = 254
"""More are not written."""

INVALID_REQUEST = -32600
INTERNAL_ERROR = -32603
OVERLOADED = -32001

Id = str | int


class RpcError(ProtocolError):
    """What a request is answered with when it cannot be carried out."""

    def __init__(self, message: str, code: int = INVALID_REQUEST, data: object = None, *, hint: str = "") -> None:
        super().__init__(message, code=code, data=data, hint=hint)

    def as_dict(self) -> dict[str, Any]:
        """The member `error` of an answer. Clients show the message only, so that the hint stands in it; where there is
        no other data, it is said apart as well."""
        found: dict[str, Any] = {"code": self.code, "message": str(self)}
        data = {"hint": self.hint} if self.data is None and self.hint else self.data
        return found if data is None else {**found, "data": data}


@value
class Request(Value):
    """Wants an answer with its `id`."""

    id: Id
    method: str
    params: Any = None


@value
class Notification(Value):
    """Wants none."""

    method: str
    params: Any = None


@value
class Answer(Value):
    """The client's answer to a request of ours; `error` as it came, None where there is a result."""

    id: Id
    result: Any = None
    error: Any = None


@value
class Refused(Value):
    """What was sent, but cannot be taken: answered with an error where its `id` is known."""

    message: str
    id: Id | None = None


Incoming = Request | Notification | Answer | Refused


def decode(data: bytes | str) -> Incoming | None:
    """A message, or None for what is none: it gets no answer and does no harm."""
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, dict):
        return None
    id, method = found.get("id"), found.get("method")
    if len(data) > MAX_DEPTH and _is_too_deep(data, found):
        known = id if isinstance(id, str | int) and not isinstance(id, bool) and isinstance(method, str) else None
        return Refused(id=known, message=f"Invalid request: more than {MAX_DEPTH} arrays and objects within each other")
    if isinstance(id, bool) or not isinstance(id, str | int | None):
        return None
    if isinstance(method, str):
        params = found.get("params")
        return (
            Notification(method=method, params=params) if id is None else Request(id=id, method=method, params=params)
        )
    if id is not None and ("result" in found or "error" in found):
        return Answer(id=id, result=found.get("result"), error=found.get("error"))
    return None


def _is_too_deep(data: bytes | str, found: object) -> bool:
    """Looked at only where there are brackets enough. Encoding tells, and is faster than to walk through it all."""
    count = data.count("[") + data.count("{") if isinstance(data, str) else data.count(b"[") + data.count(b"{")
    if count <= MAX_DEPTH:
        return False
    for _ in range(ORJSON_DEPTH - MAX_DEPTH):
        found = [found]
    try:
        orjson.dumps(found)
    except orjson.JSONEncodeError:
        return True
    return False


def overlong(head: bytes) -> Refused:
    """What a message is answered with whose first bytes these are, and which is longer than may be. Its id is known if
    it stands in front, as most clients write it."""
    import re

    scalar = rb'"(?:[^"\\]|\\.)*"|-?[0-9]+'
    known = None
    if found := re.match(rb'\s*\{(?:\s*"(?:jsonrpc|id|method)"\s*:\s*(?:%b)\s*,)+' % scalar, head):
        known = decode(found[0].rstrip(b",") + b"}")
    id = known.id if isinstance(known, Request) else None
    return Refused(id=id, message=f"Invalid request: longer than {MAX_MESSAGE_BYTES} bytes")


def refusal(refused: Refused) -> dict[str, Any]:
    """What the client is told: an error where the request is known, a warning else."""
    if refused.id is None:
        return warning(refused.message)
    return {"error": RpcError(refused.message).as_dict(), "id": refused.id}


def warning(text: str) -> dict[str, Any]:
    """A notification that concerns no thread."""
    stamp = int(time.time() * 1000)
    return {"method": "warning", "params": {"threadId": None, "message": text}, "emittedAtMs": stamp}


def encode(message: Mapping[str, Any]) -> bytes:
    """One message without a line end. Text that is not Unicode (surrogates from file names) is replaced."""
    data = _dumps(message)
    for separator, escaped in _SEPARATORS:
        if separator in data:
            data = data.replace(separator, escaped)
    return data


_SEPARATORS = ((b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"))
"""JSON may hold these as they are, but readers of lines, as that of node 24, divide there too."""


def _dumps(message: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(message)
    except TypeError:
        import json

        text = json.dumps(message, separators=(",", ":"), ensure_ascii=False, default=str)
        return text.encode("utf-8", "replace")
