"""Choosing a sandbox: the strongest that has proved itself, never one weaker than asked without a word."""

import os

import pytest

from codex_kernel.errors import SandboxUnavailable
from codex_kernel.protocol.events import Notice, SandboxSelected
from codex_kernel.sandbox_proof import Proof
from codex_kernel.sandboxing import SandboxChooser
from codex_plugin_sdk import (
    ExecRequest,
    Guarantee,
    Probe,
    RunIntent,
    SandboxBackendSpec,
    SandboxMode,
    SandboxPolicy,
    SandboxPreference,
    SandboxSetup,
    ToolDefinition,
    ToolOutput,
    ToolSpec,
    spawn_process,
)
from codex_plugin_sdk.testing.harness import manager, open_thread, plugin
from codex_plugin_sdk.testing.model import ScriptedModel, call, say

READ_ONLY = SandboxPolicy()


class Backend:
    """Starts commands unconfined, whatever it says of itself, and remembers under which policy."""

    def __init__(self, available=True, error=None, degraded=False, identity=""):
        self.available, self.error, self.degraded, self.identity = available, error, degraded, identity
        self.seen = []
        self.closed = False

    def probe(self):
        return Probe(
            available=self.available,
            reason="no namespaces here",
            cure="sysctl",
            degraded=self.degraded,
            identity=self.identity,
            guarantees=(Guarantee(name="processes", enforced=not self.degraded, why="kernel too old"),),
        )

    async def spawn(self, request, policy):
        if self.error:
            raise self.error
        self.seen.append(policy.mode)
        return await spawn_process(request)

    async def aclose(self):
        self.closed = True


class Run:
    definition = ToolDefinition(name="run", description="run")
    parallel_safe = True

    async def run(self, call, ctx):
        request = ExecRequest(argv=("true",), cwd=ctx.cwd, env=dict(os.environ))
        process = await ctx.exec(request, RunIntent(argv=("true",), cwd=ctx.cwd))
        code = await process.wait()
        await process.kill_tree()
        return ToolOutput(output=f"exit {code}")

    async def aclose(self):
        pass


RUN = plugin(codex_tools=[ToolSpec(name="run", factory=lambda setup: Run())])


def backends(**made):
    specs = [
        SandboxBackendSpec(name=name, factory=lambda setup, b=backend: b, strength=strength)
        for name, (backend, strength) in made.items()
    ]
    return plugin(codex_sandbox_backends=specs)


@pytest.fixture
def believed(monkeypatch):
    """Backends are believed: for tests that are not about the proof."""

    async def believe(*_):
        return Proof()

    monkeypatch.setattr("codex_kernel.sandboxing.prove", believe)


def run_once(*plugins, home, **config):
    model = ScriptedModel([call("run", "c")], [say("x")])
    return open_thread(model, RUN, *plugins, home=str(home), config=config)


@pytest.mark.anyio
@pytest.mark.usefixtures("believed")
async def test_a_confined_command_runs_in_the_strongest_backend_that_can_work(tmp_path):
    weak, strong, broken = Backend(), Backend(), Backend(available=False)
    async with run_once(backends(weak=(weak, 1), strong=(strong, 5), broken=(broken, 9)), home=tmp_path) as h:
        await h.turn()
    assert h.outputs() == ["exit 0"]
    assert (weak.seen, strong.seen, broken.seen) == ([], [SandboxMode.READ_ONLY], [])
    assert strong.closed
    assert [chosen.backend for chosen in h.of(SandboxSelected)] == ["strong"]
    assert h.of(Notice) == []


@pytest.mark.anyio
@pytest.mark.usefixtures("believed")
async def test_a_degraded_backend_is_used_with_a_warning_that_names_what_is_missing(tmp_path):
    async with run_once(backends(weak=(Backend(degraded=True), 1)), home=tmp_path) as h:
        await h.turn()
    assert h.outputs() == ["exit 0"]
    (notice,) = h.of(Notice)
    assert "weak, which does not enforce: processes" in notice.message


@pytest.mark.anyio
@pytest.mark.usefixtures("believed")
async def test_with_preference_require_a_degraded_backend_is_refused_with_the_reason(tmp_path):
    made = backends(weak=(Backend(degraded=True), 1))
    async with run_once(made, home=tmp_path, **{"sandbox.preference": "require"}) as h:
        await h.turn()
    assert "weaker than required (processes: kernel too old)" in h.outputs()[0]


@pytest.mark.anyio
async def test_with_preference_forbid_a_command_has_to_be_approved_to_run_outside(tmp_path):
    config = {"sandbox.preference": "forbid", "approval_policy": "never"}
    async with run_once(backends(strong=(Backend(), 5)), home=tmp_path, **config) as h:
        await h.turn()
    assert "asks to run outside the sandbox: [sandbox] preference" in h.outputs()[0]


@pytest.mark.anyio
@pytest.mark.usefixtures("believed")
async def test_a_backend_that_fails_means_that_nothing_runs(tmp_path):
    made = backends(strong=(Backend(error=SandboxUnavailable("namespaces are gone")), 5))
    async with run_once(made, home=tmp_path) as h:
        await h.turn()
    assert "the command was not run: namespaces are gone" in h.outputs()[0]


def chooser(*plugins, home="/nowhere", wanted=None, preference=SandboxPreference.AUTO):
    setup = SandboxSetup(codex_home=str(home), state_dir=os.path.join(home, "s"), environ={})
    return SandboxChooser(manager(*plugins), setup, wanted, preference)


