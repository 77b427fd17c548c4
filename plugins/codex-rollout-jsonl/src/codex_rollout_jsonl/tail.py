"""Continuing a rollout: repair of a torn last line, and the ordinal that comes next, from the end of the file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import orjson

_BLOCK = 64 * 1024
_ORDINAL = re.compile(rb'\{"timestamp":"[^"\\]*","ordinal":(\d{1,18}),')
_LOOK_BACK_LINES = 256
_LOOK_BACK_BYTES = 16 * 1024 * 1024


def repair_tail(fd: int) -> None:
    """Make the file end with a whole line. A last line without its line feed gets one if it is complete; torn,
    it is cut off, for it was never acknowledged."""
    size = os.fstat(fd).st_size
    start, end = next(lines_backwards(fd, size), (0, 0))
    if start == end or os.pread(fd, 1, size - 1) == b"\n":
        return
    try:
        complete = isinstance(orjson.loads(pread_all(fd, end - start, start)), dict)
    except orjson.JSONDecodeError:
        complete = False
    if complete:
        os.write(fd, b"\n")
    else:
        os.ftruncate(fd, start)


def next_ordinal(fd: int) -> int | None:
    """The ordinal of the next line; None if the file, written by an older version, carries none.

    Looks at the last lines only, so its cost does not grow with the file.
    """
    size = os.fstat(fd).st_size
    if size == 0:
        return 0
    for count, (start, end) in enumerate(lines_backwards(fd, size)):
        found = ordinal_at(fd, start, end)
        if found is not None:
            return found + 1
        if count >= _LOOK_BACK_LINES or size - start >= _LOOK_BACK_BYTES:
            return None
    return None


def lines_backwards(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """Start and end of each line, the last first; the end includes its line feed. Reads blocks, never a whole
    line."""
    end = at = size
    while at > 0:
        begin = max(at - _BLOCK, 0)
        block = pread_all(fd, at - begin, begin)
        cut = len(block)
        while (found := block.rfind(b"\n", 0, cut)) >= 0:
            if begin + found + 1 < end:
                yield begin + found + 1, end
                end = begin + found + 1
            cut = found
        at = begin
    if end > 0:
        yield 0, end


def pread_all(fd: int, count: int, offset: int) -> bytes:
    """`count` bytes at `offset`, or what there is of them."""
    parts: list[bytes] = []
    while count > 0 and (part := os.pread(fd, count, offset)):
        parts.append(part)
        count -= len(part)
        offset += len(part)
    return b"".join(parts)


def ordinal_at(fd: int, start: int, end: int) -> int | None:
    """The ordinal of a line; None if it has none."""
    head = pread_all(fd, min(end - start, 256), start)
    match = _ORDINAL.match(head)
    if match is not None:
        return int(match[1])
    if b'"ordinal"' not in head and end - start > len(head):
        return None  # members in another order than any writer's are not worth reading megabytes
    try:
        line = orjson.loads(head if end - start <= len(head) else pread_all(fd, end - start, start))
    except orjson.JSONDecodeError:
        return None
    found = line.get("ordinal") if isinstance(line, dict) else None
    return found if isinstance(found, int) and not isinstance(found, bool) else None
