"""`codex exec` from end to end: the real program, real HTTP, real tools."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest

from codex_plugin_sdk import ExitCode
from codex_plugin_sdk.testing.model import call, freeform, say, think
from codex_plugin_sdk.testing.servers import cut, json_reply, stalled

FREE = ("-s", "danger-full-access")
PATCH = "*** Begin Patch\n*** Add File: new.txt\n+hi\n*** Delete File: old.txt\n*** End Patch\n"


def texts(request, role="user"):
    """The texts of a request's messages of one role."""
    return [
        part["text"]
        for item in request.json["input"]
        if item.get("role") == role
        for part in item["content"]
        if "text" in part
    ]


def outputs(request):
    """The tool outputs of a request by call id."""
    return {item["call_id"]: item["output"] for item in request.json["input"] if item["type"].endswith("_output")}


def png(width=1, height=1):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + b"\xff\0\0" * width for _ in range(height)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


# -- output --------------------------------------------------------------------------------------------


@pytest.mark.cold_start
def test_stdout_is_the_final_message_alone(codex, server):
    server.play(
        server.answer(say("I will look.", "m1"), call("exec_command", cmd="echo one")), server.answer(say("Done."))
    )
    done = codex.run("exec", *FREE, "look")
    assert (done.code, done.out) == (0, "Done.\n")
    for shown in (
        "workdir:",
        "user\nlook\n",
        "codex\nI will look.",
        "/bin/bash -lc 'echo one'",
        "one\n",
        "tokens used",
    ):
        assert shown in done.err
    assert "Done." not in done.err
    assert "\x1b" not in done.err


def test_the_chat_dialect_answers_too(codex, chat_server):
    codex.use(chat_server.base_url, "chat")
    chat_server.play(chat_server.answer(call("exec_command", cmd="echo one")), chat_server.answer(say("Done.")))
    done = codex.run("exec", *FREE, "look")
    assert (done.code, done.out) == (0, "Done.\n"), done.err
    assert "one" in chat_server.requests[1].json["messages"][-1]["content"]


def test_json_shows_every_kind_of_item_in_its_exact_shape(codex, server):
    (codex.work / "old.txt").write_text("old\n")
    plan = [{"step": "Read", "status": "completed"}, {"step": "Edit", "status": "in_progress"}]
    plan_done = [{**step, "status": "completed"} for step in plan]
    server.play(
        server.answer(
            think("**Looking** at it"), say("I will look.", "m1"), call("exec_command", "c1", cmd="echo one")
        ),
        server.answer(call("exec_command", "c2", cmd="exit 3")),
        server.answer(call("update_plan", "c3", plan=plan)),
        server.answer(freeform("apply_patch", PATCH, "c4")),
        server.answer(call("update_plan", "c5", plan=plan_done)),
        server.answer(call("no_such_tool", "c6")),
        server.answer(say("Done.")),
    )
    done = codex.run("exec", "--json", *FREE, "go")
    assert (done.code, done.err) == (0, "Reading additional input from stdin...\n")

    def command(number, status, text, output="", code=None):
        return {
            "id": number,
            "type": "command_execution",
            "command": f"/bin/bash -lc '{text}'",
            "aggregated_output": output,
            "exit_code": code,
            "status": status,
        }

    changes = [
        {"path": str(codex.work / "new.txt"), "kind": "add"},
        {"path": str(codex.work / "old.txt"), "kind": "delete"},
    ]
    half = {
        "id": "item_4",
        "type": "todo_list",
        "items": [{"text": "Read", "completed": True}, {"text": "Edit", "completed": False}],
    }
    whole = {**half, "items": [{"text": "Read", "completed": True}, {"text": "Edit", "completed": True}]}
    usage = {
        "input_tokens": 700,
        "cached_input_tokens": 280,
        "cache_write_input_tokens": 0,
        "output_tokens": 140,
        "reasoning_output_tokens": 35,
    }
    head, *rest = done.events
    assert head == {"type": "thread.started", "thread_id": server.requests[0].json["prompt_cache_key"]}
    assert rest == [
        {"type": "turn.started"},
        {"type": "item.completed", "item": {"id": "item_0", "type": "reasoning", "text": "**Looking** at it"}},
        {"type": "item.completed", "item": {"id": "item_1", "type": "agent_message", "text": "I will look."}},
        {"type": "item.started", "item": command("item_2", "in_progress", "echo one")},
        {"type": "item.completed", "item": command("item_2", "completed", "echo one", "one\n", 0)},
        {"type": "item.started", "item": command("item_3", "in_progress", "exit 3")},
        {"type": "item.completed", "item": command("item_3", "failed", "exit 3", "", 3)},
        {"type": "item.started", "item": half},
        {
            "type": "item.started",
            "item": {"id": "item_5", "type": "file_change", "changes": changes, "status": "in_progress"},
        },
        {
            "type": "item.completed",
            "item": {"id": "item_5", "type": "file_change", "changes": changes, "status": "completed"},
        },
        {"type": "item.updated", "item": whole},
        {"type": "item.completed", "item": {"id": "item_6", "type": "agent_message", "text": "Done."}},
        {"type": "item.completed", "item": whole},
        {"type": "turn.completed", "usage": usage},
    ]
    assert (codex.work / "new.txt").read_text() == "hi\n"
    assert "no_such_tool" in outputs(server.requests[6])["c6"]


