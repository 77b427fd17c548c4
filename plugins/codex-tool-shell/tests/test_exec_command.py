"""`exec_command`: what the model reads, what watchers see, and what stays behind."""

from __future__ import annotations

import os
import re

import anyio
import pytest

from codex_plugin_sdk import (
    CommandExecutionItem,
    ConfigError,
    ItemStatus,
    PolicyDenied,
    RunIntent,
    SandboxMode,
    SandboxPolicy,
    ToolFailed,
)
from codex_tool_shell import session as session_module
from codex_tool_shell import sessions as sessions_module

pytestmark = pytest.mark.anyio


async def test_the_answer_has_the_lines_that_models_know(shell):
    text = await shell.exec("echo hi; echo there >&2")
    assert re.fullmatch(
        r"Chunk ID: [0-9a-f]{6}\nWall time: \d+\.\d{4} seconds\nProcess exited with code 0\n"
        r"Original token count: 3\nOutput:\nhi\nthere\n",
        text,
    )


async def test_a_command_without_output_answers_with_an_empty_text(shell, body):
    text = await shell.exec("true")
    assert "Original token count: 0\n" in text
    assert body(text) == ""


@pytest.mark.parametrize(("cmd", "code"), [("exit 3", 3), ("kill -9 $$", 137), ("no-such-command", 127)])
async def test_a_failing_command_is_a_failed_call(shell, cmd, code):
    output = await shell.call(shell.exec_tool, cmd=cmd)
    assert f"\nProcess exited with code {code}\n" in output.output
    assert output.success is False
    assert (shell.ctx.completed[0].status, shell.ctx.completed[0].exit_code) == (ItemStatus.FAILED, code)


async def test_the_item_begins_and_ends_with_the_command(shell):
    output = await shell.call(shell.exec_tool, cmd="echo hi")
    (started,) = shell.ctx.started
    assert output.success
    assert started == CommandExecutionItem(
        id="call_1",
        command=("/bin/sh", "-c", "echo hi"),
        cwd=shell.cwd,
        status=ItemStatus.IN_PROGRESS,
        process_id=started.process_id,
    )
    (completed,) = shell.ctx.completed
    assert completed == started.replace(
        status=ItemStatus.COMPLETED, aggregated_output="hi\n", exit_code=0, duration_ms=completed.duration_ms
    )
    assert shell.ctx.output == b"hi\n"


async def test_the_policy_is_asked_with_what_will_run_and_what_the_model_wrote(shell):
    await shell.exec(
        "echo hi",
        sandbox_permissions="require_escalated",
        justification="May I?",
        prefix_rule=["echo", "hi"],
    )
    assert shell.ctx.intents == [
        RunIntent(
            argv=("/bin/sh", "-c", "echo hi"),
            cwd=shell.cwd,
            display="echo hi",
            escalated=True,
            justification="May I?",
            prefix_rule=("echo", "hi"),
        )
    ]


@pytest.mark.parametrize(
    ("error", "status"),
    [(PolicyDenied("rejected by policy"), ItemStatus.DECLINED), (ToolFailed("cannot start"), ItemStatus.FAILED)],
)
async def test_a_command_that_never_ran_completes_its_item(shell, error, status):
    shell.ctx.refusal = error
    with pytest.raises(type(error), match=str(error)):
        await shell.exec("echo hi")
    assert shell.ctx.completed == [
        shell.ctx.started[0].replace(status=status, exit_code=-1, aggregated_output=str(error))
    ]


async def test_a_refused_command_gives_its_session_number_back(open_shell, monkeypatch):
    monkeypatch.setattr(sessions_module, "MAX_SESSIONS", 1)
    shell = open_shell()
    shell.ctx.refusal = PolicyDenied("no")
    for _ in range(3):
        with pytest.raises(PolicyDenied):
            await shell.exec("echo hi")
    shell.ctx.refusal = None
    assert "code 0" in await shell.exec("echo hi")


# -- where and how it runs -----------------------------------------------------------------------------------


