"""Asking the file system what a patch meets."""

from __future__ import annotations

import os
import stat

_OPEN = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
# O_NONBLOCK: opening a pipe that nobody writes to must not wait for a writer.


class Unreadable(Exception):
    """A file that cannot be read as text. `exists` says that there is a file all the same."""

    def __init__(self, reason: str, *, exists: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.exists = reason, exists


def read_text(path: str) -> str:
    """The text of a regular file, line endings untouched. Raises `Unreadable`."""
    try:
        fd = os.open(path, _OPEN)
    except ValueError as error:
        raise Unreadable("not a possible path") from error
    except OSError as error:
        raise Unreadable(_explain(error)) from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise Unreadable(f"path `{path}` is not a file")
        with open(fd, "rb", buffering=0, closefd=False) as file:
            return file.readall().decode()
    except UnicodeDecodeError as error:
        raise Unreadable(_explain_encoding(error), exists=True) from error
    except OSError as error:
        raise Unreadable(_explain(error), exists=True) from error
    finally:
        os.close(fd)


def same_entry(source: str, target: str) -> bool:
    """Whether writing `target` writes the very entry `source`, so that removing `source` would lose it: another
    spelling of its name, or a symlink to it. A second hard link is an entry of its own."""
    try:
        entry, written = os.lstat(source), os.stat(target)
    except (OSError, ValueError):
        return False
    if (entry.st_dev, entry.st_ino) != (written.st_dev, written.st_ino):
        return False
    return entry.st_nlink == 1 or _real_entry(source) == os.path.realpath(target)


def identity(path: str) -> tuple[int, int] | None:
    """What tells the file at `path` from others, symlinks followed; None if there is none."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino)


def _real_entry(path: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)


def _explain(error: OSError) -> str:
    return f"{error.strerror} (os error {error.errno})"


def _explain_encoding(error: UnicodeDecodeError) -> str:
    if error.reason == "unexpected end of data":
        return f"incomplete utf-8 byte sequence from index {error.start}"
    return f"invalid utf-8 sequence of {error.end - error.start} bytes from index {error.start}"
