"""What an app server answers with when it does not do what it was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

INTERNAL_ERROR = -32603


def read_refusal(error: object) -> dict[str, Any]:
    """The arguments of a `ProtocolError`, of the member `error` of an answer. Our servers write what to try twice: in
    parentheses behind the message, for all clients, and as `hint` in `data`, so that it can be told apart."""
    if not isinstance(error, Mapping):
        return {"message": str(error), "code": INTERNAL_ERROR}
    message, data, code = str(error.get("message")), error.get("data"), error.get("code")
    hint = data.get("hint") if isinstance(data, Mapping) else None
    if not isinstance(hint, str):
        hint = ""
    return {
        "message": message.removesuffix(f" ({hint})") if hint else message,
        "hint": hint,
        "code": code if isinstance(code, int) else 0,
        "data": data,
    }
