"""Both transports over real connections."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import sys
import threading
from functools import partial

import anyio
import anyio.to_thread
import pytest

from codex_plugin_sdk import ConfigError
from codex_plugin_sdk.http import direct
from codex_plugin_sdk.http.client import HttpClient
from codex_plugin_sdk.http.errors import (
    BodyTruncated,
    ConnectFailed,
    ConnectionLost,
    MalformedResponse,
    TlsFailed,
    TransportError,
)
from codex_plugin_sdk.http.message import HttpRequest, parse_url
from codex_plugin_sdk.http.proxies import proxy_for
from codex_plugin_sdk.testing.servers import Reply, ScriptedServer, Stall, cut, garbage, json_reply

pytestmark = pytest.mark.anyio


@pytest.fixture
def server():
    with ScriptedServer() as running:
        yield running


@pytest.fixture(params=["direct", "httpx"])
async def client(request):
    made = HttpClient(environ={}, transport=request.param)
    yield made
    await made.aclose()


@pytest.fixture
async def lean():
    made = HttpClient(environ={}, transport="direct", connect_timeout_s=5, write_timeout_s=0.3)
    yield made
    await made.aclose()


def post(server: ScriptedServer, *body: bytes, path: str = "/x") -> HttpRequest:
    return HttpRequest(method="POST", url=server.base_url + path, headers=(("x-a", "b"),), body=body)


async def fetch(client: HttpClient, request: HttpRequest) -> tuple[int, bytes]:
    with anyio.fail_after(10):
        async with client.open_stream(request) as response:
            return response.status, b"".join([chunk async for chunk in response.chunks()])


async def until(server: ScriptedServer, condition) -> None:
    await anyio.to_thread.run_sync(partial(server.wait_until, condition))


# -- good answers --------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
async def test_answer_arrives_in_every_framing(client, server, framing):
    server.play(Reply(status=201, steps=(b"one ", b"two"), framing=framing))
    assert await fetch(client, post(server, b"[1,", b"2]")) == (201, b"one two")
    (request,) = server.requests
    assert (request.method, request.path, request.body) == ("POST", "/v1/x", b"[1,2]")
    assert request.headers["x-a"] == "b"
    assert request.headers["content-length"] == "5"
    assert request.headers["host"] == f"127.0.0.1:{server.port}"


async def test_chunks_come_before_the_answer_is_complete(client, server):
    stall = Stall()
    server.play(Reply(steps=(b"early", stall, b"late")))
    with anyio.fail_after(10):
        async with client.open_stream(post(server)) as response:
            chunks = response.chunks()
            assert await anext(chunks) == b"early"
            stall.release()
            assert await anext(chunks) == b"late"
            assert await anext(chunks, None) is None


async def test_response_tells_status_reason_and_headers(client, server):
    server.play(Reply(status=418, reason="Short", headers=(("X-Kind", "pot"),), steps=(b"",), framing="length"))
    with anyio.fail_after(10):
        async with client.open_stream(post(server)) as response:
            assert (response.status, response.reason, response.headers["x-kind"]) == (418, "Short", "pot")


async def test_large_body_arrives_unchanged(client, server):
    server.play(Reply(steps=(b"ok",)))
    parts = [bytes([at]) * (at * 50_000) for at in range(12)]
    assert await fetch(client, post(server, *parts)) == (200, b"ok")
    assert server.requests[0].body == b"".join(parts)


async def test_connection_is_kept_for_the_next_request(client, server):
    server.play(*[Reply(steps=(b"x",))] * 3)
    for _ in range(3):
        assert await fetch(client, post(server)) == (200, b"x")
    assert server.connections == 1


async def test_connection_is_kept_when_the_end_comes_within_the_drain_time(client, server):
    stall = Stall()
    server.play(Reply(steps=(b"all that counts", stall)), Reply(steps=(b"x",)))
    with anyio.fail_after(10):
        stream = client.open_stream(post(server))
        async with stream as response:
            assert await anext(response.chunks())
            stream.drain_s = 5.0
            stall.release()
    assert await fetch(client, post(server)) == (200, b"x")
    assert server.connections == 1


async def test_connection_is_given_up_when_the_end_does_not_come(client, server):
    server.play(Reply(steps=(b"all that counts", Stall())), Reply(steps=(b"x",)))
    with anyio.fail_after(10):
        stream = client.open_stream(post(server))
        async with stream as response:
            assert await anext(response.chunks())
            stream.drain_s = 0.01
    assert await fetch(client, post(server)) == (200, b"x")
    assert server.connections == 2


async def test_unread_answer_is_not_reused(client, server):
    server.play(Reply(steps=(b"a", Stall())), Reply(steps=(b"b",)))
    with anyio.fail_after(10):
        async with client.open_stream(post(server)):
            pass
    assert await fetch(client, post(server)) == (200, b"b")


async def test_connection_closed_by_the_server_is_replaced_unnoticed(client, server):
    server.play(Reply(steps=(b"a",), hang_up=True), Reply(steps=(b"b",)))
    assert await fetch(client, post(server)) == (200, b"a")
    await until(server, lambda s: s.open_connections == 0)
    assert await fetch(client, post(server)) == (200, b"b")
    assert len(server.requests) == 2


async def test_request_that_a_stale_connection_swallowed_is_sent_again_once(lean, server, monkeypatch):
    # The close races with the request: the look before sending sees nothing.
    monkeypatch.setattr(direct._Connection, "readable", lambda self: False)
    server.play(Reply(steps=(b"a",), hang_up=True), Reply(steps=(b"b",)))
    assert await fetch(lean, post(server)) == (200, b"a")
    await until(server, lambda s: s.open_connections == 0)
    assert await fetch(lean, post(server)) == (200, b"b")
    assert (len(server.requests), server.connections) == (2, 2)


async def test_connection_that_is_seen_to_be_closed_is_not_tried(lean, server, monkeypatch):
    monkeypatch.setattr(direct, "STALE_WINDOW_S", -1.0)  # a failed try would not be repeated
    server.play(Reply(steps=(b"a",), hang_up=True), Reply(steps=(b"b",)))
    assert await fetch(lean, post(server)) == (200, b"a")
    await until(server, lambda s: s.open_connections == 0)
    assert await fetch(lean, post(server)) == (200, b"b")


async def test_fresh_connection_that_closes_without_an_answer_is_an_error(client, server):
    server.play(Reply(raw=True))
    with pytest.raises(ConnectionLost) as caught:
        await fetch(client, post(server))
    assert caught.value.retryable
    assert len(server.requests) == 1


async def test_reused_connection_that_dies_late_is_not_sent_again(lean, server, monkeypatch):
    server.play(Reply(steps=(b"a",)))
    assert await fetch(lean, post(server)) == (200, b"a")
    monkeypatch.setattr(direct, "STALE_WINDOW_S", -1.0)
    server.play(Reply(raw=True))
    with pytest.raises(ConnectionLost):
        await fetch(lean, post(server))
    assert len(server.requests) == 2


async def test_interim_answers_are_passed_over(lean, server):
    text = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\na: b\r\n\r\n"
    text += b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
    server.play(Reply(raw=True, steps=(text[:30], text[30:])))
    assert await fetch(lean, post(server)) == (200, b"hi")


async def test_closed_client_keeps_no_connection(client, server):
    server.play(Reply(steps=(b"a",)))
    await fetch(client, post(server))
    await client.aclose()
    await client.aclose()
    await until(server, lambda s: s.open_connections == 0)


# -- broken answers ------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", ["chunked", "length"])
async def test_body_that_ends_early_is_told(client, server, framing):
    server.play(cut(Reply(steps=(b"0123456789",), framing=framing), 4))
    with pytest.raises(BodyTruncated) as caught:
        await fetch(client, post(server))
    assert caught.value.retryable
    assert f"127.0.0.1:{server.port}" in str(caught.value)


async def test_reset_in_the_body_is_told(client, server):
    server.play(cut(Reply(steps=(b"0123456789",)), 4, reset=True))
    with pytest.raises((ConnectionLost, BodyTruncated)):
        await fetch(client, post(server))


@pytest.mark.parametrize(
    "text", [b"SSH-2.0-x\r\n\r\n", b"\x00" * 50, b"HTTP/1.1 banana\r\n\r\n", b"HTTP/1.1 200 OK\r\nx\r\n\r\n"]
)
async def test_garbage_is_told_and_not_retried(client, server, text):
    server.play(garbage(text))
    with pytest.raises(MalformedResponse) as caught:
        await fetch(client, post(server))
    assert not caught.value.retryable


async def test_endless_headers_are_stopped(client, server):
    server.play(Reply(headers=tuple((f"h{n}", "x" * 1000) for n in range(200)), steps=(b"x",)))
    with pytest.raises(MalformedResponse):
        await fetch(client, post(server))


async def test_compressed_answer_is_refused(client, server):
    server.play(Reply(headers=(("content-encoding", "gzip"),), steps=(b"\x1f\x8b",)))
    with pytest.raises(MalformedResponse, match="compressed"):
        await fetch(client, post(server))


async def test_refused_connection_names_host_and_cause(client):
    with ScriptedServer() as gone:
        request = post(gone)
    with pytest.raises(ConnectFailed, match=f"127.0.0.1:{gone.port}: connection refused") as caught:
        await fetch(client, request)
    assert caught.value.retryable


async def test_unknown_host_is_a_failed_connection(client):
    with pytest.raises(ConnectFailed, match=r"no-such-host\.invalid"):
        await fetch(client, HttpRequest(method="POST", url="http://no-such-host.invalid/"))


@pytest.mark.parametrize("lingers", [True, False])
async def test_early_refusal_is_read_although_the_body_is_not_all_sent(lean, lingers):
    with _Refuser(answers=True, lingers=lingers) as refuser:
        body = [b"x" * 1_000_000] * 20
        request = HttpRequest(method="POST", url=f"http://127.0.0.1:{refuser.port}/", body=body)
        assert await fetch(lean, request) == (413, b"too much")


async def test_server_that_takes_nothing_is_given_up(lean):
    with _Refuser() as refuser:
        request = HttpRequest(method="POST", url=f"http://127.0.0.1:{refuser.port}/", body=[b"x" * 1_000_000] * 20)
        with pytest.raises(ConnectionLost, match="took nothing"):
            await fetch(lean, request)


class _Refuser:
    """Reads the beginning of a request, answers 413 to it (or nothing), then reads the rest (or nothing)."""

    def __init__(self, *, answers: bool = False, lingers: bool = False) -> None:
        self._answers, self._lingers = answers, lingers
        self._done = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            connection.recv(1000)
            if self._answers:
                connection.sendall(b"HTTP/1.1 413 Too Large\r\ncontent-length: 8\r\n\r\ntoo much")
            while self._lingers and connection.recv(65536):
                pass
            self._done.wait(10)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()
        self._listener.close()


# -- cancellation --------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [(), (b"first",)], ids=["before the head", "in the body"])
async def test_cancellation_releases_the_connection(client, server, steps):
    stall = Stall()
    whole = Reply(steps=(*steps, stall, b"rest"))
    server.play(whole if steps else Reply(raw=True, steps=(stall,)))

    async def use() -> None:
        async with client.open_stream(post(server)) as response:
            async for _ in response.chunks():
                pass

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(use)
            await anyio.to_thread.run_sync(stall.reached.wait, 5)
            tasks.cancel_scope.cancel()
    await until(server, lambda s: s.open_connections == 0)


# -- choice of transport -------------------------------------------------------------------------


async def test_lean_transport_leaves_httpx_unimported(server):
    server.play(Reply(steps=(b"x",)))
    code = f"""
