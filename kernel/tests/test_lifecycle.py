"""Lifecycle events reach handlers in whole turns, and what these answer holds."""

import anyio
import pytest

from codex_kernel.contracts.lifecycle import LIFECYCLE_EVENTS, LifecycleOutcome
from codex_kernel.lifecycle import _folded
from codex_kernel.protocol.events import Notice, TurnCompleted, TurnFailed, TurnInterrupted
from codex_kernel.protocol.ops import Compact
from codex_kernel.protocol.policy import Decision, ToolIntent
from codex_plugin_sdk import LifecycleSpec, ToolDefinition, ToolOutput, ToolSpec
from codex_plugin_sdk.testing.harness import open_thread, plugin
from codex_plugin_sdk.testing.model import ScriptedModel, call, say

pytestmark = pytest.mark.anyio


class Handlers:
    """Answers events as told, and keeps them."""

    def __init__(self, answers, wants=LIFECYCLE_EVENTS):
        self.answers = answers
        self.wants = frozenset(wants)
        self.heard = []
        self.closed = False

    async def handle(self, event):
        self.heard.append(event)
        await anyio.lowlevel.checkpoint()
        answer = self.answers.get(event.name, LifecycleOutcome())
        if isinstance(answer, list):
            answer = answer.pop(0) if answer else LifecycleOutcome()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def aclose(self):
        self.closed = True

    def names(self):
        return [event.name for event in self.heard]

    def payload(self, name):
        return next(event.payload for event in self.heard if event.name == name)


class Echo:
    definition = ToolDefinition(name="echo", description="echo")
    parallel_safe = True

    async def run(self, call, ctx):
        await ctx.authorize(ToolIntent(tool="echo"))
        return ToolOutput(output=f"echo {call.arguments.get('text', '')}")

    async def aclose(self):
        pass


TOOL = plugin(codex_tools=[ToolSpec(name="echo", factory=lambda setup: Echo())])
HOOKED = {"hooks.x": True}


def hooked(handlers, **options):
    spec = LifecycleSpec(name="test", factory=lambda setup: handlers, **options)
    return plugin(codex_lifecycle_hooks=[spec])


async def run(tmp_path, handlers, *responses, config=None, turns=1):
    model = ScriptedModel(*responses)
    async with open_thread(model, TOOL, hooked(handlers), home=str(tmp_path), config={**HOOKED, **(config or {})}) as h:
        for _ in range(turns):
            await h.turn("do it")
    return h


def told(h, role):
    return "\n".join(e.item.text for e in h.thread.history.entries() if getattr(e.item, "role", "") == role)


