"""Where the turns of a rollout begin, found without reading what is in them."""

from __future__ import annotations

import mmap
import os

import orjson

from .reader import parse_line

_MARK = b'_started"'
_KINDS = ("task_started", "turn_started")
_WINDOW = 1024 * 1024  # a search holds the interpreter: others go on between two
_HEAD_BYTES = 512
_KEPT = 64

Places = list[tuple[str, int]]


class TurnPlaces:
    """Remembers the places of the files that were asked for last, and reads on where one has grown."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, int, Places]] = {}

    def of(self, path: str) -> Places:
        """Id of each turn and the byte at which its first line begins, in order. Raises `OSError`."""
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if status.st_size == 0:
                return []
            with mmap.mmap(file.fileno(), status.st_size, access=mmap.ACCESS_READ) as data:
                inode, size, places = self._known.pop(path, (0, 0, []))
                # A file only grows, but for reverts, which take turns back: then the last one is not there.
                grown = inode == status.st_ino and size <= status.st_size
                if not grown or not places or _turn_at(data, places[-1][1]) != places[-1][0]:
                    size, places = 0, []
                whole = data.rfind(b"\n") + 1  # what comes behind may have been written in part
                places = [*places, *_places(data, size, whole)]
        if len(self._known) >= _KEPT:
            del self._known[next(iter(self._known))]
        self._known[path] = (status.st_ino, whole, places)
        return places


def _places(data: mmap.mmap, begin: int, end: int) -> Places:
    found: Places = []
    at = begin
    while at < end:
        hit = data.find(_MARK, at, min(at + _WINDOW + len(_MARK), end))
        if hit < 0:
            at += _WINDOW
            continue
        at = hit + len(_MARK)
        line = data.rfind(b"\n", max(0, hit - _HEAD_BYTES), hit) + 1
        if (line > 0 or hit < _HEAD_BYTES) and (id := _turn_at(data, line)) is not None and line >= begin:
            found.append((id, line))
    return found


def _turn_at(data: mmap.mmap, begin: int) -> str | None:
    """The id of the turn that this line begins."""
    end = data.find(b"\n", begin)
    line = parse_line(data[begin : end + 1]) if 0 <= end - begin < _HEAD_BYTES * 64 else None
    if line is None or line.type != "event_msg":
        return None
    payload = orjson.loads(line.payload)
    if not isinstance(payload, dict) or payload.get("type") not in _KINDS:
        return None
    id = payload.get("turn_id")
    return id if isinstance(id, str) else None