def test_a_retry_is_an_error_event_and_the_turn_goes_on(codex, server):
    codex.use(server.base_url, stream_max_retries="1")
    answer = server.answer(say("Done."))
    server.play(cut(answer, 200), answer)
    done = codex.run("exec", "--json", "go")
    assert done.code == 0
    kinds = [event["type"] for event in done.events]
    assert kinds == ["thread.started", "turn.started", "error", "item.completed", "turn.completed"]
    assert done.events[2]["message"].startswith("Reconnecting... 1/1 (")


@pytest.mark.cold_start
def test_a_failed_turn_tells_the_error_twice_and_exits_with_its_code(codex, server):
    server.play(json_reply(400, {"error": {"message": "bad request text"}}))
    done = codex.run("exec", "--json", "go")
    assert done.code == ExitCode.PROVIDER
    error, failed = done.events[-2:]
    assert error["type"] == "error"
    assert "bad request text" in error["message"]
    assert failed == {"type": "turn.failed", "error": {"message": error["message"]}}
    assert "\nhint: does the server know this model" in done.err


def test_experimental_json_is_the_same_flag(codex, server):
    server.play(server.answer(say("Done.")))
    assert codex.run("exec", "--experimental-json", "go").events[0]["type"] == "thread.started"


def test_color_always_paints_stderr_and_never_stdout(codex, server):
    server.play(server.answer(say("Done.")), server.answer(say("Done.")))
    painted = codex.run("exec", "--color", "always", "go")
    assert "\x1b[" in painted.err
    assert painted.out == "Done.\n"
    assert "\x1b" not in codex.run("exec", "--color", "never", "go").err


def test_a_command_that_is_declined_tells_why_once(codex, server):
    server.play(
        *(server.answer(call("exec_command", f"c{n}", cmd="true")) for n in (1, 2)), server.answer(say("Done."))
    )
    done = codex.run("exec", "-c", 'sandbox.backend="no-such"', "go")
    assert done.code == 0
    assert "no-such" in outputs(server.requests[2])["c2"]
    assert done.err.count("no sandbox backend named") == 1, done.err
    assert done.err.count("declined (for the reason above)") == 2


# -- prompt --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "stdin", "prompt"),
    [
        (["from args"], b"", "from args"),
        ([], b"from stdin\n", "from stdin\n"),
        (["-"], "gr\u00fcn\n".encode(), "gr\u00fcn\n"),
        (["look"], b"the diff\n", "look\n\n<stdin>\nthe diff\n</stdin>"),
    ],
    ids=["argument", "stdin", "dash", "both"],
)
def test_the_prompt_comes_from_argument_stdin_or_both(codex, server, args, stdin, prompt):
    server.play(server.answer(say("Done.")))
    assert codex.run("exec", *args, stdin=stdin).code == 0
    assert texts(server.requests[0])[-1] == prompt


