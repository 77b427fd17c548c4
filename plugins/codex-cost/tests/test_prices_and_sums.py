"""Amounts are exact, sums agree however they are put together, and our arithmetic is that of the price table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal, Inexact, localcontext
from fractions import Fraction

import pytest
from genai_prices import Usage, data_snapshot
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_cost.prices import EXACT, Price, PriceBook, Rates
from codex_cost.report import exact
from codex_cost.section import OwnPrice, own_prices
from codex_cost.spending import Spending, Tokens
from codex_cost.tally import Tally, grouping
from codex_plugin_sdk import ConfigError

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
AMOUNTS = st.decimals(0, 1_000_000, places=12, allow_nan=False, allow_infinity=False)
COUNTS = st.integers(0, 10**12)
TOKENS = st.builds(Tokens, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS).map(Tokens.sound)


NOTHING = Tokens()


def spent(tokens=NOTHING, model="m", provider="", at=NOW, **others):
    blank = {"service_tier": "", "thread_id": "t", "cwd": "/nowhere", "agent": "", "tools": ()}
    return Spending(at=at, model=model, provider=provider, tokens=tokens, **{**blank, **others})


SPENDINGS = st.builds(
    spent,
    tokens=TOKENS,
    model=st.sampled_from(["a", "b", "nobody's"]),
    at=st.none() | st.integers(0, 300).map(lambda days: NOW - timedelta(days=days)),
    cwd=st.sampled_from(["/nowhere/x", "/nowhere/y", ""]),
    agent=st.sampled_from(["", "review", "worker"]),
    tools=st.sampled_from([(), ("x",), ("x", "y")]),
)


@given(price=st.tuples(AMOUNTS, AMOUNTS, AMOUNTS), tokens=TOKENS)
def test_a_cost_is_the_exact_rational_number(price, tokens):
    input, cached, output = map(Fraction, price)
    wanted = (tokens.input - tokens.cached) * input + tokens.cached * cached + tokens.output * output
    with localcontext(EXACT):
        own = OwnPrice(input=price[0], cached_input=price[1], output=price[2])
        assert Fraction(PriceBook({"m": own}).cost(spent(tokens))) == wanted / 1_000_000


@settings(max_examples=50)
@given(
    requests=st.lists(SPENDINGS, max_size=30),
    a=AMOUNTS,
    b=AMOUNTS,
    by=st.sampled_from(["model", "project", "subagent", "tool", "day"]),
)
def test_the_groups_of_any_grouping_sum_to_the_total(requests, a, b, by):
    costs = {"a": Fraction(a), "b": Fraction(b)}
    with localcontext(EXACT):
        own = {name: OwnPrice(input=price, cached_input=price, output=price) for name, price in (("a", a), ("b", b))}
        prices, tally = PriceBook(own), Tally(grouping(by))
        for request in requests:
            tally.add(request, prices.cost(request))
        groups = list(tally.groups.values())
        assert sum(group.cost_usd for group in groups) == tally.total.cost_usd
        for name in ("requests", "unpriced_requests", "unpriced_tokens"):
            assert sum(getattr(group, name) for group in groups) == getattr(tally.total, name)
        summed = Tokens()
        for group in groups:
            summed = summed.plus(group.tokens)
        assert summed == tally.total.tokens
        known = [request for request in requests if request.model in costs]
        wanted = sum((costs[r.model] * (r.tokens.input + r.tokens.output) for r in known), Fraction(0)) / 1_000_000
        assert Fraction(tally.total.cost_usd) == wanted
        assert tally.total.unpriced_requests == len(requests) - len(known)
        assert (tally.total.known_usd is None) == (bool(requests) and not known)


def every_model():
    """Provider and name of each model that is found by its name: some names lead to another one."""
    snapshot = data_snapshot.get_snapshot()
    chosen = ("openai", "anthropic", "google", "deepseek", "perplexity")
    providers = [provider for provider in snapshot.providers if provider.id in chosen]
    return [
        (provider.id, model.id) for provider in providers for model in provider.models if provider.find_model(model.id)
    ]


@settings(max_examples=300)
@given(
    model=st.sampled_from(every_model()),
    tokens=st.builds(Tokens, *[st.integers(0, 600_000)] * 5).map(Tokens.sound),
    tier=st.sampled_from(["", "priority", "flex"]),
)
def test_our_arithmetic_is_that_of_the_price_table(model, tokens, tier):
    provider_id, name = model
    snapshot = data_snapshot.get_snapshot()
    provider, info = snapshot.find_provider_model(name, None, provider_id, None)
    usage = Usage(
        input_tokens=tokens.input,
        cache_read_tokens=tokens.cached,
        cache_write_tokens=tokens.written,
        output_tokens=tokens.output,
        output_reasoning_tokens=tokens.reasoning,
    )
    with localcontext(EXACT) as context:
        context.traps[Inexact] = False  # the package divides
        cost = PriceBook({}).cost(spent(tokens, name, provider_id, service_tier=tier))
        if cost is None:  # something used has no price: the package takes it for nothing, we do not
            prices = info.get_prices(NOW, {"service_tier": tier})
            assert prices.input_mtok is None or prices.output_mtok is None
            return
        context_of_request = {"service_tier": tier} if tier else None
        wanted = info.calc_price(usage, provider, genai_request_timestamp=NOW, price_context=context_of_request)
        assert cost == wanted.total_price


def test_a_long_input_is_priced_by_its_step():
    rates = Rates("x", input=Price(Decimal(1), ((100, Decimal(2)), (200, Decimal(5)))), output=Price(Decimal(0)))
    costs = [rates.cost(Tokens(input=count)) for count in (100, 101, 201)]
    assert costs == [Decimal("0.0001"), Decimal("0.000202"), Decimal("0.001005")]


def test_what_was_used_without_a_price_is_unknown_and_what_was_not_used_needs_none():
    rates = Rates("x", input=Price(Decimal(1)))
    assert rates.cost(Tokens(output=1)) is None
    assert rates.cost(Tokens(input=1)) == Decimal("0.000001")


def test_a_provider_of_the_users_own_name_is_priced_by_the_model():
    with localcontext(EXACT):
        book = PriceBook({})
        assert book.rates(spent(model="gpt-5-mini", provider="my-proxy")) == book.rates(
            spent(model="gpt-5-mini", provider="openai")
        )
        assert book.rates(spent(model="gpt-5-mini", provider="anthropic")) is None


@pytest.mark.parametrize(("written", "read"), [(0.1, "0.1"), ("0.10", "0.10"), (3, "3"), (1e-7, "1E-7")])
def test_an_amount_is_what_is_written(written, read):
    found = own_prices({"models": {"m": {"input": written, "output": 1}}})["m"]
    assert found == OwnPrice(input=Decimal(read), cached_input=Decimal(read), output=Decimal(1))


def test_an_amount_too_fine_to_be_meant_is_refused():
    with pytest.raises(ConfigError, match="more than 12 decimal places"):
        own_prices({"models": {"m": {"input": "0.0000000000001", "output": 1}}})


@given(AMOUNTS)
def test_amounts_are_written_with_all_their_places_and_no_exponent(amount):
    text = exact(amount)
    assert Decimal(text) == amount
    assert "E" not in text
