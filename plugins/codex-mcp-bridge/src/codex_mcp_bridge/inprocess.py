"""Servers within this process, as plugins bring them along."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio

from .link import Link, library, reason_of

SHUTDOWN_GRACE_S = 1.0


@asynccontextmanager
async def inprocess_link(factory: Callable[[], Any]) -> AsyncIterator[Link]:
    """A server object of the `mcp` package, made by the factory and served over memory streams."""
    await library()
    from mcp.shared.memory import create_client_server_memory_streams

    server = factory()
    # The comfortable kind of server wraps the one that can be served over any streams.
    server = getattr(server, "_lowlevel_server", server)
    async with create_client_server_memory_streams() as ((read, write), (server_read, server_write)):
        link, ended = Link(read, write), anyio.Event()

        async def serve() -> None:
            try:
                await server.run(server_read, server_write, server.create_initialization_options())
            except Exception as error:  # noqa: BLE001 - it ends like a server that crashed, not with the thread
                link.close(f"it ended: {reason_of(error)}")
            finally:
                await server_write.aclose()
                link.close("it ended")
                ended.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve)
            try:
                yield link
            finally:
                with anyio.CancelScope(shield=True), anyio.move_on_after(SHUTDOWN_GRACE_S):
                    await write.aclose()
                    await ended.wait()
                tasks.cancel_scope.cancel()