def test_without_any_prompt_nothing_is_asked(codex, server):
    done = codex.run("exec")
    assert done.code == ExitCode.FAILED
    assert done.err.startswith("error: No prompt provided via stdin.")
    assert not server.requests
    assert not codex.rollouts()


# -- options -------------------------------------------------------------------------------------------


def test_options_reach_the_request_and_the_session(codex, server, tmp_path):
    server.play(server.answer(call("exec_command", cmd="pwd")), server.answer(say("Done.")))
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / "a.png").write_bytes(png())
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    done = codex.run(
        "exec", "-m", "gpt-5.5-mini", "-c", 'model_reasoning_effort="high"', "-C", str(other), "--skip-git-repo-check",
        "-i", str(tmp_path / "a.png"), *FREE, "--output-schema", str(tmp_path / "schema.json"), "-o", str(tmp_path / "last"), "go",
    )  # fmt: skip
    assert done.code == 0, done.err
    body = server.requests[0].json
    assert body["model"] == "gpt-5.5-mini"
    assert body["reasoning"]["effort"] == "high"
    assert body["text"]["format"]["schema"] == schema
    assert any(
        part["type"] == "input_image"
        for item in body["input"]
        if item.get("role") == "user"
        for part in item["content"]
    )
    assert str(other) in outputs(server.requests[1])["call_1"]
    assert (tmp_path / "last").read_text() == "Done."


def test_options_before_the_subcommand_are_inherited_and_those_after_it_win(codex, server):
    server.play(server.answer(say("a")), server.answer(say("b")))
    codex.run("-m", "root-model", "-c", 'model_reasoning_effort="low"', "exec", "go")
    codex.run(
        "-m",
        "root-model",
        "-c",
        'model_reasoning_effort="low"',
        "exec",
        "-m",
        "mine",
        "-c",
        "model_reasoning_effort=high",
        "go",
    )
    first, second = (request.json for request in server.requests)
    assert (first["model"], first["reasoning"]["effort"]) == ("root-model", "low")
    assert (second["model"], second["reasoning"]["effort"]) == ("mine", "high")


def test_add_dir_is_told_to_the_model(codex, server, tmp_path):
    server.play(server.answer(say("Done.")))
    (tmp_path / "more").mkdir()
    assert codex.run("exec", "-s", "workspace-write", "--add-dir", "../more", "go").code == 0
    assert str(tmp_path / "more") in server.requests[0].body.decode()


def test_patches_stay_within_the_writable_roots(codex, server, tmp_path):
    (tmp_path / "more").mkdir()
    outside = f"*** Begin Patch\n*** Add File: {codex.home}/evil\n+x\n*** End Patch\n"
    inside = f"*** Begin Patch\n*** Add File: {tmp_path}/more/good\n+x\n*** End Patch\n"
    server.play(
        server.answer(freeform("apply_patch", outside, "c1")),
        server.answer(freeform("apply_patch", inside, "c2")),
        server.answer(say("Done.")),
    )
    args = (
        "-c",
        "sandbox_workspace_write.exclude_slash_tmp=true",
        "-c",
        "sandbox_workspace_write.exclude_tmpdir_env_var=true",
    )
    done = codex.run("exec", "-s", "workspace-write", "--add-dir", str(tmp_path / "more"), *args, "go")
    assert done.code == 0
    assert not (codex.home / "evil").exists()
    assert (tmp_path / "more" / "good").read_text() == "x\n"


def test_a_read_only_session_refuses_a_patch_and_the_run_goes_on(codex, server):
    (codex.work / "old.txt").write_text("old\n")
    server.play(server.answer(freeform("apply_patch", PATCH, "c1")), server.answer(say("Done.")))
    done = codex.run("exec", "go")
    assert (done.code, done.out) == (0, "Done.\n")
    assert not (codex.work / "new.txt").exists()
    assert "c1" in outputs(server.requests[1])


