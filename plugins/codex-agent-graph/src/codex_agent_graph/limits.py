"""The table `[agents]`: how many sub-agents there may be, how deep, and what they run on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codex_plugin_sdk import ConfigError, FeatureSpec, Value, value
from codex_plugin_sdk.features import feature_enabled

MAX_THREADS = 6
MAX_DEPTH = 1


@value
class Limits(Value):
    """`max_threads` counts the agents that are open below one thread of the user, at any depth; `max_depth` is how many
    threads lie between the deepest of them and that thread, with itself. `model` and `effort` are for agents whose
    call names none."""

    max_threads: int = MAX_THREADS
    max_depth: int = MAX_DEPTH
    model: str | None = None
    effort: str | None = None


def switched_on(config: Mapping[str, Any], feature: FeatureSpec) -> bool:
    """Whether `[features]` has the flag on, or leaves it at its default."""
    table = config.get("features")
    return feature_enabled(table if isinstance(table, Mapping) else {}, {feature.name: feature}, feature.name)


def read_limits(config: Mapping[str, Any]) -> Limits:
    """The limits that a configuration sets. Raises `ConfigError`."""
    table = config.get("agents")
    if table is None:
        return Limits()
    if not isinstance(table, Mapping):
        raise ConfigError(f"agents must be a table, not {table!r}")
    return Limits(
        max_threads=_count(table, "max_threads", MAX_THREADS),
        max_depth=_count(table, "max_depth", MAX_DEPTH),
        model=_text(table, "default_subagent_model"),
        effort=_text(table, "default_subagent_reasoning_effort"),
    )


def _count(table: Mapping[str, Any], name: str, default: int) -> int:
    found = table.get(name, default)
    if isinstance(found, bool) or not isinstance(found, int) or found < 0:
        raise ConfigError(f"agents.{name} must be a whole number from 0 on, not {found!r}")
    return found


def _text(table: Mapping[str, Any], name: str) -> str | None:
    found = table.get(name)
    if found is not None and not isinstance(found, str):
        raise ConfigError(f"agents.{name} must be a string, not {found!r}")
    return found
