"""Where rollouts lie and what they are called.

`$CODEX_HOME/sessions/YYYY/MM/DD/rollout-YYYY-MM-DDTHH-MM-SS-<thread id>.jsonl`, in local time; archived ones
keep their name in `$CODEX_HOME/archived_sessions/`. A name therefore sorts by time, and listing reads folders
only.
"""

from __future__ import annotations

import os
import re
import time
from bisect import bisect_left
from collections.abc import Iterator
from operator import is_

from codex_plugin_sdk import StoreError, UserError, is_uuid, uuid7_unix_ms

from .failures import store_error

SESSIONS = "sessions"
ARCHIVED = "archived_sessions"
_PREFIX = "rollout-"
_SUFFIX = ".jsonl"
_ID_AT = len("rollout-YYYY-MM-DDTHH-MM-SS-")
_PLAIN_LENGTH = len("rollout-YYYY-MM-DDTHH-MM-SS-01234567-89ab-cdef-0123-456789abcdef.jsonl")
_DAY_MS = 24 * 60 * 60 * 1000
_SETTLED_NS = 2_000_000_000
_DAY_FOLDER = re.compile(r"\d{4}/\d\d/\d\d")


def rollout_name(thread_id: str, created_at_ms: int) -> str:
    """The file name of a rollout. Raises `StoreError` for an id that cannot be part of one."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", thread_id):
        raise StoreError(f"{thread_id!r} cannot name a rollout", operation="create a rollout")
    moment = time.strftime("%Y-%m-%dT%H-%M-%S", time.localtime(created_at_ms / 1000))
    return f"{_PREFIX}{moment}-{thread_id}{_SUFFIX}"


def day_folder(at_ms: int) -> str:
    """`YYYY/MM/DD` of a moment, in local time."""
    return time.strftime("%Y/%m/%d", time.localtime(at_ms / 1000))


def thread_id_of(name: str) -> str:
    """The thread id in a file name; empty if it is no rollout's. Codex writes a thread that it has reverted into a
    further file, whose name has an id of its own behind the thread's."""
    if not name.startswith(_PREFIX) or not name.endswith(_SUFFIX):
        return ""
    found = name[_ID_AT : -len(_SUFFIX)]
    thread_id, mark, part = found.partition("_")
    return thread_id if mark and is_uuid(thread_id) and is_uuid(part) else found


def day_of_name(name: str) -> str:
    """The day folder that a rollout belongs into by its name."""
    return name[len(_PREFIX) : len(_PREFIX) + len("YYYY-MM-DD")].replace("-", "/")


class Days:
    """The day folders of a home. Remembers the order of the folder it listed last: pages follow one another."""

    def __init__(self, home: str) -> None:
        self._root = os.path.join(home, SESSIONS)
        self._last: tuple[str, int, list[str]] = ("", 0, [])

    def rollouts(self, before: tuple[str, str] | None = None) -> Iterator[tuple[str, str]]:
        """Day folder and file name of every rollout that is not archived, newest first; with `before`, only
        those that come after it in this order. Raises `StoreError`."""
        for day in _days(self._root):
            if before is not None and day > before[0]:
                continue
            names = self._names(day)
            begin = 0
            if before is not None and day == before[0]:
                begin = len(names) - bisect_left(names, before[1])
            for index in range(len(names) - 1 - begin, -1, -1):
                yield day, names[index]

    def _names(self, day: str) -> list[str]:
        """The rollouts of a day, oldest first."""
        folder = os.path.join(self._root, day)
        changed_ns = _changed_ns(folder)
        if self._last[:2] == (day, changed_ns):
            return self._last[2]
        listed_ns = time.time_ns()
        names = sorted(name for name in _listed(folder) if thread_id_of(name))
        # A file made within the clock tick of the listing would leave the folder's time as it is.
        if listed_ns - changed_ns > _SETTLED_NS:
            self._last = (day, changed_ns, names)
        return names


