"""JSON-RPC as Codex speaks it: one JSON object a message, no `jsonrpc` member, ids echoed as they came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from codex_plugin_sdk import Value, value

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""More than this in one message is refused unread."""

INVALID_REQUEST = -32600
INTERNAL_ERROR = -32603
OVERLOADED = -32001

Id = str | int


class RpcError(Exception):
    """What a request is answered with when it cannot be carried out."""

    def __init__(self, message: str, code: int = INVALID_REQUEST, data: object = None) -> None:
        super().__init__(message)
        self.message, self.code, self.data = message, code, data

    def as_dict(self) -> dict[str, Any]:
        """The member `error` of an answer."""
        found: dict[str, Any] = {"code": self.code, "message": self.message}
        return found if self.data is None else {**found, "data": self.data}


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


Incoming = Request | Notification | Answer


def decode(data: bytes | str) -> Incoming | None:
    """A message, or None for what is none: it gets no answer and does no harm."""
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, dict):
        return None
    id, method = found.get("id"), found.get("method")
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


def encode(message: Mapping[str, Any]) -> bytes:
    """One message without a line end. Text that is not Unicode (surrogates from file names) is replaced."""
    try:
        return orjson.dumps(message)
    except TypeError:
        import json

        text = json.dumps(message, separators=(",", ":"), ensure_ascii=False, default=str)
        return text.encode("utf-8", "replace")
