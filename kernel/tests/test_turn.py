"""Whole turns over the real kernel with a scripted model."""

import itertools
import os

import anyio
import pytest

from codex_kernel.errors import ProviderError, RateLimited, StoreError, StreamClosed
from codex_kernel.protocol.events import (
    AgentMessageDelta,
    ItemCompleted,
    ItemStarted,
    Notice,
    OpRejected,
    StreamRetry,
    ThreadClosed,
    ThreadStarted,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
    TurnState,
    TurnStateChanged,
)
from codex_kernel.protocol.ops import InjectItems, Interrupt, Shutdown, Steer, TextInput, TurnOverrides, UserTurn
from codex_kernel.protocol.response_items import ContentPart, Message, text_message
from codex_kernel.protocol.thread_items import TodoEntry, TodoListItem
from codex_kernel.thread import EndOfThread
from codex_kernel.turn_state import TERMINAL, TRANSITIONS, TurnMachine
from codex_plugin_sdk import ToolDefinition, ToolFailed, ToolOutput, ToolSpec
from codex_plugin_sdk.testing.harness import open_thread, plugin
from codex_plugin_sdk.testing.model import ScriptedModel, call, freeform, raw_call, say, think


class FakeTool:
    """A tool from a function `async run(call, ctx)`."""

    def __init__(self, name, run, *, parallel_safe=True, required=(), is_freeform=False):
        self.definition = ToolDefinition(
            name=name, description=name, parameters={"type": "object", "required": list(required)}, freeform=is_freeform
        )
        self.parallel_safe = parallel_safe
        self.run = run
        self.closed = 0

    async def aclose(self):
        self.closed += 1


def tools(*made):
    return plugin(codex_tools=[ToolSpec(name=t.definition.name, factory=lambda s, t=t: t) for t in made])


async def echo(call, ctx):
    return ToolOutput(output=f"echo {call.arguments.get('text', call.input)}")


def states(events):
    return [e.msg.state for e in events if isinstance(e.msg, TurnStateChanged)]


@pytest.mark.anyio
async def test_a_plain_answer_goes_through_all_states_and_is_told_in_order(tmp_path):
    model = ScriptedModel([think("hm"), say("hello")])
    async with open_thread(model, home=str(tmp_path)) as h:
        events = await h.turn("hi")
    kinds = [type(e.msg).__name__ for e in events if not isinstance(e.msg, TurnStateChanged)]
    assert kinds == [
        "ThreadStarted", "TurnStarted", "ItemCompleted", "ItemCompleted", "ItemCompleted", "TokenCount", "TurnCompleted",
    ]  # fmt: skip
    assert states(events) == [TurnState.BUILDING_CONTEXT, TurnState.STREAMING, TurnState.COMPLETED]
    assert [e.seq for e in events] == list(range(len(events)))
    done = events[-1].msg
    assert (done.last_agent_message, done.usage.total_tokens) == ("hello", 120)


@pytest.mark.anyio
async def test_the_request_holds_instructions_context_and_prompt_in_order(tmp_path):
    model = ScriptedModel([say("ok")])
    async with open_thread(model, home=str(tmp_path)) as h:
        await h.turn("do it")
    (request,) = model.requests
    assert request.instructions.startswith("You are Codex")
    roles = [entry.item.role for entry in request.input]
    assert roles == ["developer", "user", "user"]
    assert "<permissions>" in request.input[0].item.text
    assert "<environment_context>" in request.input[1].item.text
    assert request.input[2].item.text == "do it"


@pytest.mark.anyio
async def test_calls_are_run_and_their_outputs_sent_back(tmp_path):
    model = ScriptedModel([call("echo", "c1", text="a")], [say("done")])
    tool = FakeTool("echo", echo)
    async with open_thread(model, tools(tool), home=str(tmp_path)) as h:
        events = await h.turn()
    assert h.outputs() == ["echo a"]
    assert model.requests[1].input[-1].item.output == "echo a"
    assert states(events) == [
        TurnState.BUILDING_CONTEXT, TurnState.STREAMING, TurnState.RUNNING_TOOLS,
        TurnState.BUILDING_CONTEXT, TurnState.STREAMING, TurnState.COMPLETED,
    ]  # fmt: skip
    assert events[-1].msg.usage.total_tokens == 240
    assert tool.closed == 1
    assert model.closed


