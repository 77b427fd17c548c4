"""The table `[budget]`: what it allows, and what is wrong with it."""

from __future__ import annotations

import pytest

from codex_cost.amounts import Amount, Standing, exact, number
from codex_cost.caps import Budget, Cap, read_budget
from codex_cost.estimate import Estimate
from codex_cost.section import BudgetSection, CostSection
from codex_plugin_sdk import ConfigError, ConfigSources, HistoryEntry, ModelRequest, load_config, text_message


def test_caps_are_exact_and_in_the_units_of_the_ledger():
    table = {"usd": 0.1, "wall_s": 1.5, "thread": {"tokens": 10}, "day": {"usd": "2.000000001", "turns": 3}, "soft": 1}
    assert read_budget({"budget": table}) == Budget(
        caps=(
            Cap("tree", "usd", 100_000_000),
            Cap("tree", "wall_s", 1500),
            Cap("thread", "tokens", 10),
            Cap("day", "usd", 2_000_000_001),
            Cap("day", "turns", 3),
        ),
        soft=1000,
        reserve_output_tokens=16_384,
    )
    assert [cap.key for cap in read_budget({"budget": table}).caps][:3] == [
        *("budget.usd", "budget.wall_s", "budget.thread.tokens"),
    ]


def test_without_a_cap_there_is_no_budget():
    assert read_budget({}) is None
    assert read_budget({"budget": {"soft": 0.5, "day": {}}}) is None


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"usd": -1}, "`budget.usd` is -1"),
        ({"usd": "much"}, "'much', which is not a number"),
        ({"usd": float("nan")}, "is nan"),
        ({"usd": True}, "`budget.usd` must be a number"),
        ({"tokens": 1.5}, "`budget.tokens` is 1.5, which is not a whole number"),
        ({"euro": 1}, "`budget.euro` is not known"),
        ({"tree": {"usd": 1}}, "`budget.tree` is not known"),
        ({"day": 3}, "`budget.day` must be a table"),
        ({"day": {"soft": 1}}, "`budget.day.soft` is not known"),
        ({"soft": 2, "usd": 1}, "`budget.soft` is 2, which is not from 0 to 1"),
        ({"turns": 10**12}, "`budget.turns`"),
    ],
)
def test_what_is_no_cap_is_told(table, words):
    with pytest.raises(ConfigError) as caught:
        read_budget({"budget": table})
    assert words in caught.value.message


def test_the_sections_take_what_the_readers_take(tmp_path):
    budget = {"usd": 1.5, "tokens": 3, "day": {"usd": "2"}}
    models = {"models": {"a": {"input": 1, "output": 2.5}}}
    config = load_config(ConfigSources(codex_home=str(tmp_path), flags={"budget": budget, "cost": models}))
    assert config.section("budget", BudgetSection).day == {"usd": "2"}
    assert config.section("cost", CostSection).models == models["models"]


def test_amounts_are_shown_rounded_up_and_told_exactly():
    assert (number("usd", 1), number("usd", 1_230_000_000), number("wall_s", 1250)) == ("0.0001", "1.2300", "1.2")
    assert (exact("usd", 1_500_000_001), exact("usd", -10), exact("usd", 0)) == ("1.500000001", "-0.00000001", "0")


def test_a_cap_refuses_what_does_not_fit_and_nothing_where_nothing_is_needed():
    at = Standing(Cap("tree", "usd", 10), 12, 0)
    assert (at.refuses(0), at.refuses(1)) == (False, True)
    exactly = Standing(Cap("tree", "usd", 10), 4, 3)
    assert (exactly.refuses(3), exactly.refuses(4)) == (False, True)
    assert [Standing(Cap("day", "wall_s", 10), spent, 0).refuses(0) for spent in (9, 10)] == [False, True]
    assert Amount(usd=3).of("usd") == 3


def request(*texts, image=0):
    entries = [HistoryEntry.of(text_message("user", text)) for text in texts]
    if image:
        url = b'{"image_url":"data:image/png;base64,' + b"A" * image + b'"}'
        entries.append(HistoryEntry(item=entries[0].item, encoded=url))
    return ModelRequest(model="m", instructions="", input=tuple(entries), tools=(), thread_id="t", turn_id="u")


def test_an_estimate_learns_from_what_the_server_has_counted():
    estimate = Estimate()
    short, long = request("x" * 4000), request("x" * 4000, "y" * 400)
    assert 2000 <= estimate.input_tokens(short) <= 2100
    estimate.learn(short, 1000)
    assert estimate.input_tokens(short) == 1000
    assert 1200 <= estimate.input_tokens(long) <= 1300
    estimate.learn(short, 4000)  # nearly a token for each byte
    assert 4400 <= estimate.input_tokens(long) <= 4500
    assert 1900 <= estimate.input_tokens(request("x" * 1900)) <= 2000


def test_an_image_counts_by_its_tokens_and_not_by_its_text():
    assert 10_000 <= Estimate().input_tokens(request("see", image=1_000_000)) <= 10_200
