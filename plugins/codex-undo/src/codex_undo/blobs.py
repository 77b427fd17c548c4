"""Contents by their digest (BLAKE2b, 256 bits): small ones in the database, large ones as files beside it."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from hashlib import blake2b
from typing import TYPE_CHECKING

from codex_plugin_sdk import StoreError

if TYPE_CHECKING:
    import sqlite3

SMALL = 128 * 1024
_CHUNK = 1024 * 1024
_FICLONE = 0x40049409
_PLAIN, _ZLIB, _FILE, _FILE_ZLIB = range(4)
_PAYS = 0.8
_BATCH = 4 * 1024 * 1024


class Blobs:
    """What was kept waits in memory until `flush`, a few megabytes at most; large contents are on the disk at once."""

    def __init__(self, folder: str, database: sqlite3.Connection) -> None:
        self._folder = os.path.join(folder, "blobs")
        self._database = database
        self._waiting: dict[str, tuple[bytes, int, int, bytes | None]] = {}
        self._waiting_bytes = 0

    def keep(self, fd: int, size: int) -> str:
        """Keep what is left of an open file; its digest. Raises `OSError`."""
        if size <= SMALL:
            data = os.read(fd, SMALL + 1)
            more = b"" if len(data) < size else os.read(fd, 1)
            if len(data) + len(more) <= SMALL:
                while more:
                    data += more
                    more = os.read(fd, SMALL)
                return self.keep_bytes(data)
            os.lseek(fd, 0, os.SEEK_SET)
        return self._keep_large(fd)

    def keep_bytes(self, data: bytes) -> str:
        """Keep these bytes; their digest."""
        digest = blake2b(data, digest_size=32).hexdigest()
        if digest in self._waiting:
            return digest
        packed = zlib.compress(data, 1) if len(data) > 64 else data
        pays = len(packed) < len(data) * _PAYS
        kept = packed if pays else data
        self._waiting[digest] = (bytes.fromhex(digest), len(kept), _ZLIB if pays else _PLAIN, kept)
        self._waiting_bytes += len(kept)
        if self._waiting_bytes > _BATCH:
            self.flush()
        return digest

    def flush(self) -> None:
        """Write what waits. Outside a transaction, it is one of its own. Raises `sqlite3.Error`."""
        if not self._waiting:
            return
        own = not self._database.in_transaction
        if own:
            self._database.execute("begin immediate")
        try:
            self._database.executemany("insert or ignore into blobs values (?, ?, ?, ?)", self._waiting.values())
        except BaseException:
            if own:
                self._database.execute("rollback")
            raise
        if own:
            self._database.execute("commit")
        self._waiting.clear()
        self._waiting_bytes = 0

    def _keep_large(self, fd: int) -> str:
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        temporary = os.path.join(self._folder, f"{os.urandom(8).hex()}.tmp")
        out = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            try:
                if _cloned(fd, out):
                    codec, digest = _FILE, _digest(out)
                else:
                    codec, digest = _copied(fd, out)
                stored = os.fstat(out).st_size
            finally:
                os.close(out)
            os.replace(temporary, self._path(digest))
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        # A later copy of the same bytes may be packed in another way: the row goes with the file.
        self._waiting.pop(digest, None)
        self._database.execute(
            "insert or replace into blobs values (?, ?, ?, null)", (bytes.fromhex(digest), stored, codec)
        )
        return digest

    def _path(self, digest: str) -> str:
        return os.path.join(self._folder, digest)

    def has(self, digest: str) -> bool:
        """Whether it is there."""
        if digest in self._waiting:
            return True
        found = self._database.execute("select codec from blobs where digest = ?", (bytes.fromhex(digest),)).fetchone()
        return found is not None and (found[0] < _FILE or os.path.exists(self._path(digest)))

    def all(self) -> set[str]:
        """The digests of all that is there and was written."""
        large = set(os.listdir(self._folder)) if os.path.isdir(self._folder) else set()
        rows = self._database.execute("select hex(digest), codec from blobs").fetchall()
        return {digest for raw, codec in rows if (digest := raw.lower()) in large or codec < _FILE}

    def chunks(self, digest: str) -> Iterator[bytes]:
        """The content, checked against its digest at the end. Raises `StoreError` where it is gone or damaged."""
        check = blake2b(digest_size=32)
        try:
            for chunk in self._raw(digest):
                check.update(chunk)
                yield chunk
        except (OSError, zlib.error) as error:
            raise _damaged(digest) from error
        if check.hexdigest() != digest:
            raise _damaged(digest)

    def _raw(self, digest: str) -> Iterator[bytes]:
        row = (
            self._waiting.get(digest)
            or self._database.execute(
                "select digest, stored, codec, data from blobs where digest = ?", (bytes.fromhex(digest),)
            ).fetchone()
        )
        if row is None:
            raise _damaged(digest)
        codec, data = row[2], row[3] or b""
        if codec < _FILE:
            yield zlib.decompress(data) if codec == _ZLIB else data
            return
        unpack = zlib.decompressobj() if codec == _FILE_ZLIB else None
        with open(self._path(digest), "rb") as file:
            while chunk := file.read(_CHUNK):
                yield unpack.decompress(chunk) if unpack else chunk
        if unpack:
            yield unpack.flush()

    def drop_except(self, live: set[str]) -> None:
        """Forget all contents but these; within the caller's transaction."""
        rows = self._database.execute("select digest, codec from blobs").fetchall()
        dead = [(digest, codec) for digest, codec in rows if digest.hex() not in live]
        self._database.executemany("delete from blobs where digest = ?", [(digest,) for digest, _ in dead])
        for digest, codec in dead:
            if codec >= _FILE:
                with suppress(FileNotFoundError):
                    os.unlink(self._path(digest.hex()))

    def stored_bytes(self) -> int:
        """What the contents take."""
        return int(self._database.execute("select total(stored) from blobs").fetchone()[0])


def digest_of(fd: int) -> str:
    """The digest of an open file from its beginning. Raises `OSError`."""
    return _digest(fd)


def _digest(fd: int) -> str:
    check = blake2b(digest_size=32)
    os.lseek(fd, 0, os.SEEK_SET)
    while chunk := os.read(fd, _CHUNK):
        check.update(chunk)
    return check.hexdigest()


def _cloned(source: int, target: int) -> bool:
    """Share the blocks of a file, where the file system can."""
    try:
        from fcntl import ioctl

        ioctl(target, _FICLONE, source)
    except (ImportError, OSError):
        return False
    return True


def _copied(source: int, target: int) -> tuple[int, str]:
    check = blake2b(digest_size=32)
    chunk = os.read(source, _CHUNK)
    sample = chunk[:65536]
    pack = zlib.compressobj(1) if len(zlib.compress(sample, 1)) < len(sample) * _PAYS else None
    while chunk:
        check.update(chunk)
        write_all(target, pack.compress(chunk) if pack else chunk)
        chunk = os.read(source, _CHUNK)
    if pack:
        write_all(target, pack.flush())
    return (_FILE_ZLIB if pack else _FILE), check.hexdigest()


def write_all(fd: int, data: bytes) -> None:
    """Write all of it. Raises `OSError`."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _damaged(digest: str) -> StoreError:
    return StoreError(
        f"the journal no longer holds the content {digest[:12]}…, or it is damaged", path=digest, operation="read"
    )
