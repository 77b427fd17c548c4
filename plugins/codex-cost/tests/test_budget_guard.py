"""Budgets in whole threads: what is refused, what is kept, and what a request is taken to have cost."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from types import SimpleNamespace

import anyio
import pytest

from codex_cost.amounts import Amount
from codex_cost.caps import read_budget
from codex_cost.ledger import Ledger, Who, ledger_path
from codex_plugin_sdk import (
    BudgetExceeded,
    ChildOptions,
    Compact,
    ExitCode,
    Interrupt,
    Notice,
    ProviderError,
    RateLimited,
    StreamClosed,
    TextInput,
    TokenUsage,
    ToolDefinition,
    ToolOutput,
    ToolSourceSpec,
    ToolSpec,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
    UserTurn,
)
from codex_plugin_sdk.http.errors import ConnectFailed
from codex_plugin_sdk.testing.harness import QuietSource, open_thread, plugin
from codex_plugin_sdk.testing.model import ScriptedModel, call, say

pytestmark = pytest.mark.anyio

(COST,) = entry_points(group="codex", name="cost")
(STORE,) = entry_points(group="codex", name="rollout-jsonl")
USED = TokenUsage(
    input_tokens=40_000,
    cached_input_tokens=10_000,
    output_tokens=1000,
    reasoning_output_tokens=400,
    total_tokens=41_000,
)
PRICE = {"cost.models.test-model": {"input": 2, "cached_input": 0.5, "output": 10}}
EACH = 30_000 * 2000 + 10_000 * 500 + 1000 * 10_000  # billionths of a dollar: 0.075


class Echo:
    """A tool."""

    definition = ToolDefinition(name="echo", description="", parameters={"type": "object", "properties": {}})
    parallel_safe = True

    async def run(self, call, ctx):
        return ToolOutput(output="hello")

    async def aclose(self):
        """Nothing is held."""


ECHO = plugin(codex_tools=[ToolSpec(name="echo", factory=lambda _setup: Echo())])


def opened(home, model, *plugins, config, **options):
    return open_thread(model, COST.load(), ECHO, *plugins, home=str(home), config={**PRICE, **config}, **options)


def scripted(*steps):
    return ScriptedModel(*steps, usage=USED)


async def turn(harness):
    with anyio.fail_after(30):
        return [event.msg for event in await harness.turn()]


def spent(home, thread, caps="usd tokens turns agents"):
    """What the ledger holds of a thread's tree: (spent, reserved) of each measure, and how many were not settled."""
    ledger = Ledger(ledger_path(str(home)), pid=0, process="")
    table = dict.fromkeys(caps.split(), 1)
    who = Who(thread, thread, "")
    found = [(one.spent, one.reserved) for one in ledger.standings(who, read_budget({"budget": table}).caps)]
    found.append(ledger.unsettled(who, "tree"))
    ledger.close()
    return found


async def test_a_turn_ends_where_the_next_request_does_not_fit_and_goes_on_once_the_cap_is_raised(tmp_path):
    model = scripted([call("echo")], [say("done")])
    async with opened(tmp_path, model, STORE.load(), config={"budget.usd": 0.3, "budget.soft": 0.2}) as harness:
        seen = await turn(harness)
        thread = harness.thread.id
    (failed,) = [message for message in seen if isinstance(message, TurnFailed)]
    assert (failed.error.kind, failed.error.exit_code) == ("BudgetExceeded", int(ExitCode.BUDGET))
    assert failed.error.message.startswith(
        "the budget of this thread and its sub-agents does not allow another request: 0.0750 of 0.3000 USD spent, and "
        "this one may need 0.2"
    )
    assert failed.error.hint.startswith(
        "raise budget.usd: with -c budget.usd=… or in config.toml; each answer is taken"
    )
    warnings = [message.message for message in seen if isinstance(message, Notice)]
    assert warnings == [
        "the budget of this thread and its sub-agents nears its end: 0.0750 of 0.3000 USD (budget.usd)",
    ]
    assert len(model.requests) == 1
    assert spent(tmp_path, thread) == [(EACH, 0), (41_000, 0), (1, 0), (0, 0), 0]
    model = scripted([say("done")])
    async with opened(tmp_path, model, STORE.load(), config={"budget.usd": 1}, resume=thread) as harness:
        assert isinstance((await turn(harness))[-1], TurnCompleted)
        assert harness.outputs() == ["hello"]  # what the turn had done was kept
    assert spent(tmp_path, thread)[0] == (2 * EACH, 0)


