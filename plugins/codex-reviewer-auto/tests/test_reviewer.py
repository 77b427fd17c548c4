"""The model judges: what it reads, how its answer is read, and a whole turn."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_plugin_sdk import (
    ApprovalPolicy,
    ApprovalRequested,
    ApprovalResolved,
    EditIntent,
    Message,
    NetworkIntent,
    PolicyContext,
    ReviewDecision,
    RunIntent,
    SandboxPolicy,
    ToolDefinition,
    ToolIntent,
    ToolOutput,
    ToolSpec,
)
from codex_plugin_sdk.testing.harness import open_thread, plugin
from codex_plugin_sdk.testing.model import ScriptedModel, call, say
from codex_reviewer_auto import plugin as auto
from codex_reviewer_auto.reviewer import MAX_TEXT_CHARS, describe, read_answer

CONTEXT = PolicyContext(approval_policy=ApprovalPolicy.ON_REQUEST, sandbox_policy=SandboxPolicy(), cwd="/ws")
INTENTS = [
    RunIntent(argv=("git", "push"), cwd="/ws", display="git push", escalated=True, justification="publish"),
    EditIntent(paths=("/etc/hosts",), cwd="/ws"),
    NetworkIntent(host="example.com", port=443, protocol="https", command="curl example.com"),
    ToolIntent(tool="mail", arguments={"to": "a@example.com"}),
]


def described(intent):
    return orjson.loads(describe(ApprovalRequested(approval_id="a", call_id="c", intent=intent, reason="r"), CONTEXT))


@pytest.mark.parametrize("intent", INTENTS, ids=lambda intent: type(intent).__name__)
def test_every_kind_of_request_is_described_with_what_it_would_do(intent):
    text = orjson.dumps(described(intent)).decode()
    assert any(word in text for word in ("git push", "/etc/hosts", "example.com:443", "a@example.com"))


def test_a_text_that_is_too_long_is_cut_and_says_so():
    action = described(RunIntent(argv=("x",), cwd="/ws", display="x" * (MAX_TEXT_CHARS + 5)))["action"]
    assert action["command"].endswith("[5 characters were cut: do not approve]")


@given(st.text(), st.binary(max_size=20))
def test_any_text_and_any_bytes_can_be_described(text, raw):
    described(RunIntent(argv=(raw.decode("utf-8", "surrogateescape"),), cwd="/ws", justification=text))


@pytest.mark.parametrize(
    ("answer", "decision"),
    [
        ('{"decision": "approve", "reason": "fine"}', ReviewDecision.APPROVED),
        ('Here:\n```json\n{"decision": "deny"}\n```', ReviewDecision.DENIED),
        ('{"decision": "ask_user"}', None),
    ],
)
def test_an_answer_is_read(answer, decision):
    review = read_answer(answer)
    assert (review and review.decision) == decision


@pytest.mark.parametrize("answer", ["", "approve", '{"decision": "yes"}', "[]", '{"decision": ["approve"]}', "}{"])
def test_an_answer_that_is_none_is_an_error_and_no_approval(answer):
    with pytest.raises((ValueError, TypeError)):
        read_answer(answer)


class Mail:
    definition = ToolDefinition(name="mail", description="mail")
    parallel_safe = False

    async def run(self, call, ctx):
        await ctx.authorize(ToolIntent(tool="mail"))
        return ToolOutput(output="sent")

    async def aclose(self):
        pass


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "output"),
    [('{"decision": "approve"}', "sent"), ('{"decision": "deny", "reason": "no"}', "rejected by auto: no")],
)
async def test_a_turn_goes_on_by_the_models_judgement(tmp_path, answer, output):
    model = ScriptedModel([call("mail", "c")], [say(answer)], [say("done")])
    tools = plugin(codex_tools=[ToolSpec(name="mail", factory=lambda setup: Mail())])
    config = {"approval_policy": "untrusted", "approvals_reviewer": "auto_review"}
    async with open_thread(model, tools, auto, home=str(tmp_path), config=config) as h:
        await h.turn()
    assert h.outputs() == [output]
    assert [resolved.reviewer for resolved in h.of(ApprovalResolved)] == ["auto"]
    history = [entry.item for entry in h.thread.history.entries()]
    assert not [item for item in history if isinstance(item, Message) and answer in str(item.content)]
