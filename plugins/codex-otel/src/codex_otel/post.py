"""POST with plain blocking sockets, bounded by a deadline and endable from another thread.

The standard library's client costs fifty milliseconds to load, OpenTelemetry's exporters half a second; what a
receiver of telemetry needs is little enough to be written down. No proxies, no redirects.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from time import monotonic
from typing import TYPE_CHECKING

from codex_plugin_sdk.http.errors import TransportError
from codex_plugin_sdk.http.message import HttpRequest, Url, parse_url
from codex_plugin_sdk.http.wire import Head, body_of, encode_head, parse_head, pieces, split_head

if TYPE_CHECKING:
    import ssl

    from .settings import Exporter

READ_BYTES = 65_536
RETRYABLE = frozenset({408, 429, 502, 503, 504})


class PostFailed(Exception):
    """It was not taken; `retry` when a later attempt makes sense."""

    def __init__(self, message: str, *, retry: bool) -> None:
        super().__init__(message)
        self.retry = retry


class Poster:
    """Keeps one connection per origin. Used by one thread, except for `abort`."""

    def __init__(self, environ: Mapping[str, str], limit: Callable[[], float]) -> None:
        """`limit` gives the moment (`time.monotonic`) after which nothing is waited for any more."""
        self._environ = environ
        self._limit = limit
        self._kept: dict[str, socket.socket] = {}
        self._busy: socket.socket | None = None
        self._aborted = False

    def post(self, exporter: Exporter, body: bytes) -> None:
        """Send, and wait for the answer. Raises `PostFailed`."""
        deadline = min(monotonic() + exporter.timeout_s, self._limit())
        url = parse_url(exporter.url)
        headers = [("content-type", "application/x-protobuf" if exporter.binary else "application/json")]
        if exporter.gzip:
            import gzip

            body = gzip.compress(body, 6)
            headers.append(("content-encoding", "gzip"))
        request = HttpRequest(
            method="POST", url=exporter.url, headers=[*headers, *exporter.headers.items()], body=[body]
        )
        try:
            head = self._exchange(exporter, request, url, deadline)
        except (OSError, TransportError) as error:
            raise PostFailed(f"{exporter.url}: {error}", retry=True) from error
        if not 200 <= head.status < 300:
            raise PostFailed(f"{exporter.url}: status {head.status}", retry=head.status in RETRYABLE)

    def abort(self) -> None:
        """End what is being waited for, from any thread."""
        self._aborted = True
        if self._busy is not None:
            try:
                self._busy.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it has ended by itself

    def close(self) -> None:
        """Close what is kept."""
        for connection in self._kept.values():
            connection.close()
        self._kept.clear()

    def _exchange(self, exporter: Exporter, request: HttpRequest, url: Url, deadline: float) -> Head:
        kept = self._kept.pop(f"{url.origin} {exporter.ca} {exporter.client_cert}", None)
        if kept is not None:
            try:
                return self._on(kept, exporter, request, url, deadline)
            except (ConnectionError, TransportError):
                if monotonic() >= deadline or self._aborted:
                    raise
                # It had been closed in the meantime, which only sending shows.
        connection = socket.create_connection((url.host, url.port), timeout=_left(deadline))
        if url.scheme == "https":
            connection = self._secure(connection, exporter, url)
        return self._on(connection, exporter, request, url, deadline)

    def _secure(self, connection: socket.socket, exporter: Exporter, url: Url) -> ssl.SSLSocket:
        from codex_plugin_sdk.http.tls import ssl_context

        try:
            if exporter.client_cert:
                import ssl

                context = ssl.create_default_context(cafile=exporter.ca)
                context.load_cert_chain(exporter.client_cert, exporter.client_key)
            else:
                context = ssl_context({**self._environ, **({"SSL_CERT_FILE": exporter.ca} if exporter.ca else {})})
            return context.wrap_socket(connection, server_hostname=url.host)
        except BaseException:
            connection.close()
            raise

    def _on(
        self, connection: socket.socket, exporter: Exporter, request: HttpRequest, url: Url, deadline: float
    ) -> Head:
        self._busy = connection
        try:
            if self._aborted:
                raise TimeoutError("the program ends")
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in pieces(encode_head(request, url), request.body):
                connection.settimeout(_left(deadline))
                connection.sendall(piece)
            head = _answer(connection, deadline)
        except BaseException:
            connection.close()
            raise
        finally:
            self._busy = None
        if head.keep_alive:
            self._kept[f"{url.origin} {exporter.ca} {exporter.client_cert}"] = connection
        else:
            connection.close()
        return head


def _answer(connection: socket.socket, deadline: float) -> Head:
    """Read a whole answer; only its head matters."""
    data = b""
    while (parts := split_head(data)) is None:
        data += _read(connection, deadline)
    head = parse_head(parts[0])
    body = body_of(head)
    rest = parts[1]
    while not body.done:
        body.feed(rest)
        if body.done:
            break
        connection.settimeout(_left(deadline))
        rest = connection.recv(READ_BYTES)
        if not rest:
            body.eof()
            return head.replace(keep_alive=False)
    return head


def _read(connection: socket.socket, deadline: float) -> bytes:
    connection.settimeout(_left(deadline))
    data = connection.recv(READ_BYTES)
    if not data:
        raise ConnectionResetError("it closed the connection without answering")
    return data


def _left(deadline: float) -> float:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError("it did not answer in time")
    return left
