"""Unconfined means chosen: the backend serves danger-full-access and nothing else."""

import os

import anyio
import pytest

from codex_plugin_sdk import ExecRequest, SandboxMode, SandboxPolicy, SandboxSetup, SandboxUnavailable
from codex_sandbox_none.plugin import codex_sandbox_backends


def backend():
    (spec,) = codex_sandbox_backends()
    assert not spec.confines
    return spec.factory(SandboxSetup(codex_home="/h", state_dir="/h/s", environ={}))


@pytest.mark.anyio
async def test_a_command_runs_as_it_is(tmp_path):
    target = tmp_path / "made"
    request = ExecRequest(argv=("touch", str(target)), cwd="/", env=dict(os.environ))
    with anyio.fail_after(10):
        process = await backend().spawn(request, SandboxPolicy(mode=SandboxMode.DANGER_FULL_ACCESS))
        assert await process.wait() == 0
        await process.kill_tree()
    assert target.exists()


@pytest.mark.anyio
@pytest.mark.parametrize("mode", [SandboxMode.READ_ONLY, SandboxMode.WORKSPACE_WRITE])
async def test_a_policy_that_asks_for_confinement_is_refused(mode):
    with pytest.raises(SandboxUnavailable, match="cannot run unconfined"):
        await backend().spawn(ExecRequest(argv=("true",), cwd="/", env={}), SandboxPolicy(mode=mode))
