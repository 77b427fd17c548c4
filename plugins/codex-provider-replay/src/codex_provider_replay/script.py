"""What is played: answers in order, each with where it stands in its file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codex_plugin_sdk import (
    ExitCode,
    ModelEvent,
    ModelInfo,
    ResponseItem,
    TokenUsage,
    UserError,
    Value,
    field,
    value,
)

COMPACT = "compact"
"""`ModelRequest.kind` of a request for a summary."""


CONTEXT_WINDOW = 272_000
"""Tokens; what a file that says nothing else gets, wide enough for no compaction to come in between."""


@value
class Fault(Value):
    """How an answer goes wrong, after what it holds otherwise. `kind` is one of `FAULTS`; `status` and
    `retry_after_s` belong to `status`."""

    kind: str
    message: str = ""
    status: int | None = None
    retry_after_s: float | None = None


FAULTS = ("cut", "status", "stall", "failed", "context_window")


@value
class Answer(Value):
    """One answer of the model.

    Either `items` (their events are made when it is played, with deltas if `deltas`), or `events` as they
    are. `outputs` are the tool outputs that the request for it held when it was recorded, by call id; they are
    compared in strict mode. `where` is the place in the file, for messages.
    """

    where: str
    items: tuple[ResponseItem, ...] = ()
    events: tuple[ModelEvent, ...] | None = None
    usage: TokenUsage | None = None
    deltas: bool = True
    kind: str = "turn"
    fault: Fault | None = None
    outputs: Mapping[str, str] = field(factory=dict)


@value
class Script(Value):
    """All answers of a file, and what it says of the model."""

    path: str
    answers: tuple[Answer, ...]
    strict: bool = False
    model_info: ModelInfo = field(factory=lambda: ModelInfo(known=True, context_window=CONTEXT_WINDOW))


class ScriptError(UserError):
    """The file cannot be played; `where` is the place in it, as `line 3` or `responses[2].items[0]`."""

    exit_code = ExitCode.CONFIG

    def __init__(self, message: str, *, path: str, where: str = "", hint: str = "") -> None:
        place = f"{path}: {where}" if where else path
        super().__init__(f"replay script {place}: {message}", hint=hint)
        self.path, self.where = path, where


def usage_from(raw: Mapping[str, Any]) -> TokenUsage:
    """Token usage from the names of rollouts; nested details of the Responses API are read too. Raises
    `ValueError` for a figure that is no whole number."""
    cached = _detail(raw, "input_tokens_details", "cached_tokens")
    reasoning = _detail(raw, "output_tokens_details", "reasoning_tokens")
    figures = {
        "input_tokens": raw.get("input_tokens", 0),
        "cached_input_tokens": raw.get("cached_input_tokens", cached),
        "cache_write_input_tokens": raw.get("cache_write_input_tokens", 0),
        "output_tokens": raw.get("output_tokens", 0),
        "reasoning_output_tokens": raw.get("reasoning_output_tokens", reasoning),
    }
    figures["total_tokens"] = raw.get("total_tokens") or figures["input_tokens"] + figures["output_tokens"]
    for name, figure in figures.items():
        if not isinstance(figure, int) or isinstance(figure, bool) or figure < 0:
            raise ValueError(f"{name} must be a whole number, not {figure!r}")
    return TokenUsage(**figures)


def _detail(raw: Mapping[str, Any], group: str, name: str) -> Any:
    found = raw.get(group)
    return found.get(name, 0) if isinstance(found, Mapping) else 0
