"""`cost/read`: sums of rollouts that grow, prices from a process of their own, budgets."""

import json
import os
import time
from contextlib import asynccontextmanager
from decimal import Decimal

import anyio
import pytest

from codex_cost import app_methods, day_prices
from codex_cost.app_methods import Costs
from codex_cost.day_prices import DayPrices
from codex_plugin_sdk import Invocation, ThreadFacts, text_message
from codex_plugin_sdk.testing.harness import manager
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer

HELLO = {"clientInfo": {"name": "tests", "version": "1"}, "capabilities": {"experimentalApi": True}}


@pytest.fixture
def invocation(home):
    environ = {"CODEX_HOME": str(home), "HOME": str(home), "PATH": os.environ["PATH"]}
    plugins = type(manager()).from_environment(environ)
    yield Invocation(plugins=plugins, environ=environ)
    plugins.close()


@pytest.fixture
def read(home, invocation):
    """Asks for a rollout's cost as the method does; `read.costs` is what it keeps."""
    costs = Costs(str(home))

    def run(path, *, agents=False, id=None, **config):
        overrides = [f"{key}={value}" for key, value in config.items()]
        facts = ThreadFacts(
            thread_id=id or path.stem[-36:], cwd="/", loaded=True, rollout_path=None if path is None else str(path)
        )
        return costs.read(facts, invocation.load_config(cwd=None, overrides=overrides), agents=agents)

    run.costs = costs
    return run


@pytest.fixture
def no_table(monkeypatch):
    """The table of prices is not looked at; gives what would have been."""
    asked = []

    def look_up(keys):
        asked.extend(keys)
        return dict.fromkeys(keys, (None, True))

    monkeypatch.setattr(day_prices, "look_up", look_up)
    return asked


def test_what_was_added_is_counted_and_nothing_is_read_twice(home, rollout, read, no_table, monkeypatch):
    thread = rollout().turn().spend(1000, 100, 50, 20)
    path = thread.write(home)
    found = read(path)
    assert found["usd"] == 0.00235
    assert (found["complete"], found["requests"], found["recorded"], found["agents"]) == (True, 1, True, None)
    assert (found["inputTokens"], found["cachedInputTokens"], found["outputTokens"]) == (1000, 100, 50)
    assert found["models"] == [{"model": "plain", **{k: found[k] for k in list(found["models"][0]) if k != "model"}}]
    assert found["budget"] == []
    thread.turn("acme-9").spend(70, 0, 7, 0).write(home)
    grown = read(path)
    assert (grown["usd"], grown["complete"], grown["requests"]) == (0.00235, False, 2)
    assert [one["model"] for one in grown["models"]] == ["plain", "acme-9"]
    assert [key.model for key in no_table] == ["acme-9"]
    monkeypatch.setattr("codex_cost.rollout._Reader.take", None)  # would be called for every line
    assert read(path) == grown


def test_a_line_that_is_being_written_counts_once_it_is_whole(home, rollout, read):
    path = rollout().turn().spend(1000, 0, 0, 0).write(home)
    assert read(path)["inputTokens"] == 1000
    more = rollout().turn().spend(1000, 0, 0, 0).spend(500, 0, 0, 0).lines[-1].encode() + b"\n"
    for part in (more[:40], more[40:]):
        with path.open("ab") as file:
            file.write(part)
        found = read(path)["inputTokens"]
    assert found == 1500


def test_after_turns_were_taken_back_it_is_read_anew(home, rollout, read):
    thread = rollout().turn().spend(1000, 0, 0, 0)
    kept = list(thread.lines)
    path = thread.turn().spend(500, 0, 0, 0).write(home)
    assert read(path)["inputTokens"] == 1500
    thread.lines = kept
    thread.write(home)
    assert read(path)["inputTokens"] == 1000
    path.unlink()
    assert read(path)["recorded"] is False


def test_a_sum_without_any_price_is_null_and_sub_agents_count_when_asked_for(home, rollout, read, no_table):
    own = rollout().turn("acme-9").spend(70, 0, 7, 0)
    path = own.write(home)
    spawn = {"subagent": {"thread_spawn": {"parent_thread_id": own.id, "depth": 1}}}
    rollout(began_ms=own.now_ms + 60_000, source=spawn).turn().spend(1000, 0, 0, 0).write(home)
    assert (read(path)["usd"], read(path)["complete"]) == (None, False)
    both = read(path, agents=True)
    assert (both["usd"], both["complete"], both["agents"], both["requests"]) == (0.002, False, 1, 2)


def test_an_own_price_that_changes_counts_for_all_of_it(home, rollout, read):
    path = rollout().turn().spend(1000, 0, 0, 0).write(home)
    assert read(path)["usd"] == 0.002
    assert read(path, **{"cost.models.plain": "{input=4, output=10}"})["usd"] == 0.004


