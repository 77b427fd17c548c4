"""The lean transport: HTTP/1.1 over anyio's sockets, with keep-alive. No proxies."""

from __future__ import annotations

import select
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from time import monotonic
from typing import cast

import anyio
from anyio.abc import ByteStream, SocketAttribute, SocketStream
from anyio.streams.tls import TLSStream

from .ahead import SentRequest
from .errors import (
    BodyTruncated,
    ConnectFailed,
    ConnectionLost,
    MalformedResponse,
    TlsFailed,
    TransportError,
    in_words,
)
from .message import HttpRequest, Url, parse_url
from .wire import Body, Head, OpenBody, body_of, encode_head, parse_head, pieces, split_head

READ_BYTES = 262_144
KEEP_IDLE_S = 60.0
"""Idle connections older than this are not used again: a router on the way may have forgotten them."""

MAX_IDLE = 4
STALE_WINDOW_S = 1.0
"""A reused connection that ends this soon after the request, before any byte of an answer, was closed by a
server that had grown tired of waiting, not by one that had begun to work."""

_BROKEN = (anyio.BrokenResourceError, anyio.ClosedResourceError, ssl.SSLError, OSError)


class _StaleConnection(Exception):
    """A kept connection turned out to be closed before the request reached anyone."""


class _Connection:
    """One connection and the bytes that were read too far."""

    def __init__(self, stream: ByteStream, url: Url) -> None:
        self.stream, self.origin, self.tls = stream, url.origin, url.scheme == "https"
        self.extra = b""
        self.answered = False  # a byte of the present answer has come
        self.reused = False
        self.idle_since = 0.0

    async def receive(self) -> bytes:
        """The next bytes; `b""` at the end. Raises `ConnectionLost`."""
        if self.extra:
            data, self.extra = self.extra, b""
            return data
        try:
            data = await self.stream.receive(READ_BYTES)
        except anyio.EndOfStream:
            return b""
        except _BROKEN as error:
            raise ConnectionLost(f"{self.origin}: {in_words(error)} while reading the answer") from error
        self.answered = True
        return data

    def readable(self) -> bool:
        """Whether the peer has sent something, or closed, while we were not reading."""
        number = self.stream.extra(SocketAttribute.raw_socket).fileno()  # noqa: S610 - no Django here
        if number < 0:
            return True
        if not hasattr(select, "poll"):  # Windows; elsewhere `select` fails on large descriptors
            return bool(select.select([number], [], [], 0)[0])
        poll = select.poll()
        poll.register(number, select.POLLIN)
        return bool(poll.poll(0))

    def answers_early(self) -> bool:
        """Whether an answer comes while the request is being sent; only plain sockets tell, because TLS
        peers send tickets of their own accord."""
        return not self.tls and self.readable()

    async def close(self) -> None:
        # Shielded: whoever is cancelled still gives the socket back. It takes no time: nothing is flushed.
        with anyio.CancelScope(shield=True):
            try:
                await self.stream.aclose()
            except _BROKEN:
                return  # it is gone, which is what was wanted


