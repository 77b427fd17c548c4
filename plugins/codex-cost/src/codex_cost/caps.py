"""The table `[budget]` of the configuration: what may be spent, by whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from codex_plugin_sdk import ConfigError

from .section import RESERVE_OUTPUT_TOKENS, SOFT

SCOPES = ("thread", "tree", "day")
"""A thread; a thread that a user began, with all sub-agents below it; a day of this home, by local time."""

MEASURES = {"usd": 10**9, "tokens": 1, "turns": 1, "agents": 1, "wall_s": 1000}
"""What can be capped, and how many units of the ledger make one: it counts in whole billionths of a dollar, and in
milliseconds."""

_SETTINGS = ("soft", "reserve_output_tokens")
_MOST = 10**9
"""Of any cap: what is more would not fit the ledger, and is no cap."""


class Cap(NamedTuple):
    """The most that a scope may have of a measure, in units of the ledger."""

    scope: str
    measure: str
    limit: int

    @property
    def key(self) -> str:
        """Where it is configured."""
        return f"budget.{self.measure}" if self.scope == "tree" else f"budget.{self.scope}.{self.measure}"


class Budget(NamedTuple):
    """All caps; `soft` is the part of one at which to warn, in thousandths."""

    caps: tuple[Cap, ...]
    soft: int
    reserve_output_tokens: int

    def caps_usd(self) -> bool:
        """Whether prices are needed."""
        return any(cap.measure == "usd" for cap in self.caps)


def read_budget(config: Mapping[str, Any]) -> Budget | None:
    """The budget of a whole configuration, None where nothing is capped. Raises `ConfigError`."""
    table = config.get("budget") or {}
    _check_table("budget", table, (*MEASURES, "thread", "day", *_SETTINGS))
    caps = [*_caps("tree", "budget", table)]
    for scope in ("thread", "day"):
        below = table.get(scope, {})
        _check_table(f"budget.{scope}", below, tuple(MEASURES))
        caps += _caps(scope, f"budget.{scope}", below)
    soft = _number("budget.soft", table.get("soft", SOFT), 1000, most=1)
    output = _number("budget.reserve_output_tokens", table.get("reserve_output_tokens", RESERVE_OUTPUT_TOKENS), 1)
    return Budget(tuple(caps), soft, output) if caps else None


def _check_table(where: str, table: object, known: tuple[str, ...]) -> None:
    if not isinstance(table, Mapping):
        raise ConfigError(f"`{where}` must be a table", hint=f"for instance {where}.usd = 1.50")
    unknown = sorted(set(table) - set(known))
    if unknown:
        hint = f"known are {', '.join(known)}"
        if unknown[0] == "tree":
            hint = "the keys of [budget] itself are for the tree"
        raise ConfigError(f"`{where}.{unknown[0]}` is not known", hint=hint)


def _caps(scope: str, where: str, table: Mapping[str, Any]) -> list[Cap]:
    return [
        Cap(scope, measure, _number(f"{where}.{measure}", table[measure], units))
        for measure, units in MEASURES.items()
        if measure in table
    ]


def _number(where: str, given: object, units: int, *, most: int = _MOST) -> int:
    """The number in units of the ledger, taken as it is written: 0.1 is a tenth."""
    from decimal import ROUND_DOWN, Decimal, InvalidOperation

    if isinstance(given, bool) or not isinstance(given, int | float | str):
        raise ConfigError(f"`{where}` must be a number")
    try:
        found = Decimal(str(given))
    except InvalidOperation:
        raise ConfigError(f"`{where}` is {given!r}, which is not a number") from None
    if not found.is_finite() or not 0 <= found <= most:
        raise ConfigError(f"`{where}` is {given}, which is not from 0 to {most:,}")
    if units == 1 and found != found.to_integral_value():
        raise ConfigError(f"`{where}` is {given}, which is not a whole number")
    return int((found * units).to_integral_value(ROUND_DOWN))
