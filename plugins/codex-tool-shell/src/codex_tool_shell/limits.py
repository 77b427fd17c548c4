"""How long calls wait and how much they show: Codex's numbers, and the configuration keys that change them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codex_plugin_sdk import ConfigError, Value, value

from .output import BYTES_PER_TOKEN

MIN_YIELD_MS = 250
MAX_YIELD_MS = 30_000
EXEC_YIELD_MS = 10_000
WRITE_YIELD_MS = 250
MIN_POLL_MS = 5_000
DEFAULT_MAX_POLL_MS = 300_000
DEFAULT_OUTPUT_TOKENS = 10_000


@value
class Limits(Value):
    """The limits of one thread. `output_tokens` is the most that one call shows."""

    output_tokens: int = DEFAULT_OUTPUT_TOKENS
    max_poll_ms: int = DEFAULT_MAX_POLL_MS

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> Limits:
        """From `tool_output_token_limit` and `background_terminal_max_timeout`. Raises `ConfigError`."""
        return cls(
            output_tokens=_number(config, "tool_output_token_limit", DEFAULT_OUTPUT_TOKENS),
            max_poll_ms=_number(config, "background_terminal_max_timeout", DEFAULT_MAX_POLL_MS),
        )

    @property
    def output_bytes(self) -> int:
        """`output_tokens` in bytes."""
        return self.output_tokens * BYTES_PER_TOKEN

    def budget_bytes(self, max_output_tokens: int | None) -> int:
        """What one call shows: what the model asks for, but not more than the limit."""
        wanted = self.output_tokens if max_output_tokens is None else max_output_tokens
        return min(wanted, self.output_tokens) * BYTES_PER_TOKEN

    def exec_wait_s(self, yield_time_ms: int | None) -> float:
        """How long `exec_command` waits for the end of the command."""
        return _clamp(EXEC_YIELD_MS if yield_time_ms is None else yield_time_ms, MIN_YIELD_MS, MAX_YIELD_MS)

    def write_wait_s(self, yield_time_ms: int | None) -> float:
        """How long `write_stdin` gathers output after it wrote something."""
        return _clamp(WRITE_YIELD_MS if yield_time_ms is None else yield_time_ms, MIN_YIELD_MS, MAX_YIELD_MS)

    def poll_wait_s(self, yield_time_ms: int | None) -> float:
        """How long `write_stdin` waits for the end when it only looks: models poll too often."""
        wanted = MIN_POLL_MS if yield_time_ms is None else yield_time_ms
        return _clamp(wanted, MIN_POLL_MS, max(MIN_POLL_MS, self.max_poll_ms))


def _clamp(wanted_ms: int, least_ms: int, most_ms: int) -> float:
    return min(max(wanted_ms, least_ms), most_ms) / 1000


def _number(config: Mapping[str, Any], key: str, default: int) -> int:
    found = config.get(key, default)
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise ConfigError(f"{key} must be a number of 0 or more, not {found!r}")
    return found
