"""The lock by which Codex itself marks a session that it has open: `$CODEX_HOME/thread-writer-locks/ID.lock`.

The store knows the locks of our own writers; a session that Codex writes looks free to it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from codex_plugin_sdk import StoreError

FOLDER = "thread-writer-locks"


@contextmanager
def kept_from_codex(codex_home: str, thread_id: str) -> Iterator[None]:
    """Keep Codex from opening a session while the block changes it. Raises `StoreError` if Codex has it open."""
    path = os.path.join(codex_home, FOLDER, f"{thread_id}.lock")
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # Codex has not had it open, or was never here
        yield
        return
    try:
        _lock(fd, thread_id, path)
        yield
    finally:
        os.close(fd)


def _lock(fd: int, thread_id: str, path: str) -> None:
    try:
        import fcntl
    except ImportError:  # no such locks on this platform
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StoreError(
            f"session {thread_id} is open in Codex", path=path, operation="lock the session", hint="end it there first"
        ) from error
    except OSError:  # a file system without locks
        return
