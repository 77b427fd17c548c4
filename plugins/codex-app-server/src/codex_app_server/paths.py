"""Paths that clients name, and failures of the file system in the words that they know."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import anyio

from .wire import INTERNAL_ERROR, RpcError

T = TypeVar("T")


def absolute(path: str) -> str:
    """The path, if it is absolute, without `.` and `..`. Raises `RpcError`."""
    if not os.path.isabs(path):
        raise RpcError("Invalid request: AbsolutePathBuf deserialized without a base path")
    if "\0" in path:
        raise RpcError("Invalid request: a path holds no NUL character")
    return os.path.normpath(path)


def failed(error: OSError) -> RpcError:
    """What a failed system call is answered with."""
    return RpcError(reason(error), INTERNAL_ERROR)


def reason(error: OSError) -> str:
    """`No such file or directory (os error 2)`."""
    if error.errno is None:
        return str(error)
    return f"{os.strerror(error.errno)} (os error {error.errno})"


async def on_disk(work: Callable[[], T]) -> T:
    """Do in a thread what may wait for a disk. Raises `RpcError` for an `OSError`."""
    try:
        return await anyio.to_thread.run_sync(work)
    except OSError as error:
        raise failed(error) from error
