"""The transport of editors and SDKs: one JSON object a line, on stdin and stdout."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import anyio

from .client import Client
from .server import Server
from .wire import MAX_MESSAGE_BYTES, Refused, overlong


async def serve_stdio(server: Server) -> None:
    """Serve one client on our own streams until its end of input. What else is printed goes to stderr."""
    output = os.dup(1)
    os.dup2(2, 1)  # a stray print must not break the protocol
    try:
        receive = await lines_of_stdin()
        lock = anyio.Lock()

        async def send(messages: list[bytes]) -> None:
            data = b"\n".join(messages) + b"\n"
            async with lock:
                await write(output, data)

        client = Client("stdio")
        with watched(output, client.leave):
            await server.serve(client, receive, send)
    finally:
        os.close(output)


@contextmanager
def watched(fd: int, gone: Callable[[], None]) -> Iterator[None]:
    """Call `gone` when nobody can read any more what is written to a pipe or a socket: a write would tell it only when
    there is something to say, which may be long after."""
    mode = os.fstat(fd).st_mode
    if not stat.S_ISFIFO(mode) and not stat.S_ISSOCK(mode):  # a file, or a terminal, whose end is that of its input
        yield
        return
    loop = asyncio.get_running_loop()

    def look() -> None:
        loop.remove_reader(fd)  # what is there to read, or that nothing will come, is told again and again
        if _is_broken(fd):
            gone()

    loop.add_reader(fd, look)
    try:
        yield
    finally:
        loop.remove_reader(fd)


def _is_broken(fd: int) -> bool:
    import select

    poll = select.poll()
    poll.register(fd, 0)  # errors and a hang-up are told in any case
    return bool(poll.poll(0))


_SMALL = 4096
HEAD_BYTES = 4096
"""Of an overlong line, to find out which request it is."""


async def write(fd: int, data: bytes) -> None:
    """Write all to a pipe without holding others up. Raises `OSError`."""
    if len(data) < _SMALL and _write_now(fd, data):
        return
    await anyio.to_thread.run_sync(_write_all, fd, data, abandon_on_cancel=True)


def _write_now(fd: int, data: bytes) -> bool:
    """Write at once what surely fits a pipe: POSIX writes so little whole or waits, so only if there is room."""
    import select

    if select.select([], [fd], [], 0)[1]:
        os.write(fd, data)
        return True
    return False


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


async def stdin_reader() -> asyncio.StreamReader:
    """Our own input, whether a pipe, a terminal or a file."""
    reader = asyncio.StreamReader(limit=MAX_MESSAGE_BYTES)
    mode = os.fstat(sys.stdin.fileno()).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or sys.stdin.isatty():
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    else:  # it cannot be waited for, and need not be
        reader.feed_data(await anyio.to_thread.run_sync(sys.stdin.buffer.read))
        reader.feed_eof()
    return reader


async def lines_of_stdin() -> Callable[[], Awaitable[bytes | Refused | None]]:
    """Gives what `next_line` gives."""
    reader = await stdin_reader()
    return lambda: next_line(reader)


async def next_line(reader: asyncio.StreamReader) -> bytes | Refused | None:
    """The next line that is not empty, None at the end; an overlong one is skipped, to its end, and what to say of it
    comes instead."""
    head: bytes | None = None
    while True:
        try:
            line = await reader.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            return error.partial or None if head is None else overlong(head)
        except asyncio.LimitOverrunError as error:
            skipped = await reader.readexactly(error.consumed)
            head = skipped[:HEAD_BYTES] if head is None else head
            del skipped  # it is as long as a message may be
            continue
        if head is not None:
            return overlong(head)
        if line.strip():
            return line
