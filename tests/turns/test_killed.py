"""`kill -9` of a real agent in the middle of its work, without a sandbox: nothing that it has started stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from codex_plugin_sdk.testing.model import call
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer

pytestmark = [
    pytest.mark.cold_start,  # a process is known by its environment
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc"),
]

PROGRAM = Path(sys.executable).with_name("codex")
PATIENCE_S = 60
STAY = "trap '' TERM HUP INT; echo $$ >> pids; while :; do sleep 1000; done"
SERVER = """
import json, os, signal, sys, time
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
with open("pids", "a") as file:
    file.write(f"{os.getpid()}\\n")
for line in sys.stdin:
    message = json.loads(line)
    if "id" in message:
        version = message.get("params", {}).get("protocolVersion", "2025-06-18")
        result = {"tools": [], "protocolVersion": version, "capabilities": {"tools": {}},
                  "serverInfo": {"name": "stays", "version": "1"}}
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
while True:
    time.sleep(1000)
"""


class Place:
    """A home, a folder, and the agents in it."""

    def __init__(self, root: Path, base_url: str) -> None:
        self.work, home = root / "work", root / "codex-home"
        for folder in (self.work, home, root / "home"):
            folder.mkdir()
        (self.work / "stay").write_text(STAY)
        (self.work / "server.py").write_text(SERVER)
        self.config = home / "config.toml"
        self.config.write_text(
            'model = "gpt-5.5"\nmodel_provider = "s"\nsandbox_mode = "danger-full-access"\napproval_policy = "never"\n'
            f'[model_providers.s]\nname = "S"\nbase_url = "{base_url}"\nwire_api = "responses"\n'
        )
        self.env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(root / "home"),
            "CODEX_HOME": str(home),
            "SHELL": "/bin/sh",
        }

    @contextmanager
    def agent(self, *args: str) -> Iterator[subprocess.Popen[str]]:
        """`codex` with these words; killed in the end."""
        with subprocess.Popen(
            [str(PROGRAM), *args],
            env=self.env,
            cwd=self.work,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def noted(self, agent: subprocess.Popen[str], count: int) -> Sequence[int]:
        """The process ids that so many programs of an agent have written down."""
        file = self.work / "pids"
        wait_for(lambda: (file.exists() and file.read_text().count("\n") == count) or agent.poll() is not None)
        assert agent.returncode is None, "the agent ended by itself"
        return [int(line) for line in file.read_text().split()]


def wait_for(what: Callable[[], object]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < give_up
        time.sleep(0.01)  # no event tells of the end of a process that is not ours


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.fixture
def model():
    with ScriptedResponsesServer() as server:
        yield server


def test_commands_and_mcp_servers_end_with_an_agent_that_is_killed(tmp_path, model):
    place = Place(tmp_path, model.base_url)
    with place.config.open("a") as file:
        file.write(f'[mcp_servers.stays]\ncommand = "{sys.executable}"\nargs = ["-I", "-S", "server.py"]\n')
    model.play(
        model.answer(
            call("exec_command", "call_1", cmd="setsid sh stay & exec sh stay", yield_time_ms=250),
            call("exec_command", "call_2", cmd="exec sh stay", tty=True, yield_time_ms=30_000),
        )
    )
    with place.agent("exec", "--skip-git-repo-check", "go") as agent:
        agent.stdin.close()
        noted = place.noted(agent, 4)
        assert all(lives(pid) for pid in noted)
        agent.kill()
        wait_for(lambda: not any(lives(pid) for pid in noted))


def test_what_a_client_has_started_ends_with_an_app_server_that_is_killed(tmp_path, model):
    place = Place(tmp_path, model.base_url)
    words, command = ["sh", "stay"], "exec sh stay"
    client = {"clientInfo": {"name": "tests", "version": "1"}, "capabilities": {"experimentalApi": True}}
    with place.agent("app-server") as agent:
        ask(agent, "initialize", client)
        spawned = {"command": words, "cwd": str(place.work), "processHandle": "p", "tty": True}
        ask(agent, "process/spawn", spawned)
        thread = ask(agent, "thread/start", {"cwd": str(place.work)})["thread"]["id"]
        ask(agent, "thread/shellCommand", {"threadId": thread, "command": command})
        run = {"command": words, "sandboxPolicy": {"type": "dangerFullAccess"}, "disableTimeout": True}
        send(agent, "command/exec", run)  # is answered when the command has ended
        noted = place.noted(agent, 3)
        agent.kill()
        wait_for(lambda: not any(lives(pid) for pid in noted))


def send(agent: subprocess.Popen[str], method: str, params: object) -> None:
    agent.stdin.write(json.dumps({"id": method, "method": method, "params": params}) + "\n")
    agent.stdin.flush()


def ask(agent: subprocess.Popen[str], method: str, params: object) -> dict[str, Any]:
    """The result of a request."""
    send(agent, method, params)
    while (message := json.loads(agent.stdout.readline())).get("id") != method:
        assert "method" in message
    return message["result"]
