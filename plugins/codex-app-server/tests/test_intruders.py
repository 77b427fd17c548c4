"""Those who should not come in: web pages, those without a token that holds, and those who only keep a place taken."""

import asyncio
import base64
import hashlib
import hmac
import json
import socket
import tempfile
import time
from pathlib import Path

import anyio
import pytest
from websockets.exceptions import InvalidStatus

from codex_app_server.gate import Gate
from codex_app_server.ws import Listener

pytestmark = pytest.mark.anyio
EMPTY = {"data": [], "nextCursor": None}
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", KEY)


async def http(address, first, *lines):
    """The status with which a plain HTTP request is answered; None where the connection is cut."""
    ip, _, port = address.removeprefix("ws://").rpartition(":")
    reader, writer = await asyncio.open_connection(ip, int(port))
    try:
        with anyio.fail_after(5):
            writer.write("\r\n".join((first, *lines, "", "")).encode())
            found = await reader.readline()
    finally:
        writer.close()
    return int(found.split()[1]) if found else None


async def test_what_a_web_page_can_send_never_becomes_a_web_socket(host):
    async with host.listen("ws://127.0.0.1:0") as server:
        here = server.address.removeprefix("ws://")
        host_line, get = f"Host: {here}", "GET / HTTP/1.1"
        for refused, lines in (
            (403, (host_line, *UPGRADE, f"Origin: http://{here}")),  # of its own making, even
            (403, (host_line, *UPGRADE, "origin: null")),
            (403, (host_line, *UPGRADE, "Origin:")),
            (403, ("Host: rebound.example", *UPGRADE)),
            (403, ("Host: 127.0.0.1.example", *UPGRADE)),
            (403, ("Host: localhost.example:80", *UPGRADE)),
            (403, ("Host: 2130706433", *UPGRADE)),  # 127.0.0.1 to a browser, and no address to us
            (403, (host_line, "Host: rebound.example", *UPGRADE)),
            (403, UPGRADE),  # no Host at all
            (426, (host_line, "Sec-Fetch-Mode: no-cors", "Accept: */*")),
            (400, (host_line, *UPGRADE[:2], "Sec-WebSocket-Version: 13")),
        ):
            assert await http(server.address, get, *lines) == refused, lines
        for method in ("POST", "PUT", "OPTIONS", "HEAD", "CONNECT"):
            found = await http(server.address, f"{method} / HTTP/1.1", host_line, "Content-Length: 2")
            assert found is None or found >= 400, method
        assert await http(server.address, get, *(f"X-{n}: {'y' * 8000}" for n in range(200))) in (None, 400, 431)
        assert await http(server.address, "GET /" + "x" * 100_000 + " HTTP/1.1", host_line) in (None, 400, 414)
        async with server.connect(subprotocols=["of-another-kind"]) as app:  # it is told that we do not speak it
            assert app.socket.subprotocol is None
            assert await app.call("thread/loaded/list", {}) == EMPTY


def jwt(claims, secret):
    def packed(found):
        return base64.urlsafe_b64encode(found).rstrip(b"=")

    signed = packed(b'{"alg":"HS256"}') + b"." + packed(json.dumps(claims).encode())
    return (signed + b"." + packed(hmac.new(secret, signed, hashlib.sha256).digest())).decode()


async def test_a_signed_token_lets_in_while_it_holds_and_no_other_does(host, tmp_path):
    secret = b"s" * 32
    (tmp_path / "secret").write_bytes(secret)
    options = ("--ws-auth=signed-bearer-token", f"--ws-shared-secret-file={tmp_path}/secret", "--ws-issuer=me")
    now = int(time.time())
    async with host.listen("ws://127.0.0.1:0", *options) as server:
        for authorization in (
            None,
            "",
            "Bearer",
            "Bearer ",
            "Bearer x.y.z",
            "Basic " + jwt({"exp": now + 60, "iss": "me"}, secret),
            "Bearer " + jwt({"exp": now - 3600, "iss": "me"}, secret),
            "Bearer " + jwt({"exp": now + 60, "iss": "other"}, secret),
            "Bearer " + jwt({"exp": "never", "iss": "me"}, secret),
            "Bearer " + jwt({"exp": now + 60, "iss": "me"}, b"t" * 32),
        ):
            headers = {} if authorization is None else {"Authorization": authorization}
            for path in ("", "/readyz"):
                with pytest.raises(InvalidStatus) as caught:
                    async with server.connect(path=path, additional_headers=headers):
                        pass
                assert caught.value.response.status_code == 401, authorization
        good = {"Authorization": "Bearer " + jwt({"exp": now + 60, "iss": "me"}, secret)}
        async with server.connect(additional_headers=good) as app:
            assert await app.call("thread/loaded/list", {}) == EMPTY


async def test_who_takes_too_long_for_the_handshake_is_cut_off_and_who_hurries_is_served(monkeypatch):
    monkeypatch.setattr("codex_app_server.ws.HANDSHAKE_S", 0.3)

    class Nobody:
        async def serve(self, client, receive, send):
            while await receive() is not None:
                pass

    async def trickle(writer):
        try:
            for byte in b"GET / HTTP/1.1\r\nX: " + b"y" * 1000:
                writer.write(bytes([byte]))
                await writer.drain()
                await anyio.lowlevel.checkpoint()
        except OSError:
            return

    listening = asyncio.Event()
    with tempfile.TemporaryDirectory(prefix="cas-") as folder, socket.socket(socket.AF_UNIX) as bound:
        bound.bind(f"{folder}/s")
        bound.listen()
        listener = Listener(Nobody(), Gate(any_host=True), "test", ping_s=None)
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(listener.serve, bound, listening.set)
                await listening.wait()
                silent, silent_writer = await asyncio.open_unix_connection(f"{folder}/s")
                slow, slow_writer = await asyncio.open_unix_connection(f"{folder}/s")
                tasks.start_soon(trickle, slow_writer)
                quick, quick_writer = await asyncio.open_unix_connection(f"{folder}/s")
                quick_writer.write("\r\n".join(("GET / HTTP/1.1", "Host: x", *UPGRADE, "", "")).encode())
                assert (await quick.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
                assert await silent.read() == b""
                assert await slow.read() == b""
                quick_writer.write(b"\x89\x80" + bytes(4))  # a ping
                assert await quick.readexactly(2) == b"\x8a\x00"
                for writer in (silent_writer, slow_writer, quick_writer):
                    writer.close()
                tasks.cancel_scope.cancel()


async def test_a_link_or_a_folder_where_the_socket_should_be(host):
    with tempfile.TemporaryDirectory(prefix="cas-") as folder:
        place = Path(folder)
        (place / "mine").write_text("mine")
        (place / "to-file").symlink_to(place / "mine")
        (place / "nowhere").symlink_to(place / "gone")
        (place / "folder").mkdir()
        (place / "loop").symlink_to(place / "loop")

        async def refused(name):
            with pytest.raises(AssertionError, match="the server ended") as caught:
                async with host.listen(f"unix://{folder}/{name}"):
                    pass
            assert "Traceback" not in str(caught.value)
            return str(caught.value)

        assert "is not a socket" in await refused("folder")
        assert "cannot follow the link" in await refused("loop")
        async with host.listen(f"unix://{folder}/nowhere") as server, server.connect() as app:
            assert await app.call("thread/loaded/list", {}) == EMPTY
        assert not (place / "gone").exists()
        assert "cannot use the folder" in await refused("mine/s.sock")
        assert "is not a socket" in await refused("to-file")
        assert (place / "to-file").is_symlink()
        assert (place / "mine").read_text() == "mine"