def test_what_is_left_of_a_budget_is_told(home, rollout, read):
    path = rollout().turn().spend(1000, 0, 0, 0).write(home)
    (cap,) = read(path, **{"budget.usd": "1.5"})["budget"]
    assert cap == {
        "scope": "tree",
        "measure": "usd",
        "key": "budget.usd",
        "cap": 1.5,
        "spent": 0.0,
        "reserved": 0.0,
        "left": 1.5,
    }


def test_a_thread_that_is_not_recorded_has_no_figures(read, tmp_path):
    found = read(tmp_path / f"rollout-{'0' * 36}.jsonl")
    assert (found["recorded"], found["usd"], found["requests"]) == (False, 0.0, 0)


# -- prices ----------------------------------------------------------------------------------------


def test_prices_of_the_table_are_looked_up_by_another_process_and_kept(home, rollout, read, monkeypatch):
    path = rollout(model_provider="openai").turn("gpt-4.1").spend(1000, 0, 100, 0).write(home)
    found = read(path)
    assert (found["usd"], found["complete"]) == (float(Decimal(1000 * 2 + 100 * 8).scaleb(-6)), True)
    kept = json.loads((home / "kernel" / "prices.json").read_bytes())
    assert [key.split("|")[:2] for key in kept["prices"]] == [["openai", "gpt-4.1"]]
    monkeypatch.setattr(day_prices, "look_up", None)  # not needed again, nor by the next server
    fresh = DayPrices(str(home), {})
    (spending,) = app_methods.Follower(str(path)).more()[1]
    assert fresh.rates(spending) is not None


def test_without_a_process_the_table_is_read_here_and_a_broken_file_is_passed_over(home, rollout, monkeypatch):
    monkeypatch.setattr(day_prices.sys, "executable", "/nowhere")
    (home / "kernel").mkdir()
    (home / "kernel" / "prices.json").write_text("{")
    path = rollout(model_provider="openai").turn("gpt-4.1").spend(1000, 0, 100, 0).write(home)
    (spending,) = app_methods.Follower(str(path)).more()[1]
    prices = DayPrices(str(home), {})
    prices.learn([spending])
    rates = prices.rates(spending)
    assert rates is not None
    assert rates.source == "openai/gpt-4.1"


def test_a_price_that_changes_with_the_hour_is_looked_up_for_each_moment(home, rollout, monkeypatch):
    asked = []

    def look_up(keys):
        asked.append(list(keys))
        text = json.dumps({"source": "s", "request": "0", "input": [str(len(asked)), []]})
        return dict.fromkeys(keys, (text, False))

    monkeypatch.setattr(day_prices, "look_up", look_up)
    path = rollout().turn("night").spend(1000, 0, 0, 0).spend(1000, 0, 0, 0).write(home)
    spendings = app_methods.Follower(str(path)).more()[1]
    prices = DayPrices(str(home), {})
    prices.learn(spendings)
    assert [len(keys) for keys in asked] == [1, 2]
    assert prices.rates(spendings[1]).input.base == 2


# -- the method ------------------------------------------------------------------------------------


@asynccontextmanager
async def client_of(invocation):
    with anyio.fail_after(60):
        async with invocation.plugins.app_server().factory(invocation) as server, server.connect() as client:
            await client.request("initialize", HELLO)
            yield client


@pytest.mark.anyio
async def test_a_turn_of_a_real_server_has_its_cost_when_it_is_over(home, invocation):
    with ScriptedResponsesServer() as model:
        model.play(model.answer(text_message("assistant", "ok", id="m")))
        (home / "config.toml").write_text(
            'model = "plain"\nmodel_provider = "x"\n[model_providers.x]\nname = "x"\nwire_api = "responses"\n'
            f'base_url = "{model.base_url}"\n' + (home / "config.toml").read_text()
        )
        async with client_of(invocation) as client:
            asked = {"cwd": str(home), "sandbox": "read-only"}
            thread = (await client.request("thread/start", asked))["thread"]["id"]
            nothing = await client.request("cost/read", {"threadId": thread})
            assert (nothing["usd"], nothing["requests"]) == (0.0, 0)
            await client.request("turn/start", {"threadId": thread, "input": [{"type": "text", "text": "go"}]})
            usage = {}
            while (message := await client.next_message())["method"] != "turn/completed":
                if message["method"] == "thread/tokenUsage/updated":
                    usage = message["params"]["tokenUsage"]["total"]
            found = await client.request("cost/read", {"threadId": thread})
            assert found["requests"] == 1
            assert found["inputTokens"] == usage["inputTokens"]
            assert found["usd"] > 0
            began = time.process_time()
            for _ in range(20):
                assert await client.request("cost/read", {"threadId": thread}) == found
            assert (time.process_time() - began) / 20 < 0.02  # 1 ms, and room for a loaded machine
            with pytest.raises(Exception, match="threadId is a string"):
                await client.request("cost/read", {"threadId": 7})
