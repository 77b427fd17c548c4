"""Taking connections: it has to go on when the system has no more files to give, and must not use them all up."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from contextlib import suppress

import anyio

from .wire import OVERLOADED, RpcError

Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]
READ_BYTES = 256 * 1024
BACKLOG = 128
RETRY_S = 0.25
RETRY_AFTER_MS = 1000
RESERVE = 64
"""Files that new threads may not take, so that the open ones can go on, and connections twice as many; of low limits a
quarter."""
OF_A_THREAD = 2
"""Files that a thread holds: its rollout and its lock."""
_NO_MORE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


async def accept(bound: socket.socket, connected: Connected) -> None:
    """Take connections to a socket that listens, until cancelled; those for which files are lacking are closed."""
    loop = asyncio.get_running_loop()
    bound.setblocking(False)
    told = False
    while True:
        try:
            found, _ = await loop.sock_accept(bound)
        except OSError as error:
            if error.errno in _NO_MORE:
                told = _tell(told, f"no connection can be taken: {error.strerror}")
                await anyio.sleep(RETRY_S)
            elif error.errno not in (errno.ECONNABORTED, errno.EPROTO, errno.EPERM):  # those who came have gone
                raise
            continue
        if _is_reserved(found.fileno(), 2):
            found.close()
            told = _tell(told, "a connection was refused: too many files are open (ulimit -n)")
            continue
        told = False
        with suppress(OSError):  # it went at once
            await loop.connect_accepted_socket(lambda: _protocol(connected), found)


def _protocol(connected: Connected) -> asyncio.StreamReaderProtocol:
    return asyncio.StreamReaderProtocol(asyncio.StreamReader(limit=READ_BYTES), connected)


def require_files() -> None:
    """Raise `RpcError` when so many files are open that a further thread might take what the others need."""
    try:
        fd = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno not in _NO_MORE:
            raise
        raise _no_files() from error
    os.close(fd)
    if _is_reserved(fd + OF_A_THREAD - 1):
        raise _no_files()


def _no_files() -> RpcError:
    text = "too many files are open for one more thread: archive some, or start the server with a higher ulimit -n"
    return RpcError(text, OVERLOADED, {"retryable": True, "retryAfterMs": RETRY_AFTER_MS})


def _is_reserved(fd: int, times: int = 1) -> bool:
    """Files get the lowest free number: a high one tells that most are taken."""
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return limit != resource.RLIM_INFINITY and fd >= limit - times * min(RESERVE, limit // 4)


def _tell(told: bool, text: str) -> bool:
    """Log it once, not with every try."""
    if not told:
        import logging

        logging.getLogger("codex.app_server").error(text)
    return True