@pytest.mark.parametrize("where", ["root", "exec"])
def test_bypass_confines_nothing(codex, server, where):
    flag = ["--dangerously-bypass-approvals-and-sandbox"]
    server.play(server.answer(call("exec_command", cmd="echo free > ../free")), server.answer(say("Done.")))
    args = [*flag, "exec"] if where == "root" else ["exec", *flag]
    assert codex.run(*args, "go").code == 0
    assert (codex.root / "free").read_text() == "free\n"


def test_oss_takes_the_local_server_of_the_configuration(codex, chat_server):
    chat_server.play(chat_server.answer(say("one")), chat_server.answer(say("two")))
    base = ("-c", f'model_providers.ollama={{name="o", base_url="{chat_server.base_url}", wire_api="chat"}}')
    assert codex.run("exec", "--oss", *base, "go").out == "one\n"
    base = ("-c", f'model_providers.lmstudio={{name="l", base_url="{chat_server.base_url}", wire_api="chat"}}')
    assert codex.run("exec", "--oss", "--local-provider", "lmstudio", "-m", "mine", *base, "go").out == "two\n"
    assert [request.json["model"] for request in chat_server.requests] == ["gpt-oss:20b", "mine"]


def test_a_profile_is_layered_over_the_configuration(codex, server):
    (codex.codex_home / "fast.config.toml").write_text('model = "fast-model"\n')
    server.play(server.answer(say("Done.")))
    assert codex.run("exec", "-p", "fast", "go").code == 0
    assert server.requests[0].json["model"] == "fast-model"


def test_ignore_user_config_leaves_config_toml_out(codex, server):
    (codex.codex_home / "config.toml").write_text("this is not TOML\n")
    server.play(server.answer(say("Done.")))
    table = f'model_providers.x={{name="x", base_url="{server.base_url}"}}'
    done = codex.run("exec", "--ignore-user-config", "-c", table, "-c", "model_provider=x", "go")
    assert (done.code, done.out) == (0, "Done.\n"), done.err


def test_ephemeral_records_nothing(codex, server):
    server.play(server.answer(say("Done.")))
    assert codex.run("exec", "--ephemeral", "go").code == 0
    assert codex.rollouts() == []


def test_outside_a_repository_it_needs_to_be_meant(codex, server, tmp_path):
    server.play(server.answer(say("Done.")))
    plain = tmp_path / "plain"
    plain.mkdir()
    refused = codex.run("exec", "go", cwd=plain)
    assert refused.code == ExitCode.FAILED
    assert "Not inside a trusted directory and --skip-git-repo-check was not specified." in refused.err
    assert not server.requests
    assert codex.run("exec", "--skip-git-repo-check", "go", cwd=plain).code == 0


def test_usage_errors_exit_with_two(codex):
    for args in (["--no-such"], ["a", "b"], ["--last", "go"], ["resume"], ["--color", "blue", "go"]):
        done = codex.run("exec", *args)
        assert done.code == ExitCode.USAGE, args
        assert "Error: " in done.err


# -- resume --------------------------------------------------------------------------------------------


def test_a_session_resumes_with_the_same_history(codex, server):
    server.play(
        server.answer(call("exec_command", cmd="echo one")),
        server.answer(say("Done.")),
        server.answer(say("More.")),
        server.answer(say("Last.")),
    )
    first = codex.run("exec", "--json", *FREE, "go")
    thread = first.events[0]["thread_id"]
    second = codex.run("exec", *FREE, "resume", thread, "and on")
    assert (second.code, second.out) == (0, "More.\n")
    assert len(codex.rollouts()) == 1
    before, after = server.requests[1].json["input"], server.requests[2].json["input"]
    assert after[: len(before)] == before
    assert texts(server.requests[2])[-1] == "and on"
    assert texts(server.requests[2], "assistant") == ["Done."]
    third = codex.run("exec", "--json", "resume", "--last", "finish")
    assert third.events[0] == {"type": "thread.started", "thread_id": thread}
    assert texts(server.requests[3], "assistant") == ["Done.", "More."]


