"""What tokens cost: the user's own prices, then the table of the package `genai-prices`.

The table ships within the package; nothing is fetched. It is imported only when a model has no price of the user's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from typing import TYPE_CHECKING, Any, NamedTuple

from .section import OwnPrice
from .spending import Spending, Tokens

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot

EXACT = Context(prec=200, traps=[Inexact, InvalidOperation, Overflow, DivisionByZero])
"""Sums are calculated in this context: whatever would have to be rounded raises."""

LOCAL_PROVIDERS = frozenset({"ollama", "ollama-chat", "lmstudio", "oss"})
"""They serve models on the user's own machine, which the prices of others say nothing about."""


class Price(NamedTuple):
    """USD per million tokens; `steps` are prices for all tokens of a request whose input has more tokens than that,
    ascending."""

    base: Decimal
    steps: tuple[tuple[int, Decimal], ...] = ()

    def at(self, input_tokens: int) -> Decimal:
        """The price for a request of this size."""
        found = self.base
        for start, price in self.steps:
            if input_tokens > start:
                found = price
        return found


class Rates(NamedTuple):
    """The prices of a model at a time; None where there is none. Cached and written input, and reasoning, cost as much
    as the rest where they have no price of their own. `request` is a fee for each request."""

    source: str
    input: Price | None = None
    cached: Price | None = None
    written: Price | None = None
    output: Price | None = None
    reasoning: Price | None = None
    request: Decimal = Decimal(0)

    def cost(self, tokens: Tokens) -> Decimal | None:
        """USD for one request, exactly; None if it used what has no price."""
        total = self.request
        plain_output = tokens.output - tokens.reasoning
        for count, price in (
            (tokens.input - tokens.cached - tokens.written, self.input),
            (tokens.cached, self.cached or self.input),
            (tokens.written, self.written or self.input),
            (plain_output, self.output),
            (tokens.reasoning, self.reasoning or self.output),
        ):
            if count == 0:
                continue
            if price is None:
                return None
            total += (price.at(tokens.input) * count).scaleb(-6)
        return total


class PriceBook:
    """Finds prices. Call it within `EXACT`."""

    def __init__(self, own: Mapping[str, OwnPrice]) -> None:
        self._own = {name: _own_rates(price) for name, price in own.items()}
        self._table: DataSnapshot | None = None
        self._models: dict[tuple[str, str], tuple[str, Any] | None] = {}
        self._rates: dict[tuple[str, int], Rates] = {}

    def rates(self, spending: Spending) -> Rates | None:
        """The prices that held when the request was made, as far as the table knows them; None for a model that
        nobody gives a price for."""
        own = self._own.get(spending.model)
        if own is not None or not spending.model:
            return own
        key = (spending.provider, spending.model)
        if key not in self._models:
            self._models[key] = self._find(*key)
        found = self._models[key]
        if found is None:
            return None
        source, model = found
        context = {"service_tier": spending.service_tier} if spending.service_tier else None
        if isinstance(model.prices, list) or context:
            return _table_rates(source, model.get_prices(spending.at or datetime.now(UTC), context))
        standard = (source, id(model))  # most models have one price at all times
        if standard not in self._rates:
            self._rates[standard] = _table_rates(source, model.prices)
        return self._rates[standard]

    def cost(self, spending: Spending) -> Decimal | None:
        """USD for a request, or None if it is not known."""
        rates = self.rates(spending)
        return None if rates is None else rates.cost(spending.tokens)

    def is_own(self, model: str) -> bool:
        """Whether the user has given the price of this model."""
        return model in self._own

    def lasts(self, spending: Spending) -> bool:
        """Whether the price that `rates` has just found in the table holds all day."""
        found = self._models.get((spending.provider, spending.model))
        prices = found[1].prices if found is not None else None
        return not isinstance(prices, list) or all(
            priced.constraint is None or hasattr(priced.constraint, "start_date") for priced in prices
        )

    def _find(self, provider: str, name: str) -> tuple[str, Any] | None:
        """Where the model stands in the table. A provider of the user's own name tells nothing: then its model is taken
        by its name."""
        if provider.lower() in LOCAL_PROVIDERS:
            return None
        table = self._loaded()
        try:
            known = table.find_provider(None, provider, None) if provider else None
        except LookupError:
            known = None
        try:
            found, model = table.find_provider_model(name, known, None, None)
        except LookupError:
            return None
        return f"{found.id}/{model.id}", model

    def _loaded(self) -> DataSnapshot:
        if self._table is None:
            from genai_prices.data_snapshot import get_snapshot

            self._table = get_snapshot()
        return self._table

    def table_version(self) -> tuple[str, date | None] | None:
        """Version of the table and the day of the latest change of a price in it up to today; None if it was not
        needed. The package tells no other date."""
        if self._table is None:
            return None
        from importlib.metadata import version

        today = datetime.now(UTC).date()
        days = (
            start
            for provider in self._table.providers
            for model in provider.models
            for priced in (*(model.prices if isinstance(model.prices, list) else ()), *(model.price_variants or ()))
            if isinstance(start := getattr(priced.constraint, "start_date", None), date) and start <= today
        )
        return version("genai-prices"), max(days, default=None)


def _own_rates(price: OwnPrice) -> Rates:
    return Rates(
        source="config", input=Price(price.input), cached=Price(price.cached_input), output=Price(price.output)
    )


def _table_rates(source: str, given: Any) -> Rates:
    fee = given.requests_kcount
    return Rates(
        source=source,
        input=_price(given.input_mtok),
        cached=_price(given.cache_read_mtok),
        written=_price(given.cache_write_mtok),
        output=_price(given.output_mtok),
        reasoning=_price(given.output_reasoning_mtok),
        request=Decimal(0) if fee is None else _price_of(fee).base.scaleb(-3),
    )


def _price(given: Any) -> Price | None:
    return None if given is None else _price_of(given)


def _price_of(given: Any) -> Price:
    if isinstance(given, Decimal):
        return Price(given)
    return Price(given.base, tuple((step.start, step.price) for step in given.tiers))
