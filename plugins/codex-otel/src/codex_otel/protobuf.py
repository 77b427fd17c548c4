"""OTLP messages as protobuf, from the same dictionaries that OTLP's JSON form is made of.

Field numbers and types are those of opentelemetry-proto 1.x. Writing needs no library: a message is a row of
(field number, kind) and bytes. Defaults (zero, false, empty) may be written; readers take them for what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import Struct
from typing import Any

_FIXED64, _FIXED32, _DOUBLE = Struct("<Q"), Struct("<I"), Struct("<d")
_SFIXED64 = Struct("<q")

MAX_KNOWN = 1024
_known: dict[tuple[str, str, Any], bytes] = {}

# field of the JSON form -> (number, kind); a kind in capitals is another message, `*` means repeated
SCHEMA: dict[str, dict[str, tuple[int, str]]] = {
    "TRACES": {"resourceSpans": (1, "*RESOURCE_SPANS")},
    "RESOURCE_SPANS": {"resource": (1, "RESOURCE"), "scopeSpans": (2, "*SCOPE_SPANS")},
    "SCOPE_SPANS": {"scope": (1, "SCOPE"), "spans": (2, "*SPAN")},
    "SPAN": {
        "traceId": (1, "hex"),
        "spanId": (2, "hex"),
        "traceState": (3, "text"),
        "parentSpanId": (4, "hex"),
        "name": (5, "text"),
        "kind": (6, "varint"),
        "startTimeUnixNano": (7, "fixed64"),
        "endTimeUnixNano": (8, "fixed64"),
        "attributes": (9, "*KEY_VALUE"),
        "status": (15, "STATUS"),
        "flags": (16, "fixed32"),
    },
    "STATUS": {"message": (2, "text"), "code": (3, "varint")},
    "LOGS": {"resourceLogs": (1, "*RESOURCE_LOGS")},
    "RESOURCE_LOGS": {"resource": (1, "RESOURCE"), "scopeLogs": (2, "*SCOPE_LOGS")},
    "SCOPE_LOGS": {"scope": (1, "SCOPE"), "logRecords": (2, "*LOG_RECORD")},
    "LOG_RECORD": {
        "timeUnixNano": (1, "fixed64"),
        "severityNumber": (2, "varint"),
        "severityText": (3, "text"),
        "body": (5, "ANY_VALUE"),
        "attributes": (6, "*KEY_VALUE"),
        "flags": (8, "fixed32"),
        "traceId": (9, "hex"),
        "spanId": (10, "hex"),
        "observedTimeUnixNano": (11, "fixed64"),
        "eventName": (12, "text"),
    },
    "METRICS": {"resourceMetrics": (1, "*RESOURCE_METRICS")},
    "RESOURCE_METRICS": {"resource": (1, "RESOURCE"), "scopeMetrics": (2, "*SCOPE_METRICS")},
    "SCOPE_METRICS": {"scope": (1, "SCOPE"), "metrics": (2, "*METRIC")},
    "METRIC": {
        "name": (1, "text"),
        "description": (2, "text"),
        "unit": (3, "text"),
        "sum": (7, "SUM"),
        "histogram": (9, "HISTOGRAM"),
    },
    "SUM": {"dataPoints": (1, "*NUMBER"), "aggregationTemporality": (2, "varint"), "isMonotonic": (3, "varint")},
    "NUMBER": {
        "startTimeUnixNano": (2, "fixed64"),
        "timeUnixNano": (3, "fixed64"),
        "asInt": (6, "sfixed64"),
        "attributes": (7, "*KEY_VALUE"),
    },
    "HISTOGRAM": {"dataPoints": (1, "*BUCKETS"), "aggregationTemporality": (2, "varint")},
    "BUCKETS": {
        "startTimeUnixNano": (2, "fixed64"),
        "timeUnixNano": (3, "fixed64"),
        "count": (4, "fixed64"),
        "sum": (5, "double"),
        "bucketCounts": (6, "packed-fixed64"),
        "explicitBounds": (7, "packed-double"),
        "attributes": (9, "*KEY_VALUE"),
        "min": (11, "double"),
        "max": (12, "double"),
    },
    "RESOURCE": {"attributes": (1, "*KEY_VALUE")},
    "SCOPE": {"name": (1, "text"), "version": (2, "text")},
    "KEY_VALUE": {"key": (1, "text"), "value": (2, "ANY_VALUE")},
    "ANY_VALUE": {
        "stringValue": (1, "text"),
        "boolValue": (2, "varint"),
        "intValue": (3, "varint"),
        "doubleValue": (4, "double"),
    },
}


def encode(message: str, fields: Mapping[str, Any]) -> bytes:
    """The bytes of a message. Raises `KeyError` for a field that the schema does not have."""
    out = bytearray()
    schema = SCHEMA[message]
    for name, given in fields.items():
        number, kind = schema[name]
        if kind.startswith("*"):
            for part in given:
                _sized(out, number, _attribute(part) if kind == "*KEY_VALUE" else encode(kind[1:], part))
        elif kind.isupper():
            _sized(out, number, encode(kind, given))
        else:
            _PLAIN[kind](out, number, given)
    return bytes(out)


def _attribute(part: Mapping[str, Any]) -> bytes:
    """Attributes come again and again, so the short ones are remembered; they are most of a batch."""
    ((kind, given),) = part["value"].items()
    key = (part["key"], kind, given)
    found = _known.get(key)
    if found is None:
        found = encode("KEY_VALUE", part)
        if len(found) < 200 and len(_known) < MAX_KNOWN:
            _known[key] = found
    return found


def _varint(out: bytearray, number: int) -> None:
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _sized(out: bytearray, number: int, data: bytes) -> None:
    _varint(out, number << 3 | 2)
    _varint(out, len(data))
    out += data


def _integer(out: bytearray, number: int, given: Any) -> None:
    _varint(out, number << 3)
    _varint(out, int(given) & 0xFFFF_FFFF_FFFF_FFFF)  # negative numbers as two's complement


def _fixed(packer: Struct, wire: int, convert: Callable[[Any], Any]) -> Callable[[bytearray, int, Any], None]:
    def write(out: bytearray, number: int, given: Any) -> None:
        _varint(out, number << 3 | wire)
        out += packer.pack(convert(given))

    return write


_PLAIN: dict[str, Callable[[bytearray, int, Any], None]] = {
    "text": lambda out, number, given: _sized(out, number, given.encode("utf-8", "replace")),
    "hex": lambda out, number, given: _sized(out, number, bytes.fromhex(given)),
    "varint": _integer,
    "fixed64": _fixed(_FIXED64, 1, int),
    "sfixed64": _fixed(_SFIXED64, 1, int),
    "fixed32": _fixed(_FIXED32, 5, int),
    "double": _fixed(_DOUBLE, 1, float),
    "packed-fixed64": lambda out, number, given: _sized(
        out, number, b"".join(_FIXED64.pack(int(one)) for one in given)
    ),
    "packed-double": lambda out, number, given: _sized(out, number, b"".join(_DOUBLE.pack(one) for one in given)),
}
