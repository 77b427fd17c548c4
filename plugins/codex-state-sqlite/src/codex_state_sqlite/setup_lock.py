"""One process at a time makes, changes or replaces the database. Whoever only uses it needs no lock of ours."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .failures import Unavailable

WAIT_S = 20.0
_STEP_S = 0.005


@contextmanager
def alone(path: str) -> Iterator[None]:
    """Keep others from setting up the database at `path` while the block does. The lock ends with the process. Raises
    `OSError` where nothing can be written, `Unavailable` if another one takes longer than `WAIT_S`."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    fd = os.open(f"{path}-setup.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + WAIT_S
        while not _locked(fd):
            if time.monotonic() > deadline:
                raise Unavailable(f"another process has been setting up {path} for {WAIT_S:.0f} s", path=path)
            time.sleep(_STEP_S)
        yield
    finally:
        os.close(fd)


def _locked(fd: int) -> bool:
    try:
        import fcntl
    except ImportError:  # no such locks on this platform: SQLite's own are left
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
