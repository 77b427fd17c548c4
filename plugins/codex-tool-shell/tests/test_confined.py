"""Commands in a sandbox: what it refused is explained, and may be asked for."""

import pytest

from codex_plugin_sdk import ApprovalPolicy, PolicyDenied, SandboxMode, SandboxPolicy

pytestmark = pytest.mark.anyio

CONFINED = SandboxPolicy(mode=SandboxMode.READ_ONLY)
# Behaves as a confined program would at its first start, and well the second time.
REFUSED = (
    "test -e again && echo fine && exit; touch again; "
    "echo \"touch: cannot touch '/etc/x': Read-only file system\"; exit 1"
)


async def test_the_model_reads_what_the_sandbox_refused_and_what_would_allow_it(shell):
    shell.ctx.sandbox_policy = CONFINED
    text = await shell.exec(REFUSED)
    assert "Notice: the sandbox kept the command from writing /etc/x" in text
    assert len(shell.ctx.intents) == 1


@pytest.mark.parametrize("approval", [ApprovalPolicy.ON_FAILURE, ApprovalPolicy.UNTRUSTED])
async def test_where_failures_are_asked_about_the_command_runs_again_outside_once_approved(shell, body, approval):
    shell.ctx.sandbox_policy = CONFINED
    shell.ctx.approval_policy = approval
    assert body(await shell.exec(REFUSED)) == "fine\n"
    first, second = shell.ctx.intents
    assert (first.escalated, second.escalated) == (False, True)
    assert "/etc/x" in second.justification
    assert [(item.id, item.exit_code) for item in shell.ctx.completed] == [("call_1", 1), ("call_1_retry", 0)]


async def test_a_refusal_to_run_it_outside_leaves_the_model_with_what_it_said(shell):
    shell.ctx.sandbox_policy = CONFINED
    shell.ctx.approval_policy = ApprovalPolicy.ON_FAILURE
    plain = shell.ctx.exec

    async def refusing(request, intent):
        if intent.escalated:
            raise PolicyDenied("rejected by user: no")
        return await plain(request, intent)

    shell.ctx.exec = refusing
    text = await shell.exec(REFUSED)
    assert "Read-only file system" in text
    assert "[not run again outside the sandbox: rejected by user: no]" in text


async def test_a_failure_that_is_not_the_sandboxs_is_not_asked_about(shell):
    shell.ctx.sandbox_policy = CONFINED
    shell.ctx.approval_policy = ApprovalPolicy.ON_FAILURE
    await shell.exec("echo broken; exit 3")
    assert len(shell.ctx.intents) == 1


async def test_additional_permissions_reach_the_policies(shell):
    shell.ctx.sandbox_policy = CONFINED
    wanted = {"network": {"enabled": True}, "file_system": {"write": ["/data"]}}
    await shell.exec("true", sandbox_permissions="with_additional_permissions", additional_permissions=wanted)
    (intent,) = shell.ctx.intents
    assert not intent.escalated
    assert intent.additional.in_words() == "write /data, use the network"
    assert shell.ctx.requests[0].env.get("CODEX_SANDBOX_NETWORK_DISABLED") is None


@pytest.mark.parametrize("wanted", [None, {}, {"file_system": {"write": ["data"]}}, {"network": "yes"}])
async def test_additional_permissions_that_name_nothing_are_refused(shell, wanted):
    with pytest.raises(Exception, match=r"additional_permissions|network"):
        await shell.exec("true", sandbox_permissions="with_additional_permissions", additional_permissions=wanted)


async def test_the_model_is_offered_additional_permissions_where_the_feature_is_on(open_shell):
    def offered(shell):
        return shell.exec_tool.definition.parameters["properties"]

    assert "additional_permissions" not in offered(open_shell())
    wide = offered(open_shell(features={"exec_permission_approvals": True}))
    assert "with_additional_permissions" in wide["sandbox_permissions"]["enum"]
    assert "additional_permissions" in wide
