"""Writing files for this user alone, whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO


@contextmanager
def new_file(path: str, *, replace: bool = False) -> Iterator[BinaryIO]:
    """A file (mode 0600) that gets its name when the block ends well, and is gone otherwise. Raises `OSError`,
    `FileExistsError` where the name is taken and may not be replaced."""
    beside = ""
    try:
        fd, beside = tempfile.mkstemp(prefix=".codex-new-", dir=os.path.dirname(os.path.abspath(path)))
        with open(fd, "wb") as file:
            yield file
        if replace:
            os.replace(beside, path)
        else:
            _link(beside, path)
    finally:
        if beside:
            with suppress(OSError):
                os.unlink(beside)


def make_folders(folder: str) -> None:
    """A folder and those above it, those that are new for this user alone. Raises `OSError`."""
    if not os.path.isdir(folder):
        parent = os.path.dirname(folder)
        if parent != folder:
            make_folders(parent)
        with suppress(FileExistsError):
            os.mkdir(folder, 0o700)


def _link(beside: str, path: str) -> None:
    """Give a file its name; unlike a rename, a link takes nobody's place."""
    try:
        os.link(beside, path)
    except FileExistsError:
        raise
    except OSError as error:  # a file system without links
        if os.path.lexists(path):
            raise FileExistsError(error.errno, "File exists", path) from error
        os.rename(beside, path)
