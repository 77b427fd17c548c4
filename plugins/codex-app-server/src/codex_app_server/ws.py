"""Web sockets: one JSON object a message. The rules of the protocol are those of `websockets`, the streams asyncio's.

What is sent is framed here: a batch of small messages is one write, which is what makes streaming fast.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anyio

from .accept import BACKLOG, READ_BYTES, accept
from .client import Client
from .gate import PROBES, Gate, Refusal
from .wire import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    import socket

    from websockets.server import ServerProtocol

    from .server import Server

FRAME_BYTES = 8 * 1024 * 1024
"""Longer messages are sent in several frames: common clients refuse frames of more than 16 MiB."""
HANDSHAKE_S = 10.0
CLOSE_S = 1.0
PING_S = 30.0
"""A client over the network that says nothing for two of these, not even an answer to a ping, is gone."""


def frames(message: bytes) -> bytes:
    """A text message as the frames of a server."""
    size = len(message)
    if size < 126:
        return b"\x81" + size.to_bytes(1, "big") + message
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + message
    found = []
    for start in range(0, size, FRAME_BYTES):
        part = message[start : start + FRAME_BYTES]
        head = (0 if start else 1) | (0x80 if start + len(part) == size else 0)
        found += [bytes((head, 127)), len(part).to_bytes(8, "big"), part]
    return b"".join(found)


class WebSocket:
    """The server's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from websockets.server import ServerProtocol

        self._reader, self._writer = reader, writer
        self._protocol: ServerProtocol = ServerProtocol(max_size=MAX_MESSAGE_BYTES)
        self._messages: deque[bytes] = deque()
        self._partial = bytearray()
        self._heard = True
        self._ended = False

    @property
    def is_open(self) -> bool:
        """Whether messages may be sent."""
        from websockets.protocol import State

        return self._protocol.state is State.OPEN

    async def open(self, gate: Gate) -> bool:
        """Answer the HTTP request that comes first; whether it became a web socket."""
        from websockets.http11 import Request

        while not self._ended:
            for event in await self._more():
                if not isinstance(event, Request):
                    self._take(event)
                    continue
                refusal = gate.refusal(event.path, event.headers) or _probed(event)
                protocol = self._protocol
                protocol.send_response(protocol.reject(*refusal) if refusal else protocol.accept(event))
                await self._flush()
            if self.is_open:
                return True
            if self._protocol.handshake_exc is not None or self._protocol.close_expected():
                return False
        return False

    async def receive(self) -> bytes | None:
        """The next message; None at the end."""
        while not self._messages:
            if self._ended:
                return None
            for event in await self._more():
                self._take(event)
        return self._messages.popleft()

    async def send(self, messages: list[bytes]) -> None:
        """Send text messages. Raises `anyio.ClosedResourceError`, `OSError`."""
        if not self.is_open or self._writer.is_closing():
            raise anyio.ClosedResourceError
        self._writer.write(b"".join(map(frames, messages)))
        await self._writer.drain()

    async def keep_alive(self, interval_s: float) -> None:
        """Ping; returns when the client is gone."""
        while True:
            await anyio.sleep(interval_s)
            if not self._heard or not self.is_open:
                return
            self._heard = False
            self._protocol.send_ping(b"")
            for data in self._protocol.data_to_send():
                self._writer.write(data)

    async def close(self) -> None:
        """Say good-bye, but do not wait long."""
        with anyio.move_on_after(CLOSE_S, shield=True):
            try:
                if self.is_open:
                    self._protocol.send_close(1001)
                await self._flush()
                self._writer.close()
                await self._writer.wait_closed()
                return
            except OSError:  # it went first
                pass
        self._writer.transport.abort()

    async def _more(self) -> list[Any]:
        """What came in, decoded; pings are answered at once."""
        try:
            data = await self._reader.read(READ_BYTES)
        except OSError:
            data = b""
        self._heard = True
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
            self._ended = True
        events = self._protocol.events_received()
        try:
            await self._flush()
        except OSError:
            self._ended = True
        return events

    async def _flush(self) -> None:
        waiting = self._protocol.data_to_send()
        for data in waiting:
            if data:
                self._writer.write(data)
            else:  # all is said, from our side at least
                self._ended = True
        if waiting:  # who sends pings without reading the answers has to wait
            await self._writer.drain()

    def _take(self, frame: Any) -> None:
        from websockets.frames import DATA_OPCODES

        if frame.opcode not in DATA_OPCODES:
            return
        if frame.fin and not self._partial:
            self._messages.append(bytes(frame.data))
            return
        self._partial += frame.data
        if frame.fin:
            self._messages.append(bytes(self._partial))
            self._partial.clear()


def _probed(request: Any) -> Refusal | None:
    """The answer to a question after our health."""
    is_probe = request.path.partition("?")[0] in PROBES and "Upgrade" not in request.headers
    return (200, "") if is_probe else None


class Listener:
    """What the transports over sockets have in common: a task for each client, until `serve` is cancelled."""

    def __init__(self, server: Server, gate: Gate, transport: str, *, ping_s: float | None) -> None:
        self._server, self._gate, self._transport, self._ping_s = server, gate, transport, ping_s

    async def serve(
        self,
        bound: socket.socket,
        ready: Callable[[], None],
        admits: Callable[[asyncio.StreamWriter], bool] = lambda _: True,
    ) -> None:
        """Serve whoever connects to what `bind` opens. `ready` is called once clients may come."""
        async with anyio.create_task_group() as tasks:

            def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                if admits(writer):
                    tasks.start_soon(self._handle, reader, writer)
                else:
                    writer.transport.abort()

            ready()
            await accept(bound, connected)

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        socket = WebSocket(reader, writer)
        try:
            opened = False
            with anyio.move_on_after(HANDSHAKE_S):
                opened = await socket.open(self._gate)
            if opened:
                await self._converse(socket)
        except OSError:
            return  # the client went
        except Exception as error:
            import logging

            logging.getLogger("codex.app_server").error("a client was dropped", exc_info=error)
        finally:
            await socket.close()

    async def _converse(self, socket: WebSocket) -> None:
        client = Client(self._transport)
        async with anyio.create_task_group() as tasks:
            if self._ping_s is not None:
                tasks.start_soon(_ping, socket, client, self._ping_s)
            await self._server.serve(client, socket.receive, socket.send)
            tasks.cancel_scope.cancel()


async def _ping(socket: WebSocket, client: Client, interval_s: float) -> None:
    await socket.keep_alive(interval_s)
    client.leave()


async def serve_ws(
    server: Server, ip: str, port: int, gate: Gate, *, ready: Callable[[int], None], ping_s: float = PING_S
) -> None:
    """Serve `ws://IP:PORT` until cancelled; `ready` is told the port. Raises `OSError` when it is taken."""

    import socket

    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    with socket.create_server((ip, port), family=family, backlog=BACKLOG) as bound:
        listener = Listener(server, gate, "ws", ping_s=ping_s)
        await listener.serve(bound, lambda: ready(bound.getsockname()[1]))