async def test_a_whole_turn_tells_its_events_in_order(tmp_path):
    handlers = Handlers({})
    h = await run(tmp_path, handlers, [call("echo", "c", text="hi")], [say("done")], [say("again")], turns=2)
    assert isinstance(h.events[-1].msg, TurnCompleted)
    first = ["SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "Stop", "Notification"]
    rest = ["UserPromptSubmit", "Stop", "Notification", "SessionEnd"]
    assert sorted(handlers.names()) == sorted(first + rest)
    assert [name for name in handlers.names() if name != "Notification"] == [
        name for name in first + rest if name != "Notification"
    ]
    assert handlers.payload("PreToolUse") == {
        "tool_name": "echo",
        "tool_input": {"text": "hi"},
        "tool_use_id": "c",
    }
    assert handlers.payload("PostToolUse")["tool_response"] == "echo hi"
    assert handlers.payload("Stop") == {"stop_hook_active": False, "last_assistant_message": "done"}
    assert handlers.payload("Notification")["input_messages"] == ["do it"]
    assert handlers.closed


async def test_without_the_table_nothing_is_made(tmp_path):
    def fail(setup):
        raise AssertionError("made")

    offered = plugin(codex_lifecycle_hooks=[LifecycleSpec(name="test", factory=fail)])
    async with open_thread(ScriptedModel([say("done")]), offered, home=str(tmp_path)) as h:
        await h.turn()
    assert isinstance(h.events[-1].msg, TurnCompleted)


async def test_context_reaches_the_model_and_messages_the_user(tmp_path):
    answers = {
        "SessionStart": LifecycleOutcome(context=("started here",)),
        "UserPromptSubmit": LifecycleOutcome(context=("be kind",), messages=("prompt seen",)),
        "PostToolUse": LifecycleOutcome(context=("noted",), block="too loud"),
    }
    h = await run(tmp_path, Handlers(answers), [call("echo", "c", text="hi")], [say("done")])
    assert "started here\n\nbe kind" in told(h, "developer")
    (output,) = h.outputs()
    assert output.startswith("echo hi")
    assert "noted" in output
    assert "too loud" in output
    assert ("prompt seen", "hook UserPromptSubmit") in [(n.message, n.source) for n in h.of(Notice)]


async def test_a_blocked_prompt_is_not_sent(tmp_path):
    handlers = Handlers({"UserPromptSubmit": LifecycleOutcome(block="it holds a secret")})
    h = await run(tmp_path, handlers)
    assert "it holds a secret" in h.of(TurnFailed)[0].error.message
    assert h.model.requests == []
    assert "do it" not in told(h, "user")


async def test_a_blocked_tool_does_not_run_and_the_model_is_told(tmp_path):
    handlers = Handlers({"PreToolUse": LifecycleOutcome(block="not on Fridays")})
    h = await run(tmp_path, handlers, [call("echo", "c", text="hi")], [say("done")])
    assert h.outputs() == ["blocked by a hook: not on Fridays"]
    assert "PostToolUse" not in handlers.names()


async def test_a_handler_can_change_the_input_and_stop_the_turn(tmp_path):
    handlers = Handlers({"PreToolUse": LifecycleOutcome(updated_input={"text": "quiet"})})
    h = await run(tmp_path, handlers, [call("echo", "c", text="LOUD")], [say("done")])
    assert h.outputs() == ["echo quiet"]
    assert handlers.payload("PostToolUse")["tool_input"] == {"text": "quiet"}
    stopping = Handlers({"PostToolUse": LifecycleOutcome(stop="enough")})
    h = await run(tmp_path, stopping, [call("echo", "c", text="hi")])
    assert isinstance(h.events[-1].msg, TurnInterrupted)


async def test_stop_sends_the_model_on_but_not_for_ever(tmp_path):
    once = Handlers({"Stop": [LifecycleOutcome(block="write the tests too")]})
    h = await run(tmp_path, once, [say("done")], [say("now with tests")])
    assert "write the tests too" in told(h, "user")
    assert h.of(TurnCompleted)[0].last_agent_message == "now with tests"
    assert [event.payload["stop_hook_active"] for event in once.heard if event.name == "Stop"] == [False, True]
    always = Handlers({"Stop": LifecycleOutcome(block="more")})
    h = await run(tmp_path, always, *[[say("done")] for _ in range(30)])
    assert len(h.model.requests) == 21
    assert any("20 times" in notice.message for notice in h.of(Notice))


@pytest.mark.parametrize(
    ("answer", "output"),
    [
        (LifecycleOutcome(decision=Decision.ALLOW), "echo hi"),
        (LifecycleOutcome(decision=Decision.FORBIDDEN, block="no"), "rejected by a hook: no"),
    ],
)
async def test_a_handler_can_answer_a_question(tmp_path, answer, output):
    asking = {"approval_policy": "untrusted"}
    handlers = Handlers({"PermissionRequest": answer}, wants=("PermissionRequest",))
    h = await run(tmp_path, handlers, [call("echo", "c", text="hi")], [say("done")], config=asking)
    assert h.outputs() == [output]
    assert handlers.heard[0].subject == "echo"
    assert handlers.heard[0].intent == ToolIntent(tool="echo")


async def test_compaction_is_told_and_can_be_kept_from(tmp_path):
    handlers = Handlers({"PostCompact": LifecycleOutcome(context=("still remember this",))})
    model = ScriptedModel([say("hello")], [say("a summary")])
    async with open_thread(model, hooked(handlers), home=str(tmp_path), config=HOOKED) as h:
        await h.turn()
        await h.thread.submit(Compact())
        await h.until(lambda m: isinstance(m, TurnCompleted))
    assert handlers.payload("PreCompact") == {"trigger": "manual"}
    assert "still remember this" in told(h, "developer")
    blocking = Handlers({"PreCompact": LifecycleOutcome(block="keep it")})
    model = ScriptedModel([say("hello")])
    async with open_thread(model, hooked(blocking), home=str(tmp_path), config=HOOKED) as h:
        await h.turn()
        await h.thread.submit(Compact())
        await h.until(lambda m: isinstance(m, TurnFailed))
    assert "keep it" in h.of(TurnFailed)[0].error.message


@pytest.mark.parametrize("name", ["UserPromptSubmit", "PreToolUse", "PermissionRequest"])
async def test_a_handler_that_breaks_blocks(tmp_path, name):
    asking = {"approval_policy": "untrusted"} if name == "PermissionRequest" else {}
    handlers = Handlers({name: RuntimeError("oops")}, wants=(name,))
    h = await run(tmp_path, handlers, [call("echo", "c", text="hi")], [say("done")], config=asking)
    assert not any(output.startswith("echo") for output in h.outputs())
    assert any("oops" in notice.message for notice in h.of(Notice))


def test_what_one_blocks_no_other_allows():
    allow, deny = LifecycleOutcome(decision=Decision.ALLOW), LifecycleOutcome(decision=Decision.FORBIDDEN, block="no")
    for outcomes in ([allow, deny], [deny, allow]):
        folded = _folded(outcomes)
        assert (folded.decision, folded.block) == (Decision.FORBIDDEN, "no")
    assert _folded([allow, LifecycleOutcome()]).decision is Decision.ALLOW
    assert _folded([]) == LifecycleOutcome()
