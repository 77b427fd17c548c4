"""Where the turns of a rollout begin, found without reading what is in them."""

from __future__ import annotations

import os

from .reader import parse_line
from .tail import lines_backwards, pread_all

_MARK = b'_started"'
_KINDS = ("task_started", "turn_started")
_WINDOW = 1024 * 1024
_HEAD_BYTES = 512
_LINE_BYTES = _HEAD_BYTES * 64
_KEPT = 64

Places = list[tuple[str, int]]


class TurnPlaces:
    """Remembers the places of the files that were asked for last, and reads on where one has grown."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, int, Places]] = {}

    def of(self, path: str) -> Places:
        """Id of each turn and the byte at which its first line begins, in order. Raises `OSError`."""
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            status = os.fstat(fd)
            inode, size, places = self._known.pop(path, (0, 0, []))
            # A file only grows, but for reverts, which take turns back: then the last one is not there.
            grown = inode == status.st_ino and size <= status.st_size
            if not grown or not places or _turn_at(fd, places[-1][1]) != places[-1][0]:
                size, places = 0, []
            whole = _whole(fd, status.st_size)
            places = [*places, *_places(fd, size, whole)]
        finally:
            os.close(fd)
        if len(self._known) >= _KEPT:
            del self._known[next(iter(self._known))]
        self._known[path] = (status.st_ino, whole, places)
        return places


def _whole(fd: int, size: int) -> int:
    """Where the last whole line ends: what comes behind may have been written in part."""
    start, end = next(lines_backwards(fd, size), (0, 0))
    return end if end > start and os.pread(fd, 1, end - 1) == b"\n" else start


def _places(fd: int, begin: int, end: int) -> Places:
    found: Places = []
    for at in range(begin, end, _WINDOW):
        first = max(at - _HEAD_BYTES, 0)
        window = pread_all(fd, min(at + _WINDOW + len(_MARK) - 1, end) - first, first)
        hit = window.find(_MARK, at - first)
        while hit >= 0:
            line = window.rfind(b"\n", max(0, hit - _HEAD_BYTES), hit) + 1
            if (line > 0 or first + hit < _HEAD_BYTES) and first + line >= begin:
                stop = window.find(b"\n", hit) + 1
                id = _turn_of(window[line:stop]) if stop else _turn_at(fd, first + line)
                if id is not None:
                    found.append((id, first + line))
            hit = window.find(_MARK, hit + len(_MARK))
    return found


def _turn_at(fd: int, begin: int) -> str | None:
    """The id of the turn that the line at this byte begins."""
    data = pread_all(fd, _LINE_BYTES, begin)
    return _turn_of(data[: data.find(b"\n") + 1])


def _turn_of(raw: bytes) -> str | None:
    """The id of the turn that this line begins."""
    line = parse_line(raw) if len(raw) <= _LINE_BYTES else None
    payload = line.members() if line is not None and line.type == "event_msg" else None
    if payload is None or payload.get("type") not in _KINDS:
        return None
    id = payload.get("turn_id")
    return id if isinstance(id, str) else None
