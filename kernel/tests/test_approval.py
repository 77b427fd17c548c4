"""Policies are folded to the strictest answer; questions go out and come back."""

import os

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_kernel.approval import Gate, by_approval_policy, fold
from codex_kernel.contracts.policy import PolicyContext, Review
from codex_kernel.contracts.sandbox import ExecRequest
from codex_kernel.contracts.tool import FileEdit
from codex_kernel.errors import ConfigError, PluginLoadError, PluginMissing, UserError
from codex_kernel.protocol.events import (
    ApprovalRequested,
    ApprovalResolved,
    Notice,
    OpRejected,
    TokenCount,
    TurnCompleted,
    TurnInterrupted,
    TurnState,
    TurnStateChanged,
)
from codex_kernel.protocol.ops import ApprovalAnswer, Interrupt, TextInput, UserTurn
from codex_kernel.protocol.policy import (
    AdditionalPermissions,
    ApprovalPolicy,
    Category,
    Decision,
    EditIntent,
    NetworkIntent,
    NetworkRules,
    PolicyAmendment,
    ReviewDecision,
    RunIntent,
    SandboxMode,
    SandboxPolicy,
    ToolIntent,
    Verdict,
    strictest,
)
from codex_plugin_sdk import ExecPolicySpec, ReviewerSpec, ToolDefinition, ToolOutput, ToolSpec
from codex_plugin_sdk.testing.harness import open_thread, plugin
from codex_plugin_sdk.testing.model import ScriptedModel, call, say

VERDICTS = st.builds(Verdict, decision=st.sampled_from(list(Decision)), bypass_sandbox=st.booleans())
ORDER = [Decision.ALLOW, Decision.PROMPT, Decision.FORBIDDEN]


@given(st.lists(VERDICTS, min_size=1), VERDICTS)
def test_another_verdict_never_loosens_the_fold(verdicts, more):
    default = Verdict(decision=Decision.FORBIDDEN)
    before, after = fold(verdicts, default), fold([*verdicts, more], default)
    assert ORDER.index(after.decision) >= ORDER.index(before.decision)
    assert before.bypass_sandbox or not after.bypass_sandbox
    assert before.decision is strictest(*(v.decision for v in verdicts))


def _context(approval, mode=SandboxMode.WORKSPACE_WRITE, cwd="/"):
    return PolicyContext(approval_policy=approval, sandbox_policy=SandboxPolicy(mode=mode), cwd=cwd)


@pytest.mark.parametrize(
    ("intent", "approval", "mode", "decision"),
    [
        (RunIntent(argv=("ls",), cwd="/"), ApprovalPolicy.NEVER, SandboxMode.READ_ONLY, Decision.ALLOW),
        (RunIntent(argv=("ls",), cwd="/"), ApprovalPolicy.ON_REQUEST, SandboxMode.READ_ONLY, Decision.ALLOW),
        (RunIntent(argv=("ls",), cwd="/"), ApprovalPolicy.UNTRUSTED, SandboxMode.READ_ONLY, Decision.PROMPT),
        (RunIntent(argv=("ls",), cwd="/", escalated=True), ApprovalPolicy.ON_REQUEST, SandboxMode.READ_ONLY, Decision.PROMPT),
        (RunIntent(argv=("ls",), cwd="/", escalated=True), ApprovalPolicy.NEVER, SandboxMode.DANGER_FULL_ACCESS, Decision.ALLOW),
        (ToolIntent(tool="t"), ApprovalPolicy.UNTRUSTED, SandboxMode.READ_ONLY, Decision.PROMPT),
        (ToolIntent(tool="t", read_only=True), ApprovalPolicy.UNTRUSTED, SandboxMode.READ_ONLY, Decision.ALLOW),
    ],
)  # fmt: skip
def test_what_holds_where_no_policy_speaks(intent, approval, mode, decision):
    assert by_approval_policy(intent, _context(approval, mode), ()).decision is decision


