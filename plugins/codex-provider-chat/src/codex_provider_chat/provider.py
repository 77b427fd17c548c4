"""The provider: one request, one stream of model events."""

from __future__ import annotations

from collections.abc import AsyncIterator

from codex_plugin_sdk import ModelEvent, ModelInfo, ModelRequest, ProviderError, ProviderSetup, StreamClosed
from codex_plugin_sdk.http.jsondata import printable
from codex_plugin_sdk.http.model_server import Answer, ModelServer, ServerHints
from codex_plugin_sdk.http.sse import MAX_EVENT_BYTES, SseDecoder

from .body import RequestEncoder
from .calls import CallAssembler
from .chunks import ChunkReader
from .local_servers import base_url, missing_model_hint, unreachable_hint
from .models import model_info

PATH = "/chat/completions"


class ChatProvider:
    """Speaks Chat Completions. Raises `ConfigError` for a base URL that is missing or cannot be one."""

    def __init__(self, setup: ProviderSetup) -> None:
        self._setup = setup
        hints = ServerHints(unreachable=unreachable_hint(setup))
        self._server = ModelServer(setup, base_url(setup), hints=hints)
        self._encoder = RequestEncoder()
        self._early: tuple[ModelRequest, Answer] | None = None
        self._reasoning_field: str | None = None  # known once the server has given reasoning

    def head_start(self, request: ModelRequest) -> None:
        """Send the request before there is an event loop, if that is quick; `stream` of the same request then
        reads the answer. Raises `ProviderError` for what keeps a request from being made."""
        answer = self._post(request)
        answer.send_ahead()
        self._early = (request, answer)

    def _post(self, request: ModelRequest) -> Answer:
        early, self._early = self._early, None
        if early is not None and early[0] is request:
            return early[1]
        body = self._encoder.parts(request, reasoning_field=self._reasoning_field)
        hints = {404: missing_model_hint(self._setup, request.model)}
        return self._server.post(PATH, body, thread_id=request.thread_id, hints_by_status=hints)

    async def stream(self, request: ModelRequest) -> AsyncIterator[tuple[ModelEvent, ...]]:
        """Send the request; yield events as they come. Raises `ProviderError`."""
        reader = ChunkReader(_assembler(request), want_deltas=request.want_deltas)
        async with self._post(request) as answer:
            decoder = SseDecoder()
            first = await anext(answer, b"")
            document = first.lstrip()[:1] in (b"{", b"<", b"[")
            chunk: bytes | None = await _rest(answer, first) if document else first
            while chunk is not None:
                found, error = reader.read_document(chunk) if document else reader.read(decoder.feed(chunk))
                if found:
                    yield tuple(found)
                if error is not None:
                    raise error
                chunk = None if reader.ended else await self._next(answer, reader)
            if not reader.ended:
                found, error = reader.read_last(decoder.finish())
                if found:
                    yield tuple(found)
                if error is not None:
                    raise error
            self._reasoning_field = reader.reasoning_field or self._reasoning_field
            answer.finished()
            yield tuple(reader.close())

    async def _next(self, answer: Answer, reader: ChunkReader) -> bytes | None:
        try:
            return await anext(answer, None)
        except StreamClosed:
            if reader.finished:  # all that counts has come; only the goodbye is missing
                return None
            raise

    def model_info(self, model: str) -> ModelInfo:
        """What is known of a model; no I/O."""
        return model_info(model)

    async def aclose(self) -> None:
        """Release connections; may be called again."""
        await self._server.aclose()


def _assembler(request: ModelRequest) -> CallAssembler:
    return CallAssembler(
        known=frozenset(tool.name for tool in request.tools),
        freeform=frozenset(tool.name for tool in request.tools if tool.freeform),
    )


async def _rest(answer: Answer, first: bytes) -> bytes:
    """The whole of a body that is not a stream: a server that ignores `stream`, or a wrong address."""
    parts, size = [first], len(first)
    async for chunk in answer:
        parts.append(chunk)
        size += len(chunk)
        if size > MAX_EVENT_BYTES:
            raise ProviderError(f"the server sent a document of more than {MAX_EVENT_BYTES} bytes", retryable=False)
    whole = b"".join(parts)
    if first.lstrip()[:1] == b"<":
        raise ProviderError(
            f"{answer.url} did not answer with an event stream but with {printable(whole)}",
            retryable=False,
            hint="is base_url right? It usually ends in /v1",
        )
    return whole
