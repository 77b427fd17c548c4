"""Threads as our kernel records them: sums, resumed threads, forks and compactions."""

from __future__ import annotations

from importlib.metadata import entry_points

import anyio
import pytest

from codex_cost.places import every_rollout, family, thread_id_of
from codex_cost.prices import PriceBook
from codex_cost.run import calculate
from codex_cost.section import own_prices
from codex_plugin_sdk import (
    ChildOptions,
    Compact,
    TextInput,
    TokenUsage,
    ToolSourceSpec,
    TurnCompleted,
    TurnFailed,
    UserTurn,
)
from codex_plugin_sdk.testing.harness import QuietSource, open_thread, plugin
from codex_plugin_sdk.testing.model import ScriptedModel, say

(STORE,) = entry_points(group="codex", name="rollout-jsonl")
OWN = own_prices({"models": {"test-model": {"input": 2, "cached_input": 0.5, "output": 10}}})
USED = TokenUsage(
    input_tokens=1000, cached_input_tokens=400, output_tokens=100, reasoning_output_tokens=40, total_tokens=1100
)
EACH = "0.0024"  # 600 at 2, 400 at 0.5, 100 at 10 USD per million


def opened(home, answers, **options):
    return open_thread(ScriptedModel(*[[say("done")]] * answers, usage=USED), STORE.load(), home=str(home), **options)


def costs(home, by="model"):
    """USD of each thread, and the number of requests in all."""
    paths = every_rollout(str(home))
    each = {thread_id_of(name): calculate([path], PriceBook(OWN), by=by).tally for name, path in paths.items()}
    whole = calculate(list(paths.values()), PriceBook(OWN), by=by).tally.total
    assert whole.cost_usd == sum(tally.total.cost_usd for tally in each.values())
    return {id: str(tally.total.cost_usd.normalize()) for id, tally in each.items()}, whole.requests


@pytest.mark.anyio
async def test_threads_resumed_threads_and_forks_pay_for_their_own_turns(tmp_path):
    async with opened(tmp_path, 2) as first:
        await first.turn()
        await first.turn()
        parent = first.events[0].thread_id
    assert costs(tmp_path) == ({parent: "0.0048"}, 2)
    async with opened(tmp_path, 1, resume=parent) as resumed:
        await resumed.turn()
    assert costs(tmp_path) == ({parent: "0.0072"}, 3)
    async with opened(tmp_path, 1, fork=parent) as forked:
        await forked.turn()
        fork = forked.events[0].thread_id
    assert costs(tmp_path) == ({parent: "0.0072", fork: EACH}, 4)
    async with opened(tmp_path, 1, fork=fork) as again:
        await again.turn()
        last = again.events[0].thread_id
    assert costs(tmp_path) == ({parent: "0.0072", fork: EACH, last: EACH}, 5)


@pytest.mark.anyio
async def test_the_request_of_a_compaction_is_paid_for(tmp_path):
    async with opened(tmp_path, 3) as harness:
        await harness.turn()
        await harness.thread.submit(Compact())
        await harness.until(lambda message: isinstance(message, TurnCompleted))
        await harness.turn()
        thread = harness.events[0].thread_id
    assert costs(tmp_path) == ({thread: "0.0072"}, 3)


class Starter(QuietSource):
    """A tool source that starts a sub-agent when its thread's user says so."""

    def __init__(self):
        self.setup = None

    def factory(self, setup):
        if setup.depth:
            return None
        self.setup = setup
        return self


@pytest.mark.anyio
async def test_sub_agents_are_told_by_their_role_and_belong_to_who_started_them(tmp_path):
    starter = Starter()
    source = plugin(codex_tool_sources=[ToolSourceSpec(name="starter", factory=starter.factory)])
    model = ScriptedModel(*[[say("done")]] * 3, usage=USED)
    async with open_thread(model, STORE.load(), source, home=str(tmp_path)) as harness:
        with anyio.fail_after(30):
            await harness.turn()
            spawn = {"parent_thread_id": harness.thread.id, "depth": 1, "agent_role": "helper"}
            meta = {"source": {"subagent": {"thread_spawn": spawn}}}
            async with starter.setup.open_child(ChildOptions(agent_type="helper", meta=meta)) as child:
                for _ in range(2):
                    await child.submit(UserTurn(input=(TextInput(text="go"),)))
                    while not isinstance((await child.next_event()).msg, TurnCompleted | TurnFailed):
                        pass
        thread = harness.thread.id
    rollouts = every_rollout(str(tmp_path))
    paths = family(rollouts, thread)
    assert len(paths) == len(rollouts) == 2
    tally = calculate(paths, PriceBook(OWN), by="subagent").tally
    assert {name: str(sum.cost_usd.normalize()) for name, sum in tally.groups.items()} == {
        "main": "0.0024",
        "helper": "0.0048",
    }
