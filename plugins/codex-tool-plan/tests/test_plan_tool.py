"""The tool `update_plan`."""

import json
from types import SimpleNamespace

import anyio
import pytest

import codex_tool_plan.plugin
from codex_plugin_sdk import (
    ItemCompleted,
    ItemStarted,
    ItemUpdated,
    TodoEntry,
    TodoListItem,
    ToolCall,
    ToolFailed,
    ToolOutput,
    TurnCompleted,
    TurnFailed,
)
from codex_plugin_sdk.testing.harness import open_thread
from codex_plugin_sdk.testing.model import ScriptedModel, call, say
from codex_tool_plan.tool import UpdatePlanTool

pytestmark = pytest.mark.anyio


class FakeContext:
    """The part of a `ToolContext` that the tool uses."""

    def __init__(self, turn_id="turn-1"):
        self.turn_id = turn_id
        self.shown = []

    async def item_started(self, item):
        self.shown.append(("started", item))

    async def item_updated(self, item):
        self.shown.append(("updated", item))


def step(text, status="pending"):
    return {"step": text, "status": status}


def plan_call(call_id, *steps, **arguments):
    arguments = {"plan": list(steps), **arguments}
    return ToolCall(call_id=call_id, name="update_plan", input=json.dumps(arguments), arguments=arguments)


async def test_first_plan_of_a_turn_begins_a_list():
    ctx = FakeContext()
    given = plan_call("c1", step("Read", "completed"), step("Write", "in_progress"), step("Test"), explanation="why")
    assert await UpdatePlanTool().run(given, ctx) == ToolOutput(output="Plan updated")
    entries = (
        TodoEntry(text="Read", status="completed"),
        TodoEntry(text="Write", status="in_progress"),
        TodoEntry(text="Test", status="pending"),
    )
    assert ctx.shown == [("started", TodoListItem(id="c1", items=entries, explanation="why"))]


async def test_later_plan_of_the_turn_updates_the_same_list():
    tool, ctx = UpdatePlanTool(), FakeContext()
    for call_id in ("c1", "c2", "c3"):
        await tool.run(plan_call(call_id, step(call_id)), ctx)
    assert [(how, item.id, item.items[0].text) for how, item in ctx.shown] == [
        ("started", "c1", "c1"),
        ("updated", "c1", "c2"),
        ("updated", "c1", "c3"),
    ]


async def test_next_turn_begins_a_list_of_its_own():
    tool, first, second = UpdatePlanTool(), FakeContext("turn-1"), FakeContext("turn-2")
    await tool.run(plan_call("c1", step("a")), first)
    await tool.run(plan_call("c2", step("b")), second)
    await tool.run(plan_call("c3", step("c")), second)
    assert [(how, item.id) for how, item in second.shown] == [("started", "c2"), ("updated", "c2")]


async def test_second_of_two_calls_at_once_waits_until_the_list_has_begun():
    tool, ctx, started, go_on = UpdatePlanTool(), FakeContext(), anyio.Event(), anyio.Event()
    show = ctx.item_started

    async def slow_start(item):
        started.set()
        await go_on.wait()
        await show(item)

    ctx.item_started = slow_start
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tool.run, plan_call("c1", step("a")), ctx)
            await started.wait()
            tasks.start_soon(tool.run, plan_call("c2", step("b")), ctx)
            await anyio.wait_all_tasks_blocked()
            assert ctx.shown == []
            go_on.set()
    assert [(how, item.id) for how, item in ctx.shown] == [("started", "c1"), ("updated", "c1")]


@pytest.mark.parametrize("explanation", [{}, {"explanation": None}, {"explanation": ""}])
async def test_explanation_and_steps_may_be_absent(explanation):
    ctx = FakeContext()
    await UpdatePlanTool().run(plan_call("c1", **explanation), ctx)
    assert ctx.shown == [("started", TodoListItem(id="c1", items=()))]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({}, "`plan` must be a list of steps"),
        ({"plan": "1. read"}, "`plan` must be a list of steps"),
        ({"plan": [], "explanation": 1}, "`explanation` must be a string"),
        ({"plan": [], "steps": []}, "unknown field `steps`, expected `explanation` or `plan`"),
        ({"plan": ["read"]}, "`plan[0]` must be an object with `step` and `status`"),
        ({"plan": [step("a"), {"status": "pending"}]}, "missing field `step` in `plan[1]`"),
        ({"plan": [{"step": "a"}]}, "missing field `status` in `plan[0]`"),
        ({"plan": [step(1)]}, "`plan[0].step` must be a string"),
        ({"plan": [step("a", "done")]}, "`plan[0].status` must be one of pending, in_progress, completed, not 'done'"),
        ({"plan": [step("a", ["x"])]}, "`plan[0].status` must be one of pending, in_progress, completed, not ['x']"),
        ({"plan": [{**step("a"), "id": 1}]}, "unknown field `id` in `plan[0]`, expected `step` or `status`"),
    ],
)
async def test_arguments_that_are_no_plan_are_refused_and_show_nothing(arguments, reason):
    ctx = FakeContext()
    bad = ToolCall(call_id="c1", name="update_plan", input="", arguments=arguments)
    with pytest.raises(ToolFailed) as caught:
        await UpdatePlanTool().run(bad, ctx)
    assert str(caught.value) == f"failed to parse function arguments: {reason}"
    assert ctx.shown == []


