"""Budgets from the shell: the exit code, going on once a cap is raised, a process that is killed, `codex budget`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from codex_plugin_sdk import ExitCode, TokenUsage
from codex_plugin_sdk.testing.model import call, say
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer, stalled

PROGRAM = Path(sys.executable).with_name("codex")
USED = TokenUsage(input_tokens=40_000, output_tokens=1000, total_tokens=41_000)  # 0.09 USD
CONFIG = """
model = "plain"
model_provider = "scripted"

[model_providers.scripted]
base_url = "{url}"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0

[cost.models.plain]
input = 2
output = 10

[budget]
usd = 0.3
day = {{ turns = 9 }}
"""


class Shell:
    """The program `codex` with a home, a folder and a model server of its own."""

    def __init__(self, root, server):
        self.home, self.work, self.server = root / "home", root / "work", server
        (self.work / ".git").mkdir(parents=True)
        (self.work / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
        self.home.mkdir(mode=0o700)
        (self.home / "config.toml").write_text(CONFIG.format(url=server.base_url))

    def start(self, *args):
        path = f"{PROGRAM.parent}:{os.environ['PATH']}"
        environ = {"PATH": path, "HOME": str(self.home), "CODEX_HOME": str(self.home), "TZ": "UTC"}
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([str(PROGRAM), *args], env=environ, cwd=self.work, **pipes)

    def run(self, *args):
        process = self.start(*args)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def budget(self, *args):
        code, out, err = self.run("budget", "--json", *args)
        assert code == 0, err
        return json.loads(out)


@pytest.fixture
def shell(tmp_path):
    with ScriptedResponsesServer() as server:
        yield Shell(tmp_path, server)


def caps(told):
    return {cap["key"]: (cap["spent"], cap["reserved"], cap["left"]) for cap in told["caps"]}


def test_a_run_stops_with_its_own_exit_code_and_goes_on_once_the_cap_is_raised(shell):
    server = shell.server
    server.play(server.answer(call("exec_command", cmd="true"), usage=USED), server.answer(say("done"), usage=USED))
    code, out, err = shell.run("exec", "--json", "-s", "danger-full-access", "go")
    assert code == ExitCode.BUDGET == 11, err
    assert len(server.requests) == 1
    failed = json.loads(out.splitlines()[-1])
    assert "does not allow another request: 0.0900 of 0.3000 USD spent" in json.dumps(failed)
    told = shell.budget()
    assert caps(told) == {"budget.usd": ("0.09", "0", "0.21"), "budget.day.turns": (1, 0, 8)}
    assert (told["reservations"], told["unsettled_requests"]) == ([], {"thread": 0, "tree": 0, "day": 0})
    code, out, err = shell.run("exec", "-c", "budget.usd=1", "resume", "--last", "go on")
    assert (code, out) == (0, "done\n"), err
    assert "function_call_output" in [item["type"] for item in server.requests[1].json["input"]]
    assert caps(shell.budget("-c", "budget.usd=1"))["budget.usd"] == ("0.18", "0", "0.82")


def test_what_a_killed_process_had_reserved_goes_on_being_counted(shell):
    server = shell.server
    reply, stall = stalled(server.answer(say("done"), usage=USED))
    server.play(reply)
    with shell.start("exec", "go") as process:
        assert stall.reached.wait(60)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    told = shell.budget()
    (held,) = told["reservations"]
    assert (held["pid"], held["running"], held["model"]) == (process.pid, False, "plain")
    spent, reserved, left = caps(told)["budget.usd"]
    assert (spent, reserved) == ("0", held["usd"])
    assert float(reserved) > 0.16
    code, out, err = shell.run("exec", "resume", "--last", "go on")
    assert (code, len(server.requests)) == (ExitCode.BUDGET, 1), err
    assert f"0.0000 of 0.3000 USD spent, {float(reserved):.4f}"[:-2] in err
    code, out, err = shell.run("budget")
    assert code == 0
    assert "1 reserved by processes that ended without a word; they go on being counted." in out
    assert float(left) < float(reserved)
