"""The provider: plays one answer per request, always in the same way."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

from codex_plugin_sdk import (
    AuthenticationFailed,
    ContextWindowExceeded,
    CustomToolCall,
    Message,
    ModelEvent,
    ModelInfo,
    ModelRequest,
    OutputItemDone,
    OutputItemStarted,
    ProviderError,
    ProviderSetup,
    RateLimited,
    Reasoning,
    ReasoningTextDelta,
    ResponseCompleted,
    ResponseItem,
    ResponseStarted,
    StreamClosed,
    TextDelta,
    ToolInputTextDelta,
    UserError,
)

from .comparison import divergence, outputs_of
from .files import load
from .script import COMPACT, Answer, Fault, Script

SCRIPT_VARIABLE = "CODEX_REPLAY_SCRIPT"
STRICT_VARIABLE = "CODEX_REPLAY_STRICT"
DELTA_CHARS = 24
_TRUE = {"1", "true", "yes"}


def open_provider(setup: ProviderSetup) -> ReplayProvider:
    """The provider for what configuration or the environment names. Raises `UserError`."""
    options = setup.info.options
    path = _path(options.get("script"), setup)
    if path is None:
        table = f"[model_providers.{setup.info.id}]"
        raise UserError(
            f"model provider `{setup.info.id}` has nothing to play",
            hint=f'set script = "FILE" in {table}, or the variable {SCRIPT_VARIABLE}',
        )
    script = load(path)
    strict = options.get("strict", setup.environ.get(STRICT_VARIABLE, "").lower() in _TRUE or script.strict)
    if not isinstance(strict, bool):
        raise UserError(f"`strict` of model provider `{setup.info.id}` must be true or false, not {strict!r}")
    return ReplayProvider(script, strict=strict)


def _path(option: object, setup: ProviderSetup) -> str | None:
    """The absolute path: the option's, relative to CODEX_HOME as other files that config.toml names, or the
    variable's, relative to the working folder. Raises `UserError` for an option that is no text."""
    if option is not None and not isinstance(option, str):
        raise UserError(f"`script` of model provider `{setup.info.id}` must be a path, not {option!r}")
    if option:
        return os.path.abspath(os.path.join(setup.options.get("codex_home", ""), os.path.expanduser(option)))
    named = setup.environ.get(SCRIPT_VARIABLE)
    return os.path.abspath(os.path.expanduser(named)) if named else None


class ReplayProvider:
    """A `ModelProvider` without a server. It knows one conversation: every request takes the next answer, a
    retry after a fault as well."""

    def __init__(self, script: Script, *, strict: bool = False) -> None:
        self._script = script
        self._strict = strict
        self._next = 0

    async def stream(self, request: ModelRequest) -> AsyncIterator[tuple[ModelEvent, ...]]:
        """Play the next answer. Raises `ProviderError` when there is none or it does not fit."""
        answer = self._take(request)
        if answer.fault is not None and answer.fault.kind == "status":
            raise _status_error(answer.fault)
        for batch in _batches(answer, self._next, want_deltas=request.want_deltas):
            yield batch
        if answer.fault is not None:
            await _fail(answer.fault)

    def _take(self, request: ModelRequest) -> Answer:
        script = self._script
        if self._next >= len(script.answers):
            raise ProviderError(
                f"the replay of {script.path} is at its end: it holds {len(script.answers)} answers, and another "
                "one is asked for",
                hint="the conversation took another way than when it was recorded; strict = true shows where",
            )
        answer = script.answers[self._next]
        place = f"{script.path}: {answer.where}"
        if (request.kind == COMPACT) != (answer.kind == COMPACT):
            wanted = {True: "a summary of the conversation", False: "an answer in a turn"}
            raise ProviderError(
                f"the replay does not fit: {wanted[request.kind == COMPACT]} is asked for, and next is "
                f"{wanted[answer.kind == COMPACT]} ({place})",
                hint="compaction follows model_context_window and model_auto_compact_token_limit",
            )
        if self._strict:
            difference = divergence(answer.outputs, outputs_of(request.input))
            if difference:
                raise ProviderError(f"the replay diverges before answer {self._next + 1} ({place}): {difference}")
        self._next += 1
        return answer

    def model_info(self, model: str) -> ModelInfo:
        """What the script says, for every model."""
        return self._script.model_info

    async def aclose(self) -> None:
        """Nothing is held."""


def _batches(answer: Answer, number: int, *, want_deltas: bool) -> Iterator[tuple[ModelEvent, ...]]:
    """The events in batches: one for each item, or one for each event of a script that gives events."""
    if answer.events is not None:
        for event in answer.events:
            if want_deltas or not isinstance(event, TextDelta | ReasoningTextDelta | ToolInputTextDelta):
                yield (event,)
        return
    response_id = f"resp_replay_{number}"
    yield (ResponseStarted(response_id=response_id),)
    for index, item in enumerate(answer.items, 1):
        named = _named(item, f"replay_{number}_{index}")
        deltas = tuple(_deltas(named)) if want_deltas and answer.deltas else ()
        yield (*deltas, OutputItemDone(item=named))
    if answer.fault is None:
        yield (ResponseCompleted(response_id=response_id, usage=answer.usage),)


def _named(item: ResponseItem, id: str) -> ResponseItem:
    """The item with an id, always the same one, where the script gives none."""
    if isinstance(item, Message | Reasoning) and item.id is None:
        return item.replace(id=f"{'msg' if isinstance(item, Message) else 'rs'}_{id}")
    return item


def _deltas(item: ResponseItem) -> Iterator[ModelEvent]:
    match item:
        case Message():
            id = item.id or ""
            yield OutputItemStarted(item=item.replace(content=()))
            yield from (TextDelta(item_id=id, delta=piece) for piece in _pieces(item.text))
        case Reasoning():
            id = item.id or ""
            yield OutputItemStarted(item=item.replace(summary=(), content=None, encrypted_content=None))
            for text in item.summary:
                yield from (ReasoningTextDelta(item_id=id, delta=piece) for piece in _pieces(text))
        case CustomToolCall():
            id = item.id or item.call_id
            yield OutputItemStarted(item=item.replace(input=""))
            for piece in _pieces(item.input):
                yield ToolInputTextDelta(item_id=id, call_id=item.call_id, delta=piece)


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), DELTA_CHARS):
        yield text[start : start + DELTA_CHARS]


async def _fail(fault: Fault) -> None:
    match fault.kind:
        case "stall":
            import anyio

            await anyio.sleep_forever()
        case "cut":
            raise StreamClosed(fault.message or "stream disconnected before completion: the replay cuts it here")
        case "context_window":
            raise ContextWindowExceeded(fault.message or "the request is larger than the model's context window")
        case _:
            raise ProviderError(fault.message or "the model failed", retryable=False)


def _status_error(fault: Fault) -> ProviderError:
    status = fault.status or 500
    message = fault.message or f"the server answered with HTTP status {status}"
    if status == 429:
        return RateLimited(message, status=status, retry_after_s=fault.retry_after_s)
    if status in (401, 403):
        return AuthenticationFailed(message, status=status)
    retryable = status >= 500 or status == 408
    return ProviderError(message, retryable=retryable, status=status, retry_after_s=fault.retry_after_s)
