"""CONNECT and SOCKS5: bytes unchanged, half-closes passed on, and TLS for the named host only."""

from __future__ import annotations

import asyncio
import ssl

import anyio
import pytest

from codex_network_proxy.hello import ACCESS_DENIED
from codex_network_proxy.limits import Limits
from codex_plugin_sdk import NetworkRules

pytestmark = pytest.mark.anyio
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


async def echo_to_the_end(server, reader, writer):
    data = await reader.read()
    server.heads.append(data)
    writer.write(b"got:" + data)


async def speak_first(server, reader, writer):
    writer.write(b"220 ready\r\n")
    writer.write(await reader.readline())


def hello(name):
    """A real ClientHello."""
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(into, out, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return out.read()


def connect(port, host="origin.test"):
    return f"CONNECT {host}:{port} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def socks(port, host=b"origin.test", command=1):
    return b"\5\1\0" + b"\5" + bytes([command]) + b"\0\3" + bytes([len(host)]) + host + port.to_bytes(2, "big")


@pytest.mark.parametrize("data", [b"hello", b"\0\1\2" * 400_000], ids=["few", "many"])
async def test_tunnel_passes_bytes_and_the_end_of_either_side(serve, origin, data):
    async with origin(echo_to_the_end) as server, serve() as proxy:
        answer = await proxy.raw(connect(server.port) + data, half_close=True)
        other = await proxy.raw(socks(server.port) + data, half_close=True)
    assert answer == ESTABLISHED + b"got:" + data
    assert other == b"\5\0\5\0\0\1" + bytes(6) + b"got:" + data
    assert proxy.asked == [("origin.test", server.port, "https"), ("origin.test", server.port, "socks5_tcp")]


async def test_server_may_speak_first(serve, origin):
    async with origin(speak_first) as server, serve() as proxy:
        with anyio.fail_after(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(connect(server.port))
            assert await reader.readexactly(len(ESTABLISHED)) == ESTABLISHED
            assert await reader.readline() == b"220 ready\r\n"
            writer.write(b"EHLO\r\n")
            assert await reader.readline() == b"EHLO\r\n"
            writer.close()


async def test_refused_tunnel_is_a_403_and_limited_rules_permit_none(serve):
    async with serve() as proxy:
        proxy.answers["no.test"] = "no"
        assert b"403 Forbidden" in await proxy.raw(connect(443, "no.test"))
    async with serve(NetworkRules(limited=True)) as proxy:
        answer = await proxy.raw(connect(443))
        assert b"X-Proxy-Error: method-not-allowed" in answer
        assert await proxy.raw(socks(443)) == b"\5\0\5\2" + b"\0\1" + bytes(6)
        assert (proxy.asked, len(proxy.refused)) == ([], 2)


async def test_tls_for_the_named_host_passes_unchanged_however_it_is_cut(serve, origin):
    first = hello("origin.test")
    async with origin(echo_to_the_end) as server, serve() as proxy:
        with anyio.fail_after(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(connect(server.port))
            for cut in range(len(first)):
                writer.write(first[cut : cut + 1])
                await writer.drain()
            writer.write_eof()
            assert await reader.read() == ESTABLISHED + b"got:" + first
            writer.close()
    assert [host for host, _, _ in proxy.asked] == ["origin.test"]


@pytest.mark.parametrize("request_for", [connect, socks])
async def test_tls_for_another_host_is_asked_for_and_refused(serve, origin, request_for):
    async with origin(echo_to_the_end) as server, serve() as proxy:
        proxy.answers["hidden.test"] = "not to be reached"
        answer = await proxy.raw(request_for(server.port) + hello("hidden.test"))
    assert answer.endswith(ACCESS_DENIED)
    assert server.heads in ([], [b""])  # the server got nothing
    assert proxy.asked[-1] == ("hidden.test", server.port, "https")
    ((host, _, why),) = proxy.refused
    assert host == "hidden.test"
    assert "used for hidden.test: not to be reached" in why


async def test_tls_for_localhost_in_a_tunnel_is_refused_without_asking(serve, origin):
    rules, names = NetworkRules(allowed=("app.localhost",)), {"app.localhost": ["127.0.0.1"]}
    async with origin(echo_to_the_end) as server, serve(rules, names=names) as proxy:
        answer = await proxy.raw(connect(server.port, "app.localhost") + hello("localhost"))
    assert answer.endswith(ACCESS_DENIED)
    assert [host for host, _, _ in proxy.asked] == ["app.localhost"]
    assert [host for host, _, _ in proxy.refused] == ["localhost"]


async def test_tls_for_another_host_that_may_be_reached_passes(serve, origin):
    async with origin(echo_to_the_end) as server, serve() as proxy:
        answer = await proxy.raw(connect(server.port) + hello("other.test"), half_close=True)
    assert answer == ESTABLISHED + b"got:" + server.heads[0]
    assert [host for host, _, _ in proxy.asked] == ["origin.test", "other.test"]


@pytest.mark.parametrize(
    "data", [b"\x16\3\1\0\5hello", b"\x16\3\1\xff\xff", b"\x16HTTP", b"\x16\3\1\0\4\1\xff\xff\xff", b"\x16\3\1"]
)
async def test_broken_tls_is_ended(serve, origin, data):
    async with origin(echo_to_the_end) as server, serve() as proxy:
        answer = await proxy.raw(connect(server.port) + data, half_close=True)
    assert answer == ESTABLISHED + ACCESS_DENIED
    assert server.heads in ([], [b""])
    assert len(proxy.refused) == 1


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"\5\1\2", b"\5\xff"),
        (b"\5\0", b"\5\xff"),
        (socks(80, command=2), b"\5\0\5\7"),
        (socks(80, command=3), b"\5\0\5\7"),
        (b"\5\1\0\4\1\0\1\0\0\0\0\0\0", b"\5\0\5\1"),
        (b"\5\1\0\5\1\0\2\0\0\0\0\0\0", b"\5\0\5\x08"),
        (b"\5\1\0\5\1\0\3\0\0\0", b"\5\0\5\1"),
        (socks(0), b"\5\0\5\1"),
        (socks(80, b"a b"), b"\5\0\5\1"),
        (socks(80, b"\xff.test"), b"\5\0\5\1"),
        (socks(80, b"0x7f.1"), b"\5\0\5\1"),
        (socks(80, b"nowhere.example"), b"\5\0\5\4"),
        (socks(80, b"no.test"), b"\5\0\5\2"),
        (b"\5\1\0\5\1\0\1\x7f\0\0\1\0\1", b"\5\0\5\5"),  # nothing listens on port 1
        (b"\4\1\0\x50\x7f\0\0\1\0", b""),  # SOCKS4
        (hello("origin.test"), b""),
        (b"", b""),
    ],
)
async def test_socks_request_is_answered_by_the_protocols_own_words(serve, data, answer):
    async with serve() as proxy:
        proxy.answers["no.test"] = "no"
        assert (await proxy.raw(data, half_close=True))[:4] == answer


