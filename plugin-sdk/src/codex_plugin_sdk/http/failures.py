"""What a model server's refusals mean: from a status and a body, or from an error event, to one of our errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from codex_kernel.errors import AuthenticationFailed, ContextWindowExceeded, ProviderError, RateLimited

from .jsondata import loads_lenient
from .message import HttpResponse

MAX_ERROR_BODY_BYTES = 65_536

OVERLOADED = "The model server is under high demand or in trouble right now; please try again later."

_OVERFLOW_CODES = frozenset({"context_length_exceeded", "exceed_context_size_error", "context_window_exceeded"})
_QUOTA_CODES = frozenset(
    {"insufficient_quota", "usage_limit_reached", "usage_not_included", "billing_hard_limit_reached"}
)
_RATE_CODES = frozenset({"rate_limit_exceeded", "rate_limit_error", "too_many_requests"})
_BUSY_CODES = frozenset({"server_is_overloaded", "slow_down", "overloaded_error", "server_error"})
_FINAL_CODES = frozenset({"invalid_prompt", "invalid_request_error", "model_not_found", "unsupported_parameter"})
_KEY_CODES = frozenset({"invalid_api_key", "authentication_error", "permission_error"})
_TOO_MUCH = r"(?:exceed\w*|maximum|too (?:long|large|many)|(?:greater|longer|larger|more) than)"
_WINDOW = r"(?:context (?:length|window|size)|available context|model's context)"
_OVERFLOW = re.compile(rf"{_TOO_MUCH}[^.\n]*{_WINDOW}|{_WINDOW}[^.\n]*{_TOO_MUCH}|prompt is too long", re.IGNORECASE)
_AGAIN_IN = re.compile(r"(?:try again|retry)(?: after| in)\s+((?:[0-9.]+\s*[a-z]+\s*)+)", re.IGNORECASE)
_SPAN = re.compile(r"([0-9]*\.?[0-9]+)\s*([a-z]+)", re.IGNORECASE)
_UNITS = {
    "ms": 0.001,
    "millisecond": 0.001,
    "s": 1,
    "sec": 1,
    "second": 1,
    "m": 60,
    "min": 60,
    "minute": 60,
    "h": 3600,
    "hour": 3600,
}


def retry_after_s(headers: Mapping[str, str], *, now_s: float | None = None) -> float | None:
    """Seconds to wait by `retry-after-ms` or `retry-after` (seconds or a date); None where neither says."""
    millis = _number(headers.get("retry-after-ms"))
    if millis is not None:
        return max(0.0, millis / 1000)
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is not None or text is None:
        return None if seconds is None else max(0.0, seconds)
    import time
    from email.utils import parsedate_to_datetime

    try:
        at_s = parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None  # a header that says nothing asks for nothing
    return max(0.0, at_s - (time.time() if now_s is None else now_s))


def wait_in_message_s(message: str) -> float | None:
    """Seconds in a text such as `Please try again in 1m2.5s.`, or None."""
    found = _AGAIN_IN.search(message)
    if found is None:
        return None
    total, known = 0.0, False
    for amount, unit in _SPAN.findall(found[1]):
        factor = _UNITS.get(unit.lower()) or _UNITS.get(unit.lower().removesuffix("s"))
        if factor is None:
            break
        total, known = total + float(amount) * factor, True
    return total if known else None


def _number(text: str | None) -> float | None:
    try:
        found = float(text or "")
    except ValueError:
        return None
    return found if 0 <= found < 1e9 else None


def event_error(error: Any, *, status: int | None = None) -> ProviderError:
    """The error for an error object that came within a stream: `{"code", "type", "message", …}` or a text.

    Final are a full context window, an exhausted quota and a refused prompt; everything else may be retried.
    """
    code, message = _code_and_message(error)
    shown = message or code or "the server reported an error without a word"
    if code in _OVERFLOW_CODES or _OVERFLOW.search(message):
        return ContextWindowExceeded(shown, status=status)
    if code in _QUOTA_CODES:
        return _quota(error, shown, status)
    if code in _RATE_CODES:
        return RateLimited(shown, retry_after_s=wait_in_message_s(message), status=status)
    if code in _KEY_CODES:
        return AuthenticationFailed(shown, status=status)
    if code in _FINAL_CODES:
        return ProviderError(shown, retryable=False, status=status)
    if code in _BUSY_CODES and not message:
        shown = OVERLOADED
    return ProviderError(shown, retryable=True, status=status, retry_after_s=wait_in_message_s(message))


def _quota(error: Any, shown: str, status: int | None) -> RateLimited:
    hint = ""
    seconds = error.get("resets_in_seconds") if isinstance(error, Mapping) else None
    if isinstance(seconds, int | float) and seconds > 0:
        hours, minutes = divmod(int(seconds + 59) // 60, 60)
        hint = f"the limit resets in {hours} h {minutes} min" if hours else f"the limit resets in {minutes} min"
    return RateLimited(shown, retryable=False, status=status, hint=hint)


def _code_and_message(error: Any) -> tuple[str, str]:
    if not isinstance(error, Mapping):
        return "", error if isinstance(error, str) else ""
    message = error.get("message")
    if not isinstance(message, str):
        message = ""
    known = _OVERFLOW_CODES | _QUOTA_CODES | _RATE_CODES | _BUSY_CODES | _FINAL_CODES | _KEY_CODES
    named = [n for n in (error.get("code"), error.get("type")) if isinstance(n, str) and n]
    # Servers put the telling word into either member; one that we know wins, `code` before `type`.
    return next((n for n in named if n in known), named[0] if named else ""), message


def status_error(
    status: int, reason: str, headers: Mapping[str, str], body: bytes, *, url: str, hint: str = ""
) -> ProviderError:
    """The error for an answer whose status is not 2xx. `url` without query is shown where it helps."""
    text = body.decode("utf-8", "replace").strip()
    error = _error_object(body)
    code, message = _code_and_message(error)
    said = f"unexpected status {status} {reason}".rstrip() + f": {message or text}, url: {url}"
    if status == 413 or (400 <= status < 600 and (code in _OVERFLOW_CODES or _OVERFLOW.search(message or text))):
        return ContextWindowExceeded(message or text or f"{status} {reason}", status=status, hint=hint)
    if status == 400:
        return ProviderError(text or said, retryable=False, status=status, hint=hint)
    if status in (401, 403):
        return AuthenticationFailed(said, status=status, hint=hint)
    if status == 429:
        if code in _QUOTA_CODES:
            return _quota(error, message or code, status)
        wait = retry_after_s(headers)
        shown = f"Too many requests: {message or text}".rstrip(": ")
        return RateLimited(shown, status=status, retry_after_s=wait if wait is not None else wait_in_message_s(message))
    if status >= 500:
        said_by_server = f"the server said: {message}" if message else hint
        return ProviderError(
            OVERLOADED, retryable=True, status=status, retry_after_s=retry_after_s(headers), hint=said_by_server
        )
    if 300 <= status < 400 and "location" in headers:
        said = f"{url} redirects to {headers['location']}, which is not followed because the key would go along"
    return ProviderError(said, retryable=status in (408, 425), status=status, hint=hint)


def _error_object(body: bytes) -> Any:
    try:
        parsed = loads_lenient(body)
    except ValueError:
        return None
    if isinstance(parsed, list) and parsed:
        parsed = parsed[0]
    if not isinstance(parsed, Mapping):
        return parsed
    for key in ("error", "detail"):
        if isinstance(parsed.get(key), Mapping | str):
            return parsed[key]
    return parsed


async def read_error_body(response: HttpResponse) -> bytes:
    """The first `MAX_ERROR_BODY_BYTES` of a body. Raises `TransportError`."""
    parts: list[bytes] = []
    size = 0
    async for chunk in response.chunks():
        parts.append(chunk)
        size += len(chunk)
        if size >= MAX_ERROR_BODY_BYTES:
            break
    return b"".join(parts)[:MAX_ERROR_BODY_BYTES]