def test_resume_last_takes_this_folders_session_unless_all_are_meant(codex, server, tmp_path):
    (tmp_path / "other").mkdir()
    server.play(server.answer(say("here")), server.answer(say("more")))
    assert codex.run("exec", "go").code == 0
    away = ("exec", "--skip-git-repo-check", "resume", "--last")
    refused = codex.run(*away, "on", cwd=tmp_path / "other")
    assert refused.code == ExitCode.FAILED
    assert "no recorded session for" in refused.err
    assert codex.run(*away, "--all", "on", cwd=tmp_path / "other").out == "more\n"


def test_resume_of_an_unknown_session_says_so(codex, server):
    done = codex.run("exec", "resume", "0199aaaa-0000-7000-8000-000000000000", "go")
    assert done.code == ExitCode.FAILED
    assert "no rollout found for thread id 0199aaaa-0000-7000-8000-000000000000" in done.err
    assert not server.requests


# -- other names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["apply_patch", "applypatch"])
def test_called_as_apply_patch_it_applies_one(codex, tmp_path, name):
    link = tmp_path / name
    link.symlink_to(Path(codex.env["PATH"].split(":")[0]) / "codex")
    (codex.work / "old.txt").write_text("old\n")
    done = codex.run(PATCH, program=link)
    assert (done.code, done.err) == (0, "")
    assert done.out == "Success. Updated the following files:\nA new.txt\nD old.txt\n"
    assert not (codex.work / "old.txt").exists()


def test_the_hidden_flag_applies_a_patch_too(codex):
    (codex.work / "old.txt").write_text("old\n")
    done = codex.run("--codex-run-as-apply-patch", PATCH)
    assert done.code == 0
    assert done.out.endswith("A new.txt\nD old.txt\n")


def test_called_as_codex_exec_it_runs_the_agent(codex, server, tmp_path):
    link = tmp_path / "codex-exec"
    link.symlink_to(Path(codex.env["PATH"].split(":")[0]) / "codex")
    server.play(server.answer(say("Done.")))
    assert codex.run("go", program=link).out == "Done.\n"


@pytest.mark.parametrize("closing", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_do_no_harm(codex, server, closing):
    server.play(server.answer(call("exec_command", cmd="echo one")), server.answer(say("Done.")))
    program = codex.env["PATH"].split(":")[0] + "/codex"
    done = codex.run("-c", f'exec "$@" {closing}', "sh", program, "exec", *FREE, "-o", "last", "go", program="/bin/sh")
    assert done.code == 0, done.err
    assert done.out == ("" if ">&-" in closing.split() else "Done.\n")
    assert (codex.work / "last").read_text() == "Done."
    assert "one" in outputs(server.requests[1])["call_1"]
    assert all(json.loads(line) for line in codex.rollouts()[0].read_bytes().splitlines())


def test_the_last_message_may_go_to_a_device(codex, server):
    server.play(server.answer(say("Done.")), server.answer(say("Done.")))
    assert codex.run("exec", "-o", "/dev/null", "go").code == 0
    assert codex.run("exec", "-o", "/dev/stdout", "go").out == "Done.\nDone."
    assert not Path("/dev/null").is_file()


# -- pipes and signals ---------------------------------------------------------------------------------


@pytest.mark.cold_start
def test_a_reader_that_leaves_ends_it_quietly(codex, server):
    server.play(*(server.answer(call("exec_command", f"c{n}", cmd=f"echo {n}")) for n in range(200)))
    with codex.start("exec", "--json", *FREE, "go") as process:
        assert b"thread.started" in process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 141
    assert err == b"Reading additional input from stdin...\n"
    assert len(server.requests) < 200


class Running:
    """A turn whose command is under way: it has told its process id through a named pipe."""

    def __init__(self, codex, server, command="exec sleep 1000", **options):
        fifo = codex.root / "pid"
        os.mkfifo(fifo)
        server.play(server.answer(call("exec_command", "c1", cmd=f"echo $$ > {fifo}; {command}", yield_time_ms=30_000)))
        self.process = codex.start("exec", "--json", *FREE, "go", **options)
        self.pid = int(fifo.read_text())

    def end(self, *numbers):
        """Send the signals; returns exit code, stdout, stderr and seconds."""
        began = time.monotonic()
        for number in numbers:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out.decode(), err.decode(), time.monotonic() - began

    def alive(self):
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True


@pytest.mark.cold_start
def test_interrupt_ends_the_commands_and_leaves_a_session_that_resumes(codex, server):
    running = Running(codex, server)
    code, out, err, seconds = running.end(signal.SIGINT)
    assert code == ExitCode.INTERRUPTED
    assert seconds < 15  # the command would take 1,000
    assert not running.alive()
    assert "Traceback" not in err
    assert all(json.loads(line) for line in out.splitlines())
    server.play(server.answer(say("On.")))
    again = codex.run("exec", "resume", "--last", "go on")
    assert (again.code, again.out) == (0, "On.\n")
    calls = [item["call_id"] for item in server.requests[-1].json["input"] if item["type"] == "function_call"]
    assert calls == ["c1"]
    assert list(outputs(server.requests[-1])) == ["c1"]


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["TERM", "HUP"])
def test_terminate_and_hang_up_do_the_same(codex, server, number, expected):
    running = Running(codex, server)
    code, _, err, seconds = running.end(number)
    assert code == expected
    assert seconds < 15  # the command would take 1,000
    assert not running.alive()
    assert "Traceback" not in err


