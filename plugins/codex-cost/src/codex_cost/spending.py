"""One request to a model, as a rollout tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple


class Tokens(NamedTuple):
    """Tokens of one or several requests. `cached` and `written` are parts of `input`, `reasoning` is one of `output`.
    A plain tuple: there are millions of them."""

    input: int = 0
    cached: int = 0
    written: int = 0
    output: int = 0
    reasoning: int = 0

    def plus(self, other: Tokens) -> Tokens:
        """The sum."""
        return Tokens(*(mine + its for mine, its in zip(self, other, strict=True)))

    def beyond(self, before: Tokens) -> Tokens | None:
        """What came on top of an earlier total, or None where this total began anew."""
        input, cached, written, output, reasoning = self
        if input < before.input or output < before.output:
            return None
        grown = (cached - before.cached, written - before.written, reasoning - before.reasoning)
        cached, written, reasoning = (part if part > 0 else 0 for part in grown)
        return Tokens(input - before.input, cached, written, output - before.output, reasoning).sound()

    def sound(self) -> Tokens:
        """With parts that are no larger than what they are part of, whatever a server said."""
        input, cached, written, output, reasoning = self
        if cached + written <= input and reasoning <= output:
            return self
        cached = min(cached, input)
        return Tokens(input, cached, min(written, input - cached), output, min(reasoning, output))


_NAMES = (
    "input_tokens",
    "cached_input_tokens",
    "cache_write_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
)


def read_tokens(given: object) -> Tokens | None:
    """The tokens of a usage object in the words of rollouts, or None if it is none."""
    if not isinstance(given, Mapping):
        return None
    counts = [given.get(name, 0) for name in _NAMES]
    for count in counts:
        if type(count) is not int or count < 0:
            return None
    return Tokens._make(counts)


class Spending(NamedTuple):
    """One request: when (UTC; None if the line does not tell), by which model of which provider, for whom, and which
    tools its answer called, sorted. Empty texts where nothing is recorded."""

    at: datetime | None
    model: str
    provider: str
    service_tier: str
    tokens: Tokens
    thread_id: str
    cwd: str
    agent: str
    tools: tuple[str, ...]