@pytest.mark.anyio
async def test_safe_calls_run_side_by_side_and_keep_their_order(tmp_path):
    both = anyio.Event()
    started = []

    async def meet(tool_call, ctx):
        started.append(tool_call.call_id)
        if len(started) == 2:
            both.set()
        with anyio.fail_after(5):
            await both.wait()
        return ToolOutput(output=tool_call.call_id)

    model = ScriptedModel([call("meet", "first"), call("meet", "second")], [say("done")])
    async with open_thread(model, tools(FakeTool("meet", meet)), home=str(tmp_path)) as h:
        await h.turn()
    assert h.outputs() == ["first", "second"]


@pytest.mark.anyio
async def test_calls_of_a_tool_that_is_not_safe_run_one_after_another(tmp_path):
    running = []

    async def alone(tool_call, ctx):
        running.append(1)
        assert len(running) == 1
        await anyio.lowlevel.checkpoint()
        running.pop()
        return ToolOutput(output=tool_call.call_id)

    model = ScriptedModel([call("alone", "a"), call("alone", "b"), call("alone", "c")], [say("done")])
    async with open_thread(model, tools(FakeTool("alone", alone, parallel_safe=False)), home=str(tmp_path)) as h:
        await h.turn()
    assert h.outputs() == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("made", "output"),
    [
        (call("nobody", "c"), "unsupported call: nobody"),
        (freeform("nobody", "x"), "unsupported custom tool call: nobody"),
        (raw_call("echo", "{not json"), "failed to parse function arguments:"),
        (raw_call("echo", "[1]"), "failed to parse function arguments: expected a JSON object"),
        (raw_call("strict", "{}"), "failed to parse function arguments: missing field `path`"),
        (call("fails", "c"), "no luck"),
        (call("breaks", "c"), "tool breaks failed: ZeroDivisionError"),
    ],
)
@pytest.mark.anyio
async def test_a_call_that_cannot_succeed_is_told_to_the_model_and_the_turn_goes_on(tmp_path, made, output):
    async def fails(tool_call, ctx):
        raise ToolFailed("no luck")

    async def breaks(tool_call, ctx):
        return 1 / 0

    made_tools = [FakeTool("echo", echo), FakeTool("strict", echo, required=("path",)), FakeTool("fails", fails)]
    model = ScriptedModel([made], [say("I see")])
    async with open_thread(model, tools(*made_tools, FakeTool("breaks", breaks)), home=str(tmp_path)) as h:
        events = await h.turn()
    assert h.outputs()[0].startswith(output)
    assert isinstance(events[-1].msg, TurnCompleted)
    warned = [n for n in h.of(Notice) if "breaks failed" in n.message]
    assert len(warned) == (1 if made.name == "breaks" else 0)


@pytest.mark.anyio
async def test_a_freeform_tool_takes_text_also_from_a_function_call(tmp_path):
    model = ScriptedModel([freeform("free", "as is", "a"), call("free", "b", input="wrapped")], [say("done")])
    async with open_thread(model, tools(FakeTool("free", echo, is_freeform=True)), home=str(tmp_path)) as h:
        await h.turn()
    assert h.outputs() == ["echo as is", "echo wrapped"]


@pytest.mark.anyio
async def test_a_call_that_keeps_failing_is_noticed_from_the_third_time(tmp_path):
    async def fails(tool_call, ctx):
        raise ToolFailed("same again")

    same = [[call("fails", f"c{i}", x=1)] for i in range(3)]
    other = [call("fails", "c9", x=2)]
    model = ScriptedModel(*same, other, [say("done")])
    async with open_thread(model, tools(FakeTool("fails", fails)), home=str(tmp_path)) as h:
        await h.turn()
    outputs = h.outputs()
    assert outputs[0] == outputs[1] == "same again"
    assert "failed 3 times in a row" in outputs[2]
    assert outputs[3] == "same again"


