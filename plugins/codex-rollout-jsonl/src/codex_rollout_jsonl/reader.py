"""Reading rollouts, ours and others', one line at a time."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

import orjson

from codex_plugin_sdk import RolloutLine

from .failures import store_error

_BUFFER = 256 * 1024
_HEAD = re.compile(rb'\{"timestamp":"([^"\\]{0,64})",(?:"ordinal":(\d{1,18}),)?"type":"([a-z_]{1,64})","payload":')
_METADATA = b',"metadata":{'
_METADATA_BYTES = 4096  # a larger one is found by decoding the line


def read_lines(
    path: str, end: int | None = None, begin: int = 0, types: Collection[str] | None = None
) -> Iterator[RolloutLine]:
    """The lines of a file that can be read, in order, from the byte `begin` up to `end`; the others (torn, foreign,
    blank) are passed over. With `types`, those of other types are so too, which costs less than reading them.

    Holds one line at a time. Raises `StoreError` when the file itself cannot be read.
    """
    try:
        with open(path, "rb", buffering=_BUFFER) as file:
            at = file.seek(begin)
            for raw in file:
                at += len(raw)
                if end is not None and at > end:
                    return
                if types is not None and (head := _HEAD.match(raw)) is not None and head[3].decode() not in types:
                    continue
                line = parse_line(raw)
                if line is not None and (types is None or line.type in types):
                    yield line
    except OSError as error:
        raise store_error(error, "read the rollout", path) from error


def parse_line(raw: bytes) -> RolloutLine | None:
    """One line, or None if it is none. The payload is sliced out wherever that is exact."""
    match = _HEAD.match(raw)
    if match is not None:
        stamp, ordinal, kind = match.groups()
        payload = _sliced(raw, match.end(), may_have_metadata=kind == b"response_item")
        if payload is not None:
            return RolloutLine(
                type=kind.decode("ascii"),
                payload=payload,
                timestamp=stamp.decode("utf-8", "replace"),
                ordinal=None if ordinal is None else int(ordinal),
            )
    return _parsed(raw)


def _sliced(raw: bytes, begin: int, *, may_have_metadata: bool) -> bytes | None:
    """The payload, if it is the last member or only `metadata` follows it."""
    end = len(raw) - 2 if raw.endswith(b"}\n") else len(raw.rstrip()) - 1
    if raw[end : end + 1] != b"}":
        return None
    # A structural comma cannot stand within a string, so what follows the last such mark either is the member
    # of the line itself, or does not parse on its own.
    at = raw.rfind(_METADATA, max(begin, end - _METADATA_BYTES), end) if may_have_metadata else -1
    if at >= 0 and _is_json(b"{" + raw[at + 1 : end] + b"}"):
        end = at
    body = raw[begin:end]
    return body if _is_json(body) else None


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
        timestamp=stamp if isinstance(stamp, str) else "",
        ordinal=ordinal if isinstance(ordinal, int) and not isinstance(ordinal, bool) else None,
    )