def test_edits_are_allowed_inside_the_roots_only(tmp_path):
    inside, outside = str(tmp_path / "ws" / "a"), str(tmp_path / "ws2" / "a")
    (tmp_path / "ws").mkdir()
    roots = (str(tmp_path / "ws"),)
    context = _context(ApprovalPolicy.ON_REQUEST)
    assert by_approval_policy(EditIntent(paths=(inside,), cwd="/"), context, roots).decision is Decision.ALLOW
    verdict = by_approval_policy(EditIntent(paths=(inside, outside), cwd="/"), context, roots)
    assert verdict.decision is Decision.PROMPT
    assert outside in verdict.reason


def test_roots_follow_the_policy(tmp_path):
    policy = SandboxPolicy(mode=SandboxMode.WORKSPACE_WRITE, writable_roots=("/x",))
    assert policy.roots("/ws", "/tmpdir") == ("/ws", "/x", "/tmp", "/tmpdir")
    bare = policy.replace(exclude_slash_tmp=True, exclude_tmpdir_env_var=True)
    assert bare.roots("/ws", "/tmpdir") == ("/ws", "/x")
    assert SandboxPolicy().roots("/ws", "/tmpdir") == ()


class Acting:
    """A tool that runs, edits or authorizes as its arguments say."""

    definition = ToolDefinition(name="act", description="act")
    parallel_safe = False

    async def run(self, call, ctx):
        args = call.arguments
        if "edit" in args:
            await ctx.edit_files([FileEdit(path=args["edit"], content=b"new")])
        elif "use" in args:
            await ctx.authorize(ToolIntent(tool=args["use"]))
        else:
            argv = tuple(args.get("argv", ("true",)))
            intent = RunIntent(argv=argv, cwd=ctx.cwd, display=" ".join(argv), escalated=args.get("escalated", False))
            process = await ctx.exec(ExecRequest(argv=argv, cwd=ctx.cwd, env=dict(os.environ)), intent)
            await process.wait()
            await process.kill_tree()
        return ToolOutput(output="acted")

    async def aclose(self):
        pass


ACT = plugin(codex_tools=[ToolSpec(name="act", factory=lambda setup: Acting())])
ASKING = {"approval_policy": "untrusted"}


class Judge:
    def __init__(self, answer):
        self.answer = answer

    def evaluate(self, intent, context):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def judges(*answers):
    specs = [ExecPolicySpec(name=f"judge-{i}", factory=lambda s, a=a: Judge(a)) for i, a in enumerate(answers)]
    return plugin(codex_exec_policies=specs)


async def _answering(h, decision, feedback=""):
    await h.thread.submit(UserTurn(input=(TextInput(text="go"),)))
    events = await h.until(lambda m: isinstance(m, ApprovalRequested))
    asked = events[-1].msg
    await h.thread.submit(ApprovalAnswer(approval_id=asked.approval_id, decision=decision, feedback=feedback))
    await h.until(lambda m: isinstance(m, TurnCompleted | TurnInterrupted))
    return asked


@pytest.mark.anyio
async def test_an_approved_question_lets_the_tool_go_on_through_the_waiting_state(tmp_path):
    model = ScriptedModel([call("act", "c", use="mail")], [say("done")])
    async with open_thread(model, ACT, home=str(tmp_path), config=ASKING) as h:
        asked = await _answering(h, ReviewDecision.APPROVED)
    assert h.outputs() == ["acted"]
    assert asked.call_id == "c"
    assert asked.intent == ToolIntent(tool="mail")
    moves = [(m.previous, m.state) for m in h.of(TurnStateChanged)]
    assert (TurnState.RUNNING_TOOLS, TurnState.WAITING_FOR_APPROVAL) in moves
    assert (TurnState.WAITING_FOR_APPROVAL, TurnState.RUNNING_TOOLS) in moves
    assert [r.decision for r in h.of(ApprovalResolved)] == [ReviewDecision.APPROVED]


@pytest.mark.anyio
async def test_a_refusal_is_told_to_the_model_with_the_users_words(tmp_path):
    model = ScriptedModel([call("act", "c", use="mail")], [say("done")])
    async with open_thread(model, ACT, home=str(tmp_path), config=ASKING) as h:
        await _answering(h, ReviewDecision.DENIED, "not today")
    assert h.outputs() == ["rejected by user: not today"]