@pytest.mark.anyio
async def test_image_outputs_reach_the_model_as_parts(tmp_path):
    async def look(tool_call, ctx):
        return ToolOutput(output=(ContentPart(type="input_image", image_url="data:x"),))

    model = ScriptedModel([call("look", "c")], [say("done")])
    async with open_thread(model, tools(FakeTool("look", look)), home=str(tmp_path)) as h:
        await h.turn()
    assert h.outputs() == [(ContentPart(type="input_image", image_url="data:x"),)]


# -- provider faults ---------------------------------------------------------------------------------


@pytest.fixture
def no_waiting(monkeypatch):
    waited = []

    async def sleep(seconds):
        waited.append(seconds)

    monkeypatch.setattr("codex_kernel.sampling.anyio.sleep", sleep)
    return waited


@pytest.mark.anyio
async def test_retryable_faults_are_retried_with_an_event_each(tmp_path, no_waiting):
    model = ScriptedModel(
        RateLimited("slow down", retry_after_s=7), StreamClosed("cut"), StreamClosed("cut again"), [say("at last")]
    )
    async with open_thread(model, home=str(tmp_path)) as h:
        events = await h.turn()
    assert isinstance(events[-1].msg, TurnCompleted)
    retries = h.of(StreamRetry)
    assert [(r.attempt, r.max_attempts, r.cause) for r in retries] == [
        (1, 2, "slow down"), (1, 2, "cut"), (2, 2, "cut again"),
    ]  # fmt: skip
    assert no_waiting[0] == 7
    assert 0.2 <= no_waiting[1] <= 0.25
    assert 0.4 <= no_waiting[2] <= 0.5


@pytest.mark.anyio
async def test_faults_beyond_the_limit_fail_the_turn_and_the_thread_goes_on(tmp_path, no_waiting):
    model = ScriptedModel(*[StreamClosed("cut")] * 3, [say("next turn")])
    async with open_thread(model, home=str(tmp_path)) as h:
        first = await h.turn()
        second = await h.turn()
    assert isinstance(first[-1].msg, TurnFailed)
    assert first[-1].msg.error.message == "cut"
    assert first[-1].msg.error.kind == "StreamClosed"
    assert isinstance(second[-1].msg, TurnCompleted)


@pytest.mark.anyio
async def test_faults_that_are_final_are_not_retried(tmp_path, no_waiting):
    model = ScriptedModel(ProviderError("bad request", status=400))
    async with open_thread(model, home=str(tmp_path)) as h:
        events = await h.turn()
    assert events[-1].msg.error.http_status == 400
    assert no_waiting == []


@pytest.mark.anyio
async def test_a_server_that_asks_to_wait_too_long_fails_the_turn(tmp_path, no_waiting):
    model = ScriptedModel(RateLimited("later", retry_after_s=4000))
    async with open_thread(model, home=str(tmp_path)) as h:
        events = await h.turn()
    assert "wait 4000 s" in events[-1].msg.error.message
    assert no_waiting == []


@pytest.mark.anyio
async def test_nothing_of_a_broken_attempt_is_run_or_kept(tmp_path, no_waiting):
    runs = []

    async def once(tool_call, ctx):
        runs.append(tool_call.call_id)
        return ToolOutput(output="ran")

    class CutAfterCall(ScriptedModel):
        async def stream(self, request):
            async for batch in super().stream(request):
                yield batch
                if len(self.requests) == 1 and any(type(e).__name__ == "OutputItemDone" for e in batch):
                    raise StreamClosed("cut after the call")

    model = CutAfterCall([call("once", "c1")], [call("once", "c2")], [say("done")])
    async with open_thread(model, tools(FakeTool("once", once)), home=str(tmp_path)) as h:
        await h.turn()
    assert runs == ["c2"]
    assert [e.item.call_id for e in h.thread.history.entries() if hasattr(e.item, "call_id")] == ["c2", "c2"]