async def test_a_model_without_a_price_is_refused_and_not_counted_as_nothing(tmp_path):
    model = scripted([say("done")])
    async with opened(tmp_path, model, config={"budget.usd": 1, "model": "acme-9"}) as harness:
        failed = (await turn(harness))[-1]
    assert (
        failed.error.message == "budget: no price is known for the model 'acme-9', so that a budget in USD cannot hold"
    )
    assert "-c 'cost.models.\"acme-9\"={input=1.25, output=10}'" in failed.error.hint
    assert failed.error.exit_code == ExitCode.CONFIG
    assert model.requests == []


async def test_a_price_of_the_table_is_read_once_a_day(tmp_path, monkeypatch):
    options = {"budget.usd": 5, "model": "gpt-5-mini", "model_provider": "scripted"}
    async with opened(tmp_path, scripted([say("done")]), config=options) as harness:
        assert isinstance((await turn(harness))[-1], TurnCompleted)
        first = spent(tmp_path, harness.thread.id, "usd")[0]
    assert first[0] > 0

    def unread(_book):
        raise AssertionError("the table was read again")

    monkeypatch.setattr("codex_cost.prices.PriceBook._loaded", unread)
    async with opened(tmp_path, scripted([say("done")]), config=options) as harness:
        assert isinstance((await turn(harness))[-1], TurnCompleted)
        assert spent(tmp_path, harness.thread.id, "usd")[0] == first


def never_sent():
    error = ProviderError("cannot reach the model server", retryable=True, retry_after_s=0)
    error.__cause__ = ConnectFailed("refused")
    return error


async def test_what_failed_costs_what_was_reserved_unless_it_was_refused_or_never_sent(tmp_path):
    refused = RateLimited("slow down", status=429, retry_after_s=0)
    cut = StreamClosed("cut", retry_after_s=0)
    model = scripted(refused, never_sent(), cut, [say("done")])
    async with opened(tmp_path, model, config={"budget.tokens": 10**6, "budget.reserve_output_tokens": 700}) as harness:
        assert isinstance((await turn(harness))[-1], TurnCompleted)
        (tokens, reserved), unsettled = spent(tmp_path, harness.thread.id, "tokens")
    assert len(model.requests) == 4
    assert (reserved, unsettled) == (0, 1)
    assert tokens > 41_000 + 700


async def test_a_request_that_is_interrupted_or_whose_usage_nobody_tells_costs_what_was_reserved(tmp_path):
    asked = anyio.Event()

    async def slow(_request):
        asked.set()
        await anyio.sleep_forever()

    model = ScriptedModel(slow, [say("done")], usage=None)
    async with opened(tmp_path, model, config={"budget.tokens": 10**6}) as harness:
        await harness.thread.submit(UserTurn(input=(TextInput(text="go"),)))
        with anyio.fail_after(30):
            await asked.wait()
            (none, reserved), unsettled = spent(tmp_path, harness.thread.id, "tokens")
            assert (none, unsettled) == (0, 0)
            await harness.thread.submit(Interrupt())
            await harness.until(lambda message: isinstance(message, TurnInterrupted))
        assert spent(tmp_path, harness.thread.id, "tokens") == [(reserved, 0), 1]
        await turn(harness)
        (both, nothing), unsettled = spent(tmp_path, harness.thread.id, "tokens")
    assert both > 2 * reserved - 100
    assert (nothing, unsettled) == (0, 2)
    assert reserved > 16_384


async def test_a_compaction_is_reserved_and_counted_too(tmp_path):
    async with opened(tmp_path, scripted([say("done")], [say("summary")]), config={"budget.tokens": 10**6}) as harness:
        await turn(harness)
        await harness.thread.submit(Compact())
        await harness.until(lambda message: isinstance(message, TurnCompleted))
        assert spent(tmp_path, harness.thread.id, "tokens turns") == [(82_000, 0), (2, 0), 0]


async def test_turns_are_counted_and_one_too_many_is_refused(tmp_path):
    model = scripted([say("one")], [say("two")])
    async with opened(tmp_path, model, config={"budget.thread.turns": 2}) as harness:
        ends = [(await turn(harness))[-1] for _ in range(3)]
        assert spent(tmp_path, harness.thread.id, "turns") == [(2, 0), 0]
    assert [type(end) for end in ends] == [TurnCompleted, TurnCompleted, TurnFailed]
    assert ends[2].error.message == "the budget of this thread does not allow another turn: 2 of 2 turns spent"