import sys, anyio
from codex_plugin_sdk.http.client import HttpClient
from codex_plugin_sdk.http.message import HttpRequest
assert "anyio" not in sys.modules or "httpx" not in sys.modules
async def main():
    client = HttpClient(environ={{}})
    async with client.open_stream(HttpRequest(method="GET", url={server.base_url!r})) as response:
        assert [c async for c in response.chunks()] == [b"x"]
    await client.aclose()
anyio.run(main)
heavy = {{"httpx", "httpcore", "h11", "certifi", "cattrs", "structlog", "email"}} & set(sys.modules)
assert not heavy, heavy
"""
    await anyio.to_thread.run_sync(partial(subprocess.run, [sys.executable, "-c", code], check=True, timeout=30))


async def test_http_package_imports_no_event_loop():
    code = """
import sys
import codex_plugin_sdk.http.client, codex_plugin_sdk.http.model_server, codex_plugin_sdk.http.sse
heavy = {"anyio", "asyncio", "ssl", "httpx", "urllib.request", "email"} & set(sys.modules)
assert not heavy, heavy
"""
    await anyio.to_thread.run_sync(partial(subprocess.run, [sys.executable, "-c", code], check=True, timeout=30))


async def test_proxy_of_the_environment_is_used(server):
    server.play(json_reply(200, "through the proxy"))
    made = HttpClient(environ={"HTTP_PROXY": f"127.0.0.1:{server.port}"})
    status, text = await fetch(made, HttpRequest(method="POST", url="http://far-away.invalid/v1/x", body=(b"hi",)))
    await made.aclose()
    assert (status, text) == (200, b"through the proxy")
    assert server.requests[0].path == "http://far-away.invalid/v1/x"


async def test_unusable_proxy_is_a_configuration_error_without_its_password():
    made = HttpClient(environ={"ALL_PROXY": "gopher://user:secret@p:1"})
    with pytest.raises(ConfigError) as caught:
        await fetch(made, HttpRequest(method="POST", url="http://far-away.invalid/"))
    assert "gopher://p:1" in caught.value.message
    assert "secret" not in str(caught.value)
    await made.aclose()


def test_unknown_transport_is_a_configuration_error():
    with pytest.raises(ConfigError, match="carrier pigeon"):
        HttpClient(environ={}, transport="carrier pigeon")


@pytest.mark.parametrize(
    ("url", "environ", "expected"),
    [
        ("http://a/", {}, None),
        ("http://a/", {"HTTP_PROXY": "http://p:1"}, "http://p:1"),
        ("https://a/", {"HTTP_PROXY": "http://p:1"}, None),
        ("https://a/", {"https_proxy": "p:2", "HTTPS_PROXY": "p:3"}, "http://p:2"),
        ("https://a/", {"ALL_PROXY": "socks5://p:1"}, "socks5://p:1"),
        ("http://a.b/", {"ALL_PROXY": "p", "NO_PROXY": "b"}, None),
        ("http://a.b/", {"ALL_PROXY": "p", "NO_PROXY": ".b"}, None),
        ("http://a.b/", {"ALL_PROXY": "p", "NO_PROXY": "*.b"}, None),
        ("http://ab/", {"ALL_PROXY": "p", "NO_PROXY": "b"}, "http://p"),
        ("http://a/", {"ALL_PROXY": "p", "no_proxy": "x, *"}, None),
        ("http://a:81/", {"ALL_PROXY": "p", "NO_PROXY": "a:80"}, "http://p"),
        ("http://a:81/", {"ALL_PROXY": "p", "NO_PROXY": "a:81"}, None),
        ("http://10.1.2.3/", {"ALL_PROXY": "p", "NO_PROXY": "10.0.0.0/8"}, None),
        ("http://11.1.2.3/", {"ALL_PROXY": "p", "NO_PROXY": "10.0.0.0/8"}, "http://p"),
        ("http://[::1]/", {"ALL_PROXY": "p", "NO_PROXY": "::1"}, None),
    ],
)
def test_proxy_rules(url, environ, expected):
    assert proxy_for(parse_url(url), environ) == expected


# -- TLS -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate of the test server and is not installed")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    command += " -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    subprocess.run([*command.split(), "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    return cert, key


@pytest.fixture
def tls_server(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with ScriptedServer(tls=context) as running:
        yield running


@pytest.mark.parametrize("transport", ["direct", "httpx"])
@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "CODEX_CA_CERTIFICATE"])
async def test_https_with_a_certificate_of_ones_own(tls_server, certificate, transport, variable):
    tls_server.play(*[Reply(steps=(b"secret", b" answer"))] * 2)
    made = HttpClient(environ={variable: str(certificate[0])}, transport=transport)
    for _ in range(2):
        assert await fetch(made, post(tls_server, b"x" * 300_000)) == (200, b"secret answer")
    await made.aclose()
    assert tls_server.connections == 1


async def test_https_body_that_ends_early_is_told(tls_server, certificate):
    tls_server.play(cut(Reply(steps=(b"0123456789",)), 4))
    made = HttpClient(environ={"SSL_CERT_FILE": str(certificate[0])})
    with pytest.raises(TransportError) as caught:
        await fetch(made, post(tls_server))
    assert isinstance(caught.value, BodyTruncated | ConnectionLost)
    await made.aclose()


async def test_certificate_that_nobody_vouches_for_is_refused(client, tls_server):
    with pytest.raises(TlsFailed, match="cannot be trusted") as caught:
        await fetch(client, post(tls_server))
    assert not caught.value.retryable


async def test_tls_with_a_server_that_speaks_none_fails(lean, server):
    server.play(Reply(steps=(b"x",)))
    with pytest.raises(TlsFailed):
        await fetch(lean, HttpRequest(method="POST", url=server.base_url.replace("http://", "https://")))


async def test_unreadable_certificate_file_is_a_configuration_error():
    made = HttpClient(environ={"SSL_CERT_FILE": "/no/such/file.pem"})
    with ScriptedServer() as server, pytest.raises(ConfigError, match=r"SSL_CERT_FILE=/no/such/file\.pem"):
        await fetch(made, HttpRequest(method="POST", url=server.base_url.replace("http://", "https://")))


async def test_a_connection_that_is_reset_before_the_answer_is_wanted_is_told_as_lost(lean):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        request = HttpRequest(method="POST", url=f"http://127.0.0.1:{listening.getsockname()[1]}/x", body=(b"hi",))
        lean.send_ahead(request)
        connection, _ = listening.accept()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # its end is a reset
        connection.close()
        with pytest.raises(ConnectionLost, match=r"without answering|reset"):
            await fetch(lean, request)
