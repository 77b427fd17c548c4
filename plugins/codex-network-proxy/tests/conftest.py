"""A session on a real port, origin servers on loopback, and raw clients."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import asynccontextmanager

import anyio
import pytest

from codex_network_proxy.limits import Limits
from codex_network_proxy.proxy import LoopbackProxy
from codex_plugin_sdk import NetworkProxySetup, NetworkRules


class Served:
    """A running session: where it listens, what it asked, what it refused."""

    def __init__(self, port):
        self.port = port
        self.asked = []
        self.refused = []
        self.answers = {}
        self.session = None

    async def permission(self, intent):
        self.asked.append((intent.host, intent.port, intent.protocol))
        answer = self.answers.get(intent.host)
        return await answer() if callable(answer) else answer

    async def raw(self, data, *, half_close=False, until=None):
        """What comes back for these bytes, up to the end of the stream or to `until`."""
        with anyio.fail_after(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(data)
                if half_close:
                    writer.write_eof()
                return await (reader.read() if until is None else reader.readuntil(until))
            except (ConnectionResetError, asyncio.IncompleteReadError) as error:
                return getattr(error, "partial", b"")
            finally:
                writer.close()


@pytest.fixture(autouse=True)
def no_failure_is_logged(caplog):
    """The proxy survives its own faults by logging them; a test must not."""
    yield
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR] == []


@pytest.fixture
def serve():
    """`async with serve(rules, names={...}) as served`: every `*.test` name leads to 127.0.0.1."""

    @asynccontextmanager
    async def serving(rules=None, *, names=None, limits=None, options=None, environ=None, resolve=None):
        async def by_table(host):
            known = names if names is not None else {}
            if host in known:
                return known[host]
            if names is None and host.endswith(".test"):
                return ["127.0.0.1"]
            raise socket.gaierror(socket.EAI_NONAME, "unknown name")

        setup = NetworkProxySetup(codex_home="/nowhere", environ=environ or {}, options=options or {})
        proxy = LoopbackProxy(setup, resolve=resolve or by_table, limits=limits or Limits(linger_s=0.2))
        listener = socket.create_server(("127.0.0.1", 0))
        served = Served(listener.getsockname()[1])
        session = proxy.open(rules or NetworkRules(allow_private=True), served.permission)
        session.on_refusal = lambda intent, why: served.refused.append((intent.host, intent.port, why))
        served.session = session
        async with anyio.create_task_group() as tasks:
            session.listen(listener.detach())
            tasks.start_soon(session.run)
            yield served
            await proxy.aclose()
        assert not session._sockets

    return serving


class Origin:
    """A server that does what a coroutine says, one connection at a time or many."""

    def __init__(self, port):
        self.port = port
        self.heads = []
        self.connections = 0


@pytest.fixture
def origin():
    """`async with origin(handler) as server`: `await handler(server, reader, writer)` per connection."""

    @asynccontextmanager
    async def running(handler):
        tasks = set()

        async def serve_one(reader, writer):
            tasks.add(asyncio.current_task())
            server.connections += 1
            try:
                await handler(server, reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        listener = await asyncio.start_server(serve_one, "127.0.0.1", 0)
        server = Origin(listener.sockets[0].getsockname()[1])
        try:
            yield server
        finally:
            listener.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    return running


@pytest.fixture
def replying():
    """A handler that reads heads (and Content-Length bodies) and gives the same answer to each."""

    def make(answer=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"):
        async def handle(server, reader, writer):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                server.heads.append(head)
                for line in head.split(b"\r\n"):
                    if line.lower().startswith(b"content-length:"):
                        await reader.readexactly(int(line.split(b":")[1]))
                writer.write(answer)
                await writer.drain()

        return handle

    return make
