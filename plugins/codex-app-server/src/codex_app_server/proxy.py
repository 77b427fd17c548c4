"""`codex app-server proxy`: our own stdin and stdout, joined to the socket of a server."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

import anyio

from codex_plugin_sdk import UserError

from . import daemon
from .stdio import next_line, stdin_reader, write
from .unix import MAX_PATH_BYTES, address_of
from .wire import Refused, encode, refusal

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

    from codex_plugin_sdk import Invocation

CHUNK_BYTES = 256 * 1024
HTTP = b"GET "


def join(invocation: Invocation, path: str | None, *, idle_minutes: float) -> None:
    """Join until either end closes. Raises `UserError` when nobody listens there, or the daemon does not start."""
    if path is None:
        found = daemon.start(invocation, idle_minutes=idle_minutes)
        path = found["socketPath"]
        if found["appServerVersion"] != found["cliVersion"]:
            sys.stderr.write(daemon.sentence(found) + "\n")
    from .listen import run

    place = address_of(path)
    if len(os.fsencode(place)) > MAX_PATH_BYTES:
        raise UserError(f"the socket path {place} is too long: {MAX_PATH_BYTES} bytes are possible")
    run(lambda: _join(place))


async def _join(path: str) -> None:
    stdin = await stdin_reader()
    output = os.dup(1)
    try:
        first = await next_line(stdin)
        if first is None:
            return
        if isinstance(first, bytes) and first.startswith(HTTP):
            await _join_bytes(path, first, stdin, output)
        else:
            await _join_lines(path, first, stdin, output)
    except BrokenPipeError:
        return  # nobody reads what we write
    except OSError as error:
        raise UserError(f"cannot reach the socket {path}: {error.strerror or error}") from error
    finally:
        os.close(output)


async def _join_bytes(path: str, first: bytes, stdin: asyncio.StreamReader, output: int) -> None:
    reader, writer = await asyncio.open_unix_connection(path, limit=CHUNK_BYTES)
    async with anyio.create_task_group() as tasks:

        async def forth() -> None:
            data = first
            while data:
                writer.write(data)
                await writer.drain()
                data = await stdin.read(CHUNK_BYTES)
            writer.write_eof()

        tasks.start_soon(forth)
        try:
            while data := await reader.read(CHUNK_BYTES):
                await write(output, data)
        finally:
            writer.close()
        tasks.cancel_scope.cancel()


async def _join_lines(path: str, first: bytes | Refused, stdin: asyncio.StreamReader, output: int) -> None:
    from websockets.asyncio.client import unix_connect

    lock = anyio.Lock()
    async with (
        unix_connect(path, uri="ws://localhost/", max_size=None, compression=None, ping_interval=None) as socket,
        anyio.create_task_group() as tasks,
    ):

        async def forth() -> None:
            line: bytes | Refused | None = first
            while line is not None:
                if isinstance(line, Refused):
                    async with lock:
                        await write(output, encode(refusal(line)) + b"\n")
                else:
                    await socket.send(line.strip(), text=True)
                line = await next_line(stdin)
            await socket.close()

        tasks.start_soon(forth)
        await _back(socket, output, lock)
        tasks.cancel_scope.cancel()


async def _back(socket: ClientConnection, output: int, lock: anyio.Lock) -> None:
    from websockets.exceptions import ConnectionClosed

    try:
        while True:
            data = await socket.recv(decode=False) + b"\n"
            async with lock:
                await write(output, data)
    except ConnectionClosed:
        return
