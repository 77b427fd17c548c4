"""Names that threads were given: the lines of `$CODEX_HOME/session_index.jsonl`."""

from __future__ import annotations

import os
import time

import orjson

from codex_plugin_sdk import replace_file

from .failures import store_error

INDEX = "session_index.jsonl"


class ThreadNames:
    """The index of a home, read again when it changed. A thread's last line holds."""

    def __init__(self, home: str) -> None:
        self._path = os.path.join(home, INDEX)
        self._seen: tuple[int, int, int] | None = None
        self._names: dict[str, str] = {}

    def by_id(self) -> dict[str, str]:
        """Thread id -> name, the thread that was named last at the end. Raises `StoreError`."""
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise store_error(error, "read the names of threads in", self._path) from error
        seen = (status.st_ino, status.st_size, status.st_mtime_ns)
        if seen != self._seen:
            self._names = self._read()
            self._seen = seen
        return self._names

    def ids_of(self, name: str) -> list[str]:
        """The threads of this name, the one named last first."""
        return [thread_id for thread_id, found in reversed(self.by_id().items()) if found == name]

    def put(self, thread_id: str, name: str) -> None:
        """Give a thread a name. Raises `StoreError`."""
        seconds, nanos = divmod(time.time_ns(), 1_000_000_000)
        stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{nanos:09d}Z"
        line = orjson.dumps({"id": thread_id, "thread_name": name, "updated_at": stamp}) + b"\n"
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                size = os.fstat(fd).st_size
                torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
                os.write(fd, b"\n" + line if torn else line)
            finally:
                os.close(fd)
        except OSError as error:
            raise store_error(error, "name a thread in", self._path) from error

    def drop(self, thread_id: str) -> None:
        """Forget the name of a thread. Raises `StoreError`."""
        if thread_id not in self.by_id():
            return
        try:
            with open(self._path, "rb") as file:
                kept = [line for line in file if (entry := _entry(line)) is None or entry[0] != thread_id]
            replace_file(self._path, b"".join(kept))
        except OSError as error:
            raise store_error(error, "remove a name from", self._path) from error

    def _read(self) -> dict[str, str]:
        names: dict[str, str] = {}
        try:
            with open(self._path, "rb") as file:
                for line in file:
                    entry = _entry(line)
                    if entry is not None:
                        names.pop(entry[0], None)  # to the end: the order is that of naming
                        names[entry[0]] = entry[1]
        except OSError as error:
            raise store_error(error, "read the names of threads in", self._path) from error
        return names


def _entry(line: bytes) -> tuple[str, str] | None:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, dict):
        return None
    thread_id, name = found.get("id"), found.get("thread_name")
    return (thread_id, name) if isinstance(thread_id, str) and isinstance(name, str) else None
