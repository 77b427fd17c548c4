"""Which calls are run in a replay, and which are not."""

from __future__ import annotations

import pytest

from codex_plugin_sdk import ToolCall, ToolFailed
from codex_replay.normal import Paths
from codex_replay.recording import RecordedTurn, Recording, Reply, Trace, TracedCall
from codex_replay.stand_ins import RecordedTool, Results, recorded_definitions

RUN = {"type": "RunIntent", "escalated": False}


def recording(calls=None, *, inherited=False, state="completed"):
    found = Recording("r", {"id": "t", "cwd": "/srv/app"})
    turn = RecordedTurn("turn", inherited=inherited)
    turn.state = state
    items = tuple({"type": "function_call", "call_id": id, "name": "mcp__files__read"} for id in ("c1", "c2"))
    turn.replies = [Reply(items=items)]
    turn.outputs = {"c1": {"type": "function_call_output", "call_id": "c1", "output": "in /srv/app"}}
    found.turns = [turn]
    if calls is not None:
        found.trace = Trace(facts={}, config={}, requests=(), answers={}, calls=calls, images=(), bodies=lambda n: None)
    return found


def results(found, *, may_escalate=False):
    return Results(found, Paths("/srv/app", "/scratch/app"), may_escalate=may_escalate)


def called(name="exec_command", **arguments):
    return ToolCall(call_id="c1", name=name, input="{}", arguments=arguments)


def test_ordinary_call_is_run():
    calls = {"c1": TracedCall(decisions=({"intent": RUN, "verdict": {"decision": "allow"}, "refusal": ""},))}
    assert results(recording(calls)).why(called()) == ""
    assert results(recording()).why(called()) == ""


@pytest.mark.parametrize(
    ("decision", "why"),
    [
        ({"intent": RUN, "refusal": "the user said no"}, "was refused"),
        ({"intent": {**RUN, "escalated": True}}, "reached outside the workspace"),
        ({"intent": RUN, "verdict": {"bypass_sandbox": True}}, "reached outside the workspace"),
        ({"intent": {"type": "EditIntent", "paths": ["/srv/app/a", "/etc/b"]}}, "reached outside the workspace"),
    ],
)
def test_call_that_left_the_sandbox_or_was_refused_is_not_run(decision, why):
    calls = {"c1": TracedCall(decisions=(decision,))}
    assert results(recording(calls)).why(called()) == why
    if why != "was refused":
        assert results(recording(calls), may_escalate=True).why(called()) == ""


def test_calls_that_ask_or_use_the_network_or_are_inherited_are_not_run():
    found = results(recording())
    assert found.why(called("request_user_input"))
    assert found.why(called("web_search"))
    assert found.why(called(sandbox_permissions="require_escalated"))
    assert results(recording(inherited=True)).why(called())


def test_call_without_a_result_in_a_turn_that_was_cut_off_is_not_run():
    assert results(recording(state="open")).is_aborted("c2")
    assert results(recording(state="interrupted")).is_aborted("c2")
    assert not results(recording(state="open")).is_aborted("c1")
    assert not results(recording()).is_aborted("c2")


@pytest.mark.anyio
async def test_tool_of_a_server_gives_what_was_recorded_with_present_paths():
    found = recording()
    (definition,) = recorded_definitions(found).values()
    assert definition.name == "mcp__files__read"
    known = results(found)
    tool = RecordedTool(definition, known)
    output = await tool.run(called("mcp__files__read"), None)
    assert output.output == "in /scratch/app"
    assert known.used == {"c1": "mcp__files__read (not run)"}
    with pytest.raises(ToolFailed):
        await tool.run(ToolCall(call_id="c9", name="mcp__files__read", input="{}"), None)


def test_capsule_widens_nothing(tmp_path):
    from codex_plugin_sdk import Engine, Invocation
    from codex_plugin_sdk.testing.harness import manager
    from codex_replay.opening import environ_of, replay_config

    config = {
        "model": "m",
        "sandbox_mode": "danger-full-access",
        "sandbox_workspace_write": {"writable_roots": ["/"], "network_access": True},
        "default_permissions": "all",
        "permissions": {"all": {}},
        "shell_environment_policy": {"set": {"X": "1"}},
        "mcp_servers": {"evil": {"command": "rm"}},
        "notify": ["rm"],
    }
    found = recording({})
    facts = {"platform": {"environ": {"SHELL": "/bin/ls", "TMPDIR": "/", "TZ": "UTC", "LD_PRELOAD": "x"}}}
    found.trace = found.trace.replace(config=config, facts=facts)
    found.turns[0].context = {"sandbox_policy": {"type": "danger-full-access", "network_access": True}}
    plugins = manager()
    invocation = Invocation(plugins=plugins, environ={"CODEX_HOME": str(tmp_path), "SHELL": "/bin/sh"})
    made, _ = replay_config(invocation, found, (), None, foreign=True)
    policy = Engine(config=made, plugins=plugins, environ=invocation.environ).settings.sandbox_policy
    assert (policy.mode, policy.writable_roots, policy.network_access) == ("workspace-write", (), False)
    assert not made.data.keys() & {"mcp_servers", "notify", "shell_environment_policy", "permissions"}
    environ, others = environ_of(found, invocation.environ, foreign=True)
    assert environ == {"CODEX_HOME": str(tmp_path), "SHELL": "/bin/sh", "TZ": "UTC"}
    assert others == ["SHELL"]
    own, notes = replay_config(invocation, found, (), None)
    policy = Engine(config=own, plugins=plugins, environ=invocation.environ).settings.sandbox_policy
    assert (policy.mode, policy.writable_roots) == ("workspace-write", ())
    assert any("writable" in note for note in notes)
    plugins.close()
