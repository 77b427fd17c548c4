"""One writer for each rollout: an advisory lock that ends with the process."""

from __future__ import annotations

import errno
import os

from codex_plugin_sdk import StoreError

_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL})


def lock_rollout(fd: int, path: str) -> None:
    """Take the lock of an open rollout, without waiting. Raises `StoreError` if another writer holds it.

    A file system that has no locks is used without: refusing it would make every home on it useless.
    """
    try:
        import fcntl
    except ImportError:  # no such locks on this platform
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return
        pid = _holder(os.fstat(fd))
        by = "this process" if pid == os.getpid() else f"process {pid}" if pid else "another process"
        raise StoreError(
            f"the rollout {path} is being written by {by}",
            path=path,
            operation="lock the rollout",
            hint="end that session first, or fork the thread instead of resuming it",
        ) from error


def _holder(status: os.stat_result) -> int | None:
    """The process that holds a lock on the file, where the system tells (Linux)."""
    wanted = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    try:
        with open("/proc/locks", encoding="ascii") as table:
            for row in table:
                fields = row.split()
                if fields[1:2] == ["FLOCK"] and wanted in fields:
                    return int(fields[fields.index(wanted) - 1])
    except OSError:
        return None  # the pid only adorns the message
    return None
