"""Turn guards: what they are asked and told, in order, and what becomes of one that fails; threads below a thread."""

import sys

import anyio
import pytest

from codex_plugin_sdk import (
    ApprovalAnswer,
    ApprovalRequested,
    BudgetExceeded,
    ChildOptions,
    ErrorInfo,
    ExecRequest,
    ExitCode,
    Interrupt,
    LimitReached,
    Notice,
    ReviewDecision,
    RunIntent,
    TextInput,
    ThreadOptions,
    ToolDefinition,
    ToolOutput,
    ToolSourceSpec,
    ToolSpec,
    TurnCompleted,
    TurnFailed,
    TurnGuard,
    TurnGuardSpec,
    TurnInterrupted,
    UserTurn,
)
from codex_plugin_sdk.testing.harness import QuietSource, open_thread, plugin
from codex_plugin_sdk.testing.model import ScriptedModel, call, say

pytestmark = pytest.mark.anyio


class Echo:
    """A tool that runs a program, if its arguments say so."""

    definition = ToolDefinition(name="echo", description="", parameters={"type": "object", "properties": {}})
    parallel_safe = True

    async def run(self, call, ctx):
        if "run" in call.arguments:
            argv = (sys.executable, "-c", call.arguments["run"])
            request = ExecRequest(argv=argv, cwd=ctx.cwd, env={})
            process = await ctx.exec(request, RunIntent(argv=argv, cwd=ctx.cwd, display="run"))
            await process.wait()
            return ToolOutput(output=f"exit {process.returncode}")
        return ToolOutput(output="hello")

    async def aclose(self):
        """Nothing is held."""


class Log(TurnGuard):
    """Writes down what it is asked; `refuse` maps a method to what it raises."""

    def __init__(self, **refuse):
        self.said, self.refuse, self.setup = [], refuse, None

    def _note(self, name, *facts):
        self.said.append((name, *facts))
        if name in self.refuse:
            raise self.refuse[name]

    def turn_begins(self, turn):
        self._note("turn", turn.model)

    def request_begins(self, request):
        self._note("request", request.kind)

    def request_ends(self, request, items, usage, error=None):
        self._note("answer", len(items), type(error).__name__)

    async def call_begins(self, call):
        self._note("call", call.name)

    def call_ends(self, call, output):
        self._note("result", output.output)

    async def exec_begins(self, call_id, request, policy):
        self._note("exec", policy.mode.value)
        return request.replace(argv=(*request.argv[:-1], "raise SystemExit(7)"))

    def judged(self, call_id, intent, verdict, refusal=""):
        self._note("judged", None if verdict is None else verdict.decision.value, refusal)

    async def turn_ends(self, turn_id, state):
        self._note("end", state)

    async def aclose(self):
        self._note("close")

    def offer(self, *, observes=False):
        def factory(setup):
            self.setup = setup
            return self

        return plugin(
            codex_turn_guards=[TurnGuardSpec(name="log", factory=factory, observes=observes)],
            codex_tools=[ToolSpec(name="echo", factory=lambda _setup: Echo())],
        )


FULL = {"sandbox_mode": "danger-full-access"}


async def turn(harness):
    with anyio.fail_after(20):
        return [event.msg for event in await harness.turn()]


async def test_a_guard_is_asked_before_and_told_after_all_that_a_turn_does(tmp_path):
    guard = Log()
    model = ScriptedModel([call("echo", run="pass")], [say("done")])
    async with open_thread(model, guard.offer(), home=str(tmp_path), config=FULL) as thread:
        seen = await turn(thread)
        assert isinstance(seen[-1], TurnCompleted)
        assert (guard.setup.root_id, guard.setup.parent_id) == (thread.thread.id, None)
    assert [entry[0] for entry in guard.said] == [
        *("turn", "request", "answer", "call", "judged", "exec", "result", "request", "answer", "end", "close"),
    ]
    assert ("result", "exit 7") in guard.said  # it changed what was run
    assert ("end", "completed") in guard.said