async def test_a_turn_that_takes_too_long_is_refused_its_next_request(tmp_path, monkeypatch):
    import time

    now = {"monotonic": 100.0, "time": time.time()}
    clock = SimpleNamespace(strftime=time.strftime, localtime=time.localtime)
    clock.monotonic, clock.time = (lambda: now["monotonic"]), (lambda: now["time"])
    monkeypatch.setattr("codex_cost.guard.time", clock)

    async def takes_long(_request):
        now["monotonic"] += 6.5
        now["time"] -= 10**6  # a clock that is set back changes nothing
        return [call("echo")]

    model = scripted(takes_long, takes_long, [say("done")])
    async with opened(tmp_path, model, config={"budget.wall_s": 10}) as harness:
        failed = (await turn(harness))[-1]
    assert failed.error.message == ("the budget of this thread and its sub-agents is over: 13.0 of 10.0 s spent")
    assert len(model.requests) == 2
    assert spent(tmp_path, harness.thread.id, "wall_s") == [(13_000, 0), 0]


async def test_a_ledger_that_cannot_be_kept_ends_the_turn_before_anything_is_sent(tmp_path):
    (tmp_path / "kernel").write_text("in the way")
    model = scripted([say("done")])
    async with opened(tmp_path, model, config={"budget.tokens": 10**6}) as harness:
        failed = (await turn(harness))[-1]
    assert (failed.error.kind, failed.error.exit_code) == ("StoreError", int(ExitCode.STORE))
    assert "so nothing may be spent" in failed.error.message
    assert model.requests == []


class Family(QuietSource):
    """Opens threads below its own, with what it is told to do there."""

    def __init__(self, model):
        self.setup, self.model, self.last = None, model, ""

    def factory(self, setup):
        self.setup = self.setup or setup
        return self if self.setup is setup else None

    async def child(self):
        async with self.setup.open_child(ChildOptions(agent_type="helper")) as child:
            self.last = child.id
            await child.submit(UserTurn(input=(TextInput(text="go"),)))
            while not isinstance(message := (await child.next_event()).msg, TurnCompleted | TurnFailed):
                pass
            return message


async def test_sub_agents_spend_from_the_same_budget_and_are_counted(tmp_path):
    model = scripted([say("one")], [say("two")])
    family = Family(model)
    source = plugin(codex_tool_sources=[ToolSourceSpec(name="family", factory=family.factory)])
    config = {"budget.tokens": 95_000, "budget.agents": 2}
    async with opened(tmp_path, model, source, config=config) as harness:
        with anyio.fail_after(30):
            assert isinstance((await turn(harness))[-1], TurnCompleted)
            assert isinstance(await family.child(), TurnCompleted)
            refused = await family.child()  # a third request would not fit
            with pytest.raises(BudgetExceeded) as caught:
                await family.child()
        assert spent(tmp_path, harness.thread.id, "tokens turns agents") == [(82_000, 0), (3, 0), (2, 0), 0]
    assert isinstance(refused, TurnFailed)
    assert "82,000 of 95,000 tokens spent, and this one may need " in refused.error.message
    assert caught.value.message == (
        "the budget of this thread and its sub-agents does not allow a sub-agent: 2 of 2 sub-agents spent"
    )


async def test_a_sub_agent_that_is_resumed_on_its_own_stays_in_the_budget_of_its_tree(tmp_path):
    family = Family(model := scripted([say("one")]))
    source = plugin(codex_tool_sources=[ToolSourceSpec(name="family", factory=family.factory)])
    config = {"budget.turns": 1}
    async with opened(tmp_path, model, source, STORE.load(), config=config) as harness:
        with anyio.fail_after(30):
            assert isinstance(await family.child(), TurnCompleted)
        thread = harness.thread.id
    async with opened(tmp_path, scripted(), STORE.load(), config=config, resume=family.last) as harness:
        assert isinstance((await turn(harness))[-1], TurnFailed)
        assert harness.thread.id != thread
    assert spent(tmp_path, thread, "turns agents") == [(1, 0), (1, 0), 0]


async def test_two_threads_share_the_budget_of_a_day(tmp_path):
    config = {"budget.day.turns": 1}
    async with opened(tmp_path, scripted([say("one")]), config=config) as harness:
        assert isinstance((await turn(harness))[-1], TurnCompleted)
    async with opened(tmp_path, scripted(), config=config) as harness:
        failed = (await turn(harness))[-1]
    assert failed.error.message == "the budget of this day does not allow another turn: 1 of 1 turns spent"


def test_without_a_budget_nothing_is_imported():
    code = (
        "import sys, types, codex_cost.plugin as p\n"
        "(spec,) = p.codex_turn_guards()\n"
        "assert spec.factory(types.SimpleNamespace(config={})) is None\n"
        "print([name for name in ('sqlite3', 'decimal', 'codex_cost.guard', 'codex_cost.caps') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout == "[]\n"


def test_an_amount_is_five_numbers():
    assert Amount()._fields == ("usd", "tokens", "turns", "agents", "wall_s")
