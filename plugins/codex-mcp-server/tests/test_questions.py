"""What is asked and what answers mean; and which threads stay open."""

from __future__ import annotations

import json

import anyio
import pytest

from codex_mcp_server import sessions, stdio
from codex_mcp_server.definitions import Reply, Start
from codex_mcp_server.questions import elicitation, read_answer
from codex_plugin_sdk import (
    ApprovalId,
    Choice,
    ElicitationRequested,
    FunctionCall,
    Invocation,
    Question,
    QuestionsAsked,
    ReviewDecision,
    StoreSpec,
)
from codex_plugin_sdk.testing.harness import manager, plugin
from codex_plugin_sdk.testing.memory_stores import InMemoryRolloutStore
from codex_plugin_sdk.testing.model import ScriptedModel, say

ID = ApprovalId("a1")
PLACE = {"thread_id": "t", "turn_id": "u", "call": "1"}
QUESTIONS = QuestionsAsked(
    approval_id=ID,
    call_id="c",
    questions=(
        Question(id="colour", header="Colour", question="Which?", options=(Choice(label="red", description="warm"),)),
        Question(id="why", header="Why", question="And why?"),
    ),
)


def test_questions_become_a_form():
    assert elicitation(QUESTIONS, **PLACE) == {
        "message": "Which?\n  red: warm\nAnd why?",
        "requestedSchema": {
            "type": "object",
            "properties": {
                "colour": {"type": "string", "title": "Colour", "description": "Which?", "enum": ["red"]},
                "why": {"type": "string", "title": "Why", "description": "And why?"},
            },
            "required": ["colour", "why"],
        },
    }
    answer = read_answer(QUESTIONS, {"action": "accept", "content": {"colour": "red", "why": "so", "other": "x"}})
    assert (answer.decision, answer.answers) == (ReviewDecision.APPROVED, {"colour": ("red",), "why": ("so",)})


def test_what_other_servers_ask_is_passed_on():
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    form = ElicitationRequested(approval_id=ID, call_id="c", server="docs", message="who?", schema=schema)
    assert elicitation(form, **PLACE) == {"message": "docs: who?", "requestedSchema": schema}
    assert read_answer(form, {"action": "accept", "content": {"name": "Ada"}}).content == {"name": "Ada"}
    assert read_answer(form, {"action": "decline", "content": {"name": "Ada"}}).content is None
    url = ElicitationRequested(approval_id=ID, call_id="c", server="docs", message="log in", url="https://x.example/")
    assert elicitation(url, **PLACE)["url"] == "https://x.example/"


@pytest.mark.parametrize("answer", [None, [], "yes", {"action": ["accept"]}, {"action": "accept", "decision": 7}])
def test_what_is_no_answer_is_a_refusal(answer):
    assert read_answer(QUESTIONS, answer).decision is ReviewDecision.DENIED


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["stdio", "stdio legacy"])
async def test_the_agent_asks_the_clients_user(host, kind):
    import mcp_types as types

    asked = {"questions": [{"id": "colour", "header": "Colour", "question": "Which colour?"}]}
    asked["questions"][0]["options"] = [
        {"label": "red", "description": "warm"},
        {"label": "blue", "description": "cold"},
    ]
    host.script(
        [FunctionCall(name="request_user_input", call_id="c1", arguments=json.dumps(asked))], [say("blue it is")]
    )

    async def answer(context, params):
        (name,) = params.requested_schema["properties"]
        return types.ElicitResult(action="accept", content={name: "blue"})

    with anyio.fail_after(30):
        async with host.client(kind, elicitation_callback=answer) as client:
            found = await client.call_tool("codex", {"prompt": "ask me"})
    assert found.structured_content["content"] == "blue it is"
    assert "blue" in host.outputs()[0]


@pytest.mark.anyio
async def test_the_thread_used_longest_ago_is_closed_and_opened_again(tmp_path, monkeypatch):
    monkeypatch.setattr(sessions, "MAX_IDLE", 2)
    model, store = ScriptedModel([say("again")]), InMemoryRolloutStore()
    stores = plugin(codex_stores=[StoreSpec(name="memory", kind="rollout", factory=lambda setup: store)])
    plugins = manager(stores, plugin(codex_model_providers=[model.spec()]))
    (tmp_path / "config.toml").write_text('model = "test"\nmodel_provider = "scripted"\n')
    invocation = Invocation(plugins=plugins, environ={"CODEX_HOME": str(tmp_path)})
    given = Start(prompt="hello", cwd=str(tmp_path))
    with anyio.fail_after(20):
        all_sessions = sessions.Sessions(invocation)
        async with all_sessions.running():
            first, second, third = [await all_sessions.start(given, can_ask=False) for _ in range(3)]
            await first.closed.wait()
            assert not second.closed.is_set()
            assert not third.closed.is_set()
            again = await all_sessions.resume(Reply(prompt="x", thread_id=first.id), can_ask=False)
            assert (again.id, again is first) == (first.id, False)
            await second.closed.wait()
        assert third.closed.is_set()
    plugins.close()


@pytest.mark.anyio
async def test_an_overlong_line_is_skipped(monkeypatch, capsys):
    import os

    monkeypatch.setattr(stdio, "MAX_LINE_BYTES", 100_000)
    source, target = os.pipe()
    found = []

    async def read():
        async for line in stdio._lines(source):
            found.append(line)

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.to_thread.run_sync(os.write, target, b"first\n\n")
            for _ in range(4):
                await anyio.to_thread.run_sync(os.write, target, b"x" * 50_000)
            await anyio.to_thread.run_sync(os.write, target, b"end\nsecond\nlast")
            os.close(target)
    os.close(source)
    assert found == [b"first", b"second", b"last"]
    assert "skipped a line of more than" in capsys.readouterr().err
