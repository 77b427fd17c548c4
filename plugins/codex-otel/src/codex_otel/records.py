"""Spans, log records and attributes in OTLP's JSON form. 64-bit numbers are strings there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import count
from typing import Any

from codex_plugin_sdk.redact import Redactor

Attribute = str | int | float | bool
INTERNAL, CLIENT = 1, 3
ERROR = 2
MAX_TEXT = 32_768
"""Characters of one attribute; the rest is cut."""

MAX_CACHED = 512
_numbers = count(int.from_bytes(os.urandom(8), "big"))


class Attributes:
    """Makes attribute lists; every text passes through the redactor."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._seen: dict[str, str] = {}

    def clean(self, text: str) -> str:
        """The text without secrets, cut to `MAX_TEXT`. Names come again and again, so short ones are remembered."""
        found = self._seen.get(text)
        if found is None:
            found = self._redactor.redact_text(text)[:MAX_TEXT].encode("utf-8", "replace").decode()
            if len(text) < 200 and len(self._seen) < MAX_CACHED:
                self._seen[text] = found
        return found

    def make(self, given: Mapping[str, Attribute | None]) -> list[dict[str, Any]]:
        """The list; what is None is left out."""
        return [{"key": key, "value": self.any(found)} for key, found in given.items() if found is not None]

    def any(self, found: Attribute) -> dict[str, Any]:
        """One value."""
        if isinstance(found, bool):
            return {"boolValue": found}
        if isinstance(found, int):
            return {"intValue": str(found)}
        if isinstance(found, float):
            return {"doubleValue": found}
        return {"stringValue": self.clean(found)}


class Span:
    """A span that has begun. Times are Unix milliseconds, ids hex."""

    def __init__(self, name: str, trace_id: str, parent: str, start_ms: int, kind: int = INTERNAL) -> None:
        self.name, self.trace_id, self.parent, self.start_ms, self.kind = name, trace_id, parent, start_ms, kind
        self.id = f"{next(_numbers) % (2**64 - 1) + 1:016x}"  # unique is enough, and asking the system is slow
        self.attributes: dict[str, Attribute | None] = {}
        self.error = ""

    def record(self, end_ms: int, made: Attributes, tracestate: str) -> dict[str, Any]:
        """The finished span."""
        if self.error:
            self.attributes["error.type"] = self.error
        record = {
            "traceId": self.trace_id,
            "spanId": self.id,
            "traceState": tracestate,
            "parentSpanId": self.parent,
            "name": made.clean(self.name),
            "kind": self.kind,
            "startTimeUnixNano": nanos(self.start_ms),
            "endTimeUnixNano": nanos(max(self.start_ms, end_ms)),
            "attributes": made.make(self.attributes),
            "status": {"code": ERROR} if self.error else {},
            "flags": 1,
        }
        return record if self.parent else {key: found for key, found in record.items() if key != "parentSpanId"}


def nanos(at_ms: int) -> str:
    """Milliseconds as OTLP's nanoseconds."""
    return str(at_ms * 1_000_000)


def log_record(at_ms: int, span: tuple[str, str], name: str, attributes: list[dict[str, Any]]) -> dict[str, Any]:
    """An event as a log record; `span` is (trace id, span id) that it belongs to."""
    return {
        "timeUnixNano": nanos(at_ms),
        "observedTimeUnixNano": nanos(at_ms),
        "severityNumber": 9,
        "severityText": "INFO",
        "eventName": name,
        "body": {"stringValue": name},
        "attributes": attributes,
        "traceId": span[0],
        "spanId": span[1],
    }