@pytest.mark.anyio
async def test_an_abort_stops_the_turn(tmp_path):
    model = ScriptedModel([call("act", "c", use="mail"), call("act", "d", use="mail")])
    async with open_thread(model, ACT, home=str(tmp_path), config=ASKING) as h:
        await _answering(h, ReviewDecision.ABORT)
        assert isinstance(h.events[-1].msg, TurnInterrupted)
    assert h.outputs()[0].startswith("rejected by user")
    assert h.outputs()[1].endswith("aborted by user")


@pytest.mark.anyio
async def test_an_approval_for_the_session_is_not_asked_again(tmp_path):
    model = ScriptedModel([call("act", "c", use="mail")], [call("act", "d", use="mail")], [say("done")])
    async with open_thread(model, ACT, home=str(tmp_path), config=ASKING) as h:
        await _answering(h, ReviewDecision.APPROVED_FOR_SESSION)
    assert h.outputs() == ["acted", "acted"]
    assert len(h.of(ApprovalRequested)) == 1


@pytest.mark.anyio
async def test_an_interrupt_resolves_an_open_question(tmp_path):
    model = ScriptedModel([call("act", "c", use="mail")])
    async with open_thread(model, ACT, home=str(tmp_path), config=ASKING) as h:
        await h.thread.submit(UserTurn(input=(TextInput(text="go"),)))
        await h.until(lambda m: isinstance(m, ApprovalRequested))
        await h.thread.submit(Interrupt())
        await h.until(lambda m: isinstance(m, TurnInterrupted))
        late = ApprovalAnswer(approval_id=h.of(ApprovalRequested)[0].approval_id, decision=ReviewDecision.APPROVED)
        await h.thread.submit(late)
        await h.until(lambda m: isinstance(m, OpRejected))
    assert [r.decision for r in h.of(ApprovalResolved)] == [ReviewDecision.ABORT]


@pytest.mark.anyio
async def test_with_policy_never_nobody_is_asked_and_the_model_is_told(tmp_path):
    model = ScriptedModel([call("act", "c", escalated=True)], [say("done")])
    config = {"approval_policy": "never", "sandbox_mode": "workspace-write"}
    async with open_thread(model, ACT, home=str(tmp_path), config=config) as h:
        await h.turn()
    assert h.of(ApprovalRequested) == []
    assert "Nobody can be asked" in h.outputs()[0]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answers", "output"),
    [
        ([Verdict(decision=Decision.FORBIDDEN, reason="no mail", source="rules")], "forbidden by rules: no mail"),
        ([Verdict(decision=Decision.ALLOW), Verdict(decision=Decision.FORBIDDEN, reason="x")], "forbidden: x"),
        ([None, Verdict(decision=Decision.ALLOW)], "acted"),
        ([ValueError("broken")], "the policy failed: broken"),
    ],
)
async def test_policies_are_folded_and_a_broken_one_forbids(tmp_path, answers, output):
    model = ScriptedModel([call("act", "c", use="mail")], [say("done")])
    config = {**ASKING, "policies.may_allow": ["judge-0", "judge-1"]}
    async with open_thread(model, ACT, judges(*answers), home=str(tmp_path), config=config) as h:
        await h.turn()
    assert output in h.outputs()[0]


@pytest.mark.anyio
async def test_without_a_sandbox_a_confined_command_is_refused_with_the_cure(tmp_path):
    marker = tmp_path / "ran"
    model = ScriptedModel([call("act", "c", argv=["touch", str(marker)])], [say("done")])
    async with open_thread(model, ACT, home=str(tmp_path), config={"sandbox_mode": "workspace-write"}) as h:
        events = await h.turn()
    assert isinstance(events[-1].msg, TurnCompleted)
    assert "pip install codex-sandbox-linux" in h.outputs()[0]
    assert any("pip install codex-sandbox-linux" in n.message for n in h.of(Notice))
    assert not marker.exists()


@pytest.mark.anyio
async def test_unconfined_commands_run_and_missing_programs_are_told(tmp_path):
    marker = tmp_path / "ran"
    model = ScriptedModel(
        [call("act", "c", argv=["touch", str(marker)])], [call("act", "d", argv=["/no/such/program"])], [say("done")]
    )
    async with open_thread(model, ACT, home=str(tmp_path), config={"sandbox_mode": "danger-full-access"}) as h:
        await h.turn()
    assert marker.exists()
    assert h.outputs()[0] == "acted"
    assert "/no/such/program" in h.outputs()[1]