@pytest.mark.parametrize("method", ["turn", "request", "answer", "call", "exec", "end"])
async def test_a_guard_ends_the_turn_at_each_of_its_places(tmp_path, method):
    guard = Log(**{method: BudgetExceeded("spent", hint="raise it")})
    model = ScriptedModel([call("echo", run="pass")], [say("done")])
    async with open_thread(model, guard.offer(), home=str(tmp_path), config=FULL) as thread:
        failed = (await turn(thread))[-1]
    assert isinstance(failed, TurnFailed)
    assert failed.error == ErrorInfo(
        message="spent", kind="BudgetExceeded", hint="raise it", exit_code=int(ExitCode.BUDGET)
    )
    assert model.requests == [] if method in {"turn", "request"} else len(model.requests) in {1, 2}


async def test_what_a_guard_does_wrong_ends_the_turn_with_its_name(tmp_path):
    guard = Log(request=ZeroDivisionError("by zero"))
    model = ScriptedModel([say("done")])
    async with open_thread(model, guard.offer(), home=str(tmp_path)) as thread:
        failed = (await turn(thread))[-1]
    assert "guard log failed: ZeroDivisionError: by zero" in failed.error.message
    assert failed.error.exit_code == ExitCode.PLUGIN
    assert model.requests == []


async def test_one_that_only_observes_is_dropped_and_said(tmp_path):
    guard = Log(request=ZeroDivisionError("by zero"))
    model = ScriptedModel([call("echo")], [say("done")])
    async with open_thread(model, guard.offer(observes=True), home=str(tmp_path)) as thread:
        seen = await turn(thread)
    assert isinstance(seen[-1], TurnCompleted)
    assert [note.message for note in seen if isinstance(note, Notice)] == ["log stopped: ZeroDivisionError: by zero"]
    assert guard.said == [("turn", "test-model"), ("request", "turn")]


async def test_a_request_that_is_given_up_is_told_as_such(tmp_path):
    guard, asked = Log(), anyio.Event()

    class Slow(ScriptedModel):
        async def stream(self, request):
            asked.set()
            await anyio.sleep_forever()
            yield ()

    async with open_thread(Slow(), guard.offer(), home=str(tmp_path)) as thread:
        await thread.thread.submit(UserTurn(input=(TextInput(text="go"),)))
        await asked.wait()
        await thread.thread.submit(Interrupt())
        await thread.until(lambda msg: isinstance(msg, TurnInterrupted))
    assert [entry for entry in guard.said if entry[0] in {"answer", "end"}] == [
        ("answer", 0, "CancelledError"),
        ("end", "interrupted"),
    ]


class Family(QuietSource):
    """A tool source that opens threads below its own."""

    def __init__(self):
        self.setup, self.open, self.close = None, anyio.Event(), anyio.Event()
        self.child, self.options = None, ChildOptions(agent_type="helper", model="small")

    def factory(self, setup):
        if setup.depth:
            return None
        self.setup = setup
        return self

    async def run(self):
        async with self.setup.open_child(self.options) as self.child:
            self.open.set()
            await self.close.wait()


async def test_a_child_has_its_parents_settings_and_asks_its_parents_user(tmp_path):
    family, guard = Family(), Log()
    model = ScriptedModel([call("echo", run="pass")], [say("small answer")])
    sources = plugin(codex_tool_sources=[ToolSourceSpec(name="family", factory=family.factory)])
    config = {**FULL, "approval_policy": "untrusted"}
    async with open_thread(model, guard.offer(), sources, home=str(tmp_path), config=config) as harness:
        thread = harness.thread
        with anyio.fail_after(20):
            await family.open.wait()
            assert (guard.setup.root_id, guard.setup.parent_id) == (thread.id, thread.id)
            assert guard.setup.thread_id == family.child.id != thread.id
            await family.child.submit(UserTurn(input=(TextInput(text="go"),)))
            while not isinstance(asked := (await thread.next_event()).msg, ApprovalRequested):
                pass
            await thread.submit(ApprovalAnswer(approval_id=asked.approval_id, decision=ReviewDecision.APPROVED))
            while not isinstance(ended := (await family.child.next_event()).msg, TurnCompleted):
                pass
            family.close.set()
    assert ended.last_agent_message == "small answer"
    assert [request.model for request in model.requests] == ["small", "small"]
    assert ("result", "exit 7") in guard.said


def test_a_limit_is_what_a_budget_is():
    assert issubclass(BudgetExceeded, LimitReached)
    assert ThreadOptions(cwd="/").depth == 0
