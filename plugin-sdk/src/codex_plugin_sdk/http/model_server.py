"""A model server over HTTP: one POST, its answer as chunks, every failure as a `ProviderError`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from codex_kernel.contracts.model import ProviderSetup
from codex_kernel.errors import ConfigError, ProviderError, StreamClosed
from codex_kernel.protocol.value import Value, value

from .client import HttpClient
from .errors import ConnectFailed, TlsFailed, TransportError
from .keys import request_headers
from .message import HttpRequest, HttpResponse, parse_url

DRAIN_S = 0.1
"""How long the last bytes of a body may take after the answer is complete, before the connection is given up."""


@value
class ServerHints(Value):
    """What to try, by failure: no connection, and by status."""

    unreachable: str = ""
    by_status: Mapping[int, str] = {}


class ModelServer:
    """One server's base URL with keys, headers and connections, as a provider's setup describes them.

    Raises `ConfigError` for a base URL or a `transport` that cannot be used.
    """

    def __init__(self, setup: ProviderSetup, base_url: str, *, hints: ServerHints | None = None) -> None:
        self._setup = setup
        self._hints = hints or ServerHints()
        self.base_url = base_url.rstrip("/")
        try:
            parse_url(self.base_url)
        except ValueError as error:
            raise ConfigError(f"base_url of model provider `{setup.info.id}`: {error}") from error
        chosen = setup.info.options.get("transport", setup.options.get("transport", "auto"))
        self._client = HttpClient(environ=setup.environ, transport=str(chosen))

    def post(
        self,
        path: str,
        body: Sequence[bytes],
        *,
        thread_id: str,
        hints_by_status: Mapping[int, str] | None = None,
        extra_headers: Sequence[tuple[str, str]] = (),
    ) -> Answer:
        """`async with server.post("/responses", parts, thread_id=…) as answer:`; the request leaves on
        entering. Raises `ProviderError`, `ConfigError`."""
        address, _, own_query = self.base_url.partition("?")
        query = "&".join(filter(None, (own_query, self._query())))
        plain = address.rstrip("/") + path
        try:
            request = HttpRequest(
                method="POST",
                url=f"{plain}?{query}" if query else plain,
                headers=tuple(request_headers(self._setup, thread_id, extra_headers).items()),
                body=body,
            )
        except ValueError as error:
            raise ConfigError(f"model provider `{self._setup.info.id}`: {error}") from error
        hints = self._hints
        if hints_by_status:
            hints = hints.replace(by_status={**hints.by_status, **hints_by_status})
        return Answer(self._client, request, plain, hints)

    def _query(self) -> str:
        params = self._setup.info.query_params
        if not params:
            return ""
        from urllib.parse import urlencode

        return urlencode({name: str(text) for name, text in params.items()})

    async def aclose(self) -> None:
        """Close kept connections; may be called again."""
        await self._client.aclose()


class Answer:
    """A running answer: iterate it for the body's bytes. `finished()` says that nothing more is needed."""

    def __init__(self, client: HttpClient, request: HttpRequest, url: str, hints: ServerHints) -> None:
        self._client, self._request = client, request
        self._stream = client.open_stream(request)
        self._url, self._hints = url, hints
        self._response: HttpResponse | None = None
        self._chunks: Any = None

    @property
    def content_type(self) -> str:
        """The media type, lower-case, without parameters."""
        assert self._response is not None
        return self._response.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def url(self) -> str:
        """Where the request went, without its query."""
        return self._url

    def finished(self) -> None:
        """The answer is complete, so that the connection is worth keeping."""
        self._stream.drain_s = DRAIN_S

    def send_ahead(self) -> None:
        """Let the request leave now, before entering and without an event loop, if that is quick."""
        self._client.send_ahead(self._request)

    async def __aenter__(self) -> Answer:
        try:
            response = self._response = await self._stream.__aenter__()
        except TransportError as error:
            raise self._unsent(error) from error
        if not 200 <= response.status < 300:
            await self._refuse(response)
        self._chunks = response.chunks()
        return self

    async def _refuse(self, response: HttpResponse) -> None:
        from .failures import read_error_body, status_error  # off the way to the first request

        body = b""
        try:
            body = await read_error_body(response)
        except TransportError as error:
            body = f"(the rest is missing: {error.message})".encode()
        finally:
            await response.aclose()
        hint = self._hints.by_status.get(response.status, "")
        raise status_error(response.status, response.reason, response.headers, body, url=self._url, hint=hint)

    def _unsent(self, error: TransportError) -> ProviderError:
        if not isinstance(error, ConnectFailed | TlsFailed):
            return ProviderError(f"the request failed: {error.message}", retryable=error.retryable)
        hint = self._hints.unreachable or f"is base_url right? {self._url} was asked"
        return ProviderError(f"cannot reach the model server: {error.message}", retryable=error.retryable, hint=hint)

    def __aiter__(self) -> Answer:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk: bytes = await anext(self._chunks)
        except TransportError as error:
            raise StreamClosed(f"stream disconnected: {error.message}") from error
        return chunk

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stream.__aexit__(kind, error, trace)