def test_a_second_interrupt_waits_for_nothing_that_can_be_left(codex, server):
    running = Running(codex, server, "trap '' INT TERM HUP; while :; do read -t 1 <> <(:); done")
    code, _, err, seconds = running.end(signal.SIGINT, signal.SIGINT)
    assert code == ExitCode.INTERRUPTED
    assert seconds < 15
    assert not running.alive()
    assert "Traceback" not in err


def test_a_signal_that_the_parent_ignores_stays_ignored(codex, server):
    launcher = (
        "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    reply, stall = stalled(server.answer(say("Done.")))
    server.play(reply)
    program = codex.env["PATH"].split(":")[0] + "/codex"
    process = codex.start("-c", launcher, program, "exec", "--json", "go", program=sys.executable)
    process.stdout.readline()
    assert b"turn.started" in process.stdout.readline()
    assert stall.reached.wait(20)
    process.send_signal(signal.SIGHUP)
    stall.release()
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert b"turn.completed" in out


def test_interrupt_while_the_model_is_silent(codex, server):
    reply, stall = stalled(server.answer(say("Done.")))
    server.play(reply)
    process = codex.start("exec", "--json", "go")
    assert stall.reached.wait(20)
    process.stdout.readline()
    assert b"turn.started" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == ExitCode.INTERRUPTED
    assert b"Traceback" not in err


@pytest.mark.skipif(sys.platform != "linux", reason="asks the pipe how full it is")
def test_interrupt_ends_it_although_nobody_reads_stdout(codex, server):
    many = say("x" * 1_000_000)
    server.play(server.answer(many, call("exec_command", cmd="true")), server.answer(say("Done.")))
    with codex.start("exec", "--json", *FREE, "go") as process:
        # The pipe is full as soon as the rest of the message is not there: nothing else is read.
        assert process.stdout.read(1)
        server.wait_until(lambda s: len(s.requests) >= 1)
        _wait_blocked(process)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=10)
        assert process.returncode == ExitCode.INTERRUPTED
        assert b"Traceback" not in process.stderr.read()


def _wait_blocked(process: subprocess.Popen[bytes]) -> None:
    """Until a read end that is not read holds all that a pipe can hold."""
    import array
    import fcntl
    import termios

    size = array.array("i", [0])
    capacity = fcntl.fcntl(process.stdout.fileno(), fcntl.F_GETPIPE_SZ)
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        fcntl.ioctl(process.stdout.fileno(), termios.FIONREAD, size)
        if size[0] > capacity - 8192:
            return
        os.sched_yield()
    raise TimeoutError(f"only {size[0]} of {capacity} bytes are in the pipe")
