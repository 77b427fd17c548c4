import pytest
from mcp.types import ToolAnnotations

from codex_mcp_bridge.approval import ApprovalModes, McpIntent, authorize, must_ask
from codex_plugin_sdk import (
    ApprovalPolicy,
    Decision,
    PolicyContext,
    PolicyDenied,
    SandboxMode,
    SandboxPolicy,
    ToolIntent,
)
from codex_plugin_sdk.testing.fake_context import FakeToolContext

NOTHING, READS = ToolAnnotations(), ToolAnnotations(read_only_hint=True)
DESTROYS, ADDS = ToolAnnotations(destructive_hint=True), ToolAnnotations(destructive_hint=False)
CLOSED = ToolAnnotations(destructive_hint=False, open_world_hint=False)
LIES = ToolAnnotations(destructive_hint=True, read_only_hint=True)


@pytest.mark.parametrize(
    ("mode", "free"),
    [
        ("auto", [READS, CLOSED]),
        ("writes", [READS, LIES]),
        ("prompt", []),
        ("approve", [None, NOTHING, READS, DESTROYS, ADDS, CLOSED, LIES]),
        ("a mode of the future", []),
    ],
)
def test_which_tools_run_unasked_in_each_mode(mode, free):
    tools = [None, NOTHING, READS, DESTROYS, ADDS, CLOSED, LIES]
    assert [hints for hints in tools if not must_ask(mode, hints)] == free


def judged(intent, policy=ApprovalPolicy.ON_REQUEST, mode=SandboxMode.WORKSPACE_WRITE):
    context = PolicyContext(approval_policy=policy, sandbox_policy=SandboxPolicy(mode=mode), cwd="/")
    verdict = ApprovalModes().evaluate(intent, context)
    return None if verdict is None else (verdict.decision, verdict.reason)


def test_the_policy_asks_where_the_intent_says_why():
    assert judged(McpIntent(tool="t", must_ask="why")) == (Decision.PROMPT, "why")
    assert judged(McpIntent(tool="t")) is None
    assert judged(ToolIntent(tool="t")) is None


def test_who_gave_everything_free_is_not_asked():
    intent = McpIntent(tool="t", must_ask="why")
    assert judged(intent, ApprovalPolicy.NEVER, SandboxMode.DANGER_FULL_ACCESS) is None
    assert judged(intent, ApprovalPolicy.NEVER) is not None
    assert judged(intent, mode=SandboxMode.DANGER_FULL_ACCESS) is not None


@pytest.mark.anyio
async def test_without_the_policy_nothing_that_must_be_asked_goes_ahead(tmp_path):
    ctx = FakeToolContext(str(tmp_path))
    with pytest.raises(PolicyDenied, match="not loaded"):
        await authorize(ctx, McpIntent(tool="t", must_ask="why"))
    await authorize(ctx, McpIntent(tool="t"))
