"""Reading a `SKILL.md` that a stranger may have made: bounded, regular files only, never blocking."""

from __future__ import annotations

import errno
import os
import stat

from .problems import UnusableError

NAME = "SKILL.md"
MAX_FILE_BYTES = 1024 * 1024
HEAD_BYTES = 64 * 1024
"""How much is read of a file, in which its front matter has to end."""

# Without O_NONBLOCK the open of a pipe that nobody writes to would wait for ever.
_READ = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


def read_text(path: str, limit: int = HEAD_BYTES) -> tuple[str, os.stat_result]:
    """At most the first `limit` bytes of a file as text, and its state. Raises `UnusableError`."""
    data, found = _read(path, limit)
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise UnusableError("is not text: it holds a zero byte", "replace it by a text file", line)
    try:
        return data.decode("utf-8-sig"), found
    except UnicodeDecodeError as error:
        if found.st_size > limit and error.start >= len(data) - 3:
            return data[: error.start].decode("utf-8-sig"), found  # a character that the limit cut
        line = data.count(b"\n", 0, error.start) + 1
        message = f"is not UTF-8 text (byte {error.start} is 0x{data[error.start]:02x})"
        raise UnusableError(message, "save it as UTF-8", line) from error


def within(path: str, base: str) -> bool:
    """Whether the real place of `path` is the real place of `base`, or below it."""
    real, real_base = os.path.realpath(path), os.path.realpath(base)
    return real == real_base or real.startswith(real_base.rstrip(os.sep) + os.sep)


def _read(path: str, limit: int) -> tuple[bytes, os.stat_result]:
    try:
        descriptor = os.open(path, _READ)
    except OSError as error:
        raise _unopened(error) from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise UnusableError("is not a regular file", f"replace it by a text file named {NAME}")
        if found.st_size > MAX_FILE_BYTES:
            message = f"is too large: {found.st_size:,} bytes, where {MAX_FILE_BYTES:,} are the most"
            raise UnusableError(message, "move details into files beside it")
        return os.read(descriptor, limit), found
    except OSError as error:
        raise UnusableError(f"cannot be read: {error.strerror}", "check the disk") from error
    finally:
        os.close(descriptor)


def _unopened(error: OSError) -> UnusableError:
    if error.errno == errno.ELOOP:
        return UnusableError("is a symbolic link, which is not followed", "put the file itself there")
    if isinstance(error, FileNotFoundError):
        return UnusableError("does not exist", f"a skill is a folder that holds a {NAME}")
    return UnusableError(f"cannot be read: {error.strerror}", "check its permissions")
