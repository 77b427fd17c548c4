"""Questions and permissions through whole turns, with a frontend that answers or is not there."""

import json

import anyio
import pytest

import codex_tool_user_input.plugin
from codex_plugin_sdk import (
    AdditionalPermissions,
    ApprovalAnswer,
    ApprovalResolved,
    Question,
    QuestionsAsked,
    ReviewDecision,
    ToolCall,
    ToolFailed,
    TurnCompleted,
)
from codex_plugin_sdk.testing.fake_context import FakeToolContext
from codex_plugin_sdk.testing.harness import open_thread
from codex_plugin_sdk.testing.model import ScriptedModel, call, say
from codex_tool_user_input.permissions import RequestPermissionsTool, parse_permissions
from codex_tool_user_input.questions import parse_questions

OPTIONS = [{"label": "red", "description": "r"}]
QUESTION = {"id": "q", "header": "Colour", "question": "Which?", "options": OPTIONS}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({}, "`questions` must be a list of 1 to 3 questions"),
        ({"questions": []}, "`questions` must be a list of 1 to 3 questions"),
        ({"questions": [QUESTION] * 4}, "`questions` must be a list of 1 to 3 questions"),
        ({"questions": [QUESTION] * 2}, "every question needs an `id` of its own"),
        ({"questions": ["what?"]}, "`questions[0]` must be an object"),
        ({"questions": [{**QUESTION, "header": 1}]}, "`questions[0].header` must be a text"),
        ({"questions": [{**QUESTION, "options": []}]}, "`questions[0].options` must be a list of at least one option"),
        (
            {"questions": [{**QUESTION, "options": [{"label": "x"}]}]},
            "`questions[0].options[0].description` must be a text",
        ),
    ],
)
def test_arguments_that_are_no_questions_are_refused(arguments, reason):
    with pytest.raises(ToolFailed) as caught:
        parse_questions(arguments)
    assert str(caught.value) == f"failed to parse function arguments: {reason}"


@pytest.mark.parametrize(
    ("permissions", "reason"),
    [
        (None, "`permissions` must be an object"),
        ({}, "`permissions` asks for nothing"),
        ({"network": {"enabled": False}}, "`permissions` asks for nothing"),
        ({"file_system": []}, "`permissions` asks for nothing"),
        ({"file_system": ["/a"]}, "`file_system` and `network` must be objects"),
        ({"file_system": {"write": "/a"}}, "`file_system.write` must be a list of paths"),
        ({"file_system": {"read": [""]}}, "`file_system.read` must be a list of paths"),
    ],
)
def test_arguments_that_are_no_permissions_are_refused(permissions, reason):
    with pytest.raises(ToolFailed) as caught:
        parse_permissions({"permissions": permissions}, "/project")
    assert str(caught.value) == f"failed to parse function arguments: {reason}"


def test_paths_are_taken_as_below_the_working_folder():
    asked = parse_permissions({"permissions": {"file_system": {"write": ["out", "/a/../b", "out"]}}}, "/project")
    assert asked == AdditionalPermissions(writable_roots=("/project/out", "/b"))


@pytest.mark.anyio
async def test_what_is_granted_is_told_as_the_model_wrote_it(tmp_path):
    ctx = FakeToolContext(str(tmp_path))
    asked = {"permissions": {"file_system": {"write": ["/a"]}, "network": {"enabled": True}}, "reason": "why"}
    given = ToolCall(call_id="p1", name="request_permissions", input=json.dumps(asked), arguments=asked)
    output = await RequestPermissionsTool().run(given, ctx)
    assert json.loads(output.output) == {"permissions": asked["permissions"], "scope": "turn"}
    (intent,) = ctx.intents
    assert intent.permissions == AdditionalPermissions(writable_roots=("/a",), network_access=True)
    assert intent.summary == "why"


@pytest.mark.anyio
async def test_the_users_answer_reaches_the_model(tmp_path):
    model = ScriptedModel([call("request_user_input", "u1", questions=[QUESTION])], [say("done")])
    with anyio.fail_after(10):
        async with open_thread(
            model, codex_tool_user_input.plugin, home=str(tmp_path), answers_questions=True
        ) as harness:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(harness.turn)
                asked = None
                while asked is None:
                    await anyio.lowlevel.checkpoint()
                    asked = next(iter(harness.of(QuestionsAsked)), None)
                answer = ApprovalAnswer(
                    approval_id=asked.approval_id, decision=ReviewDecision.APPROVED, answers={"q": ("red", "dark")}
                )
                await harness.thread.submit(answer)
            (output,) = harness.outputs()
    assert isinstance(asked.questions[0], Question)
    assert asked.call_id == "u1"
    assert json.loads(output) == {"answers": {"q": {"answers": ["red", "dark"]}}}
    assert [resolved.decision for resolved in harness.of(ApprovalResolved)] == [ReviewDecision.APPROVED]
    assert harness.of(TurnCompleted)


@pytest.mark.anyio
async def test_where_nobody_can_answer_the_model_is_told_at_once(tmp_path):
    model = ScriptedModel([call("request_user_input", "u1", questions=[QUESTION])], [say("done")])
    with anyio.fail_after(10):
        async with open_thread(model, codex_tool_user_input.plugin, home=str(tmp_path)) as harness:
            await harness.turn()
            (output,) = harness.outputs()
    assert output == "nobody is there to answer (Colour): decide by yourself and say how you decided"
    assert harness.of(QuestionsAsked) == []
