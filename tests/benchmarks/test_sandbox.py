"""The figures of the sandbox and of the exec policy."""

from __future__ import annotations

import os
import statistics
import subprocess
import time

import anyio
import pytest

from codex_plugin_sdk import (
    ApprovalPolicy,
    ExecRequest,
    PolicyContext,
    PolicySetup,
    RunIntent,
    SandboxMode,
    SandboxPolicy,
    SandboxSetup,
    spawn_process,
)

from .harness import Program, compare, ours, peer
from .test_exec import EXEC, call, played, say

WRITE = SandboxPolicy(mode=SandboxMode.WORKSPACE_WRITE)


@pytest.fixture
def programs(tmp_path):
    """Ours, and the peer where there is one."""
    found = [Program("ours", ours(), tmp_path)]
    if peer() is not None:
        found.append(Program("peer", peer(), tmp_path))
    return found


def gap(program, mode, count=40):
    answers = [*([call(i, cmd="true")] for i in range(count)), [say()]]
    return statistics.median(played(program, answers, *EXEC, "-s", mode).gaps_ms[1:])


@pytest.mark.parametrize("mode", ["workspace-write", "read-only"])
def test_what_the_sandbox_adds_to_a_command_in_a_session(programs, mode):
    def added(program):
        return gap(program, mode) - gap(program, "danger-full-access")

    compare(f"sandbox in a session, {mode}", programs, added, rounds=5, target=0.3)


def test_sandbox_as_a_program(programs):
    def once(program):
        began = time.monotonic()
        done = subprocess.run(
            [*program.argv, "sandbox", "--", "true"], cwd=program.work, env=program.environ, check=False
        )
        assert done.returncode == 0
        return (time.monotonic() - began) * 1000

    for program in programs:
        once(program)
    compare("codex sandbox -- true", programs, once, rounds=25, target=1)


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["bwrap", "landlock"])
async def test_spawn_to_exit_of_true(tmp_path, name):
    from codex_sandbox_linux.plugin import codex_sandbox_backends

    (spec,) = (spec for spec in codex_sandbox_backends() if spec.name == name)
    backend = spec.factory(SandboxSetup(codex_home=str(tmp_path), state_dir=str(tmp_path / "s"), environ={}))
    request = ExecRequest(argv=("/bin/true",), cwd=str(tmp_path), env={"PATH": os.environ["PATH"]})

    async def confined():
        process = await backend.spawn(request, WRITE)
        assert await process.wait() == 0
        await process.read()

    async def plain():
        process = await spawn_process(request)
        assert await process.wait() == 0
        await process.read()

    async def timed(run, count):
        began = time.perf_counter()
        await run()
        return (time.perf_counter() - began) * 1000 / count

    async def eight():
        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(confined)

    await confined()
    figures = {"plain": [], "confined": [], "eight at once, each": []}
    for _ in range(40):
        figures["plain"].append(await timed(plain, 1))
        figures["confined"].append(await timed(confined, 1))
        figures["eight at once, each"].append(await timed(eight, 8))
    for what, found in figures.items():
        ordered = sorted(found)
        print(f"\n{name}: {what}: median {statistics.median(found):.2f} ms, p95 {ordered[-2]:.2f} ms", end="")
    await backend.aclose()


def test_ten_thousand_rules(tmp_path):
    from codex_execpolicy.plugin import codex_exec_policies

    rules = tmp_path / "rules"
    rules.mkdir()
    lines = (f'prefix_rule(["tool{i % 997}", "verb{i}"], decision = "prompt")\n' for i in range(10_000))
    (rules / "many.rules").write_text("".join(lines))
    (spec,) = codex_exec_policies()
    context = PolicyContext(approval_policy=ApprovalPolicy.ON_REQUEST, sandbox_policy=WRITE, cwd=str(tmp_path))
    intent = RunIntent(argv=("tool5", "verb5", "x"), cwd=str(tmp_path))
    began = time.perf_counter()
    policy = spec.factory(PolicySetup(codex_home=str(tmp_path), cwd=str(tmp_path)))
    assert policy.evaluate(intent, context) is not None
    load_ms = (time.perf_counter() - began) * 1000
    began = time.perf_counter()
    for _ in range(1000):
        policy.evaluate(intent, context)
    check_ms = time.perf_counter() - began
    print(f"\n10,000 rules: loaded in {load_ms:.0f} ms (wanted 200), a check {check_ms:.3f} ms (wanted 0.2)")
