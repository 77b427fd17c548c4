"""Sub-agents as tools, over whole threads: what the model gets, what is shown, and what the limits do."""

import anyio
import pytest

import codex_agent_graph.tools as agent_tools
from codex_agent_graph.definitions import DEFINITIONS
from codex_plugin_sdk import (
    ApprovalAnswer,
    ApprovalRequested,
    BudgetExceeded,
    ExecRequest,
    Interrupt,
    ReviewDecision,
    RunIntent,
    TextInput,
    ToolDefinition,
    ToolOutput,
    ToolSpec,
    TurnCompleted,
    TurnGuard,
    TurnGuardSpec,
    TurnInterrupted,
    UserTurn,
)
from codex_plugin_sdk.testing.harness import plugin
from codex_plugin_sdk.testing.model import call, say

from .conftest import DEADLINE_S, Minds, answering, hanging, outputs, shown, spawned, then, thread, users

pytestmark = pytest.mark.anyio


def spawn(task, call_id="s", **more):
    return call("spawn_agent", call_id, message=task, **more)


def wait(request, call_id="w", **more):
    return call("wait_agent", call_id, targets=spawned(request), **more)


async def run(harness):
    with anyio.fail_after(DEADLINE_S):
        return await harness.turn()


async def test_an_agent_works_in_a_context_of_its_own_and_its_answer_comes_back(tmp_path):
    model = Minds(
        [spawn("look", model="small", reasoning_effort="low")], then(wait), [say("done")], look=answering("found")
    )
    async with thread(model, tmp_path) as harness:
        assert isinstance((await run(harness))[-1].msg, TurnCompleted)
        root = harness.thread.id
        last = model.by_thread[root][-1]
        (agent,) = spawned(last)
    assert outputs(last)[1] == {"status": {agent: {"completed": "found"}}, "timed_out": False}
    assert users(last) == ["go"]  # it was waited for: nothing is noted beside
    (asked,) = model.by_thread[agent]
    assert (users(asked), asked.model, asked.effort) == (["look"], "small", "low")
    assert not {tool.name for tool in asked.tools} & {
        tool.name for tool in DEFINITIONS
    }  # one below the root is deepest
    assert shown(harness) == [("spawnAgent", "completed", ["pendingInit"]), ("wait", "completed", ["completed"])]


async def test_an_answer_that_nobody_waits_for_is_noted_once(tmp_path):
    arrived = anyio.Event()

    async def look(request, count):
        return [say("found")]

    class Watch(TurnGuard):
        async def turn_ends(self, turn_id, state):
            arrived.set()

    def guard(setup):
        return Watch() if setup.parent_id else None

    async def meanwhile(request):
        await arrived.wait()
        await anyio.wait_all_tasks_blocked()
        return [call("list_agents", "l")]

    model = Minds([spawn("look")], meanwhile, [say("done")], [say("and more")], look=look)
    guards = plugin(codex_turn_guards=[TurnGuardSpec(name="watch", factory=guard)])
    async with thread(model, tmp_path, guards) as harness:
        await run(harness)
        await run(harness)
        first, second = model.by_thread[harness.thread.id][-2:]
    (agent,) = spawned(first)
    note = f'<subagent_notification>\n{{"agent_path":"{agent}","status":{{"completed":"found"}}}}\n</subagent_notification>'
    assert users(first) == ["go", note]
    assert users(second) == ["go", note, "go"]
    (listed,) = outputs(first)[1]["agents"]
    assert (listed["agent_id"], listed["status"]) == (agent, {"completed": "found"})


async def test_twenty_are_asked_for_and_six_are_started_until_one_is_closed(tmp_path):
    hang, _ = hanging()

    def close(request):
        return call("close_agent", "x", target=spawned(request)[0])

    twenty = [spawn(f"hang {i}", f"s{i}") for i in range(20)]
    model = Minds(twenty, then(close), [spawn("hang again", "again")], [say("done")], hang=hang)
    async with thread(model, tmp_path) as harness:
        await run(harness)
        root = harness.thread.id
        said = outputs(model.by_thread[root][1])
        assert len(spawned(model.by_thread[root][1])) == 6
        assert [text for text in said if "agents.max_threads" in str(text)] == [said[6]] * 14
        assert outputs(model.by_thread[root][2])[-1]["previous_status"] in ("pending_init", "running")
        assert len(spawned(model.by_thread[root][3])) == 7
    assert [status for _, status, _ in shown(harness)].count("failed") == 14


