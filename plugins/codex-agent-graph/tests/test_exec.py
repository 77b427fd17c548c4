"""The program itself: `codex exec` with sub-agents, a model server that answers by what it reads, and real commands."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from codex_plugin_sdk.testing.model import call, say
from codex_plugin_sdk.testing.scripted_http import ScriptedServer
from codex_plugin_sdk.testing.sse_wire import responses_answer

CODEX = Path(sys.executable).with_name("codex")
CONFIG = """
model = "gpt-5.5"
model_provider = "scripted"
[model_providers.scripted]
name = "Scripted"
base_url = "{base_url}"
wire_api = "responses"
request_max_retries = 0
"""
DEADLINE_S = 60


class Program:
    """`codex` in a home of its own, over a function that answers requests by their bodies."""

    def __init__(self, tmp_path):
        self.extra = ""
        self.home, self.work = tmp_path / "home", tmp_path / "work"
        self.home.mkdir()
        self.work.mkdir()
        self.server = None

    def serve(self, answer):
        def reply(request):
            return responses_answer(*answer(request.json))

        self.server = ScriptedServer([reply], repeat_last=True)
        return self.server

    def start(self, *words):
        (self.home / "config.toml").write_text(CONFIG.format(base_url=self.server.base_url) + self.extra)
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.home), "CODEX_HOME": str(self.home), "LANG": "C.UTF-8"}
        command = [CODEX, "exec", "--skip-git-repo-check", *words]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=self.work, env=environ, text=True, start_new_session=True, **pipes)

    def run(self, *words):
        running = self.start(*words)
        out, err = running.communicate(timeout=DEADLINE_S)
        assert running.returncode == 0, err
        return out, err


@pytest.fixture
def program(tmp_path):
    return Program(tmp_path)


def said(body):
    """What the user said, in order."""
    texts = [
        part["text"]
        for item in body["input"]
        if item["type"] == "message" and item["role"] == "user"
        for part in item["content"]
    ]
    return [text for text in texts if not text.startswith("<environment_context>")]


def outputs(body):
    return [item["output"] for item in body["input"] if item["type"] == "function_call_output"]


def test_events_of_a_run_are_those_of_codex_and_an_agent_writes_nowhere_where_its_parent_may_not(program):
    target = program.work / "written"

    def answer(body):
        done = outputs(body)
        if said(body)[0] == "look":
            return [say(done[0])] if done else [call("exec_command", "x", cmd=f"touch {target}")]
        if said(body)[-1] == "go on":
            return [say("went on")]
        if not done:
            return [call("spawn_agent", "c1", message="look")]
        agent = json.loads(done[0])["agent_id"]
        return [call("wait_agent", "c2", targets=[agent], timeout_ms=60_000)] if len(done) == 1 else [say("all done")]

    with program.serve(answer) as server:
        out, _ = program.run("--json", "-s", "read-only", "go")
        events = [json.loads(line) for line in out.splitlines()]
        root = events[0]["thread_id"]
        agent = json.loads(outputs(server.requests[-1].json)[0])["agent_id"]
        ended, _ = program.run("--json", "resume", "--last", "go on")
    common = {"type": "collab_tool_call", "sender_thread_id": root}
    items = [
        {**event["item"], "on": event["type"]}
        for event in events
        if event.get("item", {}).get("type") == common["type"]
    ]
    answered = items[3]["agents_states"][agent]["message"]
    states = {agent: {"status": "pending_init", "message": None}}
    done = {agent: {"status": "completed", "message": answered}}
    spawn = {**common, "id": items[0]["id"], "tool": "spawn_agent", "prompt": "look"}
    wait = {**common, "id": items[2]["id"], "tool": "wait", "prompt": None, "receiver_thread_ids": [agent]}
    begun, completed = {"status": "in_progress", "on": "item.started"}, {"status": "completed", "on": "item.completed"}
    assert items == [
        {**spawn, **begun, "receiver_thread_ids": [], "agents_states": {}},
        {**spawn, **completed, "receiver_thread_ids": [agent], "agents_states": states},
        {**wait, **begun, "agents_states": {}},
        {**wait, **completed, "agents_states": done},
    ]
    assert not target.exists()
    assert "Read-only file system" in answered or "denied" in answered or "refused" in answered, answered
    assert (
        json.loads(ended.splitlines()[0])["thread_id"] == root
    )  # the agent is the newer one, and no session of the user


HOOKS = """
[[hooks.SubagentStart]]
hooks = [{{ type = "command", sandbox = "danger-full-access", command = "cat >> {file}; echo >> {file}; echo mind" }}]
[[hooks.SubagentStop]]
hooks = [{{ type = "command", sandbox = "danger-full-access", command = "cat >> {file}; echo >> {file}" }}]
"""


def test_the_text_has_a_line_for_each_call_and_hooks_are_told_of_each_agent(program):
    told, minded = program.home / "told.jsonl", []
    if importlib.util.find_spec("codex_hooks") is not None:
        program.extra = HOOKS.format(file=told)

    def answer(body):
        done = outputs(body)
        if said(body)[0] == "look":
            minded.append("mind" in json.dumps([item for item in body["input"] if item.get("role") == "developer"]))
            return [say("found")]
        if not done:
            return [call("spawn_agent", "c1", message="look"), call("wait_agent", "c2", targets=["nobody"])]
        if len(done) == 2:
            return [call("wait_agent", "c3", targets=[json.loads(done[0])["agent_id"]], timeout_ms=60_000)]
        return [say("all done")]

    with program.serve(answer):
        _, err = program.run("go")
    lines = [line for line in err.splitlines() if line.startswith("collab:")]
    assert len(lines) == 3, err
    assert lines[2].startswith("collab: wait ")
    assert lines[2].endswith(" (completed)")
    assert any(line.startswith("collab: spawn_agent ") and line.endswith("(pending_init): look") for line in lines)
    assert "collab: wait failed nobody (not_found)" in lines
    if program.extra:
        events = [json.loads(line) for line in told.read_text().splitlines() if line]
        assert [event["hook_event_name"] for event in events] == ["SubagentStart", "SubagentStop"]
        assert len({event["agent_id"] for event in events}) == 1
        assert minded == [True]


@pytest.mark.skipif(importlib.util.find_spec("codex_cost") is None, reason="budgets are of another plugin")
def test_a_budget_counts_agents_and_what_they_spend_with_their_session(program):
    program.extra = "[budget]\nagents = 1\ntokens = 100_000\n"
    told = []

    def answer(body):
        done = outputs(body)
        if said(body)[0] == "look":
            return [say("found")]
        told.extend(done[:2])
        if not done:
            return [call("spawn_agent", "c1", message="look"), call("spawn_agent", "c2", message="look")]
        if len(done) == 2:
            started = [json.loads(text)["agent_id"] for text in done if text.startswith("{")]
            return [call("wait_agent", "c3", targets=started, timeout_ms=60_000)]
        return [say("all done")]

    with program.serve(answer) as server:
        program.run("go")
        assert len(server.requests) == 4  # one agent had one request
    (refused,) = {text for text in told if not text.startswith("{")}
    assert refused.startswith("The agent could not be started: ")
    assert "agents" in refused


def alive(mark):
    """Processes whose command line has the mark."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            found += [int(entry.name)] if mark.encode() in line else []
    return found


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="processes are found in /proc")
def test_nothing_of_an_agent_outlives_a_killed_parent(program):
    mark = f"98765.{os.getpid()}"

    def answer(body):
        if said(body)[0] == "look":
            return [call("exec_command", "x", cmd=f"sleep {mark}", yield_time_ms=60_000)]
        done = outputs(body)
        if not done:
            return [call("spawn_agent", "c1", message="look")]
        return [call("wait_agent", "c2", targets=[json.loads(done[0])["agent_id"]], timeout_ms=600_000)]

    deadline = time.monotonic() + DEADLINE_S
    with program.serve(answer):
        running = program.start("--json", "go")
        try:
            while not alive(f"sleep\0{mark}") and running.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
            assert alive(f"sleep\0{mark}"), running.poll()
        finally:
            os.kill(running.pid, signal.SIGKILL)
            running.communicate()
        while alive(mark) and time.monotonic() < deadline:
            time.sleep(0.02)
    assert alive(mark) == []
