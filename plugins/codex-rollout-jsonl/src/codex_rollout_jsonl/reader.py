"""Reading rollouts, ours and others', one line at a time."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import cache

import orjson

from codex_plugin_sdk import RolloutLine

from .failures import store_error

_BUFFER = 256 * 1024
_SMALL_BUFFER = 4096
_HEAD = re.compile(rb'\{"timestamp":"([^"\\]{0,64})",(?:"ordinal":(\d{1,18}),)?"type":"([a-z_]{1,64})","payload":')
_OTHER = rb'\{"timestamp":"[^"]{0,64}+",(?:"ordinal":\d{1,18}+,)?+"type":"'
"""Is quicker, and takes nothing else: what has an escaped quote here is no line."""
_METADATA = b',"metadata":{'
_FLAT = re.compile(rb',"metadata":\{(?:"\w+":(?:"[^"\\]*"|\d+|null|true|false)(?:,|(?=\})))*\}')
"""Such a member parses on its own: what most lines have."""
_METADATA_BYTES = 4096  # a larger one is found by decoding the line


def read_lines(
    path: str,
    end: int | None = None,
    begin: int = 0,
    types: Collection[str] | None = None,
    events: re.Pattern[bytes] | None = None,
) -> Iterator[RolloutLine]:
    """The lines of a file that can be read, in order, from the byte `begin` up to `end`; the others (torn, foreign,
    blank) are passed over. With `types`, those of other types are so too, and with `events` those of events whose
    payload does not begin so: both cost less than reading them.

    Holds one line at a time. Raises `StoreError` when the file itself cannot be read.
    """
    passed_over = _beginning_of_others(None if types is None else frozenset(types), events)
    size = _BUFFER if end is None else max(_SMALL_BUFFER, min(_BUFFER, end - begin + 1))
    try:
        with open(path, "rb", buffering=size) as file:
            at = file.seek(begin)
            for raw in file:
                at += len(raw)
                if end is not None and at > end:
                    return
                if passed_over is not None and passed_over.match(raw):
                    continue
                line = parse_line(raw)
                if line is not None and (types is None or line.type in types):
                    yield line
    except OSError as error:
        raise store_error(error, "read the rollout", path) from error


@cache
def _beginning_of_others(types: frozenset[str] | None, events: re.Pattern[bytes] | None) -> re.Pattern[bytes] | None:
    """How the lines begin that are not wanted, in the form that all writers use."""
    others = []
    if types is not None:
        others.append(rb'(?!(?:%b)")[a-z_]{1,64}+","payload":' % b"|".join(re.escape(name.encode()) for name in types))
    if events is not None:
        others.append(rb'event_msg","payload":(?!%b)' % events.pattern)
    return re.compile(_OTHER + b"(?:%b)" % b"|".join(others)) if others else None


def parse_line(raw: bytes) -> RolloutLine | None:
    """One line, or None if it is none. The payload is sliced out wherever that is exact."""
    match = _HEAD.match(raw)
    return (match and _sliced(raw, match)) or _parsed(raw)


def _sliced(raw: bytes, match: re.Match[bytes]) -> RolloutLine | None:
    """The line, if its payload is the last member or only `metadata` follows it."""
    stamp, ordinal, kind = match.groups()
    begin = match.end()
    end = len(raw) - 2 if raw.endswith(b"}\n") else len(raw.rstrip()) - 1
    if raw[end : end + 1] != b"}":
        return None
    if kind == b"response_item":
        # A structural comma cannot stand within a string, so what follows the last such mark either is the member
        # of the line itself, or does not parse on its own.
        at = raw.rfind(_METADATA, max(begin, end - _METADATA_BYTES), end)
        if at >= 0 and (_FLAT.fullmatch(raw, at, end) or _is_json(b"{" + raw[at + 1 : end] + b"}")):
            end = at
    payload = raw[begin:end]
    try:
        decoded = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
    return RolloutLine(
        type=kind.decode("ascii"),
        payload=payload,
        timestamp=stamp.decode("utf-8", "replace"),
        ordinal=None if ordinal is None else int(ordinal),
        decoded=decoded,
    )


def _is_json(data: bytes) -> bool:
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return False
    return True


def _parsed(raw: bytes) -> RolloutLine | None:
    """A line in any other form, by decoding it."""
    try:
        line = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(line, dict) or not isinstance(line.get("type"), str) or "payload" not in line:
        return None
    stamp, ordinal = line.get("timestamp"), line.get("ordinal")
    return RolloutLine(
        type=line["type"],
        payload=orjson.dumps(line["payload"]),
        decoded=line["payload"],
        timestamp=stamp if isinstance(stamp, str) else "",
        ordinal=ordinal if isinstance(ordinal, int) and not isinstance(ordinal, bool) else None,
    )
