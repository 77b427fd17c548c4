"""The full transport: httpx, for proxies and for whoever asks for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from codex_kernel.errors import ConfigError

from .errors import (
    BodyTruncated,
    ConnectFailed,
    ConnectionLost,
    MalformedResponse,
    TlsFailed,
    TransportError,
    in_words,
)
from .message import HttpRequest, parse_url

if TYPE_CHECKING:
    import ssl

    import httpx


class HttpxTransport:
    """One `httpx.AsyncClient`, made with the first request."""

    def __init__(
        self,
        *,
        tls: Callable[[], ssl.SSLContext],
        proxy: str | None,
        connect_timeout_s: float,
        write_timeout_s: float,
    ) -> None:
        self._tls, self._proxy = tls, proxy
        self._timeouts = {"connect": connect_timeout_s, "write": write_timeout_s, "read": None, "pool": None}
        self._client: httpx.AsyncClient | None = None

    async def send(self, request: HttpRequest) -> HttpxResponse:
        """Send a request; httpx keeps the connections."""
        client = self._client or self._open()
        import httpx

        origin = parse_url(request.url).origin
        headers = [*request.headers, ("content-length", str(request.content_length)), ("accept-encoding", "identity")]
        built = client.build_request(request.method, request.url, headers=headers, content=_parts(request.body))
        try:
            response = await client.send(built, stream=True)
        except httpx.HTTPError as error:
            raise _translated(error, origin) from error
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            raise MalformedResponse(f"{origin}: the answer is compressed, which was not asked for")
        return HttpxResponse(response, origin)

    async def aclose(self) -> None:
        """Close the client and its connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _open(self) -> httpx.AsyncClient:
        try:
            import httpx
        except ImportError as error:
            raise ConfigError(
                "this connection needs httpx, which is not installed", hint="pip install httpx"
            ) from error
        try:
            client = httpx.AsyncClient(
                verify=self._tls(),
                proxy=self._proxy,
                timeout=httpx.Timeout(**self._timeouts),
                trust_env=False,
                follow_redirects=False,
                limits=httpx.Limits(max_keepalive_connections=4, keepalive_expiry=60.0),
            )
        except (ImportError, ValueError) as error:
            raise ConfigError(f"the proxy {_without_password(self._proxy)} cannot be used: {error}") from error
        # httpx adds headers of its own to each request; ours are complete.
        client.headers.clear()
        self._client = client
        return client


class HttpxResponse:
    """An answer over httpx."""

    def __init__(self, response: httpx.Response, origin: str) -> None:
        self.status: int = response.status_code
        self.reason: str = response.reason_phrase
        self.headers: Mapping[str, str] = {name.lower(): text for name, text in response.headers.items()}
        self._response = response
        self._origin = origin
        self._chunks: AsyncIterator[bytes] | None = None

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes; may be asked for again to go on."""
        return self

    def __aiter__(self) -> HttpxResponse:
        return self

    async def __anext__(self) -> bytes:
        import httpx

        if self._chunks is None:
            self._chunks = self._response.aiter_raw()
        try:
            return await anext(self._chunks)
        except httpx.HTTPError as error:
            raise _translated(error, self._origin) from error
        except httpx.StreamClosed as error:
            raise ConnectionLost(f"{self._origin}: the response was closed before its end") from error

    async def aclose(self, *, drain_s: float = 0.0) -> None:
        """Release the connection; httpx keeps it if the body has been read."""
        import anyio

        chunks = self._chunks
        try:
            if drain_s > 0 and not self._response.is_closed:
                with anyio.move_on_after(drain_s):
                    async for _ in self:
                        pass
        except TransportError:
            pass  # the drain is a courtesy to the next request; this answer was complete for its reader
        finally:
            close = getattr(chunks, "aclose", None)
            if close is not None:
                await close()
            await self._response.aclose()


async def _parts(body: Sequence[bytes]) -> AsyncIterator[bytes]:
    for part in body:
        yield part


def _translated(error: httpx.HTTPError, origin: str) -> TransportError:
    import ssl

    import httpx

    words = f"{origin}: {in_words(error)}"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return TlsFailed(f"{origin}: its certificate cannot be trusted: {cause.verify_message}", retryable=False)
        cause = cause.__cause__ or cause.__context__
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout() | httpx.ProxyError():
            return ConnectFailed(words)
        case httpx.UnsupportedProtocol() | httpx.LocalProtocolError():
            return MalformedResponse(words)
        case httpx.RemoteProtocolError():
            text = str(error)
            if "complete message body" in text or "incomplete chunked read" in text:
                return BodyTruncated(words)
            return ConnectionLost(words) if "disconnected" in text else MalformedResponse(words)
        case _:
            return ConnectionLost(words)


def _without_password(proxy: str | None) -> str:
    scheme, _, rest = (proxy or "").partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
