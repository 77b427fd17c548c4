"""Running hooks: outputs told apart, order, bounds, failures."""

import json
import resource
from pathlib import Path

import anyio
import pytest

from codex_hooks.hooks import CommandHooks
from codex_hooks.running import policy_for
from codex_plugin_sdk import (
    ConfigError,
    Decision,
    LifecycleEvent,
    LifecycleOutcome,
    SandboxMode,
    SandboxPolicy,
    SandboxUnavailable,
    UnconfinedBackend,
)

pytestmark = pytest.mark.anyio

CALL = {"tool_name": "exec_command", "tool_input": {"cmd": "ls"}, "tool_use_id": "c1"}
PRE = LifecycleEvent(name="PreToolUse", subject="exec_command", payload=CALL)
PROMPT = LifecycleEvent(name="UserPromptSubmit", payload={"prompt": "hi"})


def commands(event, *texts, **options):
    hooks = [{"type": "command", "command": text, **options} for text in texts]
    return {"hooks": {event: [{"hooks": hooks}]}}


async def handled(setup, event):
    with anyio.fail_after(20):
        return await CommandHooks(setup).handle(event)


async def test_both_outputs_are_told_apart(make_setup):
    command = "printf 'a\\nb'; printf 'no\\nway' >&2; printf c; exit 2"
    assert (await handled(make_setup(commands("PreToolUse", command)), PRE)).block == "no\nway"
    found = await handled(make_setup(commands("UserPromptSubmit", "printf out; echo err >&2")), PROMPT)
    assert found.context == ("out",)


async def test_the_input_is_json_and_need_not_be_read(make_setup, tmp_path):
    setup = make_setup(commands("UserPromptSubmit", "printf told; cat", "exec <&-; echo unread"))
    long = PROMPT.replace(payload={"prompt": "x" * 300_000})
    echoed, unread = (await handled(setup, PROMPT)).context
    assert json.loads(echoed.removeprefix("told"))["prompt"] == "hi"
    assert unread == "unread" == (await handled(setup, long)).context[-1]


async def test_the_command_runs_in_the_folder_with_the_environment(make_setup, tmp_path):
    setup = make_setup(commands("UserPromptSubmit", "pwd; echo $COLOUR"), environ={"COLOUR": "red", "PATH": "/bin"})
    found = await handled(setup, PROMPT)
    assert found.context == (f"{tmp_path}\nred",)


async def test_handlers_run_in_order_and_see_what_the_one_before_changed(make_setup, tmp_path):
    def rewrite(text):
        answer = {"hookEventName": "PreToolUse", "permissionDecision": "allow", "updatedInput": {"command": text}}
        return f"cat >> log; echo '{json.dumps({'hookSpecificOutput': answer})}'"

    found = await handled(make_setup(commands("PreToolUse", rewrite("one"), rewrite("two"))), PRE)
    assert found.updated_input == {"cmd": "two"}
    told = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line["tool_input"]["command"] for line in told] == ["ls", "one"]


async def test_what_one_blocks_no_other_allows_and_all_are_told(make_setup, tmp_path):
    allow = json.dumps(
        {"hookSpecificOutput": {"hookEventName": "PermissionRequest", "decision": {"behavior": "allow"}}}
    )
    setup = make_setup(commands("PermissionRequest", "echo no >&2; exit 2", f"touch ran; echo '{allow}'"))
    found = await handled(setup, LifecycleEvent(name="PermissionRequest", subject="x"))
    assert (found.decision, found.block) == (Decision.FORBIDDEN, "no")
    assert (tmp_path / "ran").exists()


async def test_a_change_that_cannot_be_carried_out_blocks(make_setup):
    answer = {"hookEventName": "PreToolUse", "permissionDecision": "allow", "updatedInput": {"cmd": "x"}}
    setup = make_setup(commands("PreToolUse", f"echo '{json.dumps({'hookSpecificOutput': answer})}'"))
    assert "without string field `command`" in (await handled(setup, PRE)).block


async def test_only_matching_handlers_run(make_setup, tmp_path):
    config = {
        "hooks": {
            "PreToolUse": [
                {"matcher": name, "hooks": [{"type": "command", "command": f"touch ran-{name}"}]}
                for name in ("Bash", "apply_patch")
            ]
        }
    }
    await handled(make_setup(config), PRE)
    assert [path.name for path in tmp_path.glob("ran-*")] == ["ran-Bash"]


@pytest.mark.parametrize("command", ["echo '{x'", "exit 1", "kill -9 $$", "/nonexistent/program"])
async def test_a_failure_does_what_on_failure_says_and_is_named(make_setup, command):
    allowed = await handled(make_setup(commands("PreToolUse", command, name="guard")), PRE)
    assert allowed.block == ""
    assert "PreToolUse hook 'guard'" in allowed.messages[0]
    blocked = await handled(make_setup(commands("PreToolUse", command, name="guard", on_failure="block")), PRE)
    assert "hook 'guard'" in blocked.block
    assert "on_failure is block" in blocked.messages[0]


async def test_a_failing_guard_of_questions_forbids(make_setup):
    setup = make_setup(commands("PermissionRequest", "exit 1", on_failure="block"))
    found = await handled(setup, LifecycleEvent(name="PermissionRequest", subject="x"))
    assert found.decision is Decision.FORBIDDEN


async def test_a_failing_stop_hook_sends_the_model_on_only_once(make_setup):
    setup = make_setup(commands("Stop", "exit 1", on_failure="block"))
    first = LifecycleEvent(name="Stop", payload={"stop_hook_active": False})
    assert (await handled(setup, first)).block
    again = await handled(setup, first.replace(payload={"stop_hook_active": True}))
    assert again.block == ""
    assert again.messages


