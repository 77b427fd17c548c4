"""The rollout files of a home: folders, the newest first, and what their names say."""

from __future__ import annotations

import os
from collections.abc import Iterator

import orjson

from codex_plugin_sdk import Value, is_uuid, value

SESSIONS, ARCHIVED = "sessions", "archived_sessions"
_PREFIX, _SUFFIX = "rollout-", ".jsonl"
_ID_AT = len("rollout-YYYY-MM-DDTHH-MM-SS-")


@value
class RolloutFile(Value):
    """A rollout as its folder shows it; `folder` is relative to the home."""

    folder: str
    file: str
    thread_id: str
    size: int
    mtime_ns: int
    inode: int

    @property
    def archived(self) -> bool:
        """Whether it was put aside."""
        return self.folder == ARCHIVED


def folders(home: str) -> Iterator[str]:
    """Folders that may hold rollouts, relative to the home: days, the newest first, and the archive."""
    for year in _numbers(os.path.join(home, SESSIONS), 4):
        for month in _numbers(os.path.join(home, SESSIONS, year), 2):
            for day in _numbers(os.path.join(home, SESSIONS, year, month), 2):
                yield f"{SESSIONS}/{year}/{month}/{day}"
    if os.path.isdir(os.path.join(home, ARCHIVED)):
        yield ARCHIVED


def rollouts(home: str, folder: str) -> list[RolloutFile]:
    """The rollouts of a folder, the newest first. What cannot be looked at is left out."""
    found = []
    try:
        with os.scandir(os.path.join(home, folder)) as entries:
            for entry in entries:
                thread_id = thread_id_of(entry.name)
                if not thread_id:
                    continue
                try:
                    status = entry.stat()
                except OSError:
                    continue  # gone meanwhile
                found.append(
                    RolloutFile(
                        folder=folder,
                        file=entry.name,
                        thread_id=thread_id,
                        size=status.st_size,
                        mtime_ns=status.st_mtime_ns,
                        inode=status.st_ino,
                    )
                )
    except OSError:
        return []
    return sorted(found, key=lambda one: one.file, reverse=True)


def thread_id_of(name: str) -> str:
    """The thread that a file belongs to; empty if it is no rollout. A reverted thread of Codex has files whose names
    hold an id of their own behind the thread's."""
    if not name.startswith(_PREFIX) or not name.endswith(_SUFFIX):
        return ""
    found = name[_ID_AT : -len(_SUFFIX)]
    thread_id, mark, part = found.partition("_")
    return thread_id if mark and is_uuid(thread_id) and is_uuid(part) else found


def thread_names(home: str) -> dict[str, str]:
    """The names that threads were given, by id; empty where they cannot be read."""
    names: dict[str, str] = {}
    try:
        with open(os.path.join(home, "session_index.jsonl"), "rb") as file:
            for line in file:
                try:
                    found = orjson.loads(line)
                except orjson.JSONDecodeError:
                    continue
                if isinstance(found, dict):
                    thread_id, name = found.get("id"), found.get("thread_name")
                    if isinstance(thread_id, str) and isinstance(name, str):
                        names[thread_id] = name
    except OSError:
        return names
    return names


def _numbers(folder: str, digits: int) -> list[str]:
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return sorted((one for one in names if len(one) == digits and one.isascii() and one.isdigit()), reverse=True)