@pytest.mark.anyio
@pytest.mark.usefixtures("believed")
async def test_a_backend_can_be_chosen_by_name_and_a_missing_one_is_an_error():
    weak, strong = Backend(), Backend()
    made = backends(weak=(weak, 1), strong=(strong, 5))
    assert await chooser(made, wanted="weak").backend(READ_ONLY) is weak
    with pytest.raises(SandboxUnavailable, match=r"none-such.*strong, weak"):
        await chooser(made, wanted="none-such").backend(READ_ONLY)


@pytest.mark.anyio
async def test_when_no_backend_can_work_every_reason_and_the_cure_are_told():
    with pytest.raises(SandboxUnavailable) as caught:
        await chooser(backends(a=(Backend(available=False), 1))).backend(READ_ONLY)
    assert "a: no namespaces here (sysctl)" in str(caught.value)
    assert "pip install codex-sandbox-linux" in caught.value.hint


@pytest.mark.anyio
async def test_a_backend_for_another_platform_is_not_considered():
    spec = SandboxBackendSpec(name="seatbelt", factory=lambda setup: Backend(), platforms=frozenset({"plan9"}))
    with pytest.raises(SandboxUnavailable, match="no sandbox backend is installed"):
        await chooser(plugin(codex_sandbox_backends=[spec])).backend(READ_ONLY)


@pytest.mark.anyio
async def test_a_backend_that_confines_nothing_is_never_taken_for_a_sandbox():
    spec = SandboxBackendSpec(name="none", factory=lambda setup: Backend(), confines=False, strength=99)
    made = plugin(codex_sandbox_backends=[spec])
    with pytest.raises(SandboxUnavailable, match="no sandbox backend is installed"):
        await chooser(made).backend(READ_ONLY)
    assert await chooser(made).backend(SandboxPolicy(mode=SandboxMode.DANGER_FULL_ACCESS))


@pytest.mark.anyio
async def test_without_the_unconfined_backend_nothing_runs_unconfined():
    with pytest.raises(SandboxUnavailable) as caught:
        await chooser(backends(a=(Backend(), 1))).backend(SandboxPolicy(mode=SandboxMode.DANGER_FULL_ACCESS))
    assert "codex-sandbox-none" in caught.value.hint


@pytest.mark.anyio
@pytest.mark.parametrize("mode", [SandboxMode.READ_ONLY, SandboxMode.WORKSPACE_WRITE])
async def test_a_backend_that_leaks_is_found_out_and_not_used(tmp_path, mode):
    with pytest.raises(SandboxUnavailable, match="it leaks: a forbidden thing was wrote"):
        await chooser(backends(liar=(Backend(identity="1"), 1)), home=str(tmp_path)).backend(SandboxPolicy(mode=mode))
    assert not os.path.exists(tmp_path / "s" / "proofs.json")
    assert [name for name in os.listdir(tmp_path / "s") if name.startswith("proof-")] == []


@pytest.mark.anyio
async def test_a_backend_in_which_nothing_runs_is_not_used(tmp_path):
    class Dead(Backend):
        async def spawn(self, request, policy):
            return await spawn_process(request.replace(argv=("sh", "-c", "echo no such thing; exit 1")))

    with pytest.raises(SandboxUnavailable, match="a permitted program does not run in it: no such thing"):
        await chooser(backends(dead=(Dead(), 1)), home=str(tmp_path)).backend(READ_ONLY)


class Quiet(Backend):
    """Says that its commands did what they should, as a sound backend's would."""

    async def spawn(self, request, policy):
        self.seen.append(policy.mode)
        return await spawn_process(request.replace(argv=("sh", "-c", "echo read-ordinary wrote-inside done")))


@pytest.mark.anyio
async def test_a_proof_is_given_once_per_identity_and_kind_of_policy(tmp_path):
    write = SandboxPolicy(mode=SandboxMode.WORKSPACE_WRITE)

    async def spawns(identity, policy):
        backend = Quiet(identity=identity)
        await chooser(backends(quiet=(backend, 1)), home=str(tmp_path)).backend(policy)
        return len(backend.seen)

    assert [await spawns("1", write), await spawns("1", write), await spawns("2", write)] == [1, 0, 1]
    assert await spawns("1", write.replace(network_rules=None, denied_reads=("/x",))) == 1
    assert await spawns("", write) == await spawns("", write) == 1


@pytest.mark.anyio
async def test_a_damaged_memory_of_proofs_is_no_proof(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "proofs.json").write_text("{ nonsense")
    backend = Quiet(identity="1")
    await chooser(backends(quiet=(backend, 1)), home=str(tmp_path)).backend(
        SandboxPolicy(mode=SandboxMode.WORKSPACE_WRITE)
    )
    assert len(backend.seen) == 1


@pytest.mark.anyio
async def test_a_survey_tells_of_every_backend(tmp_path):
    made = backends(liar=(Backend(), 3), absent=(Backend(available=False), 2), quiet=(Quiet(), 1))
    survey = await chooser(made, home=str(tmp_path)).survey(SandboxPolicy(mode=SandboxMode.WORKSPACE_WRITE))
    assert [(c.name, c.proved, bool(c.reason)) for c in survey] == [
        ("liar", True, True),
        ("absent", False, True),
        ("quiet", True, False),
    ]