async def test_workdir_is_relative_to_the_working_directory(shell, body):
    os.mkdir(f"{shell.cwd}/sub")
    assert body(await shell.exec("pwd", workdir="sub")) == os.path.realpath(f"{shell.cwd}/sub") + "\n"
    assert body(await shell.exec("pwd", workdir="")) == os.path.realpath(shell.cwd) + "\n"
    assert body(await shell.exec("pwd", workdir="/")) == "/\n"


async def test_a_missing_workdir_is_named_and_makes_no_item(shell):
    with pytest.raises(ToolFailed, match=re.escape(f"{shell.cwd}/gone is not an existing folder")):
        await shell.exec("pwd", workdir="gone")
    assert shell.ctx.started == []


async def test_a_login_shell_is_the_default_where_it_is_allowed(open_shell):
    allowed, forbidden = open_shell(allow_login_shell=True), open_shell(allow_login_shell=False)
    await allowed.exec("true")
    await allowed.exec("true", login=False)
    await forbidden.exec("true")
    flags = [request.argv[1] for request in allowed.ctx.requests + forbidden.ctx.requests]
    assert flags == ["-lc", "-c", "-c"]
    with pytest.raises(ToolFailed, match="allow_login_shell = false"):
        await forbidden.exec("true", login=True)


async def test_the_model_may_choose_a_shell_that_is_there(shell, body):
    assert body(await shell.exec("echo $0", shell="/bin/sh")) == "/bin/sh\n"
    assert body(await shell.exec("echo ${BASH_VERSION:+is} bash", shell="bash")) == "is bash\n"
    with pytest.raises(ToolFailed, match="does not know the shell 'python3'"):
        await shell.exec("1 + 1", shell="python3")
    with pytest.raises(ToolFailed, match="'/nowhere/zsh' is not installed"):
        await shell.exec("true", shell="/nowhere/zsh")


async def test_arguments_that_do_not_fit_make_no_item(shell):
    with pytest.raises(ToolFailed, match="failed to parse function arguments: `tty` must be true or false"):
        await shell.exec("true", tty="yes")
    assert shell.ctx.started == []


async def test_stdin_is_empty(shell):
    assert "code 0" in await shell.exec("cat")


async def test_a_terminal_is_one_on_request(shell, body):
    assert body(await shell.exec("tty; stty size; echo $TERM", tty=True)).split()[1:] == ["24", "80", "dumb"]
    assert body(await shell.exec("tty")) == "not a tty\n"


async def test_the_environment_names_the_thread_and_the_call(shell, body):
    assert body(await shell.exec("echo $CODEX_THREAD_ID $CODEX_TOOL_CALL_ID $PAGER")) == "thread call_1 cat\n"


@pytest.mark.parametrize(
    ("policy", "arguments", "shown"),
    [
        (SandboxPolicy(mode=SandboxMode.READ_ONLY), {}, "1"),
        (SandboxPolicy(mode=SandboxMode.WORKSPACE_WRITE), {}, "1"),
        (SandboxPolicy(mode=SandboxMode.WORKSPACE_WRITE, network_access=True), {}, ""),
        (SandboxPolicy(mode=SandboxMode.READ_ONLY), {"sandbox_permissions": "require_escalated"}, ""),
        (SandboxPolicy(mode=SandboxMode.DANGER_FULL_ACCESS), {}, ""),
    ],
)
async def test_commands_without_network_are_told_so(shell, body, policy, arguments, shown):
    shell.ctx.sandbox_policy = policy
    assert body(await shell.exec("echo $CODEX_SANDBOX_NETWORK_DISABLED", **arguments)) == f"{shown}\n"


async def test_the_environment_policy_of_the_configuration_holds(open_shell, body):
    shell = open_shell(shell_environment_policy={"inherit": "none", "set": {"PATH": "/bin:/usr/bin", "A": "b"}})
    lines = body(await shell.exec("env")).splitlines()
    assert "A=b" in lines
    assert not [line for line in lines if line.startswith("HOME=")]


