"""A server that runs already: a web socket over TCP or a Unix socket, one JSON object a message.

The rules of the protocol are those of `websockets`, the streams anyio's.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
from anyio.abc import ByteStream

from .errors import ConnectError, TransportClosedError
from .transport import GONE, MAX_MESSAGE_BYTES, READ_BYTES

if TYPE_CHECKING:
    from websockets.client import ClientProtocol

OPEN_S = 20.0
CLOSE_S = 1.0
PING_S = 30.0


async def connect(address: str, token: str | None = None) -> WebSocketTransport:
    """Connect to `unix://PATH` or `ws://HOST:PORT`. Raises `ConnectError`."""
    from websockets.client import ClientProtocol
    from websockets.exceptions import InvalidURI
    from websockets.uri import parse_uri

    path = address.removeprefix("unix://") if address.startswith("unix://") else None
    if path == "":
        raise ConnectError("unix:// needs the path of a socket: unix:///PATH")
    try:
        # Over a Unix socket the name is of no meaning, but there has to be one.
        uri = parse_uri("ws://localhost/" if path else address)
        host, port = urlsplit(address).hostname or "", uri.port
    except (InvalidURI, ValueError) as error:
        raise ConnectError(f"{address} is no address: unix://PATH or ws://HOST:PORT") from error
    if uri.secure:
        raise ConnectError(f"{address}: TLS is not spoken here; put a tunnel before the server and use ws://")
    protocol = ClientProtocol(uri, max_size=MAX_MESSAGE_BYTES)
    try:
        with anyio.fail_after(OPEN_S):
            stream = await (anyio.connect_unix(path) if path else anyio.connect_tcp(host, port))
            transport = WebSocketTransport(stream, protocol, address)
            try:
                await transport.open(token)
            except BaseException:
                await transport.aclose()
                raise
    except (*GONE, TimeoutError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ConnectError(f"cannot connect to {address}: {reason}; is a server running there?") from error
    return transport


class WebSocketTransport:
    """The client's end of a web socket."""

    def __init__(self, stream: ByteStream, protocol: ClientProtocol, address: str) -> None:
        self._stream, self._protocol, self._address = stream, protocol, address
        self._messages: deque[bytes] = deque()
        self._partial = bytearray()
        self._lock = anyio.Lock()

    async def open(self, token: str | None) -> None:
        """Shake hands. Raises `ConnectError`, and any of `GONE`."""
        from websockets.exceptions import InvalidHandshake, InvalidStatus

        request = self._protocol.connect()
        if token is not None:
            request.headers["Authorization"] = f"Bearer {token}"
        self._protocol.send_request(request)
        await self._flush()
        while not self.is_open:
            error = self._protocol.handshake_exc
            if isinstance(error, InvalidStatus):
                status, body = error.response.status_code, bytes(error.response.body or b"")
                text = body.decode(errors="replace").strip()[:200]
                hint = "; give token=…" if status == 401 and token is None else ""
                raise ConnectError(f"{self._address} refused the connection with {status}: {text}{hint}") from error
            if isinstance(error, InvalidHandshake | EOFError):
                raise ConnectError(f"{self._address} does not speak web sockets: {error}") from error
            if error is not None:
                raise ConnectError(f"cannot connect to {self._address}: {error}") from error
            await self._read()

    @property
    def is_open(self) -> bool:
        """Whether messages may be sent."""
        from websockets.protocol import State

        return self._protocol.state is State.OPEN

    async def watch(self) -> None:
        """Keep the connection alive where something between the two forgets quiet ones."""
        with suppress(*GONE):
            while self.is_open:
                await anyio.sleep(PING_S)
                if self.is_open:
                    self._protocol.send_ping(b"")
                    await self._flush()

    async def receive(self) -> bytes | None:
        """The next message; None at the end."""
        from websockets.protocol import State

        while not self._messages:
            if self._protocol.state is State.CLOSED or self._protocol.parser_exc is not None:
                return None
            await self._read()
        return self._messages.popleft()

    async def send(self, message: bytes) -> None:
        """Send a text message."""
        if not self.is_open:
            raise anyio.ClosedResourceError
        self._protocol.send_text(message)
        await self._flush()

    async def ended(self) -> TransportClosedError:
        """With the reason that the server gave, if it did."""
        reason = self._protocol.parser_exc or self._protocol.close_exc if self._is_over() else None
        return TransportClosedError(f"the connection to {self._address} ended" + (f": {reason}" if reason else ""))

    async def aclose(self) -> None:
        """Say good-bye, but do not wait long."""
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(CLOSE_S), suppress(*GONE):
                if self.is_open:
                    self._protocol.send_close(1000)
                    await self._flush()
            await self._stream.aclose()

    def _is_over(self) -> bool:
        from websockets.protocol import State

        return self._protocol.state is State.CLOSED

    async def _read(self) -> None:
        """Take in what comes next; pings are answered at once."""
        try:
            data = await self._stream.receive(READ_BYTES)
        except GONE:
            self._protocol.receive_eof()
        else:
            self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            self._take(event)
        with suppress(*GONE):
            await self._flush()

    async def _flush(self) -> None:
        async with self._lock:
            for data in self._protocol.data_to_send():
                if data:
                    await self._stream.send(data)
                else:
                    await self._stream.send_eof()

    def _take(self, event: Any) -> None:
        from websockets.frames import DATA_OPCODES, Frame

        if not isinstance(event, Frame) or event.opcode not in DATA_OPCODES:
            return  # the answer to the handshake, or a control frame
        self._partial += event.data
        if event.fin:
            self._messages.append(bytes(self._partial))
            self._partial.clear()
