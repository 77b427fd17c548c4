"""The transport of clients that start us: one JSON object a line, on stdin and stdout.

That of the `mcp` package reads in a thread that cannot be told to stop, so that a signal would wait for a line; and it
takes lines of any length.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import mcp_types as types
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.server.lowlevel.server import Server  # noqa: TID253 - see serve.py
from mcp.shared.message import SessionMessage  # noqa: TID253 - see serve.py

MAX_LINE_BYTES = 64 * 1024 * 1024
_CHUNK = 64 * 1024
_AT_ONCE = 4096
"""A pipe that can be written to at all takes so much without waiting (PIPE_BUF)."""

Inbox = MemoryObjectSendStream[SessionMessage | Exception]
Outbox = MemoryObjectReceiveStream[SessionMessage]


async def serve_stdio(server: Server[Any]) -> None:
    """Serve one client on our own streams until its end of input, or until it reads no more. What else is printed goes
    to stderr."""
    inbox, received = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    sent, outbox = anyio.create_memory_object_stream[SessionMessage](0)
    with _own_streams() as (source, target):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_read, source, inbox)
            tasks.start_soon(_write, target, outbox, tasks.cancel_scope)
            await server.run(received, sent, server.create_initialization_options())
            tasks.cancel_scope.cancel()


@contextmanager
def _own_streams() -> Iterator[tuple[int, int]]:
    """Descriptors of stdin and stdout that nobody else in this process has: a stray print, or a program that reads
    its input, must not break the protocol."""
    source, target, nothing = os.dup(0), os.dup(1), os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    try:
        yield source, target
    finally:
        os.close(source)
        os.close(target)


async def _read(source: int, inbox: Inbox) -> None:
    async with inbox:
        try:
            async for line in _lines(source):
                await inbox.send(_message(line))
        except anyio.BrokenResourceError:
            return  # the server is at its end


def _message(line: bytes) -> SessionMessage | Exception:
    try:
        return SessionMessage(types.jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as error:
        sys.stderr.write(f"skipped a line that is no JSON-RPC message: {line[:200]!r}\n")
        return error


async def _lines(source: int) -> AsyncIterator[bytes]:
    """The lines that are not empty; an overlong one is skipped."""
    kept = bytearray()
    skipping = False
    while chunk := await _chunk(source):
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            kept += end
            if kept.strip() and not skipping:
                yield bytes(kept)
            kept.clear()
            skipping = False
        kept += rest
        if len(kept) > MAX_LINE_BYTES:
            sys.stderr.write(f"skipped a line of more than {MAX_LINE_BYTES} bytes\n")
            kept.clear()
            skipping = True
    if kept.strip() and not skipping:
        yield bytes(kept)


async def _chunk(source: int) -> bytes:
    try:
        await anyio.wait_readable(source)
    except PermissionError:
        await anyio.lowlevel.checkpoint()  # a file cannot be waited for, and need not be
    return os.read(source, _CHUNK)


async def _write(target: int, outbox: Outbox, scope: anyio.CancelScope) -> None:
    async with outbox:
        async for message in outbox:
            data = message.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"
            try:
                await _put(target, data)
            except OSError:
                scope.cancel()  # nobody reads any more
                return


async def _put(target: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            await anyio.wait_writable(target)
        except PermissionError:
            await anyio.lowlevel.checkpoint()  # as above
        rest = rest[os.write(target, rest[:_AT_ONCE]) :]
