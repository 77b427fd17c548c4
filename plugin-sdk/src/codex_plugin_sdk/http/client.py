"""The client: picks the transport for a URL and hands out responses as context managers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType

from codex_kernel.errors import ConfigError

from .ahead import SentRequest, send_ahead
from .message import HttpRequest, HttpResponse, Transport, parse_url
from .proxies import proxy_for

CONNECT_TIMEOUT_S = 10.0
WRITE_TIMEOUT_S = 60.0
TRANSPORTS = ("auto", "direct", "httpx")


class HttpClient:
    """A client with its kept connections; one per provider.

    `transport` is `direct` (lean, no proxies), `httpx`, or `auto`: direct unless the environment names a
    proxy for the URL. Both verify certificates alike. There is no read time-out: whoever reads sets one.
    """

    def __init__(
        self,
        *,
        environ: Mapping[str, str] | None = None,
        transport: str = "auto",
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        write_timeout_s: float = WRITE_TIMEOUT_S,
    ) -> None:
        if transport not in TRANSPORTS:
            raise ConfigError(f"`transport` is {transport!r}", hint=f"choose one of {', '.join(TRANSPORTS)}")
        self._environ = os.environ if environ is None else environ
        self._choice = transport
        self._connect_timeout_s = connect_timeout_s
        self._write_timeout_s = write_timeout_s
        self._transports: dict[str, Transport] = {}
        self._ahead: SentRequest | None = None

    def open_stream(self, request: HttpRequest) -> ResponseStream:
        """Send the request when entered. Leaving the context releases the connection."""
        return ResponseStream(self, request)

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send the request; the caller closes the response. Raises `TransportError`, `ConfigError`."""
        transport = self._transport_for(request.url)
        ahead, self._ahead = self._ahead, None
        if ahead is not None and hasattr(transport, "adopt"):
            if ahead.request == request:
                response: HttpResponse = await transport.adopt(ahead)
                return response
            ahead.close()
        return await transport.send(request)

    def send_ahead(self, request: HttpRequest) -> None:
        """Send the request now, without an event loop, if that is quick; the same `send` then takes over."""
        if self._ahead is None and self._key(request.url)[0] == "direct":
            self._ahead = send_ahead(request)

    async def aclose(self) -> None:
        """Close kept connections; may be called again."""
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None
        transports, self._transports = self._transports, {}
        for transport in transports.values():
            await transport.aclose()

    def _transport_for(self, url: str) -> Transport:
        key, proxy = self._key(url)
        found = self._transports.get(f"{key} {proxy}")
        if found is None:
            found = self._transports[f"{key} {proxy}"] = self._make(key, proxy)
        return found

    def _key(self, url: str) -> tuple[str, str | None]:
        proxy = None if self._choice == "direct" else proxy_for(parse_url(url), self._environ)
        return ("httpx" if self._choice == "httpx" or proxy else "direct"), proxy

    def _make(self, key: str, proxy: str | None) -> Transport:
        from .tls import ssl_context

        if key == "direct":
            from .direct import DirectTransport

            return DirectTransport(
                tls=lambda: ssl_context(self._environ),
                connect_timeout_s=self._connect_timeout_s,
                write_timeout_s=self._write_timeout_s,
            )
        from .httpx_transport import HttpxTransport

        return HttpxTransport(
            tls=lambda: ssl_context(self._environ),
            proxy=proxy,
            connect_timeout_s=self._connect_timeout_s,
            write_timeout_s=self._write_timeout_s,
        )


class ResponseStream:
    """`async with client.open_stream(request) as response:`. Set `drain_s` to keep the connection when the
    body's last bytes may still be on their way."""

    def __init__(self, client: HttpClient, request: HttpRequest) -> None:
        self._client, self._request = client, request
        self._response: HttpResponse | None = None
        self.drain_s = 0.0

    async def __aenter__(self) -> HttpResponse:
        self._response = await self._client.send(self._request)
        return self._response

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._response is not None
        # A consumer that had enough (GeneratorExit) leaves in peace; one that failed or was cancelled does not.
        peaceful = error is None or isinstance(error, GeneratorExit)
        await self._response.aclose(drain_s=self.drain_s if peaceful else 0.0)
