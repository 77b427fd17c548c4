"""The tables `[cost]`, prices of the user's own, and `[budget]` (which `caps` reads)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import ConfigError, Value, field, value

if TYPE_CHECKING:
    from decimal import Decimal

_KNOWN = ("input", "cached_input", "output")
_MOST = 1_000_000
_FINEST = 12
"""Decimal places. What is finer would be a slip of the pen, and the sums stay exact within any context."""


SOFT = 0.8
RESERVE_OUTPUT_TOKENS = 16_384


@value
class CostSection(Value):
    """`models` holds a table by the name of each model: `input`, `cached_input` and `output`, in USD per million
    tokens."""

    models: Mapping[str, Any] = field(factory=dict)


@value
class BudgetSection(Value):
    """What may be spent: `usd`, `tokens`, `turns`, `agents` and `wall_s` of a thread with all its sub-agents; the same
    in `thread` for each single thread, in `day` for a day of this home. A warning comes at the `soft` part of a cap;
    `reserve_output_tokens` is what an answer may have at most, as far as reservations go."""

    usd: Any = None
    tokens: Any = None
    turns: Any = None
    agents: Any = None
    wall_s: Any = None
    thread: Mapping[str, Any] = field(factory=dict)
    day: Mapping[str, Any] = field(factory=dict)
    soft: Any = SOFT
    reserve_output_tokens: Any = RESERVE_OUTPUT_TOKENS


@value
class OwnPrice(Value):
    """What the user says that a model costs, in USD per million tokens."""

    input: Decimal
    cached_input: Decimal
    output: Decimal


def own_prices(table: Mapping[str, Any]) -> dict[str, OwnPrice]:
    """The prices of a `[cost]` table by model. Raises `ConfigError`."""
    models = table.get("models", {})
    if not isinstance(models, Mapping):
        raise ConfigError("`cost.models` must be a table", hint='[cost.models."NAME"] input = 1.25')
    return {str(name): _price(str(name), given) for name, given in models.items()}


def _price(name: str, given: object) -> OwnPrice:
    where = f'cost.models."{name}"'
    if not isinstance(given, Mapping):
        raise ConfigError(f"`{where}` must be a table", hint="input, cached_input and output, USD per million tokens")
    unknown = sorted(set(given) - set(_KNOWN))
    if unknown:
        raise ConfigError(f"`{where}.{unknown[0]}` is not known", hint=f"known are {', '.join(_KNOWN)}")
    for needed in ("input", "output"):
        if needed not in given:
            raise ConfigError(f"`{where}` lacks `{needed}`", hint="input and output are needed, cached_input is not")
    read = _amount(f"{where}.input", given["input"])
    cached = given.get("cached_input")
    return OwnPrice(
        input=read,
        cached_input=read if cached is None else _amount(f"{where}.cached_input", cached),
        output=_amount(f"{where}.output", given["output"]),
    )


def _amount(where: str, given: object) -> Decimal:
    """An amount as it is written: 0.1 is a tenth, not the binary fraction next to it."""
    from decimal import Decimal, InvalidOperation

    if isinstance(given, bool) or not isinstance(given, int | float | str):
        raise ConfigError(f"`{where}` must be a number of USD per million tokens")
    try:
        found = Decimal(str(given))
    except InvalidOperation:
        raise ConfigError(f"`{where}` is {given!r}, which is not a number") from None
    exponent = found.as_tuple().exponent
    if not isinstance(exponent, int) or not 0 <= found <= _MOST:
        raise ConfigError(
            f"`{where}` is {given}, which is no price", hint=f"from 0 to {_MOST:,} USD per million tokens"
        )
    if exponent < -_FINEST:
        raise ConfigError(f"`{where}` has more than {_FINEST} decimal places")
    return found
