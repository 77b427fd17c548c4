"""Sockets and the client in process: who may come in, what goes over them, how they end."""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import socket
import stat
import tempfile
import time
from pathlib import Path

import anyio
import pytest
from websockets.exceptions import InvalidStatus

from codex_app_server import unix
from codex_app_server.gate import Gate, signed_bearer
from codex_app_server.inprocess import Connection, connected, open_server
from codex_app_server.listen import parse_address
from codex_app_server.wire import RpcError
from codex_app_server.ws import FRAME_BYTES, Listener, frames
from codex_plugin_sdk import ConnectionLost, Invocation, UserError
from codex_plugin_sdk.testing.harness import manager
from codex_plugin_sdk.testing.model import call, say

pytestmark = pytest.mark.anyio


@pytest.fixture
def short():
    """A folder whose paths fit into a socket's address."""
    with tempfile.TemporaryDirectory(prefix="cas-") as folder:
        yield Path(folder)


# -- the socket of a user ------------------------------------------------------------------------


async def test_several_clients_share_a_thread_over_a_unix_socket_and_sigterm_ends_it_with_0(host, short):
    host.script([say("done")])
    path = short / "private" / "s.sock"
    async with host.listen(f"unix://{path}") as server:
        assert server.address == str(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        async with server.connect() as one, server.connect() as two:
            thread = await one.thread()
            await one.turn(thread)
            found = await two.call("thread/resume", {"threadId": thread})
            assert found["thread"]["id"] == thread
            host.script([say("again")])
            await one.call("turn/start", {"threadId": thread, "input": [{"type": "text", "text": "go"}]})
            assert (await two.until("turn/completed"))["params"]["threadId"] == thread
            server.process.terminate()
            await asyncio.wait_for(one.socket.wait_closed(), 10)
            assert one.socket.close_code == 1001
        assert await asyncio.wait_for(server.process.wait(), 10) == 0
    assert not path.exists()


async def test_the_default_socket_is_where_clients_of_the_home_look_however_long_its_path(host):
    place = host.root / "codex-home" / "app-server-control" / "app-server-control.sock"
    async with host.listen("unix://") as server:
        assert server.address == str(place)
        server.address = unix.address_of(server.address)
        async with server.connect() as app:
            assert await app.call("thread/loaded/list", {}) == {"data": [], "nextCursor": None}
    assert not os.path.lexists(place)


async def refused_to_listen(host, url, *args):
    with pytest.raises(AssertionError, match="the server ended") as caught:
        async with host.listen(url, *args):
            pass
    return str(caught.value)


async def test_a_living_server_keeps_its_socket_and_a_stale_one_is_replaced(host, short):
    path = short / "s.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))  # left behind: nobody listens
    async with host.listen(f"unix://{path}") as server:
        async with server.connect():
            pass
        assert "a server listens on" in await refused_to_listen(host, f"unix://{path}")
        async with server.connect():
            pass
        server.process.kill()
        await server.process.wait()
    assert path.exists()
    async with host.listen(f"unix://{path}") as server, server.connect():
        pass


async def test_paths_that_cannot_be_used_are_refused_with_the_reason(host, short):
    assert "is too long: " in await refused_to_listen(host, f"unix://{short}/{'x' * 120}/s.sock")
    (short / "file").write_text("mine")
    assert "is not a socket" in await refused_to_listen(host, f"unix://{short}/file")
    assert (short / "file").read_text() == "mine"
    (short / "open").mkdir()
    (short / "open").chmod(0o777)
    assert "others may write to" in await refused_to_listen(host, f"unix://{short}/open/s.sock")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to another user")
async def test_a_socket_of_another_user_is_refused(host, short):
    (short / "theirs").mkdir()
    os.chown(short / "theirs", 12345, 12345)
    assert "belongs to another user (uid 12345)" in await refused_to_listen(host, f"unix://{short}/theirs/s.sock")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(f"{short}/s.sock")
    os.chown(short / "s.sock", 12345, 12345)
    assert "belongs to another user (uid 12345)" in await refused_to_listen(host, f"unix://{short}/s.sock")


@pytest.mark.skipif(os.geteuid() != 0 or not hasattr(socket, "SO_PEERCRED"), reason="needs a second user")
async def test_a_process_of_another_user_is_cut_off_even_if_the_modes_let_it_in(host, short):
    path = short / "s.sock"
    async with host.listen(f"unix://{path}") as server:
        short.chmod(0o755)
        path.chmod(0o666)
        with socket.socket(socket.AF_UNIX) as stranger:
            os.seteuid(12345)
            try:
                stranger.connect(str(path))
            finally:
                os.seteuid(0)
            stranger.setblocking(False)
            reader, writer = await asyncio.open_unix_connection(sock=stranger)
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()
        async with server.connect():
            pass


# -- a port --------------------------------------------------------------------------------------


def http(address, *lines, path="/"):
    """The answer to a plain HTTP request."""
    ip, _, port = address.removeprefix("ws://").rpartition(":")
    with socket.create_connection((ip, int(port)), timeout=5) as sock:
        sock.sendall("\r\n".join((f"GET {path} HTTP/1.1", *lines, "", "")).encode())
        found = b""
        while part := sock.recv(4096):
            found += part
    return found.decode()


async def status(server, **headers):
    """The HTTP status with which a web socket is refused; None if it is not."""
    host_header = headers.pop("Host", None)
    if host_header is not None:
        upgrade = (
            f"Host: {host_header}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        )
        found = await asyncio.to_thread(http, server.address, *upgrade)
        return int(found.split()[1])
    try:
        async with server.connect(additional_headers=headers):
            return None
    except InvalidStatus as error:
        return error.response.status_code


async def test_a_port_on_loopback_takes_programs_and_refuses_web_pages(host):
    async with host.listen("ws://127.0.0.1:0") as server:
        for path in ("/readyz", "/healthz"):
            assert (await asyncio.to_thread(http, server.address, "Host: 127.0.0.1", path=path)).startswith(
                "HTTP/1.1 200 "
            )
        nothing = await asyncio.to_thread(http, server.address, "Host: 127.0.0.1")
        assert nothing.startswith("HTTP/1.1 426 ")
        assert await status(server, Origin="http://127.0.0.1:1") == 403
        assert await status(server, Origin="null") == 403
        assert await status(server, Host="page.example:80") == 403
        page = await asyncio.to_thread(http, server.address, "Host: page.example", path="/readyz")
        assert page.startswith("HTTP/1.1 403 ")
        assert await status(server) is None
        server.address = server.address.replace("127.0.0.1", "localhost")
        assert await status(server) is None


async def test_with_a_capability_token_only_those_who_have_it_come_in(host, tmp_path):
    (tmp_path / "token").write_text("secret-word\n")
    async with host.listen(
        "ws://0.0.0.0:0", "--ws-auth=capability-token", f"--ws-token-file={tmp_path}/token"
    ) as server:
        server.address = server.address.replace("0.0.0.0", "127.0.0.1")
        assert await status(server) == 401
        assert await status(server, Authorization="Bearer secret-wor") == 401
        assert await status(server, Authorization="Basic secret-word") == 401
        assert await status(server, Authorization="Bearer secret-word", Origin="http://x") == 403
        for probe in ("/readyz", "/healthz?x"):  # open to all who ask, but not as a way around the token
            address, server.address = server.address, server.address + probe
            assert await status(server) == 401
            server.address = address
        assert await status(server, Authorization="Bearer secret-word") is None
        found = await asyncio.to_thread(http, server.address, "Host: any.name", path="/readyz")
        assert found.startswith("HTTP/1.1 200 ")


async def test_a_port_for_other_machines_needs_a_token_and_its_options_have_to_fit(host, tmp_path):
    assert "without auth" in await refused_to_listen(host, "ws://0.0.0.0:0")
    assert "expected `ws://IP:PORT`" in await refused_to_listen(host, "ws://localhost:1")
    assert "require --ws-auth" in await refused_to_listen(host, "ws://127.0.0.1:0", "--ws-issuer=me")
    auth = "--ws-auth=capability-token"
    assert "failed to read" in await refused_to_listen(host, "ws://127.0.0.1:0", auth, "--ws-token-file=/no/such")
    (tmp_path / "empty").write_text("\n")
    assert "must not be empty" in await refused_to_listen(
        host, "ws://127.0.0.1:0", auth, f"--ws-token-file={tmp_path}/empty"
    )


def token(claims, secret=b"s" * 32, alg="HS256"):
    def packed(found):
        return base64.urlsafe_b64encode(found).rstrip(b"=")

    signed = packed(json.dumps({"alg": alg}).encode()) + b"." + packed(json.dumps(claims).encode())
    return (signed + b"." + packed(hmac.new(secret, signed, hashlib.sha256).digest())).decode()


def test_signed_tokens_hold_for_their_time_issuer_and_audience(tmp_path):
    (tmp_path / "secret").write_bytes(b"s" * 32 + b"\n")
    check = signed_bearer(secret_file=str(tmp_path / "secret"), issuer="me", audience="you", skew_s=30)
    now = int(time.time())
    good = {"exp": now + 60, "iss": "me", "aud": "you"}
    for fine in (good, {**good, "aud": ["they", "you"]}, {**good, "exp": now - 10}, {**good, "nbf": now + 10}):
        assert check(token(fine)) is None
    for claims, wrong in (
        ({**good, "exp": now - 100}, "expired websocket jwt"),
        ({**good, "nbf": now + 100}, "websocket jwt is not valid yet"),
        ({**good, "iss": "other"}, "websocket jwt issuer mismatch"),
        ({**good, "aud": ["they"]}, "websocket jwt audience mismatch"),
        ({"iss": "me", "aud": "you"}, "invalid websocket jwt"),
    ):
        assert check(token(claims)) == wrong
    for bad in (token(good, b"x" * 32), token(good, alg="none"), "a.b", "\u00e9.b.c", "....", token(good) + "x"):
        assert check(bad) == "invalid websocket jwt"
    (tmp_path / "secret").write_bytes(b"short")
    with pytest.raises(UserError, match="at least 32 bytes"):
        signed_bearer(secret_file=str(tmp_path / "secret"), issuer=None, audience=None, skew_s=0)


@pytest.mark.parametrize(
    ("text", "kind", "rest"),
    [
        ("stdio://", "stdio", ("", "", 0)),
        ("unix://", "unix", ("", "", 0)),
        ("unix:///a/b", "unix", ("/a/b", "", 0)),
        ("ws://[::1]:80", "ws", ("", "::1", 80)),
        ("ws://127.0.0.1:0", "ws", ("", "127.0.0.1", 0)),
    ],
)
def test_addresses(text, kind, rest):
    found = parse_address(text)
    assert (found.kind, found.path, found.ip, found.port) == (kind, *rest)


@pytest.mark.parametrize("text", ["", "stdio", "http://x", "ws://", "ws://1.2.3.4", "ws://1.2.3.4:99999", "ws://a:1"])
def test_what_is_no_address(text):
    with pytest.raises(ValueError, match="expected"):
        parse_address(text)


# -- frames --------------------------------------------------------------------------------------


class _Peer:
    """A listener in this process, with the raw bytes of one connection to it."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def answer(self):
        """The first byte, and the payload, of the next frame of the server."""
        first, size = await self.reader.readexactly(2)
        if size == 126:
            size = int.from_bytes(await self.reader.readexactly(2), "big")
        elif size == 127:
            size = int.from_bytes(await self.reader.readexactly(8), "big")
        return first, await self.reader.readexactly(size)

    def frame(self, opcode, payload, *, fin=True):
        """Send a frame, masked with zeros."""
        size = len(payload)
        head = bytes([opcode | (0x80 if fin else 0)])
        if size < 126:
            head += bytes([0x80 | size])
        elif size < 65536:
            head += b"\xfe" + size.to_bytes(2, "big")
        else:
            head += b"\xff" + size.to_bytes(8, "big")
        self.writer.write(head + bytes(4) + payload)


@pytest.fixture
async def peer(short, anyio_backend):
    """An echoing server that pings every 50 ms."""

    class Echo:
        async def serve(self, client, receive, send):
            async def until_gone():
                await client.gone.wait()
                tasks.cancel_scope.cancel()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(until_gone)
                while (message := await receive()) is not None:
                    await send([message])
                tasks.cancel_scope.cancel()

    listening = asyncio.Event()
    path = str(short / "e.sock")
    listener = Listener(Echo(), Gate(any_host=True), "test", ping_s=0.2)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(path)
        bound.listen()
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(listener.serve(bound, listening.set))
            await listening.wait()
            reader, writer = await asyncio.open_unix_connection(path, limit=2**20)
            writer.write(
                b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
            yield _Peer(reader, writer)
            writer.close()
            task.cancel()


async def test_a_message_in_pieces_is_one_message_and_pings_between_them_are_answered(peer):
    peer.frame(1, b'{"a":', fin=False)
    peer.frame(9, b"ping")
    peer.frame(0, b"", fin=False)
    peer.frame(0, b"1}")
    assert await peer.answer() == (0x8A, b"ping")
    assert await peer.answer() == (0x81, b'{"a":1}')
    peer.frame(2, b"binary is text too")
    assert await peer.answer() == (0x81, b"binary is text too")


async def test_a_client_that_answers_no_ping_is_gone(peer):
    with anyio.fail_after(5):
        assert await peer.answer() == (0x89, b"")
        peer.frame(10, b"")
        assert await peer.answer() == (0x89, b"")
        first, payload = await peer.answer()
        assert (first, payload[:2]) == (0x88, (1001).to_bytes(2, "big"))


@pytest.mark.parametrize(
    "bad",
    [
        b"\x81\xff" + (64 * 1024 * 1024 + 1).to_bytes(8, "big") + bytes(4),  # longer than the limit
        b"\x81\xff\xff" + bytes(11),  # longer than there can be
        b"\x81\x01a",  # a client has to mask
        b"\xf1\x80" + bytes(4),  # bits that mean nothing
        b"\x80\x80" + bytes(4),  # goes on with what never began
        b"GET / HTTP/1.1\r\n\r\n",
    ],
    ids=["long", "impossible", "unmasked", "reserved", "continuation", "http"],
)
async def test_frames_that_break_the_rules_end_the_connection(peer, bad):
    with anyio.fail_after(5):
        peer.writer.write(bad)
        first, _ = await peer.answer()
        assert first == 0x88
        assert await peer.reader.read() == b""


def test_long_messages_go_out_in_frames_that_clients_accept():
    from websockets.client import ClientProtocol
    from websockets.protocol import OPEN
    from websockets.uri import parse_uri

    for size in (0, 125, 126, 65535, 65536, FRAME_BYTES, FRAME_BYTES + 1, 2 * FRAME_BYTES + 5):
        message = b"x" * size
        protocol = ClientProtocol(parse_uri("ws://localhost/"), state=OPEN, max_size=(None, FRAME_BYTES))
        protocol.receive_data(frames(message))
        events = protocol.events_received()
        assert b"".join(event.data for event in events) == message
        assert [event.fin for event in events] == [False] * (len(events) - 1) + [True]


# -- in process ----------------------------------------------------------------------------------


@pytest.fixture
def invocation(host):
    """A command line with all plugins that are installed."""
    plugins = type(manager()).from_environment(host.env)
    yield Invocation(plugins=plugins, environ=host.env)
    plugins.close()


HELLO = {"clientInfo": {"name": "inside", "version": "1"}}


async def test_a_client_in_process_runs_a_turn_on_objects_and_answers_questions(host, invocation):
    host.script([call("exec_command", "c1", cmd="touch made")], [say("done", "m2")])
    heard, done = [], None
    with anyio.fail_after(30):
        async with open_server(invocation) as server, connected(server) as one:
            with pytest.raises(RpcError, match="Not initialized"):
                await one.request("thread/start", {})
            assert (await one.request("initialize", HELLO))["userAgent"].startswith("inside/")
            one.notify_server("initialized")
            cwd = str(host.root / "work")
            ask = {"cwd": cwd, "approvalPolicy": "untrusted", "sandbox": "workspace-write"}
            thread = (await one.request("thread/start", ask))["thread"]["id"]
            text = [{"type": "text", "text": "go"}]
            await one.request("turn/start", {"threadId": thread, "input": text})
            async for message in one.messages():
                heard.append(message["method"])
                if "id" in message:
                    assert message["params"]["itemId"] == "c1"
                    one.respond(message, {"decision": "accept"})
                if message["method"] == "turn/completed":
                    done = message["params"]["turn"]
                    break
            async with connected(server) as two:
                await two.request("initialize", HELLO)
                assert (await two.request("thread/loaded/list"))["data"] == [thread]
            assert len(server.clients) == 1
    assert done["status"] == "completed"
    assert done["items"][0]["text"] == "done"
    assert "item/commandExecution/requestApproval" in heard
    assert heard.index("turn/started") < heard.index("item/started") < heard.index("turn/completed")
    with pytest.raises(ConnectionLost, match="the connection was closed"):
        await one.request("thread/loaded/list")


async def test_a_request_that_waits_is_told_of_the_end_and_what_is_not_read_is_bounded(monkeypatch):
    monkeypatch.setattr("codex_app_server.inprocess.MAX_WAITING", 3)
    connection = Connection()
    for number in range(5):
        connection.send({"method": "delta", "params": number}, droppable=True)
    connection.send({"method": "item/completed", "params": {}})
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:

            async def ask():
                with pytest.raises(ConnectionLost, match="the connection was closed"):
                    await connection.request("thread/loaded/list")

            tasks.start_soon(ask)
            assert (await connection.receive()).method == "thread/loaded/list"
            connection.leave()
        heard = [message async for message in connection.messages()]
    assert [message["method"] for message in heard] == ["delta"] * 3 + ["warning", "item/completed"]
    assert heard[-2]["params"]["message"].startswith("2 notifications were dropped")


async def test_a_client_in_process_that_never_reads_is_given_up(monkeypatch):
    monkeypatch.setattr("codex_app_server.inprocess.MAX_WAITING", 3)
    connection = Connection()
    for _ in range(7):
        connection.send({"method": "item/completed", "params": {}})
    assert connection.gone.is_set()