@pytest.mark.anyio
async def test_an_idle_stream_times_out_and_counts_as_cut(tmp_path, no_waiting):
    async def never(request):
        await anyio.sleep_forever()

    model = ScriptedModel(never, [say("second try")])
    spec = model.spec()
    fast = spec.replace(builtin=lambda id: spec.builtin(id).replace(stream_idle_timeout_ms=20))
    model.spec = lambda name="scripted": fast
    async with open_thread(model, home=str(tmp_path)) as h:
        await h.turn()
    assert "idle for 0.02 s" in h.of(StreamRetry)[0].cause


@pytest.mark.anyio
async def test_a_stream_that_just_ends_counts_as_cut(tmp_path, no_waiting):
    class Ends(ScriptedModel):
        async def stream(self, request):
            self.requests.append(request)
            if len(self.requests) > 1:
                async for batch in super().stream(request):
                    yield batch

    async with open_thread(Ends([say("ok")]), home=str(tmp_path)) as h:
        events = await h.turn()
    assert isinstance(events[-1].msg, TurnCompleted)
    assert len(h.of(StreamRetry)) == 1


@pytest.mark.anyio
async def test_deltas_are_shown_when_wanted_and_left_out_otherwise(tmp_path):
    async with open_thread(ScriptedModel([say("ab")]), home=str(tmp_path), want_deltas=True) as h:
        await h.turn()
    assert [d.delta for d in h.of(AgentMessageDelta)] == ["ab"]
    assert [s.item.id for s in h.of(ItemStarted)] == ["msg_1"]
    async with open_thread(ScriptedModel([say("ab")]), home=str(tmp_path)) as h:
        await h.turn()
    assert h.of(AgentMessageDelta) == []


# -- steering, interrupting, limits --------------------------------------------------------------------


@pytest.mark.anyio
async def test_steering_reaches_the_next_request_of_the_same_turn(tmp_path):
    reached, go = anyio.Event(), anyio.Event()

    async def wait(tool_call, ctx):
        reached.set()
        await go.wait()
        return ToolOutput(output="waited")

    model = ScriptedModel([call("wait", "c")], [say("done")])
    async with open_thread(model, tools(FakeTool("wait", wait)), home=str(tmp_path)) as h:
        turn = UserTurn(input=(TextInput(text="go"),))
        await h.thread.submit(turn)
        await reached.wait()
        await h.thread.submit(Steer(input=(TextInput(text="also this"),), expected_turn_id=turn.turn_id))
        await h.thread.submit(Steer(input=(TextInput(text="wrong"),), expected_turn_id="other"))
        await h.until(lambda m: isinstance(m, OpRejected))
        go.set()
        await h.until(lambda m: isinstance(m, TurnCompleted))
    assert model.requests[1].input[-1].item.text == "also this"
    (rejected,) = h.of(OpRejected)
    assert rejected.message == f"expected active turn id `other` but found `{turn.turn_id}`"


@pytest.mark.anyio
async def test_steering_while_the_final_answer_streams_starts_another_request(tmp_path):
    streaming, go = anyio.Event(), anyio.Event()

    async def slow(request):
        streaming.set()
        await go.wait()
        return [say("first")]

    model = ScriptedModel(slow, [say("second", "msg_2")])
    async with open_thread(model, home=str(tmp_path)) as h:
        await h.thread.submit(UserTurn(input=(TextInput(text="go"),)))
        await streaming.wait()
        await h.thread.submit(Steer(input=(TextInput(text="more"),)))
        await anyio.wait_all_tasks_blocked()
        go.set()
        events = await h.until(lambda m: isinstance(m, TurnCompleted))
    assert events[-1].msg.last_agent_message == "second"