@pytest.mark.anyio
async def test_edits_stay_inside_the_writable_roots(tmp_path):
    work, out = tmp_path / "work", tmp_path / "out"
    work.mkdir()
    out.mkdir()
    (work / "link").symlink_to(out)
    targets = [work / "a.txt", out / "b.txt", work / "link" / "c.txt", work / ".git" / "config"]
    model = ScriptedModel(*([call("act", f"c{i}", edit=str(t))] for i, t in enumerate(targets)), [say("done")])
    config = {
        "sandbox_mode": "workspace-write",
        "approval_policy": "never",
        "sandbox_workspace_write.exclude_slash_tmp": True,
        "sandbox_workspace_write.exclude_tmpdir_env_var": True,
    }
    async with open_thread(model, ACT, home=str(tmp_path), cwd=str(work), config=config) as h:
        await h.turn()
    assert (work / "a.txt").read_bytes() == b"new"
    assert [t.exists() for t in targets] == [True, False, False, False]
    assert all("outside the writable roots" in o for o in h.outputs()[1:])


@pytest.mark.anyio
async def test_an_approved_edit_outside_the_roots_is_written(tmp_path):
    work, target = tmp_path / "work", tmp_path / "b.txt"
    work.mkdir()
    model = ScriptedModel([call("act", "c", edit=str(target))], [say("done")])
    async with open_thread(model, ACT, home=str(tmp_path), cwd=str(work)) as h:
        await _answering(h, ReviewDecision.APPROVED)
    assert target.read_bytes() == b"new"


@pytest.mark.anyio
async def test_a_policy_plugin_that_cannot_be_used_stops_the_thread(tmp_path):
    from codex_plugin_sdk import hookimpl

    class Broken:
        @hookimpl
        def codex_exec_policies(self):
            raise RuntimeError("boom")

    with pytest.raises(PluginLoadError, match="boom"):
        async with open_thread(ScriptedModel(), Broken(), home=str(tmp_path)):
            await anyio.sleep_forever()


@pytest.mark.anyio
async def test_a_policy_that_is_not_trusted_to_allow_can_only_tighten(tmp_path):
    model = ScriptedModel([call("act", "c", use="mail")], [say("done")])
    allow = Verdict(decision=Decision.ALLOW, bypass_sandbox=True)
    async with open_thread(model, ACT, judges(allow), home=str(tmp_path), config=ASKING) as h:
        await h.thread.submit(UserTurn(input=(TextInput(text="go"),)))
        await h.until(lambda m: isinstance(m, ApprovalRequested))
        await h.thread.submit(Interrupt())
        await h.until(lambda m: isinstance(m, TurnInterrupted))


async def answered(h, decision, feedback=""):
    """Run a turn and answer its first question."""
    await h.thread.submit(UserTurn(input=(TextInput(text="go"),)))
    asked = (await h.until(lambda m: isinstance(m, ApprovalRequested)))[-1].msg
    assert h.thread.open_approvals == [asked]  # whoever comes back can still answer
    await h.thread.submit(ApprovalAnswer(approval_id=asked.approval_id, decision=decision, feedback=feedback))
    await h.until(lambda m: isinstance(m, TurnCompleted | TurnInterrupted))
    return asked


class Rules(Judge):
    """Asks about all commands and can write rules."""

    def __init__(self):
        super().__init__(Verdict(decision=Decision.PROMPT, reason="a rule asks", source="rules"))
        self.written = []

    def proposals(self, intent, context):
        text = f"prefix_rule(pattern={list(intent.argv)})"
        return (PolicyAmendment(source="rules", text=text, file="default.rules", prefix=intent.argv),)

    def amend(self, amendment):
        self.written.append(amendment.text)