def _changed_ns(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return -1  # listing it says what is wrong, if anything is


def path_of(home: str, day: str, name: str) -> str:
    """The path of what `Days.rollouts` yields."""
    return os.path.join(home, SESSIONS, day, name)


def path_of_thread(home: str, thread_id: str) -> str | None:
    """Where the rollout of a thread lies, its newest file. Raises `StoreError`."""
    first = next(_likely(home, thread_id), None)
    if first is not None:
        return max(_further(home, thread_id, os.path.dirname(first)), key=os.path.basename, default=first)
    return max(paths_of_thread(home, thread_id), key=os.path.basename, default=None)


def paths_of_thread(home: str, thread_id: str) -> list[str]:
    """All files of a thread, archived ones too, in no order. Raises `StoreError`."""
    found = []
    for folder in (*_day_paths(home), os.path.join(home, ARCHIVED)):
        names = [name for name in _listed(folder) if thread_id in name]
        found += [os.path.join(folder, name) for name in names if thread_id_of(name) == thread_id]
    return found


def _further(home: str, thread_id: str, since: str) -> Iterator[str]:
    """The files of a thread from a day folder on."""
    for folder in _day_paths(home):
        if folder < since:
            return
        for name in _listed(folder):
            if thread_id in name and thread_id_of(name) == thread_id:
                yield os.path.join(folder, name)


class Folders:
    """The rollouts of each folder of a home, listed again when a folder changed."""

    def __init__(self, home: str) -> None:
        self._home = home
        self._seen: dict[str, tuple[int, list[str], frozenset[str]]] = {}
        self._sorted: dict[bool, tuple[list[list[str]], list[tuple[int, str, str]]]] = {}

    def by_name(self, *, archived: bool) -> list[tuple[int, str, str]]:
        """A zero, the file name and the folder of each rollout, in the order of the names, which is that of their
        beginnings. Sorted again only when a folder changed. Raises `StoreError`."""
        listed = [self._names(folder)[0] for folder in self._of(archived=archived)]
        before = self._sorted.get(archived)
        if before is not None and len(before[0]) == len(listed) and all(map(is_, before[0], listed)):
            return before[1]
        found = sorted((0, name, folder) for name, folder in self.rollouts(archived=archived))
        self._sorted[archived] = listed, found
        return found

    def _of(self, *, archived: bool) -> list[str]:
        return [os.path.join(self._home, ARCHIVED)] if archived else list(_day_paths(self._home))

    def rollouts(self, *, archived: bool) -> list[tuple[str, str]]:
        """File name and folder of each rollout that is archived, or of each that is not, folder by folder. Of a
        thread with several files the newest. Raises `StoreError`."""
        listed = [(folder, *self._names(folder)) for folder in self._of(archived=archived)]
        parted = frozenset().union(*(ids for _, _, ids in listed))
        found = [(name, folder) for folder, names, _ in listed for name in names]
        if not parted:
            return found
        newest = {id: max(name for name, _ in found if thread_id_of(name) == id) for id in parted}
        return [entry for entry in found if newest.get(thread_id_of(entry[0]), entry[0]) == entry[0]]

    def _names(self, folder: str) -> tuple[list[str], frozenset[str]]:
        """The rollouts of a folder, and the threads that have a further file there."""
        changed_ns = _changed_ns(folder)
        seen = self._seen.get(folder)
        if seen is not None and seen[0] == changed_ns:
            return seen[1:]
        listed_ns = time.time_ns()
        names = [name for name in _listed(folder) if thread_id_of(name)]
        parted = frozenset(thread_id_of(name) for name in names if len(name) > _PLAIN_LENGTH)
        if listed_ns - changed_ns > _SETTLED_NS:
            self._seen[folder] = (changed_ns, names, parted)
        return names, parted


def every_path(home: str) -> Iterator[str]:
    """The paths of all rollouts, archived ones too, day by day from the newest. Raises `StoreError`."""
    for folder in (*_day_paths(home), os.path.join(home, ARCHIVED)):
        for name in sorted(_listed(folder), reverse=True):
            if thread_id_of(name):
                yield os.path.join(folder, name)


def _day_paths(home: str) -> Iterator[str]:
    root = os.path.join(home, SESSIONS)
    return (os.path.join(root, day) for day in _days(root))


def _likely(home: str, thread_id: str) -> Iterator[str]:
    """The id tells when the thread began: three days, for it does not tell the time zone."""
    if not is_uuid(thread_id) or thread_id[14] != "7":
        return
    created = uuid7_unix_ms(thread_id)
    for day_ms in (created, created - _DAY_MS, created + _DAY_MS):
        folder = os.path.join(home, SESSIONS, day_folder(day_ms))
        for name in _listed(folder):
            if thread_id_of(name) == thread_id:
                yield os.path.join(folder, name)


def _days(root: str) -> Iterator[str]:
    """The day folders, newest first. They are read as they are needed."""
    for year in sorted(_listed(root), reverse=True):
        for month in sorted(_listed(os.path.join(root, year)) if _is_number(year, 4) else (), reverse=True):
            days = _listed(os.path.join(root, year, month)) if _is_number(month, 2) else ()
            for day in sorted(days, reverse=True):
                if _is_number(day, 2):
                    yield f"{year}/{month}/{day}"


def _is_number(text: str, digits: int) -> bool:
    return len(text) == digits and text.isascii() and text.isdigit()


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []  # nothing recorded yet, or removed while we looked
    except OSError as error:
        raise store_error(error, "list rollouts in", folder) from error


# -- cursors --------------------------------------------------------------------------------------------


def encode_place(order: str, key: int, name: str, *, inclusive: bool) -> str:
    """A cursor of `browse`: a place in an order, before or behind the thread that stands there."""
    from base64 import urlsafe_b64encode

    text = f"{order}/{key}/{int(inclusive)}/{name}"
    return urlsafe_b64encode(text.encode("utf-8", "surrogateescape")).decode("ascii").rstrip("=")


def decode_place(cursor: str, order: str) -> tuple[int, str, bool]:
    """Key, name, and whether the thread at the place belongs to the page. Raises `UserError`."""
    from base64 import urlsafe_b64decode
    from binascii import Error

    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("utf-8", "surrogateescape")
        found, key, inclusive, name = text.split("/")
        if found == order and thread_id_of(name):
            return int(key), name, inclusive == "1"
    except (Error, ValueError) as error:
        raise UserError(f"invalid cursor: {cursor}") from error
    raise UserError(f"invalid cursor: {cursor}")


def encode_cursor(day: str, name: str) -> str:
    """An opaque cursor that stands behind this rollout."""
    from base64 import urlsafe_b64encode

    return urlsafe_b64encode(f"{day}/{name}".encode("utf-8", "surrogateescape")).decode("ascii").rstrip("=")


def decode_cursor(cursor: str) -> tuple[str, str]:
    """Day folder and name in a cursor. Raises `UserError` if it is none of ours."""
    from base64 import urlsafe_b64decode
    from binascii import Error

    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("utf-8", "surrogateescape")
    except (Error, ValueError) as error:
        raise UserError("this cursor is not one of a listing of rollouts", hint="list from the start") from error
    day, _, name = text.rpartition("/")
    if not _DAY_FOLDER.fullmatch(day) or not thread_id_of(name):
        raise UserError("this cursor is not one of a listing of rollouts", hint="list from the start")
    return day, name
