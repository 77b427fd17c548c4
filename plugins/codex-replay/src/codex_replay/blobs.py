"""Bodies by their content: each distinct one is stored once for all threads of a home, compressed.

A body's name is the BLAKE2b digest of its bytes. A file appears under its name complete or not at all, so that a
process that dies leaves no half of one.
"""

from __future__ import annotations

import os
import zlib

try:
    from _blake2 import blake2b  # hashlib would load OpenSSL, which takes longer than the trace of a turn
except ImportError:  # an interpreter that is built otherwise
    from hashlib import blake2b

DIGEST_BYTES = 16
FOLDER = "blobs"
SUFFIX = ".z"
_LEVEL = 1
_MAX_BODY_BYTES = 512 * 1024 * 1024


def trace_folder(codex_home: str) -> str:
    """Where the traces of a home lie."""
    return os.path.join(codex_home, "kernel", "trace")


def digest_of(data: bytes) -> str:
    """The name of a body: 32 hexadecimal digits."""
    return raw_digest(data).hex()


def raw_digest(data: bytes) -> bytes:
    """The digest itself."""
    found: bytes = blake2b(data, digest_size=DIGEST_BYTES).digest()
    return found


class Blobs:
    """The bodies below one trace folder."""

    def __init__(self, folder: str) -> None:
        self._root = os.path.join(folder, FOLDER)

    def path(self, digest: str) -> str:
        """Where a body lies, if it is there."""
        return os.path.join(self._root, digest[:2], digest[2:] + SUFFIX)

    def put(self, digest: str, data: bytes) -> int:
        """Store a body unless it is there; how many bytes were written. Raises `OSError`."""
        path = self.path(digest)
        if os.path.exists(path):
            return 0
        packed = zlib.compress(data, _LEVEL)
        fresh = f"{path}.{os.getpid()}"
        try:
            fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            make_private(self._root)
            make_private(os.path.dirname(path))
            fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            write_all(fd, packed)
        finally:
            os.close(fd)
        os.replace(fresh, path)
        return len(packed)

    def get(self, digest: str) -> bytes | None:
        """A body, or None where it is missing or damaged."""
        if not digest.isalnum():
            return None
        try:
            with open(self.path(digest), "rb") as file:
                packed = file.read()
        except OSError:
            return None
        try:
            return zlib.decompressobj().decompress(packed, _MAX_BODY_BYTES)
        except zlib.error:
            return None


def make_private(folder: str) -> None:
    """Make a folder for this user alone, unless it is there. Raises `OSError`."""
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        return
    except FileNotFoundError:
        make_private(os.path.dirname(folder))
        make_private(folder)


def write_all(fd: int, data: bytes) -> None:
    """Write all of it. Raises `OSError`."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