async def test_the_limit_counts_all_agents_below_the_root_and_the_depth_holds(tmp_path):
    hang, begun = hanging()

    async def lead(request, count):
        if count == 1:
            assert "spawn_agent" in {tool.name for tool in request.tools}
            return [spawn("hang a", "a"), spawn("hang b", "b"), spawn("hang c", "c")]
        await begun.wait()
        return [say(f"started {len(spawned(request))}: {outputs(request)[-1]}")]

    model = Minds([spawn("lead")], then(wait), [say("done")], lead=lead, hang=hang)
    limits = {"agents.max_threads": 3, "agents.max_depth": 2}
    async with thread(model, tmp_path, config=limits) as harness:
        await run(harness)
        waited = outputs(model.by_thread[harness.thread.id][-1])[1]
    (state,) = waited["status"].values()
    assert state["completed"].startswith("started 2: There are 3 agents open")
    deepest = [requests[0] for requests in model.by_thread.values() if users(requests[0])[0].startswith("hang")]
    assert len(deepest) == 2
    assert all("spawn_agent" not in {tool.name for tool in request.tools} for request in deepest)


async def test_input_reaches_a_running_agent_within_its_turn_and_begins_another_in_an_idle_one(tmp_path):
    asked, go_on = anyio.Event(), anyio.Event()

    async def look(request, count):
        if count == 1:
            asked.set()
            await go_on.wait()
        return [say(f"read {users(request)[1:]}")]

    async def more(request):
        await asked.wait()
        return [call("send_input", "i", target=spawned(request)[0], message="also this")]

    async def let_it(request):
        go_on.set()
        return [wait(request, "w1")]

    def again(request):
        return call("send_input", "j", target=spawned(request)[0], items=[{"type": "text", "text": "and that"}])

    steps = ([spawn("look")], more, let_it, then(again), then(lambda r: wait(r, "w2")), [say("done")])
    model = Minds(*steps, look=look)
    async with thread(model, tmp_path) as harness:
        await run(harness)
        found = outputs(model.by_thread[harness.thread.id][-1])
    assert [next(iter(found[at]["status"].values()))["completed"] for at in (2, 4)] == [
        "read ['also this']",
        "read ['also this', 'and that']",
    ]


async def test_an_interrupted_agent_stays_and_can_be_given_something_else_at_once(tmp_path):
    started = anyio.Event()

    async def look(request, count):
        if count == 1:
            started.set()
            await anyio.sleep_forever()
        return [say("the other thing")]

    async def stop(request):
        await started.wait()
        return [call("interrupt_agent", "x", target=spawned(request)[0])]

    def instead(request):
        return call("send_input", "i", target=spawned(request)[0], message="the other thing", interrupt=True)

    steps = ([spawn("look")], stop, then(lambda r: wait(r, "w1")), then(instead), then(lambda r: wait(r, "w2")))
    model = Minds(*steps, [say("done")], look=look)
    async with thread(model, tmp_path) as harness:
        await run(harness)
        found = outputs(model.by_thread[harness.thread.id][-1])
    assert found[1] == {"previous_status": "running"}
    assert [list(found[at]["status"].values()) for at in (2, 4)] == [
        ["interrupted"],
        [{"completed": "the other thing"}],
    ]


async def test_a_wait_ends_with_its_time_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(agent_tools, "MIN_WAIT_MS", 1)
    hang, _ = hanging()
    model = Minds([spawn("hang")], then(lambda r: wait(r, timeout_ms=1)), [say("done")], hang=hang)
    async with thread(model, tmp_path) as harness:
        await run(harness)
        assert outputs(model.by_thread[harness.thread.id][-1])[1] == {"status": {}, "timed_out": True}


