"""Appending to a rollout: one write for each call, all of it or nothing."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Sequence

import orjson

from codex_plugin_sdk import RolloutLine, StoreError

from .failures import store_error
from .layout import thread_id_of
from .lock import ThreadLock, lock_rollout
from .tail import next_ordinal, repair_tail

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
_LINE_ENDS = bytes.maketrans(b"\r\n", b"  ")


class JsonlWriter:
    """The one writer of a rollout; implements the `RolloutWriter` contract. Safe to use from several threads.

    The file is made by the first append and held open, locked, until `close`; so is the thread, in `home`.
    """

    def __init__(self, home: str, path: str, redact: Callable[[bytes], bytes]) -> None:
        self._home = home
        self._path = path
        self._redact = redact
        self._fd = -1
        self._held: ThreadLock | None = None
        self._ordinal: int | None = 0
        self._torn = False
        self._closed = False
        self._entry_durable = False
        self._lock = threading.Lock()

    @classmethod
    def reopen(cls, home: str, path: str, redact: Callable[[bytes], bytes]) -> JsonlWriter:
        """Continue a file, its tail repaired. Raises `StoreError`, also when another writer holds it."""
        found = cls(home, path, redact)
        try:
            found._hold(os.open(path, _FLAGS))
            repair_tail(found._fd)
            found._ordinal, found._entry_durable = next_ordinal(found._fd), True
        except BaseException as error:
            found._let_go()
            if isinstance(error, OSError):
                raise store_error(error, "continue the rollout", path) from error
            raise
        return found

    @property
    def path(self) -> str:
        """Where the rollout lies, or will lie once something was appended."""
        return self._path

    def append(self, lines: Sequence[RolloutLine]) -> None:
        """Write the lines in order with one write. Raises `StoreError`; nothing of the call is kept then, and
        the next append may be tried."""
        with self._lock:
            if self._closed:
                raise StoreError(f"the rollout {self._path} is closed", path=self._path, operation="append")
            data, ordinal = self._encoded(lines)
            if not data:
                return
            new = self._fd < 0
            if new:
                self._create()
            before = os.fstat(self._fd).st_size
            try:
                _write_all(self._fd, data)
                self._ordinal, self._torn = ordinal, False
            except BaseException as error:  # also an interrupt between the write and the count
                self._take_back(before, discard=new)
                if isinstance(error, OSError):
                    raise store_error(error, "append to the rollout", self._path) from error
                raise

    def flush(self) -> None:
        """Make durable what was appended. Raises `StoreError`."""
        with self._lock:
            if self._fd >= 0:
                self._sync()

    def close(self) -> None:
        """Flush and release the file; again, nothing. Raises `StoreError` if flushing fails; released it is."""
        with self._lock:
            self._closed = True
            if self._fd < 0:
                return
            try:
                self._sync()
            finally:
                self._let_go()

    def _create(self) -> None:
        """Make the file, for this user alone, and take its locks. Raises `StoreError`."""
        try:
            _make_folders(os.path.dirname(self._path))
            self._hold(os.open(self._path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600))
        except BaseException as error:
            self._let_go()
            if isinstance(error, OSError):
                raise store_error(error, "begin the rollout", self._path) from error
            raise

    def _hold(self, fd: int) -> None:
        """Lock an open file and its thread. Raises `OSError`, `StoreError`."""
        self._fd = fd
        lock_rollout(fd, self._path)
        self._held = ThreadLock(self._home, thread_id_of(os.path.basename(self._path)))

    def _let_go(self) -> None:
        fd, self._fd = self._fd, -1
        held, self._held = self._held, None
        if fd >= 0:
            os.close(fd)
        if held is not None:
            held.release()

    def _encoded(self, lines: Sequence[RolloutLine]) -> tuple[bytes, int | None]:
        """The lines as bytes, and the ordinal that comes after them."""
        stamp, ordinal = _timestamp(), self._ordinal
        parts = [b"\n"] if self._torn else []
        count = len(parts)
        for line in lines:
            payload = self._redact(line.payload)
            if b"\n" in payload or b"\r" in payload:  # laid out over several lines: JSON allows it, lines do not
                payload = payload.translate(_LINE_ENDS)
            number = b""
            if ordinal is not None:
                number = b'"ordinal":%d,' % ordinal
                ordinal += 1
            parts.append(
                b'{"timestamp":"%b",%b"type":%b,"payload":%b}\n' % (stamp, number, orjson.dumps(line.type), payload)
            )
        return (b"".join(parts) if len(parts) > count else b""), ordinal

    def _take_back(self, size: int, *, discard: bool) -> None:
        """Leave no torn line, and no empty file where there was none. If even that fails, the next append
        begins a new line, so that only this one is lost to readers."""
        try:
            os.ftruncate(self._fd, size)
            if discard:
                os.unlink(self._path)
        except OSError:
            self._torn = True
        else:
            if discard:
                self._let_go()

    def _sync(self) -> None:
        try:
            os.fsync(self._fd)
            if not self._entry_durable:
                _sync_folder(os.path.dirname(self._path))
                self._entry_durable = True
        except OSError as error:
            raise store_error(error, "flush the rollout", self._path) from error


def _write_all(fd: int, data: bytes) -> None:
    written = os.write(fd, data)
    while written < len(data):  # the disk filled up or a limit was met: the next write says which
        more = os.write(fd, data[written:])
        if more == 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        written += more


def _make_folders(folder: str) -> None:
    try:
        os.mkdir(folder, 0o700)
    except FileNotFoundError:
        _make_folders(os.path.dirname(folder))
        _make_folders(folder)
    except FileExistsError:
        if not os.path.isdir(folder):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), folder) from None


def _sync_folder(folder: str) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


_second = (0, b"")


def _timestamp() -> bytes:
    """Now, in UTC with milliseconds: `2026-11-21T02:54:55.638Z`."""
    global _second  # noqa: PLW0603 - formatting a second once is half of the cost of a line
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    at, text = _second
    if at != seconds:
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)).encode("ascii")
        _second = (seconds, text)
    return b"%b.%03dZ" % (text, nanoseconds // 1_000_000)