@pytest.mark.anyio
async def test_ops_that_need_a_turn_or_none_are_rejected(tmp_path):
    started = anyio.Event()

    async def hang(request):
        started.set()
        await anyio.sleep_forever()

    async with open_thread(ScriptedModel(hang), home=str(tmp_path)) as h:
        await h.thread.submit(Steer(input=()))
        await h.until(lambda m: isinstance(m, OpRejected))
        await h.thread.submit(UserTurn(input=(TextInput(text="go"),)))
        await started.wait()
        await h.thread.submit(UserTurn(input=(TextInput(text="again"),)))
        await h.thread.submit(InjectItems(items=()))
        await h.until(lambda m: isinstance(m, OpRejected) and m.op == "InjectItems")
        await h.thread.submit(Interrupt())
        await h.until(lambda m: isinstance(m, TurnInterrupted))
    assert [r.op for r in h.of(OpRejected)] == ["Steer", "UserTurn", "InjectItems"]


@pytest.mark.anyio
async def test_an_interrupt_gives_every_call_an_output_in_order(tmp_path):
    hanging, released = anyio.Event(), []

    async def quick(tool_call, ctx):
        return ToolOutput(output="quick")

    async def hang(tool_call, ctx):
        hanging.set()
        try:
            await anyio.sleep_forever()
        finally:
            released.append(True)

    model = ScriptedModel([call("quick", "a"), call("hang", "b"), call("alone", "c")])
    made = tools(FakeTool("quick", quick), FakeTool("hang", hang), FakeTool("alone", quick, parallel_safe=False))
    async with open_thread(model, made, home=str(tmp_path)) as h:
        await h.thread.submit(UserTurn(input=(TextInput(text="go"),)))
        await hanging.wait()
        await h.thread.submit(Interrupt(reason="stop it"))
        events = await h.until(lambda m: isinstance(m, TurnInterrupted))
        assert h.outputs()[0] == "quick"
        assert h.outputs()[1].endswith("aborted by user")
        assert h.outputs()[2].endswith("aborted by user")
        assert h.thread.history.open_calls() == []
        assert "<turn_aborted>" in h.thread.history.entries()[-1].item.text
        model.steps.append([say("fresh")])
        assert isinstance((await h.turn())[-1].msg, TurnCompleted)
    assert released == [True]
    assert events[-1].msg.reason == "stop it"
    assert states(events)[-1] is TurnState.INTERRUPTED


@pytest.mark.anyio
async def test_a_turn_stops_after_the_allowed_number_of_requests(tmp_path):
    model = ScriptedModel(*([call("echo", f"c{i}", text="x")] for i in range(9)))
    async with open_thread(model, tools(FakeTool("echo", echo)), home=str(tmp_path), config={"max_turns": 2}) as h:
        events = await h.turn()
    assert events[-1].msg.error.kind == "LimitReached"
    assert events[-1].msg.error.exit_code == 9
    assert len(model.requests) == 2


@pytest.mark.anyio
async def test_a_turn_stops_when_its_time_is_up(tmp_path):
    async def hang(tool_call, ctx):
        await anyio.sleep_forever()

    model = ScriptedModel([call("hang", "c")])
    config = {"turn_timeout_sec": 1}
    async with open_thread(model, tools(FakeTool("hang", hang)), home=str(tmp_path), config=config) as h:
        events = await h.turn()
    assert "stopped after 1 s" in events[-1].msg.error.message
    assert h.outputs()[0].endswith("aborted by user")


@pytest.mark.anyio
async def test_overrides_hold_from_their_turn_on_but_a_schema_only_for_it(tmp_path):
    model = ScriptedModel([say("a")], [say("b")])
    below = tmp_path / "below"
    below.mkdir()
    async with open_thread(model, home=str(tmp_path)) as h:
        await h.turn(overrides=TurnOverrides(model="other", cwd=str(below), output_schema={"type": "object"}))
        await h.turn()
    first, second = model.requests
    assert (first.model, second.model) == ("other", "other")
    assert (first.output_schema, second.output_schema) == ({"type": "object"}, None)
    assert str(below) in first.input[1].item.text


