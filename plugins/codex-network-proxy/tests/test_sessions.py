"""A session's life: listen before or after run, close at any time and twice, nothing left behind."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from contextlib import closing

import anyio
import pytest

from codex_network_proxy import plugin
from codex_network_proxy.limits import Limits
from codex_network_proxy.wire import Idleness, Wire
from codex_plugin_sdk import NetworkProxySetup, NetworkRules

pytestmark = pytest.mark.anyio
(SPEC,) = plugin.codex_network_proxies()


async def allowed(intent):
    return None


def session(rules=None):
    proxy = SPEC.factory(NetworkProxySetup(codex_home="/nowhere", environ={}))
    return proxy.open(rules or NetworkRules(), allowed)


def listening():
    listener = socket.create_server(("127.0.0.1", 0))
    return listener.getsockname()[1], listener.detach()


def is_open(fd):
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


async def answers(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET http://127.0.0.1/ HTTP/1.1\r\n\r\n")
    line = await reader.readline()
    writer.close()
    return line == b"HTTP/1.1 403 Forbidden\r\n"


async def test_proxy_is_offered_as_loopback():
    assert SPEC.name == "loopback"


async def test_listening_works_before_and_after_run_and_on_several_sockets():
    ours = session()
    (before, first), (after, second) = listening(), listening()
    ours.listen(first)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ours.run)
            assert await answers(before)
            ours.listen(second)
            assert await answers(after)
            ours.close()
            ours.close()
    assert not is_open(first)
    assert not is_open(second)


async def test_close_before_run_releases_and_run_returns_at_once():
    ours = session()
    _, first = listening()
    ours.listen(first)
    ours.close()
    assert not is_open(first)
    _, second = listening()
    ours.listen(second)
    assert not is_open(second)
    with anyio.fail_after(20):
        await ours.run()


async def test_what_is_no_listening_socket_is_refused_and_closed():
    ours = session()
    readable, writable = os.pipe()
    plain = socket.socket().detach()
    for fd in (readable, writable, plain):
        with pytest.raises(OSError):
            ours.listen(fd)
        assert not is_open(fd)
    with pytest.raises(OSError):
        ours.listen(readable)
    ours.close()


@pytest.mark.parametrize("cancelled", [False, True])
async def test_open_connections_are_dropped(serve, origin, cancelled):
    reached = anyio.Event()

    async def hang(server, reader, writer):
        await reader.read(1)
        reached.set()
        await reader.read()

    async with origin(hang) as server, serve() as proxy:
        with anyio.fail_after(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(f"CONNECT a.test:{server.port} HTTP/1.1\r\n\r\nx".encode())
            await reader.readline()
            await reached.wait()
            if cancelled:
                proxy.session._tasks.cancel_scope.cancel()
            else:
                proxy.session.close()
            await reader.read()  # what is left, and then the end
            with pytest.raises(OSError):
                await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.close()


async def test_session_that_is_closed_while_somebody_is_asked_ends(serve):
    asked = anyio.Event()

    async def never():
        asked.set()
        await anyio.sleep_forever()

    async with serve() as proxy:
        proxy.answers["a.test"] = never
        with anyio.fail_after(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(b"GET http://a.test/ HTTP/1.1\r\n\r\n")
            await asked.wait()
            proxy.session.close()
            assert await reader.read() == b""
            writer.close()


async def test_thread_that_ends_closes_all_sessions():
    proxy = SPEC.factory(NetworkProxySetup(codex_home="/nowhere", environ={}))
    ports = [listening() for _ in range(3)]
    for _, fd in ports:
        proxy.open(NetworkRules(), allowed).listen(fd)
    await proxy.aclose()
    assert not any(is_open(fd) for _, fd in ports)


async def test_connections_beyond_the_limit_wait_for_their_turn(serve, origin):
    now = peak = 0

    async def count(server, reader, writer):
        nonlocal now, peak
        now, peak = now + 1, max(peak, now + 1)
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(5):
            await asyncio.sleep(0)
        now -= 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with origin(count) as server, serve(limits=Limits(connections=2, linger_s=0.1)) as proxy:
        request = f"GET http://a.test:{server.port}/ HTTP/1.1\r\nConnection: close\r\n\r\n".encode()
        results = []

        async def one():
            results.append(await proxy.raw(request))

        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(one)
    assert [result[:15] for result in results] == [b"HTTP/1.1 200 OK"] * 20
    assert peak == 2


async def test_many_connections_at_once_leave_no_descriptor(serve, origin, replying):
    def count():
        return len(os.listdir("/proc/self/fd"))

    before = count()
    async with origin(replying()) as server, serve() as proxy:
        request = f"GET http://a.test:{server.port}/ HTTP/1.1\r\n\r\n".encode()
        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(lambda: proxy.raw(request, until=b"ok"))
    with anyio.fail_after(5):
        while count() > before:  # the test's own transports close in the loop's next turns
            await asyncio.sleep(0)


async def test_others_have_their_turn_while_bytes_rush_through():
    near, far = socket.socketpair()
    with far:
        far.sendall(bytes(100))
        near.setblocking(False)
        limits, turns = Limits(), 0

        async def others():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        with closing(Wire(near, limits, Idleness(limits.idle_s))) as wire:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(others)
                for _ in range(100):
                    assert await wire.receive(1) == b"\0"
                tasks.cancel_scope.cancel()
    assert turns > 10


async def test_failing_callback_ends_one_connection_only(serve, caplog):
    async with serve() as proxy:

        def fail(intent, why):
            raise RuntimeError("nobody listens")

        proxy.session.on_refusal = fail
        assert await proxy.raw(b"nonsense\r\n\r\n") == b""
        assert [record.exc_info[1].args for record in caplog.records if record.exc_info] == [("nobody listens",)]
        caplog.clear()
        proxy.session.on_refusal = None
        assert b"400" in await proxy.raw(b"nonsense\r\n\r\n")


async def test_any_bytes_leave_the_session_alive(serve):
    async with serve(limits=Limits(linger_s=0.0, head_s=0.05, idle_s=0.05)) as proxy:
        chance = random.Random(7)
        starts = [
            b"GET http://a.test/ HTTP/1.1\r\n",
            b"CONNECT a.test:1 HTTP/1.1\r\n\r\n\x16\3\1",
            b"\5\1\0\5\1\0",
            b"",
        ]
        for _ in range(200):
            data = chance.choice(starts) + chance.randbytes(chance.randrange(60))
            await proxy.raw(data, half_close=chance.random() < 0.7)
        assert b"400 Bad Request" in await proxy.raw(b"GET http://user@a.test/ HTTP/1.1\r\n\r\n")