async def test_refused_plan_does_not_begin_the_list():
    tool, ctx = UpdatePlanTool(), FakeContext()
    with pytest.raises(ToolFailed):
        await tool.run(plan_call("c1", step("a", "done")), ctx)
    await tool.run(plan_call("c2", step("a")), ctx)
    assert [(how, item.id) for how, item in ctx.shown] == [("started", "c2")]


async def test_plugin_offers_the_tool_that_it_makes():
    (spec,) = codex_tool_plan.plugin.codex_tools()
    tool = spec.factory(SimpleNamespace())
    assert spec.name == tool.definition.name == "update_plan"
    assert tool.parallel_safe
    assert tool.definition.parameters["required"] == ["plan"]
    await tool.aclose()


def list_events(thread):
    found = []
    for event in thread.events:
        item = getattr(event.msg, "item", None)
        if isinstance(item, TodoListItem):
            found.append((type(event.msg), item.id, [entry.status for entry in item.items]))
    return found


async def test_whole_turns_show_one_list_each_and_the_kernel_completes_it(tmp_path):
    model = ScriptedModel(
        [call("update_plan", "c1", plan=[step("a", "in_progress"), step("b")])],
        [call("update_plan", "c2", plan=[step("a", "completed"), step("b", "in_progress")])],
        [say("half done")],
        [call("update_plan", "c3", plan=[step("b", "completed")])],
        [say("done")],
    )
    with anyio.fail_after(10):
        async with open_thread(model, codex_tool_plan.plugin, home=str(tmp_path)) as thread:
            first = await thread.turn("do a and b")
            assert isinstance(first[-1].msg, TurnCompleted)
            await thread.turn("go on")
            assert thread.outputs() == ["Plan updated"] * 3
    assert list_events(thread) == [
        (ItemStarted, "c1", ["in_progress", "pending"]),
        (ItemUpdated, "c1", ["completed", "in_progress"]),
        (ItemCompleted, "c1", ["completed", "in_progress"]),
        (ItemStarted, "c3", ["completed"]),
        (ItemCompleted, "c3", ["completed"]),
    ]
    assert [tool.name for tool in model.requests[0].tools] == ["update_plan"]


async def test_two_plans_of_one_response_are_one_list(tmp_path):
    model = ScriptedModel(
        [call("update_plan", "c1", plan=[step("a")]), call("update_plan", "c2", plan=[step("b")])],
        [say("ok")],
    )
    with anyio.fail_after(10):
        async with open_thread(model, codex_tool_plan.plugin, home=str(tmp_path)) as thread:
            await thread.turn()
    assert [(kind, id) for kind, id, _ in list_events(thread)] == [
        (ItemStarted, "c1"),
        (ItemUpdated, "c1"),
        (ItemCompleted, "c1"),
    ]


async def test_model_reads_what_was_wrong_with_its_plan_and_goes_on(tmp_path):
    model = ScriptedModel([call("update_plan", "c1", plan=[step("a", "doing")])], [say("sorry")])
    with anyio.fail_after(10):
        async with open_thread(model, codex_tool_plan.plugin, home=str(tmp_path)) as thread:
            events = await thread.turn()
            (output,) = thread.outputs()
    assert output.startswith("failed to parse function arguments: `plan[0].status` must be one of")
    assert isinstance(events[-1].msg, TurnCompleted)
    assert list_events(thread) == []


async def test_plan_of_a_turn_that_fails_is_completed_as_it_stood(tmp_path):
    model = ScriptedModel([call("update_plan", "c1", plan=[step("a", "in_progress")])], RuntimeError("server on fire"))
    with anyio.fail_after(10):
        async with open_thread(model, codex_tool_plan.plugin, home=str(tmp_path)) as thread:
            events = await thread.turn()
    assert isinstance(events[-1].msg, TurnFailed)
    assert list_events(thread)[-1] == (ItemCompleted, "c1", ["in_progress"])