async def test_a_hook_that_cannot_be_confined_does_not_run(make_setup):
    async def spawn(request, policy):
        raise SandboxUnavailable("no engine here")

    setup = make_setup(commands("PreToolUse", "true", on_failure="block"), spawn=spawn)
    assert "could not be started: no engine here" in (await handled(setup, PRE)).block


@pytest.mark.parametrize(
    "command", ["sleep 6017", "(setsid sleep 6018 &) ; sleep 6019", "trap '' TERM; while :; do :; done"]
)
async def test_a_hook_that_hangs_is_ended_with_all_it_started(make_setup, command):
    setup = make_setup(commands("PreToolUse", command, timeout=1))
    found = await handled(setup, PRE)
    assert "took longer than 1 s" in found.messages[0]
    with anyio.fail_after(10):  # what was killed needs a moment to be gone
        while _sleepers({b"6017", b"6018", b"6019"}):
            await anyio.sleep(0.01)


def _sleepers(wanted):
    """Whether any process is a sleep of one of these lengths, which nobody else uses."""
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = process.read_bytes().split(b"\0")
        except OSError:
            continue  # gone since it was listed
        if words[:1] == [b"sleep"] and words[1] in wanted:
            return True
    return False


async def test_a_gigabyte_of_output_is_cut_short_without_memory(make_setup):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    setup = make_setup(commands("PreToolUse", "yes | head -c 1000000000"))
    assert "more than 16 MiB" in (await handled(setup, PRE)).messages[0]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB


async def test_output_beyond_the_first_megabyte_does_not_hide_the_exit_code(make_setup):
    setup = make_setup(commands("PreToolUse", "head -c 5000000 /dev/zero; echo no >&2; exit 2"))
    assert (await handled(setup, PRE)).block == "no"
    setup = make_setup(commands("PreToolUse", "head -c 9000000 /dev/zero >&2; exit 2"))
    assert len((await handled(setup, PRE)).block) < 11_000


async def test_a_cancelled_hook_is_ended(make_setup):
    started = anyio.Event()
    processes = []

    async def spawn(request, policy):
        processes.append(await UnconfinedBackend().spawn(request, policy))
        started.set()
        return processes[0]

    setup = make_setup(commands("PreToolUse", "sleep 63", sandbox="danger-full-access"), spawn=spawn)
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(CommandHooks(setup).handle, PRE)
            await started.wait()
            tasks.cancel_scope.cancel()
    assert processes[0].returncode is not None


async def test_notices_are_told_once_at_the_start(make_setup):
    config = {"hooks": {"Stop": [{"hooks": [{"type": "agent"}]}]}}
    hooks = CommandHooks(make_setup(config))
    assert hooks.wants == {"SessionStart"}
    event = LifecycleEvent(name="SessionStart", subject="startup", payload={"source": "startup"})
    assert "'agent' is left out" in (await hooks.handle(event)).messages[0]
    assert await hooks.handle(event) == LifecycleOutcome()


async def test_wants_are_the_events_with_handlers(make_setup):
    hooks = CommandHooks(make_setup({**commands("Stop", "true"), "notify": ["true"]}))
    assert hooks.wants == {"Stop", "Notification"}
    assert CommandHooks(make_setup({"hooks": {"state": {}}})).wants == frozenset()
    with pytest.raises(ConfigError):
        CommandHooks(make_setup({"hooks": {"Stop": 1}}))


async def test_policies_are_what_the_handler_asks_for(make_setup):
    spawned = []
    for mode in SandboxMode:
        await handled(make_setup(commands("PreToolUse", "true", sandbox=mode.value), spawned=spawned), PRE)
    assert [policy.mode for policy in spawned] == list(SandboxMode)
    thread = SandboxPolicy(mode=SandboxMode.WORKSPACE_WRITE, writable_roots=("/x",), denied_reads=("/secret",))
    assert policy_for(SandboxMode.WORKSPACE_WRITE, thread).writable_roots == ("/x",)
    assert policy_for(SandboxMode.READ_ONLY, thread) == SandboxPolicy(denied_reads=("/secret",))


async def test_notify_runs_unconfined_with_one_argument_more(make_setup, tmp_path):
    spawned = []
    setup = make_setup({"notify": ["/bin/sh", "-c", 'printf "%s|" "$@" > told', "me", "one"]}, spawned=spawned)
    event = LifecycleEvent(name="Notification", subject="agent-turn-complete", payload={"turn_id": "t"})
    assert await handled(setup, event) == LifecycleOutcome()
    one, told, _ = (tmp_path / "told").read_text().split("|")
    assert one == "one"
    assert json.loads(told)["turn-id"] == "t"
    assert spawned[0].unconfined
    assert await handled(setup, event.replace(subject="other")) == LifecycleOutcome()


async def test_a_notify_program_that_fails_is_told(make_setup):
    event = LifecycleEvent(name="Notification", subject="agent-turn-complete", payload={})
    found = await handled(make_setup({"notify": ["/bin/false"]}), event)
    assert "notify (/bin/false) exited with code 1" in found.messages[0]


async def test_a_notify_program_is_not_waited_for_long_and_ends_with_the_thread(make_setup, monkeypatch):
    monkeypatch.setattr("codex_hooks.notify.PATIENCE_S", 0.05)
    hooks = CommandHooks(make_setup({"notify": ["/bin/sh", "-c", "sleep 64"]}))
    event = LifecycleEvent(name="Notification", subject="agent-turn-complete", payload={})
    with anyio.fail_after(10):
        assert await hooks.handle(event) == LifecycleOutcome()
        (process,) = hooks._notifier._running
        assert process.returncode is None
        await hooks.aclose()
    assert process.returncode is not None
