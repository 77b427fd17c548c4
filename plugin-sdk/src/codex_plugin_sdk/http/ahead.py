"""Sending a request before there is an event loop.

A program that starts with its request in its hands can send it with plain blocking calls, and load the event
loop, which takes several times as long, while the server is at work. Only for plain HTTP to a server by address
(a model on this machine or beside it): nothing here waits for a name to resolve or a handshake to end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .message import HttpRequest, Url, parse_url
from .wire import encode_head, pieces

if TYPE_CHECKING:
    import socket

TIMEOUT_S = 0.25
"""For connecting and for each piece; a server that is slower than that is met in the ordinary way."""


class SentRequest:
    """A request that is on its way, with the connection that it left by."""

    def __init__(self, request: HttpRequest, connection: socket.socket) -> None:
        self.request = request
        self.connection = connection

    def close(self) -> None:
        """Nobody wants the answer."""
        self.connection.close()


def send_ahead(request: HttpRequest) -> SentRequest | None:
    """Send it now if that is quick, else None: whatever is wrong is found and told by the ordinary way."""
    import socket  # late: most processes send nothing ahead

    url = parse_url(request.url)
    if url.scheme != "http" or not _is_address(url):
        return None
    try:
        # As bytes: text would bring in the codec for international names, which an address has no use for.
        host: Any = url.host.encode("ascii")
        connection = socket.create_connection((host, url.port), timeout=TIMEOUT_S)
    except OSError:
        return None
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces(encode_head(request, url), request.body):
            connection.sendall(piece)
        connection.setblocking(False)
    except OSError:
        connection.close()
        return None
    return SentRequest(request, connection)


def _is_address(url: Url) -> bool:
    import socket

    if url.host == "localhost":
        return True
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, url.host)
        except OSError:
            continue
        return True
    return False