@pytest.mark.anyio
async def test_always_writes_the_rule_that_was_shown_and_is_not_asked_again_for_the_same_command(tmp_path):
    rules = Rules()
    made = plugin(codex_exec_policies=[ExecPolicySpec(name="rules", factory=lambda setup: rules)])
    model = ScriptedModel([call("act", "c")], [say("x")], [call("act", "d")], [say("y")])
    config = {"sandbox_mode": "danger-full-access"}
    async with open_thread(model, ACT, made, home=str(tmp_path), config=config) as h:
        asked = await answered(h, ReviewDecision.APPROVED_ALWAYS)
        assert [amendment.text for amendment in asked.amendments] == ["prefix_rule(pattern=['true'])"]
        await h.turn()
    assert h.outputs() == ["acted", "acted"]
    assert rules.written == ["prefix_rule(pattern=['true'])"]
    assert [n.message for n in h.of(Notice)] == ["added to default.rules: prefix_rule(pattern=['true'])"]
    assert len(h.of(ApprovalRequested)) == 1


@pytest.mark.anyio
async def test_a_rule_that_cannot_be_written_is_told_and_the_command_still_runs(tmp_path):
    rules = Rules()

    def amend(amendment):
        raise UserError("the disk is full")

    rules.amend = amend
    made = plugin(codex_exec_policies=[ExecPolicySpec(name="rules", factory=lambda setup: rules)])
    config = {"sandbox_mode": "danger-full-access"}
    async with open_thread(
        ScriptedModel([call("act", "c")], [say("x")]), ACT, made, home=str(tmp_path), config=config
    ) as h:
        await answered(h, ReviewDecision.APPROVED_ALWAYS)
    assert h.outputs() == ["acted"]
    assert [(n.level, "the disk is full" in n.message) for n in h.of(Notice)] == [("error", True)]


@pytest.mark.anyio
@pytest.mark.parametrize("asks", [True, False])
async def test_granular_approval_asks_only_about_the_kinds_that_are_on(tmp_path, asks):
    model = ScriptedModel([call("act", "c", escalated=True)], [say("x")])
    granular = {"sandbox_approval": asks, "rules": True, "mcp_elicitations": True}
    config = {"approval_policy": {"granular": granular}, "sandbox_mode": "workspace-write"}
    async with open_thread(model, ACT, home=str(tmp_path), config=config) as h:
        if asks:
            asked = await answered(h, ReviewDecision.APPROVED)
            assert asked.category is Category.SANDBOX
            assert h.outputs() == ["acted"]
        else:
            await h.turn()
            assert "granular with sandbox_approval = false" in h.outputs()[0]


@pytest.mark.anyio
async def test_an_unknown_granular_kind_is_an_error_that_lists_the_known_ones(tmp_path):
    config = {"approval_policy": {"granular": {"weather": True}}}
    with pytest.raises(ConfigError, match="weather") as caught:
        async with open_thread(ScriptedModel(), home=str(tmp_path), config=config):
            pass
    assert "mcp_elicitations" in caught.value.hint


class Reviewer:
    def __init__(self, answer):
        self.answer = answer

    async def review(self, request, context):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def reviewers(answer):
    return plugin(codex_reviewers=[ReviewerSpec(name="robot", factory=lambda setup: Reviewer(answer))])


ROBOT = {**ASKING, "approvals_reviewer": "robot"}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("review", "output", "decision"),
    [
        (Review(decision=ReviewDecision.APPROVED), "acted", ReviewDecision.APPROVED),
        (Review(decision=ReviewDecision.APPROVED_ALWAYS), "acted", ReviewDecision.APPROVED),
        (
            Review(decision=ReviewDecision.DENIED, reason="too loud"),
            "rejected by robot: too loud",
            ReviewDecision.DENIED,
        ),
    ],
)
async def test_a_reviewer_answers_in_the_users_place(tmp_path, review, output, decision):
    model = ScriptedModel([call("act", "c", use="mail")], [say("x")])
    async with open_thread(model, ACT, reviewers(review), home=str(tmp_path), config=ROBOT) as h:
        await h.turn()
    assert h.outputs() == [output]
    assert [(r.decision, r.reviewer) for r in h.of(ApprovalResolved)] == [(decision, "robot")]


@pytest.mark.anyio
@pytest.mark.parametrize("review", [None, ValueError("no idea")])
async def test_a_reviewer_that_is_silent_or_fails_leaves_the_question_to_the_user(tmp_path, review):
    model = ScriptedModel([call("act", "c", use="mail")], [say("x")])
    async with open_thread(model, ACT, reviewers(review), home=str(tmp_path), config=ROBOT) as h:
        await answered(h, ReviewDecision.APPROVED)
    assert h.outputs() == ["acted"]
    assert [r.reviewer for r in h.of(ApprovalResolved)] == ["user"]
    assert len(h.of(Notice)) == (1 if review else 0)


