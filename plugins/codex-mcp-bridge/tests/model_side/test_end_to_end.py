"""Whole turns: the program `codex` or a thread, a scripted model, and a real server over stdio.

Where it does not matter what the server is written with it is one without a library, which starts a second earlier.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

import codex_mcp_bridge.plugin
from codex_mcp_bridge.approval import ApprovalModes
from codex_plugin_sdk import (
    ApprovalAnswer,
    ApprovalRequested,
    ElicitationRequested,
    ExecPolicySpec,
    ItemCompleted,
    McpToolCallItem,
    ReviewDecision,
    TextInput,
    TurnCompleted,
    UserTurn,
)
from codex_plugin_sdk.testing.harness import open_thread, plugin
from codex_plugin_sdk.testing.model import ScriptedModel, call, say
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer

CODEX = Path(sys.executable).with_name("codex")
OFFICIAL = (str(Path(__file__).with_name("a_server.py")),)
PLAIN = (str(Path(__file__).parent.parent / "servers" / "plain_server.py"), "demo")


def config(base_url, extra, server):
    return f"""
model = "gpt-5.5"
model_provider = "scripted"
{extra if not extra.startswith("[") else ""}
[model_providers.scripted]
name = "Scripted"
base_url = "{base_url}"
wire_api = "responses"
request_max_retries = 0
[mcp_servers.demo]
command = "{sys.executable}"
args = {json.dumps(server)}
required = true
{extra if extra.startswith("[") else ""}
"""


@pytest.fixture
def run(tmp_path):
    """Runs `codex exec --json` over answers of the model; gives the items that ended and the requests."""

    def run(*answers, extra="", args=(), server=OFFICIAL):
        home, work = tmp_path / "home", tmp_path / "work"
        home.mkdir()
        work.mkdir()
        with ScriptedResponsesServer() as model:
            model.play(*[model.answer(*answer) for answer in answers])
            (home / "config.toml").write_text(config(model.base_url, extra, server))
            environ = {"PATH": os.environ["PATH"], "HOME": str(home), "CODEX_HOME": str(home), "LANG": "C.UTF-8"}
            command = [CODEX, "exec", "--json", "--skip-git-repo-check", *args, "go"]
            done = subprocess.run(
                command, cwd=work, env=environ, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
            )
            assert done.returncode == 0, done.stderr.decode()
            events = [json.loads(line) for line in done.stdout.splitlines()]
            return events, [request.json for request in model.requests]

    return run


def ended(events):
    found = [event["item"] for event in events if event["type"] == "item.completed"]
    return [item for item in found if item["type"] == "mcp_tool_call"]


def outputs(requests):
    return [item["output"] for item in requests[-1]["input"] if item["type"] == "function_call_output"]


def offered(request):
    return [tool["name"] for tool in request["tools"] if tool.get("name")]


def test_a_call_is_shown_and_answered_as_by_codex(run):
    events, requests = run([call("mcp__demo__add", "c1", a=2, b=3)], [say("done")])
    started = next(event["item"] for event in events if event["type"] == "item.started")
    assert {key: started[key] for key in ("type", "server", "tool", "arguments", "result", "status")} == {
        "type": "mcp_tool_call",
        "server": "demo",
        "tool": "add",
        "arguments": {"a": 2, "b": 3},
        "result": None,
        "status": "in_progress",
    }
    (item,) = ended(events)
    assert item["status"] == "completed"
    assert item["result"] == {"content": [{"type": "text", "text": "5"}], "structured_content": {"result": 5}}
    (output,) = outputs(requests)
    assert output.startswith("Wall time: ")
    assert output.endswith(' seconds\nOutput:\n{"result":5}')
    definition = next(tool for tool in requests[0]["tools"] if tool.get("name") == "mcp__demo__add")
    assert definition["description"] == "Adds two numbers.\n\n(The MCP server demo says: Counts for you.)"
    assert definition["parameters"] == {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    }


def test_in_exec_what_must_be_asked_is_refused_and_what_fails_is_told(run):
    events, requests = run(
        [call("mcp__demo__remove", "c1", path="x"), call("mcp__demo__fail", "c2", why="no")], [say("done")]
    )
    refused, failed = ended(events)
    assert (refused["status"], failed["status"]) == ("failed", "failed")
    assert outputs(requests)[0].startswith("refused")
    assert "Error executing tool fail" in failed["result"]["content"][0]["text"]


def test_a_server_approved_for_good_is_not_asked_about(run):
    events, _ = run(
        [call("mcp__demo__remove", "c1", path="x")],
        [say("done")],
        extra='[mcp_servers.demo.tools.remove]\napproval_mode = "approve"',
        server=PLAIN,
    )
    assert [item["status"] for item in ended(events)] == ["completed"]


def test_deferred_tools_are_found_and_then_called(run):
    events, requests = run(
        [call("tool_search", "c1", query="add numbers", limit=1)],
        [call("mcp__demo__add", "c2", a=2, b=3)],
        [say("done")],
        extra="[mcp]\ndefer_tools_above_tokens = 10",
        server=PLAIN,
    )
    assert "tool_search" in offered(requests[0])
    assert not [name for name in offered(requests[0]) if name.startswith("mcp__")]
    assert [name for name in offered(requests[1]) if name.startswith("mcp__")] == ["mcp__demo__add"]
    assert [item["status"] for item in ended(events)] == ["completed"]


def test_resources_are_listed_and_read(run):
    _, requests = run(
        [call("list_mcp_resources", "c1"), call("read_mcp_resource", "c2", server="demo", uri="demo://note")],
        [say("done")],
    )
    listed, read = outputs(requests)
    assert '"server":"demo"' in listed
    assert '"uri":"demo://note"' in listed
    assert read.endswith("buy milk")


def test_in_exec_an_elicitation_is_declined_by_itself_and_the_root_is_the_workspace(run, tmp_path):
    _, requests = run([call("mcp__demo__who", "c1"), call("mcp__demo__where", "c2")], [say("done")], server=PLAIN)
    greeted, place = outputs(requests)
    assert greeted.endswith('{"result":"decline"}')
    assert (tmp_path / "work").as_uri() in place


def test_sampling_asks_the_threads_model_and_is_counted(run):
    events, requests = run(
        [call("mcp__demo__consult", "c1", question="why?")],
        [say("because")],
        [say("done")],
        extra='[mcp_servers.demo.tools.consult]\napproval_mode = "approve"',
    )
    assert requests[1]["input"][-1]["content"] == [{"type": "input_text", "text": "why?"}]
    assert not requests[1].get("tools")
    assert outputs(requests)[0].endswith('{"result":"it says because"}')
    assert events[-1]["usage"]["input_tokens"] == 300


# -- threads -------------------------------------------------------------------------------------------


def policies():
    """The policy, unless the plugin brings it along."""
    if hasattr(codex_mcp_bridge.plugin, "codex_exec_policies"):
        return ()
    return (plugin(codex_exec_policies=[ExecPolicySpec(name="mcp", factory=ApprovalModes)]),)


def opened(model, tmp_path, server=PLAIN, **more):
    flags = {
        "approval_policy": "on-request",
        "mcp_servers.demo.command": sys.executable,
        "mcp_servers.demo.args": list(server),
        "mcp_servers.demo.required": True,
        **more,
    }
    return open_thread(
        model,
        codex_mcp_bridge.plugin,
        *policies(),
        home=str(tmp_path),
        config=flags,
        environ=dict(os.environ),
        answers_questions=True,
    )


async def turn(harness, answers):
    """A turn; `answers` gives the answer to each question by its type. The events of the turn."""
    seen = []
    await harness.thread.submit(UserTurn(input=(TextInput(text="go"),)))
    with anyio.fail_after(30):
        while True:
            event = await harness.thread.next_event()
            seen.append(event.msg)
            answer = answers.get(type(event.msg))
            if answer is not None:
                await harness.thread.submit(answer(event.msg))
            if isinstance(event.msg, TurnCompleted):
                return seen


def calls(seen):
    return [msg.item for msg in seen if isinstance(msg, ItemCompleted) and isinstance(msg.item, McpToolCallItem)]


@pytest.mark.anyio
async def test_the_user_is_asked_once_for_the_session(tmp_path):
    model = ScriptedModel(
        [call("mcp__demo__remove", "c1", path="x")], [call("mcp__demo__remove", "c2", path="y")], [say("done")]
    )
    async with opened(model, tmp_path) as harness:
        seen = await turn(
            harness,
            {
                ApprovalRequested: lambda asked: ApprovalAnswer(
                    approval_id=asked.approval_id, decision=ReviewDecision.APPROVED_FOR_SESSION
                )
            },
        )
    (asked,) = [msg for msg in seen if isinstance(msg, ApprovalRequested)]
    assert asked.reason == "the tool may change something"
    assert asked.intent.arguments == {"path": "x"}
    assert [item.status.value for item in calls(seen)] == ["completed", "completed"]


@pytest.mark.anyio
async def test_an_elicitation_reaches_the_user_and_its_answer_the_server(tmp_path):
    model = ScriptedModel([call("mcp__demo__greet", "c1")], [say("done")])
    async with opened(model, tmp_path, server=OFFICIAL) as harness:
        seen = await turn(
            harness,
            {
                ElicitationRequested: lambda asked: ApprovalAnswer(
                    approval_id=asked.approval_id, decision=ReviewDecision.APPROVED, content={"name": "Ada"}
                )
            },
        )
    (asked,) = [msg for msg in seen if isinstance(msg, ElicitationRequested)]
    assert (asked.server, asked.message, asked.call_id) == ("demo", "Who are you?", "c1")
    assert asked.schema["required"] == ["name"]
    (item,) = calls(seen)
    assert item.result["structured_content"] == {"result": "accept Ada"}