async def test_an_agent_that_fails_is_told_and_the_others_go_on(tmp_path):
    async def bad(request, count):
        raise BudgetExceeded("spent")

    def both(request):
        return [wait(request, "w1"), call("wait_agent", "w2", targets=["nobody"])]

    model = Minds([spawn("bad")], then(both), [say("done")], bad=bad)
    async with thread(model, tmp_path) as harness:
        assert isinstance((await run(harness))[-1].msg, TurnCompleted)
        found = outputs(model.by_thread[harness.thread.id][-1])
    (state,) = found[1]["status"].values()
    assert "spent" in state["errored"]
    assert found[2] == {"status": {"nobody": "not_found"}, "timed_out": False}
    assert shown(harness)[-1] == ("wait", "failed", ["notFound"])


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("spawn_agent", {"message": " "}, "Empty message"),
        ("spawn_agent", {"message": "a", "items": []}, "not both"),
        ("spawn_agent", {"items": []}, "items must be"),
        ("spawn_agent", {"message": "a", "model": 3}, "model must be a string"),
        ("spawn_agent", {"message": "a", "fork_context": True}, "could not be started: no rollout"),
        ("send_input", {"target": "x", "message": "a"}, "agent with id x not found"),
        ("wait_agent", {"targets": []}, "agent ids must be non-empty"),
        ("wait_agent", {"targets": ["x"], "timeout_ms": "long"}, "timeout_ms must be a number"),
        ("close_agent", {"target": "x"}, "agent with id x not found"),
        ("close_agent", {"target": 3}, "must be the id"),
        ("resume_agent", {"id": "x"}, "agent with id x not found"),
        ("interrupt_agent", {"target": "x"}, "agent with id x not found"),
    ],
)
async def test_what_cannot_be_done_is_told_to_the_model(tmp_path, name, arguments, said):
    model = Minds([call(name, "c", **arguments)], [say("done")])
    async with thread(model, tmp_path) as harness:
        await run(harness)
        (output,) = outputs(model.requests[-1])
    assert said in output


async def test_an_interrupted_turn_leaves_the_agents_and_the_end_of_the_thread_takes_them(tmp_path):
    ended = []

    async def hang(request, count):
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(request.thread_id)

    asked = anyio.Event()

    async def stuck(request):
        asked.set()
        await anyio.sleep_forever()

    model = Minds(
        [spawn("hang a", "a"), spawn("hang b", "b")], stuck, then(lambda r: call("list_agents", "l")), [say("done")]
    )
    model.agents["hang"] = hang
    with anyio.fail_after(DEADLINE_S):
        async with thread(model, tmp_path) as harness:
            await harness.thread.submit(UserTurn(input=(TextInput(text="go"),)))
            await asked.wait()
            await harness.thread.submit(Interrupt())
            await harness.until(lambda msg: isinstance(msg, TurnInterrupted))
            await harness.turn()
            agents = outputs(model.by_thread[harness.thread.id][-1])[-1]["agents"]
            assert len(agents) == 2
            assert ended == []
    assert sorted(ended) == sorted(agent["agent_id"] for agent in agents)


class Touch:
    """A tool that writes a file by a program."""

    definition = ToolDefinition(name="touch", description="", parameters={"type": "object", "properties": {}})
    parallel_safe = True

    async def run(self, call, ctx):
        argv = ("touch", call.arguments["path"])
        process = await ctx.exec(
            ExecRequest(argv=argv, cwd=ctx.cwd, env={}), RunIntent(argv=argv, cwd=ctx.cwd, display="touch")
        )
        await process.wait()
        return ToolOutput(output="written")

    async def aclose(self):
        """Nothing is held."""


@pytest.mark.parametrize("decision", [ReviewDecision.APPROVED, ReviewDecision.DENIED])
async def test_what_an_agent_wants_approved_is_asked_of_the_parents_user(tmp_path, decision):
    target = tmp_path / "file"

    async def look(request, count):
        return [call("touch", "t", path=str(target))] if count == 1 else [say(str(outputs(request)[0]))]

    model = Minds([spawn("look")], then(wait), [say("done")], look=look)
    tools = plugin(codex_tools=[ToolSpec(name="touch", factory=lambda _: Touch())])
    config = {"approval_policy": "untrusted", "sandbox_mode": "danger-full-access"}
    async with thread(model, tmp_path, tools, config=config) as harness:
        with anyio.fail_after(DEADLINE_S):
            await harness.thread.submit(UserTurn(input=(TextInput(text="go"),)))
            asked = (await harness.until(lambda msg: isinstance(msg, ApprovalRequested)))[-1]
            assert asked.thread_id == harness.thread.id
            assert not target.exists()
            await harness.thread.submit(ApprovalAnswer(approval_id=asked.msg.approval_id, decision=decision))
            await harness.until(lambda msg: isinstance(msg, TurnCompleted))
    assert target.exists() == (decision is ReviewDecision.APPROVED)
