"""In a real thread: the gate asks, once for a whole chain, and rules hold."""

from __future__ import annotations

import pytest

from codex_plugin_sdk import (
    ApprovalAnswer,
    ApprovalRequested,
    Decision,
    ExecPolicySpec,
    ReviewDecision,
    RunIntent,
    TextInput,
    ToolDefinition,
    ToolOutput,
    ToolSpec,
    TurnCompleted,
    UserTurn,
    Verdict,
)
from codex_plugin_sdk.testing.harness import open_thread, plugin
from codex_plugin_sdk.testing.model import ScriptedModel, call, say

from .conftest import SPEC

pytestmark = pytest.mark.anyio


class Shell:
    """Stands for the shell tool: what the broker does not claim is not run."""

    definition = ToolDefinition(
        name="exec_command",
        description="Runs a command.",
        parameters={"type": "object", "properties": {"cmd": {"type": "string"}}, "required": ["cmd"]},
    )
    parallel_safe = True

    async def run(self, call, ctx):
        return ToolOutput(output="not claimed")

    async def aclose(self):
        pass


class Rule:
    """Allows `git add` and `git commit` outside the sandbox."""

    def evaluate(self, intent, context):
        known = isinstance(intent, RunIntent) and intent.argv[:2] in (("git", "add"), ("git", "commit"))
        return Verdict(decision=Decision.ALLOW, bypass_sandbox=True, source="rules") if known else None


def opened(desk, *commands, more=(), **config):
    model = ScriptedModel(*([call("exec_command", f"c{i}", cmd=cmd)] for i, cmd in enumerate(commands)), [say("done")])
    tools = plugin(codex_tools=[ToolSpec(name="exec_command", factory=lambda setup: Shell()), SPEC])
    settings = {
        "sandbox_mode": "workspace-write",
        "approval_policy": "on-request",
        "sandbox_workspace_write.exclude_slash_tmp": True,
        **config,
    }
    return open_thread(
        model, tools, *more, home=str(desk.home), cwd=str(desk.work), environ=desk.environ, config=settings
    )


async def answered(thread, decision):
    await thread.thread.submit(UserTurn(input=(TextInput(text="go"),)))
    questions = []
    while True:
        last = (await thread.until(lambda msg: isinstance(msg, ApprovalRequested | TurnCompleted)))[-1].msg
        if isinstance(last, TurnCompleted):
            return questions
        questions.append(last)
        await thread.thread.submit(ApprovalAnswer(approval_id=last.approval_id, decision=decision))


async def test_one_question_is_asked_for_a_chain_and_then_it_is_committed(desk):
    async with opened(desk, "git add -A && git commit --allow-empty -m agreed") as thread:
        (question,) = await answered(thread, ReviewDecision.APPROVED)
        offered = {tool.name for tool in thread.model.requests[0].tools}
    assert offered == {"exec_command"}
    assert question.intent.display == "git add -A && git commit --allow-empty -m agreed"
    assert "outside the sandbox" in question.reason
    assert desk.git("log", "-1", "--format=%s") == "agreed\n"


async def test_what_the_user_rejects_is_not_done(desk):
    async with opened(desk, "git commit --allow-empty -m rejected") as thread:
        await answered(thread, ReviewDecision.DENIED)
        assert "rejected by user" in thread.outputs()[0]
    assert desk.git("log", "-1", "--format=%s") == "first\n"


async def test_where_nobody_is_asked_the_model_reads_why(desk):
    async with opened(desk, "git commit --allow-empty -m x", approval_policy="never") as thread:
        await thread.turn()
        assert "Nobody can be asked" in thread.outputs()[0]
        assert "git keeps its repository read-only" in thread.outputs()[0]
    assert desk.git("log", "-1", "--format=%s") == "first\n"


async def test_a_rule_for_the_command_spares_the_question(desk):
    rules = plugin(codex_exec_policies=[ExecPolicySpec(name="rules", factory=lambda _: Rule())])
    commands = ("git add -A", "git commit --allow-empty -m ruled")
    async with opened(desk, *commands, more=(rules,), approval_policy="never") as thread:
        await thread.turn()
        assert all("exited with code 0" in output for output in thread.outputs())
    assert desk.git("log", "-1", "--format=%s") == "ruled\n"


async def test_in_full_access_the_shell_runs_git_itself(desk):
    async with opened(desk, "git add -A", sandbox_mode="danger-full-access") as thread:
        await thread.turn()
        assert thread.outputs() == ["not claimed"]