@pytest.mark.anyio
async def test_a_reviewer_may_ask_the_threads_own_model_and_the_usage_counts(tmp_path):
    class Asking:
        def __init__(self, setup):
            self.setup = setup

        async def review(self, request, context):
            said = await self.setup.sample("Answer yes or no.", request.reason)
            return Review(decision=ReviewDecision.APPROVED if said == "yes" else ReviewDecision.DENIED)

    made = plugin(codex_reviewers=[ReviewerSpec(name="robot", factory=Asking)])
    model = ScriptedModel([call("act", "c", use="mail")], [say("yes")], [say("x")])
    async with open_thread(model, ACT, made, home=str(tmp_path), config=ROBOT) as h:
        await h.turn()
    assert h.outputs() == ["acted"]
    review = model.requests[1]
    assert (review.kind, review.tools, review.instructions) == ("review", (), "Answer yes or no.")
    assert h.of(TokenCount)[-1].total.total_tokens > h.of(TokenCount)[-1].last.total_tokens * 2


@pytest.mark.anyio
async def test_a_reviewer_that_is_not_installed_is_an_error_with_the_cure(tmp_path):
    with pytest.raises(PluginMissing) as caught:
        async with open_thread(ScriptedModel(), home=str(tmp_path), config=ROBOT):
            pass
    assert "codex-reviewer-robot" in caught.value.hint


@given(st.lists(st.sampled_from(list(Decision)), max_size=4), st.sampled_from(list(Decision)), st.booleans())
def test_one_more_plugin_never_loosens_a_decision(decisions, further, escalated):
    context = PolicyContext(approval_policy=ApprovalPolicy.UNTRUSTED, sandbox_policy=SandboxPolicy(), cwd="/ws")
    intent = RunIntent(argv=("x",), cwd="/ws", escalated=escalated)

    def judged(answers):
        policies = [
            (f"p{i}", Judge(Verdict(decision=decision, bypass_sandbox=True))) for i, decision in enumerate(answers)
        ]
        return Gate(policies, None, frozenset({"p0"})).judge(intent, context, ())

    before, after = judged(decisions or [Decision.PROMPT]), judged([*(decisions or [Decision.PROMPT]), further])
    assert strictest(before.decision, after.decision) is after.decision
    assert before.bypass_sandbox or not after.bypass_sandbox


HOSTS = SandboxPolicy(
    mode=SandboxMode.WORKSPACE_WRITE,
    network_rules=NetworkRules(allowed=("**.index.test", "*.example.com"), denied=("bad.example.com",)),
)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("index.test", Decision.ALLOW),
        ("files.Index.Test.", Decision.ALLOW),
        ("evilindex.test", Decision.PROMPT),
        ("example.com", Decision.PROMPT),
        ("a.example.com", Decision.ALLOW),
        ("bad.example.com", Decision.FORBIDDEN),
        ("10.0.0.1", Decision.PROMPT),
    ],
)
def test_hosts_are_judged_by_the_domain_lists(host, expected):
    context = PolicyContext(approval_policy=ApprovalPolicy.ON_REQUEST, sandbox_policy=HOSTS, cwd="/ws")
    intent = NetworkIntent(host=host, port=443, protocol="https")
    assert by_approval_policy(intent, context, ()).decision is expected


def test_a_rule_that_allows_a_host_does_not_lift_a_denial():
    context = PolicyContext(approval_policy=ApprovalPolicy.ON_REQUEST, sandbox_policy=HOSTS, cwd="/ws")
    gate = Gate([("rules", Judge(Verdict(decision=Decision.ALLOW)))], None)
    denied = NetworkIntent(host="bad.example.com", port=443, protocol="https")
    assert gate.judge(denied, context, ()).decision is Decision.FORBIDDEN
    assert gate.judge(denied.replace(host="new.org"), context, ()).decision is Decision.ALLOW