@pytest.mark.parametrize(
    "config",
    [
        {"tool_output_token_limit": "many"},
        {"background_terminal_max_timeout": -1},
        {"allow_login_shell": "no"},
        {"shell_environment_policy": 3},
        {"shell_environment_policy": {"inherit": "some"}},
    ],
)
async def test_configuration_that_does_not_fit_is_refused(open_shell, config):
    with pytest.raises(ConfigError, match=next(iter(config))):
        open_shell(**config)


# -- output ----------------------------------------------------------------------------------------------------


async def test_long_output_is_cut_in_the_middle_and_saved_whole(shell, body):
    text = await shell.exec("seq 1 20000", max_output_tokens=100)
    whole = "".join(f"{number}\n" for number in range(1, 20001))
    notice, _, shown = body(text).partition("\n\n")
    found = re.fullmatch(r"\[Truncated: all 108894 bytes are in (.+)\]", notice)
    assert found
    with open(found[1]) as file:
        assert file.read() == whole
    assert shown == f"{whole[:200]}…27124 tokens truncated…{whole[-200:]}"
    assert "Original token count: 27224\n" in text
    assert os.stat(found[1]).st_mode & 0o777 == 0o600
    assert os.stat(shell.spill_dir).st_mode & 0o777 == 0o700


async def test_a_budget_below_what_is_kept_still_saves_the_whole(shell, body):
    text = body(await shell.exec("seq 1 1000", max_output_tokens=10))
    found = re.match(r"\[Truncated: all 3893 bytes are in (.+)\]\n\n1\n2\n", text)
    assert found
    assert os.path.getsize(found[1]) == 3893


async def test_output_within_the_budget_makes_no_file(shell):
    await shell.exec("head -c 40000 /dev/zero")
    assert not shell.spill_dir.exists()


async def test_the_limit_of_the_configuration_bounds_what_the_model_asks_for(open_shell, body):
    shell = open_shell(tool_output_token_limit=10)
    text = body(await shell.exec("seq 1 1000", max_output_tokens=5000))
    assert text.endswith("1\n2\n3\n4\n5\n6\n7\n8\n9\n10…964 tokens truncated…96\n997\n998\n999\n1000\n")
    assert shell.ctx.completed[0].aggregated_output == text.partition("\n\n")[2]


async def test_a_file_that_cannot_be_written_is_told_and_the_command_goes_on(shell, body):
    shell.spill_dir.parent.mkdir()
    shell.spill_dir.write_text("not a folder")
    text = body(await shell.exec("seq 1 20000"))
    assert text.startswith("[Truncated: 108894 bytes in all, which could not be saved: File exists]\n\n1\n2\n")
    assert text.endswith("\n20000\n")


async def test_watchers_get_no_more_than_a_bounded_part_of_a_flood(shell, monkeypatch):
    monkeypatch.setattr(session_module, "SHOWN_BYTES", 1000)
    await shell.exec("head -c 500000 /dev/zero")
    assert shell.ctx.output == bytes(1000)


async def test_output_that_cannot_be_told_ends_the_command(shell, stayer):
    shell.ctx.delta_error = RuntimeError("the disk is full")
    with pytest.raises(RuntimeError, match="the disk is full"):
        await shell.exec(f"echo hi; {stayer.command}")
    assert stayer.alive() == []


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="measures by /proc")
async def test_memory_does_not_grow_with_the_output(shell):
    await shell.exec("head -c 1000000 /dev/zero")
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # forget the peak
    before = _kilobytes("VmRSS")
    text = await shell.exec("head -c 200000000 /dev/zero")
    assert "the first 67108864 of 200000000 bytes" in text
    assert _kilobytes("VmHWM") - before < 20_000


def _kilobytes(field: str) -> int:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field))