class DirectTransport:
    """Keeps connections by origin; `tls` makes the context when the first https URL is met."""

    def __init__(
        self,
        *,
        tls: Callable[[], ssl.SSLContext],
        connect_timeout_s: float,
        write_timeout_s: float,
    ) -> None:
        self._tls = tls
        self._connect_timeout_s = connect_timeout_s
        self._write_timeout_s = write_timeout_s
        self._idle: list[_Connection] = []
        self._closed = False

    async def send(self, request: HttpRequest) -> DirectResponse:
        """Send a request, reusing a connection if one is idle. A kept connection that proves stale is
        replaced once."""
        url = parse_url(request.url)
        kept = await self._take(url.origin)
        if kept is not None:
            try:
                return await self._exchange(kept, request, url)
            except _StaleConnection:
                pass
        return await self._exchange(await self._connect(url), request, url)

    async def adopt(self, sent: SentRequest) -> DirectResponse:
        """The answer to a request that was sent ahead."""
        url = parse_url(sent.request.url)
        try:
            stream = await SocketStream.from_socket(sent.connection)
        except BaseException as error:
            sent.close()
            if isinstance(error, OSError):
                raise ConnectionLost(f"{url.origin}: {in_words(error)}") from error
            if isinstance(error, ValueError):  # so anyio calls a connection that the server has reset by now
                raise ConnectionLost(f"{url.origin}: it closed the connection without answering") from error
            raise
        connection = _Connection(stream, url)
        return await self._exchange(connection, sent.request, url, sent=True)

    async def aclose(self) -> None:
        """Close what is idle and keep nothing from now on."""
        self._closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.close()

    async def release(self, connection: _Connection) -> None:
        """Take back a connection whose response has been read to its end."""
        if self._closed or len(self._idle) >= MAX_IDLE:
            await connection.close()
            return
        connection.idle_since = monotonic()
        self._idle.append(connection)

    async def _take(self, origin: str) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            fresh = monotonic() - connection.idle_since < KEEP_IDLE_S
            if connection.origin == origin and fresh and not connection.readable():
                connection.reused, connection.answered = True, False
                return connection
            await connection.close()
        return None

    async def _connect(self, url: Url) -> _Connection:
        try:
            with anyio.fail_after(self._connect_timeout_s):
                stream: ByteStream = await anyio.connect_tcp(url.host, url.port)
        except TimeoutError as error:
            raise ConnectFailed(f"{url.origin}: no connection within {self._connect_timeout_s:g} s") from error
        except (OSError, UnicodeError) as error:
            raise ConnectFailed(f"{url.origin}: {in_words(error)}") from error
        if url.scheme == "https":
            stream = await self._secure(stream, url)
        return _Connection(stream, url)

    async def _secure(self, plain: ByteStream, url: Url) -> ByteStream:
        try:
            context = self._tls()
            with anyio.fail_after(self._connect_timeout_s):
                return await TLSStream.wrap(plain, hostname=url.host, ssl_context=context, standard_compatible=False)
        except BaseException as error:
            await _Connection(plain, url).close()
            if isinstance(error, TimeoutError):
                raise TlsFailed(f"{url.origin}: no TLS handshake within {self._connect_timeout_s:g} s") from error
            if isinstance(error, ssl.SSLCertVerificationError):
                raise TlsFailed(
                    f"{url.origin}: its certificate cannot be trusted: {error.verify_message}", retryable=False
                ) from error
            if isinstance(error, (*_BROKEN, anyio.EndOfStream)):
                raise TlsFailed(f"{url.origin}: the TLS handshake failed: {in_words(error)}") from error
            raise

    async def _exchange(
        self, connection: _Connection, request: HttpRequest, url: Url, *, sent: bool = False
    ) -> DirectResponse:
        started = monotonic()
        try:
            whole = sent or await self._write(connection, request, url)
            head = await _read_head(connection)
            body = body_of(head)
            if head.headers.get("content-encoding", "identity").lower() != "identity":
                raise MalformedResponse(f"{url.origin}: the answer is compressed, which was not asked for")
        except BaseException as error:
            await connection.close()
            if isinstance(error, MalformedResponse) and url.origin not in error.message:
                raise MalformedResponse(f"{url.origin}: {error.message}", retryable=error.retryable) from error
            stale = connection.reused and not connection.answered and monotonic() - started < STALE_WINDOW_S
            if isinstance(error, ConnectionLost) and stale:
                raise _StaleConnection from error
            raise
        return DirectResponse(self, connection, head, body, keep=head.keep_alive and whole)

    async def _write(self, connection: _Connection, request: HttpRequest, url: Url) -> bool:
        """Send it; whether all of it was. A server that answers early ends the sending."""
        first = True
        for piece in pieces(encode_head(request, url), request.body):
            if not first and connection.answers_early():
                return False
            first = False
            try:
                with anyio.fail_after(self._write_timeout_s):
                    await connection.stream.send(cast("bytes", piece))
            except TimeoutError as error:
                if connection.answers_early():
                    return False
                raise ConnectionLost(f"{url.origin}: it took nothing for {self._write_timeout_s:g} s") from error
            except _BROKEN as error:
                raise ConnectionLost(f"{url.origin}: {in_words(error)} while sending the request") from error
        return True


async def _read_head(connection: _Connection) -> Head:
    data = b""
    while True:
        more = await connection.receive()
        if not more:
            raise ConnectionLost(f"{connection.origin}: it closed the connection without answering")
        data += more
        while (parts := split_head(data)) is not None:
            raw, data = parts
            head = parse_head(raw)
            if head.status >= 200:
                connection.extra = data
                return head
            if not data:  # an interim answer (100, 103); the real one follows
                break


class DirectResponse:
    """An answer over the lean transport; it is its own iterator, so that nothing is left to close."""

    def __init__(
        self, transport: DirectTransport, connection: _Connection, head: Head, body: Body, *, keep: bool
    ) -> None:
        self.status: int = head.status
        self.reason: str = head.reason
        self.headers: Mapping[str, str] = head.headers
        self._transport = transport
        self._connection: _Connection | None = connection
        self._body = body
        self._keep = keep and not isinstance(body, OpenBody)

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes; may be asked for again to go on."""
        return self

    def __aiter__(self) -> DirectResponse:
        return self

    async def __anext__(self) -> bytes:
        while not self._body.done:
            connection = self._connection
            if connection is None:
                raise ConnectionLost("the response was closed before its end")
            data = await connection.receive()
            try:
                if data:
                    content = self._body.feed(data)
                    if content:
                        return content
                else:
                    self._body.eof()
            except (BodyTruncated, MalformedResponse) as error:
                raise type(error)(f"{connection.origin}: {error.message}", retryable=error.retryable) from None
        raise StopAsyncIteration

    async def aclose(self, *, drain_s: float = 0.0) -> None:
        """Give the connection back if the body is at its end (waiting `drain_s` for that), else close it."""
        if self._connection is None:
            return
        try:
            if drain_s > 0 and self._keep and not self._body.done:
                with anyio.move_on_after(drain_s):
                    async for _ in self:
                        pass
        except TransportError:
            self._keep = False
        finally:
            connection, self._connection = self._connection, None
            if self._keep and self._body.done and not self._body.rest and not connection.extra:
                await self._transport.release(connection)
            else:
                await connection.close()
