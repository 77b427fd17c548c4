"""The provider: one request, one stream of model events."""

from __future__ import annotations

from collections.abc import AsyncIterator

from codex_plugin_sdk import ModelEvent, ModelInfo, ModelRequest, ProviderSetup, StreamClosed
from codex_plugin_sdk.http.model_server import ModelServer

from .body import RequestEncoder
from .events import CUT_SHORT, ResponseReader
from .models import model_info, model_names
from .transport import EventStream, ResponsesTransport, SseTransport

DEFAULT_BASE_URL = "https://api.openai.com/v1"
BUILTIN_ID = "openai"


def base_url(setup: ProviderSetup) -> str:
    """Where the server is. The built-in provider can be moved by `openai_base_url` in config.toml, then by
    the variable OPENAI_BASE_URL; a provider of one's own says so in its table."""
    if setup.info.id == BUILTIN_ID:
        moved = setup.options.get("openai_base_url") or setup.environ.get("OPENAI_BASE_URL", "").strip()
        if moved:
            return str(moved)
    return setup.info.base_url or DEFAULT_BASE_URL


class OpenAIProvider:
    """Speaks the Responses API. Raises `ConfigError` for a base URL that cannot be one."""

    def __init__(self, setup: ProviderSetup, *, transport: ResponsesTransport | None = None) -> None:
        self._transport = transport or SseTransport(ModelServer(setup, base_url(setup)))
        self._encoder = RequestEncoder()
        self._early: tuple[ModelRequest, EventStream] | None = None

    def head_start(self, request: ModelRequest) -> None:
        """Send the request before there is an event loop, if that is quick; `stream` of the same request then
        reads the answer. Raises `ProviderError` for what keeps a request from being made (no key, say)."""
        stream = self._open(request, ResponseReader(want_deltas=request.want_deltas))
        stream.send_ahead()
        self._early = (request, stream)

    def _open(self, request: ModelRequest, reader: ResponseReader) -> EventStream:
        early, self._early = self._early, None
        if early is not None and early[0] is request:
            return early[1]
        return self._transport.open(request, self._encoder.parts(request), reader.skip)

    async def stream(self, request: ModelRequest) -> AsyncIterator[tuple[ModelEvent, ...]]:
        """Send the request; yield events as they come. Raises `ProviderError`."""
        reader = ResponseReader(want_deltas=request.want_deltas)
        async with self._open(request, reader) as events:
            ended = False
            while not ended:
                batch = await events.next_batch()
                ended = batch is None
                found, error = reader.read(batch) if batch is not None else reader.read_last(events.left_over())
                if reader.completed:
                    ended = True
                    events.finished()
                if found:
                    yield tuple(found)
                if error is not None:
                    raise error
        if not reader.completed:
            raise StreamClosed(CUT_SHORT)

    def model_info(self, model: str) -> ModelInfo:
        """What is known of a model; no I/O."""
        return model_info(model)

    def model_names(self) -> tuple[str, ...]:
        """Models worth offering, the best first; no I/O."""
        return model_names()

    async def aclose(self) -> None:
        """Release connections; may be called again."""
        await self._transport.aclose()
