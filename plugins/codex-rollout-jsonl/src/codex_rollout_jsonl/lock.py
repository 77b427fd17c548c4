"""One writer for each thread: advisory locks that end with the process.

There are two. One lies on the rollout itself. The other is Codex's, on a file of its own in the home,
`thread-writer-locks/ID.lock`, so that Codex and this program keep out of each other's threads. The files there are
removed while `.coordination.lock` is held, as Codex does it: otherwise one could lock a file that is no longer there.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from codex_plugin_sdk import StoreError

from .layout import thread_id_of

FOLDER = "thread-writer-locks"
COORDINATION = ".coordination.lock"
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL})
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC


def lock_rollout(fd: int, path: str) -> None:
    """Take the lock of an open rollout, without waiting. Raises `StoreError` if another writer holds it.

    A file system that has no locks is used without: refusing it would make every home on it useless.
    """
    if not _locked(fd):
        raise _taken(fd, thread_id_of(os.path.basename(path)), path)


class ThreadLock:
    """Codex's lock of a thread, taken when this is made: without waiting. Raises `StoreError` if another writer holds
    it. Where the folder cannot be written or has no locks, there is none."""

    def __init__(self, home: str, thread_id: str) -> None:
        self._folder = os.path.join(home, FOLDER)
        self._path = os.path.join(self._folder, f"{thread_id}.lock")
        self._fd = -1
        try:
            while self._fd < 0:
                self._fd = self._take(thread_id)
        except OSError:
            return  # a rollout that can be written is written: its own lock is left

    def _take(self, thread_id: str) -> int:
        """The locked file; -1 when its last holder removed it meanwhile. Raises `OSError`, `StoreError`."""
        fd = self._open()
        try:
            if not _locked(fd):
                raise _taken(fd, thread_id, self._path)
            if _is_at(fd, self._path):
                fd, held = -1, fd
                return held
            return -1
        finally:
            if fd >= 0:
                os.close(fd)

    def _open(self) -> int:
        try:
            return os.open(self._path, _FLAGS, 0o600)
        except FileNotFoundError:
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            return os.open(self._path, _FLAGS, 0o600)

    def release(self) -> None:
        """Let go, and remove the file unless somebody else works in the folder just now; again, nothing."""
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        try:
            guard = os.open(os.path.join(self._folder, COORDINATION), _FLAGS, 0o600)
        except OSError:  # a file that stays does no harm
            os.close(fd)
            return
        with suppress(OSError):  # as above
            if _locked(guard) and _is_at(fd, self._path):
                os.unlink(self._path)
        os.close(fd)
        os.close(guard)


@contextmanager
def alone_with(home: str, path: str) -> Iterator[None]:
    """Keep writers out of a thread while the block changes it; `path` is one of its rollouts. Raises `StoreError` if
    there is one."""
    held = ThreadLock(home, thread_id_of(os.path.basename(path)))
    try:
        yield
    finally:
        held.release()


def _locked(fd: int) -> bool:
    """Whether the lock of a file is ours now, or there are no locks. Raises `OSError`."""
    try:
        import fcntl
    except ImportError:  # no such locks on this platform
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return True


def _is_at(fd: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


def _taken(fd: int, thread_id: str, path: str) -> StoreError:
    pid = _holder(os.fstat(fd))
    by = "this process" if pid == os.getpid() else f"process {pid}" if pid else "another process"
    return StoreError(
        f"thread {thread_id} already has an active writer: {by}",
        path=path,
        operation="lock the thread",
        hint="end that session first, or fork the thread instead of resuming it",
    )


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