def test_additional_permissions_are_asked_for_and_widen_only_what_they_name():
    extra = AdditionalPermissions(writable_roots=("/data",), network_access=True)
    context = PolicyContext(approval_policy=ApprovalPolicy.ON_REQUEST, sandbox_policy=SandboxPolicy(), cwd="/ws")
    verdict = by_approval_policy(RunIntent(argv=("x",), cwd="/ws", additional=extra), context, ())
    assert (verdict.decision, verdict.category) == (Decision.PROMPT, Category.PERMISSIONS)
    assert "write /data, use the network" in verdict.reason
    wide = SandboxPolicy().extended(extra)
    assert wide.roots("/ws", "/tmpdir") == ("/data",)
    assert (wide.mode, wide.network_access) == (SandboxMode.WORKSPACE_WRITE, True)
    assert SandboxPolicy().extended(AdditionalPermissions()) == SandboxPolicy()


class Editing(Acting):
    """A tool that writes two files and says which it wrote; with `fail` it raises afterwards."""

    async def run(self, call, ctx):
        edits = [FileEdit(path=os.path.join(ctx.cwd, name), content=b"new\n") for name in ("a", "b")]
        done = await ctx.edit_files(edits)
        if call.arguments.get("fail"):
            raise RuntimeError("and then it broke")
        return ToolOutput(output=" ".join(os.path.basename(edit.path) for edit in done))


EDIT = plugin(codex_tools=[ToolSpec(name="act", factory=lambda setup: Editing())])


async def _edited(h, edited, note, decision=ReviewDecision.APPROVED):
    await h.thread.submit(UserTurn(input=(TextInput(text="go"),)))
    asked = (await h.until(lambda m: isinstance(m, ApprovalRequested)))[-1].msg
    answer = ApprovalAnswer(approval_id=asked.approval_id, decision=decision, feedback=note, edited=edited)
    await h.thread.submit(answer)
    await h.until(lambda m: isinstance(m, TurnCompleted | TurnInterrupted))


@pytest.mark.anyio
@pytest.mark.parametrize("fail", [False, True])
async def test_an_edit_that_was_changed_while_it_was_approved_is_written_so_and_told(tmp_path, fail):
    model = ScriptedModel([call("act", "c", fail=fail)], [say("done")])
    async with open_thread(model, EDIT, home=str(tmp_path), config=ASKING) as h:
        outside = tmp_path / "outside"
        await _edited(
            h, {str(tmp_path / "b"): b"of the user\n", str(outside): b"nobody asked for this"}, "b is the user's"
        )
        assert not (tmp_path / "a").exists()
        assert (tmp_path / "b").read_text() == "of the user\n"
        assert not outside.exists()
    (output,) = h.outputs()
    assert output.startswith("tool act failed" if fail else "b\n\n")
    assert output.endswith("\n\nb is the user's")


@pytest.mark.anyio
async def test_a_refusal_writes_nothing_whatever_else_the_answer_holds(tmp_path):
    model = ScriptedModel([call("act", "c")], [say("done")])
    async with open_thread(model, EDIT, home=str(tmp_path), config=ASKING) as h:
        await _edited(h, {str(tmp_path / "a"): b"x"}, "no", ReviewDecision.DENIED)
        assert not (tmp_path / "a").exists()
    assert h.outputs() == ["rejected by user: no"]


@pytest.mark.anyio
async def test_a_reviewer_may_change_an_edit_too(tmp_path):
    class Changing:
        async def review(self, request, context):
            edited = {path: b"reviewed\n" for path in request.intent.paths if path.endswith("a")}
            return Review(decision=ReviewDecision.APPROVED, reason="b is not needed", edited=edited)

    reviewer = plugin(codex_reviewers=[ReviewerSpec(name="changing", factory=lambda setup: Changing())])
    config = {**ASKING, "approvals_reviewer": "changing"}
    model = ScriptedModel([call("act", "c")], [say("done")])
    async with open_thread(model, EDIT, reviewer, home=str(tmp_path), config=config) as h:
        await h.thread.submit(UserTurn(input=(TextInput(text="go"),)))
        await h.until(lambda m: isinstance(m, TurnCompleted))
        assert [(tmp_path / name).exists() for name in "ab"] == [True, False]
    assert h.outputs() == ["a\n\nb is not needed"]