# -- interrupts and ends -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("tty", [False, True], ids=["pipes", "terminal"])
async def test_interrupting_the_call_ends_all_that_it_started(shell, stayer, tty):
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: shell.exec(f"echo begun; setsid {stayer.command} & wait", tty=tty))
        await stayer.up()
        tasks.cancel_scope.cancel()
    assert stayer.alive() == []
    (completed,) = shell.ctx.completed
    assert completed.status is ItemStatus.FAILED
    assert completed.aggregated_output.startswith("begun")


async def test_interrupting_while_the_user_is_asked_completes_the_item(shell):
    asked = anyio.Event()

    async def ask(request, intent):
        asked.set()
        await anyio.sleep_forever()

    shell.ctx.exec = ask
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(shell.exec, "true")
        await asked.wait()
        tasks.cancel_scope.cancel()
    assert [(item.status, item.exit_code) for item in shell.ctx.completed] == [(ItemStatus.FAILED, -1)]


async def test_a_background_process_lives_until_the_thread_ends(shell, stayer, body):
    assert body(await shell.exec(f"{stayer.command} & echo started")) == "started\n"
    await stayer.up()
    assert len(stayer.alive()) == 1
    await shell.exec_tool.aclose()
    assert stayer.alive() == []


async def test_the_end_of_the_thread_ends_sessions_and_tells_nobody(shell, stayer):
    await shell.session(f"(setsid {stayer.command} &); exec sleep 1000")
    await stayer.up()
    await shell.write_tool.aclose()
    await shell.exec_tool.aclose()
    assert (stayer.alive(), shell.ctx.completed) == ([], [])
    assert [process.returncode for process in shell.ctx.processes] == [143]
    with pytest.raises(ToolFailed, match="closing"):
        await shell.exec("true")


async def test_commands_run_beside_each_other(shell):
    assert shell.exec_tool.parallel_safe
    os.mkfifo(f"{shell.cwd}/fifo")
    texts: dict[str, str] = {}

    async def run(cmd: str) -> None:
        texts[cmd] = await shell.exec(cmd)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, "cat fifo")
        tasks.start_soon(run, "echo met >fifo")
    assert texts["cat fifo"].endswith("Output:\nmet\n")


async def test_at_the_limit_the_oldest_session_makes_room(open_shell, monkeypatch):
    monkeypatch.setattr(sessions_module, "MAX_SESSIONS", 2)
    shell = open_shell()
    first = await shell.session("exec sleep 1000")
    second = await shell.session("read x; exit 0", tty=True)
    text = await shell.exec("true")
    assert f"no more than 2 sessions are kept; ended to make room: {first} (`exec sleep 1000`)\nOutput:\n" in text
    assert [(item.id, item.exit_code) for item in shell.ctx.completed] == [("call_1", 143), ("call_3", 0)]
    assert "Process exited with code 0" in await shell.write(second, "\n")


async def test_a_session_that_has_exited_makes_room_first(open_shell, monkeypatch):
    monkeypatch.setattr(sessions_module, "MAX_SESSIONS", 2)
    shell = open_shell()
    os.mkfifo(f"{shell.cwd}/fifo")
    running = await shell.session("exec sleep 1000")
    exited = await shell.session("read x <fifo")
    await shell.exec_tool._sessions.get(exited).process.kill_tree()
    await shell.ctx.until(lambda: shell.ctx.completed)
    text = await shell.exec("true")
    assert f"ended to make room: {exited} (`read x <fifo`)" in text
    assert shell.exec_tool._sessions.get(running).ended.is_set() is False


async def test_when_all_sessions_are_in_use_none_is_ended(open_shell, monkeypatch):
    monkeypatch.setattr(sessions_module, "MAX_SESSIONS", 1)
    shell = open_shell()
    os.mkfifo(f"{shell.cwd}/fifo")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(shell.exec, "echo begun; cat fifo")
        await shell.ctx.until(lambda: shell.ctx.output)
        with pytest.raises(ToolFailed, match="1 commands are running at once"):
            await shell.exec("true")
        async with await anyio.open_file(f"{shell.cwd}/fifo", "w") as file:
            await file.write("go on\n")
    assert shell.ctx.output == b"begun\ngo on\n"
