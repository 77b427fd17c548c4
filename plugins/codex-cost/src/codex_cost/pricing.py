"""Prices at the moment when a request is about to leave: quick, and in whole billionths of a dollar."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal, localcontext
from typing import Any

import orjson

from codex_plugin_sdk import ConfigError

from .ledger import Ledger
from .prices import EXACT, Price, PriceBook, Rates
from .section import own_prices
from .spending import Spending, Tokens


class Pricing:
    """What requests of one thread cost. The table of prices takes a third of a second to read, so the ledger keeps what
    was found there for the rest of the day."""

    def __init__(self, config: Mapping[str, Any], ledger: Ledger) -> None:
        self._book = PriceBook(own_prices(config.get("cost") or {}))
        self._provider = str(config.get("model_provider") or "openai")
        self._ledger = ledger
        self._known: dict[tuple[str, str, str], Rates] = {}

    def most(self, model: str, tier: str | None, input: int, output: int) -> int:
        """What a request of this size costs at most, whatever of it turns out to be cached or reasoning. Raises
        `ConfigError` for a model without a price."""
        rates = self._rates(model, tier)
        kinds = [
            Tokens(input=input, written=written, output=output, reasoning=reasoning)
            for written in (0, input)
            for reasoning in (0, output)
        ]
        costs = [None if rates is None else self._cost(rates, tokens) for tokens in kinds]
        found = [cost for cost in costs if cost is not None]
        if len(found) < len(costs):
            raise ConfigError(
                f"no price is known for the model {model!r}, so that a budget in USD cannot hold",
                where="budget",
                hint=f"give one: -c 'cost.models.\"{model}\"={{input=1.25, output=10}}' (USD per million tokens), "
                "or in config.toml; or budget.tokens instead of budget.usd",
            )
        return max(found)

    def cost(self, model: str, tier: str | None, tokens: Tokens) -> int | None:
        """What it did cost, rounded up; None if it used what has no price."""
        rates = self._rates(model, tier)
        return None if rates is None else self._cost(rates, tokens)

    def _cost(self, rates: Rates, tokens: Tokens) -> int | None:
        with localcontext(EXACT):
            usd = rates.cost(tokens)
            return None if usd is None else int(usd.scaleb(9).to_integral_value(ROUND_CEILING))

    def _rates(self, model: str, tier: str | None) -> Rates | None:
        now = datetime.now(UTC)
        key = (model, tier or "", now.date().isoformat())
        if key not in self._known:
            spending = Spending(now, model, self._provider, tier or "", Tokens(), "", "", "", ())
            found = self._found(spending, key[2])
            if found is None:
                return None
            rates, lasts = found
            if not lasts:
                return rates
            self._known[key] = rates
        return self._known[key]

    def _found(self, spending: Spending, day: str) -> tuple[Rates, bool] | None:
        """The price, and whether it is one for the whole day."""
        if self._book.is_own(spending.model):
            own = self._book.rates(spending)
            return None if own is None else (own, True)
        known = f"{edition()} {day} "
        key = known + orjson.dumps([spending.provider, spending.model, spending.service_tier]).decode()
        kept = self._ledger.price(key)
        if kept is not None:
            return read_rates(kept), True
        with localcontext(EXACT):
            rates = self._book.rates(spending)
        if rates is None:
            return None
        lasts = self._book.lasts(spending)
        if lasts:
            self._ledger.keep_price(key, written_rates(rates), edition=known)
        return rates, lasts


def edition() -> str:
    """Which table is installed, without reading it."""
    from importlib.util import find_spec

    spec = find_spec("genai_prices")
    if spec is None or spec.origin is None:
        return "?"
    found = os.stat(os.path.join(os.path.dirname(spec.origin), "data.py"))
    return f"{found.st_mtime_ns}-{found.st_size}"


_PRICES = ("input", "cached", "written", "output", "reasoning")


def written_rates(rates: Rates) -> str:
    """Rates as a text."""
    body: dict[str, Any] = {"source": rates.source, "request": str(rates.request)}
    for name in _PRICES:
        price: Price | None = getattr(rates, name)
        if price is not None:
            body[name] = [str(price.base), [[start, str(step)] for start, step in price.steps]]
    return orjson.dumps(body).decode()


def read_rates(text: str) -> Rates:
    """What `written_rates` wrote."""
    body = orjson.loads(text)
    prices = {
        name: Price(Decimal(body[name][0]), tuple((start, Decimal(step)) for start, step in body[name][1]))
        for name in _PRICES
        if name in body
    }
    return Rates(source=body["source"], request=Decimal(body["request"]), **prices)
