"""Bytes, frames, numbers, nesting and ids that no client should send, over each transport: nobody is harmed, and whoever
can be told is told."""

import asyncio
import json
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosedError

from codex_app_server.wire import MAX_DEPTH, MAX_MESSAGE_BYTES, Refused, decode, overlong

pytestmark = pytest.mark.anyio
EMPTY = {"data": [], "nextCursor": None}
TRANSPORTS = pytest.mark.parametrize("transport", ["stdio", "unix", "ws"])
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@asynccontextmanager
async def served(host, transport):
    """A client over this transport, and the pid of its server."""
    with tempfile.TemporaryDirectory(prefix="cas-") as folder:
        if transport == "stdio":
            async with host.start() as app:
                yield app, app.process.pid
        else:
            url = f"unix://{folder}/s.sock" if transport == "unix" else "ws://127.0.0.1:0"
            async with host.listen(url) as server, server.connect() as app:
                yield app, server.process.pid


def most_kib(pid):
    """What a process held at most."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])


def nested(depth):
    return b"[" * depth + b"]" * depth


NOTHING = (
    b"",
    b"\x00",
    b"\xff\xfe\x00",
    b'\xef\xbb\xbf{"id":"bom","method":"no/such"}',
    b'{"id":"bad utf-8 \xc3\x28","method":"no/such"}',
    b'{"id":"nul","method":"no/such"}\x00',
    b'{"id":"\\ud800","method":"no/such"}',
    b'{"id":"half","method":"no/su',
    b'{"id":"two","method":"no/such"}{"id":"two","method":"no/such"}',
    b"[]",
    b"5",
    b"null",
    b'"text"',
    b"{}",
    b'{"id":"no method"}',
    b'{"id":"x","method":5}',
    b'[{"id":"batch","method":"no/such"}]',
    b'{"id":"nan","method":"no/such","params":NaN}',
    b'{"id":"inf","method":"no/such","params":Infinity}',
    b'{"id":"huge","method":"no/such","params":1e999}',
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"id":"deep","method":"no/such","params":' + nested(100_000) + b"}",
    b'{"method":"no/such/notification"}',
    b'{"id":"answer","result":{}}',
    b'{"id":0,"error":{}}',
    *(
        b'{"id":%b,"method":"no/such"}' % id
        for id in (
            b"null",
            b"true",
            b"1.0",
            b"1e2",
            b"1e999",
            b"NaN",
            b"{}",
            b"[]",
            b"18446744073709551616",
            b"9" * 5000,
        )
    ),
)
"""What gets no answer."""


@TRANSPORTS
async def test_what_is_no_message_gets_no_answer_and_odd_ids_come_back_as_they_were(host, transport):
    async with served(host, transport) as (app, _):
        for data in NOTHING:
            await app.send(data + b"\n")
        ids = ("", "\0", "\u2028 é 🙂", "x" * 100_000, "0", 0, -1, -(2**63), 2**64 - 1)
        for id in ids:
            await app.send({"id": id, "method": "no/such"})
        await app.send(
            b'{"id":"first","method":"x","id":"last","method":"no/such"}\n'
        )  # the last one counts, as it does in JSON
        assert await app.call("thread/loaded/list", {}) == EMPTY
        assert set(app._answers) == {*ids, "last"}
        assert {answer["error"]["code"] for answer in app._answers.values()} == {-32600}
        assert app.methods() == ["remoteControl/status/changed"]


@TRANSPORTS
async def test_64_mib_in_one_message_pass_and_one_byte_more_does_not(host, transport):
    head, tail = b'{"id":"%b","method":"%b","params":{"x":"', b'"}}'

    def message(id, method, size):
        begin = head % (id, method)
        return begin + b"x" * (size - len(begin) - len(tail)) + tail

    async with served(host, transport) as (app, pid):
        end = b"\n" if transport == "stdio" else b""
        before = most_kib(pid)
        await app.send(message(b"a", b"no/such", MAX_MESSAGE_BYTES) + end)
        with pytest.raises(Exception, match="unknown variant `no/such`"):
            await app.result("a")
        too_long = message(b"b", b"thread/loaded/list", MAX_MESSAGE_BYTES + 1) + end
        if transport == "stdio":
            await app.send(too_long)
            with pytest.raises(Exception, match=f"longer than {MAX_MESSAGE_BYTES} bytes") as caught:
                await app.result("b")
            assert caught.value.error["code"] == -32600
            await app.send(b'{"params":[],' + too_long)
            told = await app.until("warning")
            assert told["params"]["message"] == f"Invalid request: longer than {MAX_MESSAGE_BYTES} bytes"
            assert await app.call("thread/loaded/list", {}) == EMPTY
        else:
            with pytest.raises(ConnectionClosedError):  # of whichever of the two is under way
                await asyncio.gather(app.send(too_long), app.result("b"))
            await app.socket.wait_closed()
            assert app.socket.close_code == 1009
        assert most_kib(pid) - before < 6 * MAX_MESSAGE_BYTES // 1024


async def test_too_deep_a_message_is_refused_and_one_as_deep_as_may_be_is_recorded_and_read_again(host):
    def inject(id, depth):
        item = b'{"type":"message","role":"user","content":[{"type":"input_text","text":"a"}],"x":%b}' % nested(depth)
        return b'{"id":"%b","method":"thread/inject_items","params":{"threadId":"%b","items":[%b]}}\n' % (
            id,
            thread.encode(),
            item,
        )

    host.script([])
    async with host.start() as app:
        thread = await app.thread()
        for id, depth in (("a", MAX_DEPTH), ("b", 300), ("c", 1000)):
            await app.send(inject(id.encode(), depth))
            with pytest.raises(Exception, match="more than 190 arrays and objects within each other"):
                await app.result(id)
        app._sent["d"] = "thread/inject_items"
        await app.send(inject(b"d", MAX_DEPTH - 4))
        assert await app.result("d") == {}
        deep = json.loads(nested(MAX_DEPTH - 4))
        await app.call("config/value/write", {"keyPath": "a", "mergeStrategy": "replace", "value": deep})
        assert (await app.call("config/read", {}))["config"]["a"] == deep
        assert (await app.call("thread/loaded/list", {}))["data"] == [thread]
    async with host.start() as app:
        await app.call("thread/resume", {"threadId": thread})


@pytest.mark.parametrize("limit", [1e308, -1e308, 1.5, 2**64, 10**300, -(2**63) - 1, True, "1", [1]], ids=str)
async def test_a_number_that_fits_no_machine_is_refused(app, limit):
    with pytest.raises(Exception, match="Invalid request: invalid ") as caught:
        await app.call("thread/list", {"limit": limit})
    assert caught.value.error["code"] == -32600


async def test_half_a_message_before_the_end_is_no_fault(host, anyio_backend):
    async with host.start() as app:
        await app.send(b'{"id":7,"method":"thread/loaded/li')
        app.process.stdin.close()
        assert await app.process.wait() == 0
        assert b'"id"' not in await app.process.stdout.read()
    with tempfile.TemporaryDirectory(prefix="cas-") as folder:
        async with host.listen(f"unix://{folder}/s.sock") as server, server.connect() as app:
            for data in (
                b"\x81",
                b"\x81\xfe\x10\x00",
                b"\x81\xff" + (2**26).to_bytes(8, "big") + b"1234{",
                b"\x01\x81abcd{",
            ):
                reader, writer = await asyncio.open_unix_connection(server.address)
                writer.write(UPGRADE + data)
                await reader.readuntil(b"\r\n\r\n")
                writer.transport.abort()
            assert await app.call("thread/loaded/list", {}) == EMPTY


async def test_the_proxy_too_tells_of_what_is_too_long(host):
    try:
        async with host.start(command=("app-server", "proxy")) as app:
            await app.send(b'{"id":"long","method":"no/such","params":"' + b"x" * MAX_MESSAGE_BYTES + b'"}\n')
            with pytest.raises(Exception, match="longer than"):
                await app.result("long")
            assert await app.call("thread/loaded/list", {}) == EMPTY
    finally:
        stop = await asyncio.create_subprocess_exec(
            *(str(part) for part in (host.program, "app-server", "daemon", "stop")),
            env=host.env,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert await stop.wait() == 0


@pytest.mark.parametrize(
    ("head", "id"),
    [
        (b'{"id":5,"method":"m","params":{"a":"', 5),
        (b' { "method" : "a\\"b" , "jsonrpc" : "2.0", "id" : "q" ,"params":[', "q"),
        (b'{"params":{"id":4,"method":"m",', None),
        (b'{"id":5,"result":{"id":4,"method":"m",', None),
        (b'{"id":99999999999999999999999,"method":"m","params":', None),
        (b'{"id":5,"method":"m","params":{}', 5),
        (b"\xff" * 100, None),
        (b"", None),
    ],
)
def test_of_a_message_too_long_to_be_read_the_id_is_known_if_it_stands_in_front(head, id):
    assert overlong(head) == Refused(id=id, message=f"Invalid request: longer than {MAX_MESSAGE_BYTES} bytes")


def test_brackets_in_text_are_not_deep():
    assert decode(json.dumps({"id": 1, "method": "m", "params": "[{" * 10_000})).id == 1
    wide = {"id": 1, "method": "m", "params": [[[]]] * 10_000}
    assert decode(json.dumps(wide)).params == wide["params"]
    assert isinstance(decode(b'{"id":1,"method":"m","params":' + nested(MAX_DEPTH) + b"}"), Refused)
    assert decode(b'{"method":"m","params":' + nested(MAX_DEPTH) + b"}").id is None