@pytest.mark.anyio
async def test_context_is_sent_again_only_when_it_changes(tmp_path):
    (tmp_path / "AGENTS.md").write_text("Be terse.")
    work = tmp_path / "work"
    work.mkdir()
    model = ScriptedModel([say("a")], [say("b")], [say("c")])
    async with open_thread(model, home=str(tmp_path), cwd=str(work)) as h:
        await h.turn("one")
        await h.turn("two")
        (work / "AGENTS.md").write_text("Be kind.")
        await h.turn("three")
    texts = [e.item.text for e in model.requests[2].input if isinstance(e.item, Message)]
    assert sum("Be terse." in t for t in texts) == 1
    assert sum("Be kind." in t for t in texts) == 1
    assert sum("<environment_context>" in t for t in texts) == 1


@pytest.mark.anyio
async def test_injected_items_are_part_of_the_history(tmp_path):
    model = ScriptedModel([say("ok")])
    async with open_thread(model, home=str(tmp_path)) as h:
        await h.thread.submit(InjectItems(items=(text_message("user", "from elsewhere"),)))
        await h.turn()
    assert model.requests[0].input[0].item.text == "from elsewhere"


@pytest.mark.anyio
async def test_a_plan_stays_open_until_the_turn_ends(tmp_path):
    async def plan(tool_call, ctx):
        item = TodoListItem(id="plan", items=(TodoEntry(text="step", status="pending"),))
        await ctx.item_started(item)
        await ctx.item_updated(item.replace(items=(TodoEntry(text="step", status="completed"),)))
        return ToolOutput(output="ok")

    model = ScriptedModel([call("plan", "c")], [say("done")])
    async with open_thread(model, tools(FakeTool("plan", plan)), home=str(tmp_path)) as h:
        events = await h.turn()
    done = [e.msg.item for e in events if isinstance(e.msg, ItemCompleted) and isinstance(e.msg.item, TodoListItem)]
    assert [entry.status for entry in done[0].items] == ["completed"]
    assert isinstance(events[-1].msg, TurnCompleted)


# -- the queue pair --------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_shutdown_ends_the_events_with_a_closed_thread(tmp_path):
    async with open_thread(ScriptedModel([say("x")]), home=str(tmp_path)) as h:
        await h.turn()
        await h.thread.submit(Shutdown())
        events = await h.until(lambda m: isinstance(m, ThreadClosed))
        with pytest.raises(EndOfThread):
            await h.thread.next_event()
    assert isinstance(events[-1].msg, ThreadClosed)


@pytest.mark.anyio
async def test_leaving_the_context_in_mid_turn_interrupts_and_closes(tmp_path):
    started = anyio.Event()
    tool_ended = []

    async def hang(tool_call, ctx):
        started.set()
        try:
            await anyio.sleep_forever()
        finally:
            tool_ended.append(True)

    tool = FakeTool("hang", hang)
    with anyio.fail_after(5):
        async with open_thread(ScriptedModel([call("hang", "c")]), tools(tool), home=str(tmp_path)) as h:
            await h.thread.submit(UserTurn(input=(TextInput(text="go"),)))
            await started.wait()
    assert tool_ended == [True]
    assert tool.closed == 1


@pytest.mark.anyio
async def test_a_slow_reader_makes_the_turn_wait_and_loses_nothing(tmp_path):
    many = [call("echo", f"c{i}", text=str(i)) for i in range(50)]
    model = ScriptedModel(many, [say("done")])

    async def noisy(tool_call, ctx):
        await ctx.item_started(TodoListItem(id=tool_call.call_id, items=()))
        return ToolOutput(output="x")

    made = tools(FakeTool("echo", noisy))
    async with open_thread(model, made, home=str(tmp_path), queue_capacity=4) as h:
        await h.thread.submit(UserTurn(input=(TextInput(text="go"),)))
        await anyio.wait_all_tasks_blocked()
        assert len(h.thread._queue._events) <= 4
        events = await h.until(lambda m: isinstance(m, TurnCompleted))
    assert [e.seq for e in events] == list(range(len(events)))


