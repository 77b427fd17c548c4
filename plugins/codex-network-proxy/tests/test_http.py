"""Plain HTTP through the proxy: forwarded faithfully, judged request by request, and never ambiguous."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import anyio
import pytest

from codex_network_proxy.limits import Limits
from codex_plugin_sdk import NetworkRules

pytestmark = pytest.mark.anyio


def get(port, host="origin.test", path="/", *fields):
    lines = [f"GET http://{host}:{port}{path} HTTP/1.1", "Host: whatever.test", *fields, "", ""]
    return "\r\n".join(lines).encode()


@asynccontextmanager
async def connected(proxy):
    with anyio.fail_after(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        try:
            yield reader, writer
        finally:
            writer.close()


async def test_request_is_forwarded_with_the_targets_host_and_without_what_is_meant_for_the_proxy(
    serve, origin, replying
):
    async with origin(replying()) as server, serve() as proxy:
        fields = ("Proxy-Authorization: Basic eDp5", "Connection: X-Own, close", "X-Own: 1", "X-Kept:  2 ")
        answer = await proxy.raw(get(server.port, "Origin.test.", "/a?b=c", *fields))
    assert answer == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    assert server.heads == [b"GET /a?b=c HTTP/1.1\r\nHost: origin.test:%d\r\nX-Kept: 2\r\n\r\n" % server.port]
    assert proxy.asked == [("origin.test", server.port, "http")]
    assert proxy.refused == []


async def test_every_request_of_a_kept_connection_is_asked_for_and_one_connection_serves_a_host(
    serve, origin, replying
):
    async with origin(replying()) as server, serve() as proxy:
        proxy.answers["evil.test"] = "not that one"
        both = get(server.port) * 3 + get(server.port, "evil.test")
        answer = await proxy.raw(both)
    assert answer.count(b"200 OK") == 3
    assert b"HTTP/1.1 403 Forbidden" in answer
    assert answer.endswith(b"not that one\n")
    assert server.connections == 1
    assert [host for host, _, _ in proxy.asked] == ["origin.test"] * 3 + ["evil.test"]
    assert proxy.refused == []  # whoever was asked has recorded it


async def test_refusal_says_why_in_the_body_and_in_a_header(serve):
    async with serve() as proxy:
        proxy.answers["no.test"] = "no.test is not to be reached"
        head, _, body = (await proxy.raw(get(80, "no.test"))).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert b"X-Proxy-Error: blocked-by-policy" in head
    assert body == b"no.test is not to be reached\n"


async def test_bodies_are_streamed_both_ways_in_either_framing(serve, origin):
    got = []

    async def echo(server, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        got.append(head)
        if b"chunked" in head:
            body = await reader.readuntil(b"0\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
        else:
            body = await reader.readexactly(5)
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + body)  # up to the end

    async with origin(echo) as server, serve() as proxy:
        post = f"POST http://origin.test:{server.port}/ HTTP/1.1\r\nHost: x\r\n".encode()
        chunked = await proxy.raw(
            post + b"Transfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n",
            until=b"0\r\n\r\n",
        )
        plain = await proxy.raw(post + b"Content-Length: 5\r\n\r\nhello")
    assert b"ext" not in chunked
    assert b"X-Trailer" not in chunked
    assert b"Transfer-Encoding: chunked" in got[0]
    assert chunked.partition(b"\r\n\r\n")[2] == b"5\r\nabcde\r\n0\r\n\r\n"
    assert plain.endswith(b"Connection: close\r\n\r\nhello")


async def test_client_waits_for_100_continue_and_gets_it(serve, origin):
    async def handle(server, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(4)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + body)

    async with origin(handle) as server, serve() as proxy:
        with anyio.fail_after(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            url = f"http://origin.test:{server.port}/"
            writer.write(f"PUT {url} HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n".encode())
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"data")
            assert (await reader.readexactly(42)).endswith(b"data")
            writer.close()


async def test_early_answer_ends_an_upload_that_nobody_wants(serve, origin):
    async def handle(server, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno!")

    async with origin(handle) as server, serve() as proxy:
        head = f"PUT http://origin.test:{server.port}/ HTTP/1.1\r\nContent-Length: 100000000\r\n\r\n".encode()
        answer = await proxy.raw(head + b"x" * 1000)
    assert answer == b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!"


async def test_answer_to_head_keeps_its_length_and_has_no_body(serve, origin, replying):
    async with origin(replying(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")) as server, serve() as proxy:
        request = get(server.port).replace(b"GET", b"HEAD")
        answer = await proxy.raw(request * 2, until=b"\r\n\r\n")
    assert b"Content-Length: 99" in answer


async def test_chunked_answer_is_unchunked_for_http_1_0(serve, origin, replying):
    body = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    async with origin(replying(body)) as server, serve() as proxy:
        answer = await proxy.raw(f"GET http://origin.test:{server.port}/ HTTP/1.0\r\n\r\n".encode())
    assert answer == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc"


async def test_kept_server_connection_that_was_closed_is_replaced(serve, origin):
    async def once(server, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + str(server.connections).encode())

    async with origin(once) as server, serve() as proxy:
        with anyio.fail_after(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            for number in b"1", b"2", b"3":
                writer.write(get(server.port))
                await reader.readuntil(b"\r\n\r\n")
                assert await reader.readexactly(1) == number
            writer.close()


@pytest.mark.parametrize(("method", "status"), [("GET", b"200"), ("DELETE", b"502")])
async def test_request_lost_on_a_kept_connection_is_repeated_only_if_that_changes_nothing(
    serve, origin, method, status
):
    async def answer_the_first_only(server, reader, writer):
        server.heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        server.heads.append(await reader.readuntil(b"\r\n\r\n"))

    async with origin(answer_the_first_only) as server, serve() as proxy, connected(proxy) as (reader, writer):
        writer.write(get(server.port))
        await reader.readuntil(b"\r\n\r\n")
        writer.write(get(server.port).replace(b"GET", method.encode()))
        assert (await reader.readline()).split()[1] == status
    assert len(server.heads) == (3 if status == b"200" else 2)


async def test_bytes_that_a_server_sends_unasked_answer_no_later_request(serve, origin, replying):
    planted = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + b"HTTP/1.1 200 OK\r\nX-Planted: 1\r\n\r\n"
    async with origin(replying(planted)) as server, serve() as proxy, connected(proxy) as (reader, writer):
        for _ in range(3):
            writer.write(get(server.port))
            assert b"Planted" not in await reader.readuntil(b"ok")
    assert server.connections == 3


async def test_websocket_becomes_a_tunnel_after_101(serve, origin):
    async def handle(server, reader, writer):
        server.heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-A: b\r\n\r\n")
        writer.write(await reader.readexactly(4))

    async with origin(handle) as server, serve() as proxy:
        upgrade = get(server.port, "origin.test", "/", "Connection: Upgrade", "Upgrade: websocket")
        answer = await proxy.raw(upgrade + b"ping")
    assert b"Upgrade: websocket" in server.heads[0]
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"X-A: b" in answer
    assert answer.endswith(b"\r\n\r\nping")


async def test_other_upgrades_are_not_passed_on(serve, origin, replying):
    async with origin(replying()) as server, serve() as proxy:
        fields = ("Connection: Upgrade, HTTP2-Settings, close", "Upgrade: h2c", "HTTP2-Settings: x")
        await proxy.raw(get(server.port, "origin.test", "/", *fields))
    assert b"h2c" not in server.heads[0]
    assert b"HTTP2-Settings" not in server.heads[0]


@pytest.mark.parametrize(
    ("method", "fields", "status"),
    [
        ("GET", (), 200),
        ("HEAD", (), 200),
        ("OPTIONS", (), 200),
        ("POST", ("Content-Length: 0",), 403),
        ("DELETE", (), 403),
        ("GET", ("X-HTTP-Method-Override: DELETE",), 403),
        ("GET", ("Connection: upgrade", "Upgrade: websocket"), 403),
    ],
)
async def test_limited_rules_permit_reading_only(serve, origin, replying, method, fields, status):
    async with origin(replying()) as server, serve(NetworkRules(allow_private=True, limited=True)) as proxy:
        request = get(server.port, "origin.test", "/", "Connection: close", *fields).replace(b"GET", method.encode(), 1)
        answer = await proxy.raw(request)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert len(proxy.asked) == (status == 200)
    assert len(proxy.refused) == (status == 403)


BASE = b"POST http://origin.test/ HTTP/1.1\r\n"


@pytest.mark.parametrize(
    "data",
    [
        BASE + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        BASE + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\n",
        BASE + b"Content-Length: 3, 3\r\n\r\n",
        BASE + b"Content-Length: +3\r\n\r\n",
        BASE + b"Content-Length: -1\r\n\r\n",
        BASE + b"Content-Length: 0x3\r\n\r\n",
        BASE + b"Content-Length: \r\n\r\n",
        BASE + b"Content-Length: 9999999999999999999\r\n\r\n",
        BASE + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        BASE + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
        BASE + b"Transfer-Encoding: xchunked\r\n\r\n",
        BASE + b"Transfer-Encoding:\x0bchunked\r\n\r\n",
        BASE + b"Transfer-Encoding : chunked\r\n\r\n",
        BASE.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n",
        BASE + b"X: 1\r\n folded: 2\r\n\r\n",
        BASE + b" X: 1\r\n\r\n",
        BASE + b"X: 1\nY: 2\r\n\r\n",
        BASE + b"X: 1\rY: 2\r\n\r\n",
        BASE + b"X: a\0b\r\n\r\n",
        BASE + b"No colon\r\n\r\n",
        BASE + b"Host: a\r\nHost: b\r\n\r\n",
        BASE[:-2] + b"\n\n",
        b"GET http://origin.test/\r\n\r\n",
        b"GET  http://origin.test/ HTTP/1.1\r\n\r\n",
        b"GET http://origin.test/ HTTP/2.0\r\n\r\n",
        b"GET http://origin.test/ HTTP/1.1 \r\n\r\n",
        b"GET http://a b/ HTTP/1.1\r\n\r\n",
        b"GET /path HTTP/1.1\r\nHost: origin.test\r\n\r\n",
        b"GET https://origin.test/ HTTP/1.1\r\n\r\n",
        b"GET ftp://origin.test/ HTTP/1.1\r\n\r\n",
        b"GET http://user:pw@origin.test/ HTTP/1.1\r\n\r\n",
        b"GET http://origin.test#@good.test/ HTTP/1.1\r\n\r\n",
        b"GET http://origin.test\\@good.test/ HTTP/1.1\r\n\r\n",
        b"GET http://origin.test:0/ HTTP/1.1\r\n\r\n",
        b"GET http://origin.test:65536/ HTTP/1.1\r\n\r\n",
        b"GET http://%6frigin.test/ HTTP/1.1\r\n\r\n",
        b"GET http:///x HTTP/1.1\r\n\r\n",
        b"GET http://a..b/ HTTP/1.1\r\n\r\n",
        b"CONNECT origin.test HTTP/1.1\r\n\r\n",
        b"CONNECT http://origin.test:443 HTTP/1.1\r\n\r\n",
        b"CONNECT origin.test:443/ HTTP/1.1\r\n\r\n",
        b"CONNECT origin.test:443 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
    ],
)
async def test_ambiguous_or_malformed_request_is_refused_and_recorded(serve, data):
    async with serve() as proxy:
        answer = await proxy.raw(data)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"X-Proxy-Error: malformed" in answer
    assert proxy.asked == []
    assert len(proxy.refused) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"3\nabc\r\n0\r\n\r\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"-3\r\nabc\r\n",
        b"3;a\nabc\r\n0\r\n\r\n",
        b"0\r\nGET / HTTP\r\n\r\n",
        b"0x3\r\n",
    ],
)
async def test_malformed_chunk_is_never_passed_on(serve, origin, body):
    received = bytearray()

    async def swallow(server, reader, writer):
        while data := await reader.read(1000):
            received.extend(data)

    async with origin(swallow) as server, serve() as proxy:
        post = f"POST http://origin.test:{server.port}/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        answer = await proxy.raw(post + body)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert not received.endswith(b"0\r\n\r\n")
    assert len(proxy.refused) == 1


async def test_long_header_is_refused_however_slowly_it_comes(serve):
    async with serve(limits=Limits(head_bytes=2000, linger_s=0.1)) as proxy:
        assert (await proxy.raw(BASE + b"X: " + b"a" * 5000)).startswith(b"HTTP/1.1 431 ")
    async with serve(limits=Limits(head_s=0.05, linger_s=0.1)) as proxy:
        assert (await proxy.raw(BASE + b"X: ")).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 1\n\nx",
        b"200 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 102 Wait\r\n\r\n" * 20,
        b"",
    ],
)
async def test_broken_answer_of_a_server_is_a_502(serve, origin, answer):
    async def handle(server, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async with origin(handle) as server, serve() as proxy:
        got = await proxy.raw(get(server.port))
    assert b"HTTP/1.1 502 Bad Gateway\r\n" in got
    assert proxy.refused == []  # nobody was refused: it did not work


async def test_cut_off_answer_is_not_completed(serve, origin):
    async def handle(server, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")

    async with origin(handle) as server, serve() as proxy:
        got = await proxy.raw(get(server.port))
    assert got.endswith(b"3\r\nabc\r\n")


async def test_unknown_name_and_closed_port_are_told(serve, origin, replying):
    async with origin(replying()) as server:
        port = server.port
    async with serve() as proxy:
        unknown = await proxy.raw(get(80, "nowhere.example"))
        closed = await proxy.raw(get(port))
    assert b"502 Bad Gateway" in unknown
    assert b"X-Proxy-Error: dns" in unknown
    assert b"X-Proxy-Error: unreachable" in closed
