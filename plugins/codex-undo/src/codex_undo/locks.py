"""Who uses the journal: a lock for each thread that runs, and one that tells whether anybody else does."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress

from codex_plugin_sdk import StoreError


class Locks:
    """Held as long as the object is not closed, and gone with the process."""

    def __init__(self, folder: str) -> None:
        self._folder = os.path.join(folder, "locks")
        self._held: dict[str, int] = {}

    def share(self) -> None:
        """Note that somebody uses the journal. Raises `OSError`."""
        if "all" not in self._held:
            fd = self._open("all")
            fcntl.flock(fd, fcntl.LOCK_SH)
            self._held["all"] = fd

    def alone(self) -> bool:
        """Whether nobody else uses the journal; then nobody begins to before `share_again`. Raises `OSError`."""
        self.share()
        try:
            fcntl.flock(self._held["all"], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.share_again()  # a conversion that fails may have let go of the lock
            return False
        return True

    def share_again(self) -> None:
        """Let others begin."""
        fcntl.flock(self._held["all"], fcntl.LOCK_SH)

    def take(self, thread: str) -> bool:
        """Lock a thread; false where another process runs it. Raises `OSError`."""
        if thread in self._held:
            return True
        fd = self._open(thread)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        self._held[thread] = fd
        return True

    def require(self, thread: str) -> None:
        """Lock a thread. Raises `StoreError` where another process runs it."""
        if not self.take(thread):
            raise StoreError(
                f"session {thread} is running", path=self._folder, operation="undo", hint="wait for its turn to end"
            )

    def tidy(self) -> None:
        """Remove the files of threads that ended; only while nobody else can open one. Raises `OSError`."""
        for name in os.listdir(self._folder):
            if name not in self._held:
                with suppress(FileNotFoundError):
                    os.unlink(os.path.join(self._folder, name))

    def close(self) -> None:
        """Let go of all."""
        for fd in self._held.values():
            os.close(fd)
        self._held.clear()

    def _open(self, name: str) -> int:
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        return os.open(os.path.join(self._folder, name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
