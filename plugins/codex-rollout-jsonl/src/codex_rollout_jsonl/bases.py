"""Rollouts that go on from another one's.

Codex forks and reverts without copying: the first line of the new file names a thread and the place in its rollout
(`history_base`: ordinal and byte) up to which its history is this one's too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from codex_plugin_sdk import RolloutLine, StoreError

from .reader import read_lines
from .tail import lines_backwards, ordinal_at

_MARK = b'"history_base"'
PathsOf = Callable[[str], Sequence[str]]
"""All files of a thread."""


def read_with_base(path: str, paths_of: PathsOf, seen: frozenset[str] = frozenset()) -> Iterator[RolloutLine]:
    """The lines of a rollout: its head, those of the rollout that it goes on from, its own. Raises `StoreError`, also
    when that other rollout is not there any more."""
    base, lines = None, read_lines(path)
    for line in lines:
        yield line
        if line.type == "session_meta" and _MARK in line.payload:
            base = orjson.loads(line.payload).get("history_base")
        break
    if isinstance(base, dict):
        other, end = base_of(path, base, paths_of, seen)
        yield from _before(other, end, paths_of, seen | {path})
    yield from lines


def base_of(
    path: str, base: Mapping[str, Any], paths_of: PathsOf, seen: frozenset[str] = frozenset()
) -> tuple[str, int]:
    """The file that a `history_base` means, and the byte at which the common part ends. Raises `StoreError`."""
    thread_id, ordinal, end = (base.get(name) for name in ("thread_id", "end_ordinal_exclusive", "end_byte_offset"))
    if isinstance(thread_id, str) and isinstance(ordinal, int) and isinstance(end, int):
        others = [other for other in paths_of(thread_id) if other != path and other not in seen]
        for other in sorted(others, key=os.path.basename, reverse=True):
            if _last_ordinal(other, end) == ordinal - 1:
                return other, end
    raise StoreError(
        f"the rollout {path} goes on from one of thread {thread_id}, which is not there any more",
        path=path,
        operation="read the rollout",
    )


def _before(path: str, end: int, paths_of: PathsOf, seen: frozenset[str]) -> Iterator[RolloutLine]:
    base = None
    for line in read_lines(path, end):
        if line.type != "session_meta":
            yield line
        elif base is None and _MARK in line.payload:
            base = orjson.loads(line.payload).get("history_base")
            if isinstance(base, dict):
                yield from _before(*base_of(path, base, paths_of, seen), paths_of, seen | {path})


def _last_ordinal(path: str, end: int) -> int | None:
    """The ordinal of the line that ends at this byte; None if none does."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if os.fstat(fd).st_size < end or os.pread(fd, 1, end - 1) != b"\n":
            return None
        return ordinal_at(fd, *next(lines_backwards(fd, end), (0, 0)))
    finally:
        os.close(fd)
