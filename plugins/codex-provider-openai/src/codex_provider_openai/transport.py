"""How a request's body gets to the server and events come back: the seam between HTTP and other ways.

`SseTransport` is the only way so far. A WebSocket transport would send `{"type": "response.create", …}` with the
same body and yield each message as an event without a name; `ResponseReader` finds the kind within the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from codex_plugin_sdk import ModelRequest, ProviderError, StreamClosed
from codex_plugin_sdk.http.jsondata import loads_lenient, printable
from codex_plugin_sdk.http.model_server import Answer, ModelServer
from codex_plugin_sdk.http.sse import SseDecoder

EventBatch = list[tuple[bytes, bytes]]
"""(name, JSON) of each event; the name may be empty."""


class EventStream(Protocol):
    """One running answer; an async context manager, so that leaving it releases what it holds."""

    def send_ahead(self) -> None:
        """Send the request now, without an event loop, if that is quick; entering then takes over."""
        ...

    async def __aenter__(self) -> Self:
        """Send the request. Raises `ProviderError`."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def next_batch(self) -> EventBatch | None:
        """The events of the next read, None at the end. Raises `ProviderError`."""
        ...

    def left_over(self) -> EventBatch:
        """After the end: events that may have been cut short."""
        ...

    def finished(self) -> None:
        """The last event has come."""
        ...


class ResponsesTransport(Protocol):
    """A way to a server that speaks the Responses API."""

    def open(self, request: ModelRequest, body: Sequence[bytes], skip: frozenset[bytes]) -> EventStream:
        """The answer to come; nothing is sent before it is entered. Events named in `skip` may be left out."""
        ...

    async def aclose(self) -> None:
        """Release connections; may be called again."""
        ...


class SseTransport:
    """POST to `/responses`, server-sent events back."""

    def __init__(self, server: ModelServer) -> None:
        self._server = server

    def open(self, request: ModelRequest, body: Sequence[bytes], skip: frozenset[bytes]) -> SseStream:
        """See `ResponsesTransport`."""
        return SseStream(self._server.post("/responses", body, thread_id=request.thread_id), skip)

    async def aclose(self) -> None:
        """Close kept connections."""
        await self._server.aclose()


class SseStream:
    """The events of one HTTP answer."""

    def __init__(self, answer: Answer, skip: frozenset[bytes]) -> None:
        self._answer = answer
        self._decoder = SseDecoder(skip=skip)
        self._first = True

    def send_ahead(self) -> None:
        """See `EventStream`."""
        self._answer.send_ahead()

    async def __aenter__(self) -> SseStream:
        await self._answer.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._answer.__aexit__(kind, error, trace)

    async def next_batch(self) -> EventBatch | None:
        """See `EventStream`."""
        chunk = await anext(self._answer, None)
        if chunk is None:
            return None
        if self._first:
            self._first = False
            if chunk.lstrip()[:1] in (b"{", b"<"):
                raise await self._not_a_stream(chunk)
        return self._decoder.feed(chunk)

    def left_over(self) -> EventBatch:
        """See `EventStream`."""
        return self._decoder.finish()

    def finished(self) -> None:
        """See `EventStream`."""
        self._answer.finished()

    async def _not_a_stream(self, body: bytes) -> ProviderError:
        """A page or a document came, with a good status: mostly a wrong base_url, sometimes an error."""
        try:
            async for chunk in self._answer:
                body += chunk
                if len(body) > 65_536:
                    break
            parsed = loads_lenient(body)
        except (StreamClosed, ValueError):
            parsed = None
        if isinstance(parsed, dict) and parsed.get("error"):
            from codex_plugin_sdk.http.failures import event_error

            return event_error(parsed["error"])
        return ProviderError(
            f"{self._answer.url} did not answer with an event stream but with {printable(body)}",
            retryable=False,
            hint="is base_url right, and does the server speak the Responses API?",
        )