@pytest.mark.anyio
async def test_a_cancelled_read_loses_no_event(tmp_path):
    async with open_thread(ScriptedModel([say("x")]), home=str(tmp_path)) as h:
        first = await h.thread.next_event()
        with anyio.move_on_after(0.01):
            await h.thread.next_event()
        events = await h.turn()
    assert isinstance(first.msg, ThreadStarted)
    assert events[0].seq == 1


# -- recording before showing ------------------------------------------------------------------------------


class ListWriter:
    """A rollout kept in a list; it may be told to fail."""

    path = None

    def __init__(self):
        self.lines = []
        self.fail_after = None

    def append(self, lines):
        if self.fail_after is not None and len(self.lines) >= self.fail_after:
            raise StoreError("no space left", path="/rollout", operation="write", hint="free some space")
        self.lines.extend(lines)

    def flush(self):
        pass

    def close(self):
        pass


def recording(writer):
    from codex_plugin_sdk import StoreSpec

    class Store:
        def create(self, thread_id, created_at_ms):
            return writer

    return plugin(codex_stores=[StoreSpec(name="list", kind="rollout", factory=lambda setup: Store())])


@pytest.mark.anyio
async def test_whatever_is_shown_complete_is_already_recorded(tmp_path):
    writer = ListWriter()
    model = ScriptedModel([think("hm"), call("echo", "c", text="x")], [say("bye")])
    async with open_thread(model, tools(FakeTool("echo", echo)), recording(writer), home=str(tmp_path)) as h:
        await h.thread.submit(UserTurn(input=(TextInput(text="go"),)))
        while True:
            event = await h.thread.next_event()
            if isinstance(event.msg, ItemCompleted):
                item_id = event.msg.item.id.encode()
                assert any(item_id in line.payload for line in writer.lines)
            if isinstance(event.msg, TurnCompleted):
                assert b'"task_complete"' in writer.lines[-1].payload
                break
    kinds = [line.type for line in writer.lines]
    assert kinds[0] == "session_meta"
    assert kinds.count("response_item") == 7


@pytest.mark.anyio
async def test_a_disk_that_fills_up_fails_the_turn_with_its_reason(tmp_path):
    for limit in itertools.count(1):
        writer = ListWriter()
        writer.fail_after = limit
        model = ScriptedModel([call("echo", "c", text="x")], [say("bye")])
        async with open_thread(model, tools(FakeTool("echo", echo)), recording(writer), home=str(tmp_path)) as h:
            with anyio.fail_after(5):
                events = await h.turn()
        if isinstance(events[-1].msg, TurnCompleted):
            assert limit > 10
            break
        assert events[-1].msg.error.kind == "StoreError"
        assert events[-1].msg.error.hint == "free some space"
        assert events[-1].msg.error.exit_code == 8


# -- the machine ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "target"), list(itertools.product(TurnState, TurnState)))
def test_a_move_is_made_exactly_when_the_table_permits_it(source, target):
    machine = TurnMachine()
    machine.state = source
    if target in TRANSITIONS[source]:
        assert machine.move(target) is source
        assert machine.state is target
        assert machine.active == (target is not TurnState.IDLE and target not in TERMINAL)
    else:
        with pytest.raises(ValueError, match="cannot go from"):
            machine.move(target)


def test_every_state_can_be_reached_and_left():
    reachable = {state for targets in TRANSITIONS.values() for state in targets}
    assert reachable == set(TurnState)
    assert all(TRANSITIONS[state] for state in TurnState)


@pytest.mark.anyio
async def test_the_first_events_tell_the_thread(tmp_path):
    async with open_thread(ScriptedModel(), home=str(tmp_path)) as h:
        (event,) = await h.until(lambda m: isinstance(m, ThreadStarted))
    assert event.msg.cwd == os.path.abspath(tmp_path)
    assert event.msg.model == "test-model"
    assert event.turn_id is None
