"""The transport of editors and SDKs: one JSON object a line, on stdin and stdout."""

from __future__ import annotations

import asyncio
import os
import sys

import anyio

from .client import Client
from .server import Server
from .wire import MAX_MESSAGE_BYTES


async def serve_stdio(server: Server) -> None:
    """Serve one client on our own streams until its end of input. What else is printed goes to stderr."""
    output = os.dup(1)
    os.dup2(2, 1)  # a stray print must not break the protocol
    try:
        reader = await _reader()
        lock = anyio.Lock()

        async def send(messages: list[bytes]) -> None:
            data = b"\n".join(messages) + b"\n"
            async with lock:
                if len(data) < _SMALL and _write_now(output, data):
                    return
                await anyio.to_thread.run_sync(_write_all, output, data, abandon_on_cancel=True)

        await server.serve(Client("stdio"), lambda: _line(reader), send)
    finally:
        os.close(output)


_SMALL = 4096


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


async def _reader() -> asyncio.StreamReader:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=MAX_MESSAGE_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    return reader


async def _line(reader: asyncio.StreamReader) -> bytes | None:
    """The next line; an overlong one is skipped; None at the end."""
    while True:
        try:
            line = await reader.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            return error.partial or None
        except asyncio.LimitOverrunError as error:
            await reader.readexactly(error.consumed)
            continue
        if line.strip():
            return line
