"""Requests, responses, and the Protocol that both transports fulfil."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from codex_kernel.protocol.value import Value, value

_BAD_HEADER = re.compile(r"[\r\n\0]")
_BAD_URL = re.compile(r"[\x00-\x20\x7f]")
_DEFAULT_PORT = {"http": 80, "https": 443}


@value
class Url(Value):
    """An http or https URL in parts; `target` is path and query as they go on the wire."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def netloc(self) -> str:
        """Host and, unless it is the scheme's own, port, as in a Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORT[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """`scheme://host[:port]`."""
        return f"{self.scheme}://{self.netloc}"


def parse_url(text: str) -> Url:
    """The parts of `text`. Raises `ValueError` for what is not an absolute http or https URL."""
    scheme, found, rest = text.partition("://")
    scheme = scheme.lower()
    if not found or scheme not in _DEFAULT_PORT:
        raise ValueError(f"{text!r} is not an http:// or https:// address")
    if _BAD_URL.search(text):
        raise ValueError(f"{text!r} holds a space or a control character")
    cut = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    netloc, target = rest[:cut], rest[cut:].partition("#")[0]
    if "@" in netloc:
        raise ValueError("an address with a user name or password in it is not supported; use a header")
    host, port = _host_and_port(netloc, text)
    if not target.startswith("/"):
        target = "/" + target
    if not target.isascii():
        from urllib.parse import quote

        target = quote(target, safe="%/:?#[]@!$&'()*+,;=-._~")
    return Url(scheme=scheme, host=host, port=_DEFAULT_PORT[scheme] if port is None else port, target=target)


def _host_and_port(netloc: str, text: str) -> tuple[str, int | None]:
    if netloc.startswith("["):
        host, closed, tail = netloc[1:].partition("]")
        port = tail.removeprefix(":")
        if not closed or (tail and not tail.startswith(":")):
            raise ValueError(f"{text!r} has an unfinished IPv6 address")
    else:
        host, _, port = netloc.partition(":")
    if not host:
        raise ValueError(f"{text!r} names no host")
    if not port:
        return host, None
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"{text!r} has a port that is not a number from 1 to 65535")
    return host, int(port)


@value
class HttpRequest(Value):
    """A request. `body` is sent part by part, never joined; `content-length` and `host` are added.

    Raises `ValueError` for a URL or header that cannot be sent.
    """

    method: str
    url: str
    headers: Sequence[tuple[str, str]] = ()
    body: Sequence[bytes] = ()

    def __attrs_post_init__(self) -> None:
        for name, text in self.headers:
            if not name or not name.isascii() or _BAD_HEADER.search(name + text) or " " in name or ":" in name:
                raise ValueError(f"header {name!r} cannot be sent: it holds a line break or is no header name")

    @property
    def content_length(self) -> int:
        """Size of the whole body in bytes."""
        return sum(map(len, self.body))


class HttpResponse(Protocol):
    """An answer whose head has come. `headers` has lower-case names; repeated ones are joined by a comma."""

    @property
    def status(self) -> int: ...

    @property
    def reason(self) -> str:
        """The words after the status, as the server gave them or as the standard has them."""
        ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body, as it comes, in pieces that are never empty. Raises `TransportError`."""
        ...

    async def aclose(self, *, drain_s: float = 0.0) -> None:
        """Release the connection. It is kept for the next request if the body has been read to its end,
        for which at most `drain_s` seconds are waited."""
        ...


class Transport(Protocol):
    """A way to send requests over connections that it keeps."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send it and wait for the head of the answer. Raises `TransportError`."""
        ...

    async def aclose(self) -> None:
        """Close idle connections; those in use close when their response does."""
        ...