async def test_socks_is_refused_where_the_rules_switch_it_off(serve):
    async with serve(NetworkRules(socks5=False)) as proxy:
        assert (await proxy.raw(socks(80)))[:4] == b"\5\0\5\2"
    assert (proxy.asked, proxy.refused) == ([], [("origin.test", 80, "SOCKS5 is switched off by the rules")])


async def test_socks_takes_addresses_of_both_families(serve, origin):
    async with origin(echo_to_the_end) as server, serve() as proxy:
        port = server.port.to_bytes(2, "big")
        v4 = await proxy.raw(b"\5\1\0\5\1\0\1\x7f\0\0\1" + port + b"x", half_close=True)
        mapped = b"\0" * 10 + b"\xff\xff\x7f\0\0\1"
        v6 = await proxy.raw(b"\5\1\0\5\1\0\4" + mapped + port + b"x", half_close=True)
    assert v4 == v6
    assert v4.endswith(b"got:x")
    assert {host for host, _, _ in proxy.asked} == {"127.0.0.1"}


async def test_idle_tunnel_ends_but_not_while_somebody_is_asked(serve, origin):
    limits = Limits(idle_s=0.05, linger_s=0.1)
    async with origin(echo_to_the_end) as server, serve(limits=limits) as proxy:

        async def think():
            thought = anyio.Event()
            asyncio.get_running_loop().call_later(4 * limits.idle_s, thought.set)
            await thought.wait()

        proxy.answers["origin.test"] = think
        assert await proxy.raw(connect(server.port)) == ESTABLISHED


async def test_slow_reader_is_not_read_ahead_for(serve, origin):
    sent, stuck = 0, anyio.Event()

    async def flood(server, reader, writer):
        nonlocal sent
        await reader.readexactly(1)
        for _ in range(1000):
            writer.write(bytes(65536))
            with anyio.move_on_after(0.2) as waiting:
                await writer.drain()
            if waiting.cancelled_caught:
                stuck.set()
                await writer.drain()
            sent += 65536
        stuck.set()

    async with origin(flood) as server, serve() as proxy:
        with anyio.fail_after(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port, limit=1024)
            writer.write(connect(server.port) + b"x")
            await reader.readexactly(len(ESTABLISHED))
            await stuck.wait()
            assert 0 < sent < 32_000_000
            total = 0
            while data := await reader.read(1 << 20):
                total += len(data)
            assert total == 65_536_000
            writer.close()
