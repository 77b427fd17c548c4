"""The official Python SDK, unmodified, drives our app server."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from codex_plugin_sdk.testing.model import call, say, think
from codex_plugin_sdk.testing.servers import stalled

from .conftest import CLIENTS, Stage
from .installing import python_client

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=="
)


@pytest.fixture
def play(stage: Stage):
    """`play(SCENE)`: one scene of the client's script."""
    # Its own copy of Codex is not asked for: it is told to use ours.
    python = python_client("openai-codex", without=("openai-codex-cli-bin",))

    def run(scene: str, *args: str, on: Any = None, **env: str) -> dict[str, Any]:
        return stage.run(python, CLIENTS / "openai_python.py", scene, *args, on=on, **env)

    return run


def turn(final: str | None, *items: str, tokens: int = 120, status: str = "completed") -> dict[str, Any]:
    """What a client tells of a turn."""
    return {"status": status, "final": final, "items": ["userMessage", *items], "total_tokens": tokens}


def test_a_thread_runs_turns_and_is_read(stage: Stage, play, tmp_path: Path) -> None:
    stage.script(
        [think("**Look**"), call("exec_command", "c1", cmd="echo hi")], [say("A project.")], [say('{"ok":true}')]
    )
    picture = tmp_path / "picture.png"
    picture.write_bytes(PNG)
    told = play("run", PICTURE=str(picture))
    assert told["server"][0] == "codex_python_sdk"
    assert "gpt-5.5" in told["models"]
    assert told["first"] == turn("A project.", "reasoning", "commandExecution", "agentMessage", tokens=240)
    assert told["second"] == turn('{"ok":true}', "agentMessage", tokens=360)
    name, turns = told["read"]
    assert name == "a good name"
    assert turns == [["userMessage", "reasoning", "commandExecution", "agentMessage"], ["userMessage", "agentMessage"]]
    assert stage.said(0) == ["Describe this project."]
    (output,) = [item for item in stage.inputs(1) if item["type"] == "function_call_output"]
    assert "hi" in str(output["output"])
    assert stage.said(2)[:2] == ["Describe this project.", "And now?"]
    images = [part for item in stage.inputs(2) for part in item.get("content") or () if part["type"] == "input_image"]
    assert [image["image_url"][:22] for image in images] == ["data:image/png;base64,"]
    assert stage.model.requests[2].json["text"]["format"]["schema"]["properties"] == {"ok": {"type": "boolean"}}


def test_a_turn_streams(stage: Stage, play) -> None:
    stage.script([say("Hello, this is a longer text.")])
    told = play("stream")
    assert told["text"] == "Hello, this is a longer text."
    assert told["unknown"] == []
    assert told["methods"][-1] == "turn/completed"
    assert told["methods"].index("item/started") < told["methods"].index("item/agentMessage/delta")


def test_another_server_resumes_forks_and_lists(stage: Stage, play) -> None:
    stage.script([say("41.")], [say("It was 41.", "m2")], [say("42.", "m3")])
    told = play("keep")
    ((_, preview),) = told["listed"]
    assert preview == "Remember 41."
    assert told["same"] is True
    assert told["other"] is True
    assert told["resumed"]["final"] == "It was 41."
    assert told["forked"]["final"] == "42."
    assert told["both"] == ["Remember 41.", "Remember 41."]
    assert (told["left"], told["archived"], told["back"]) == ([True], [True], 2)
    assert stage.said(1) == ["Remember 41.", "What was it?"]
    assert stage.said(2) == ["Remember 41.", "What was it?", "Add one."]


def test_approvals_hold(stage: Stage, play) -> None:
    for number in range(3):
        stage.script([call("exec_command", f"c{number}", cmd=f"touch made{number}")])
        if number != 2:  # cancelled: no further request
            stage.script([say("done")])
    told = play("approvals", "accept", "decline", "cancel")
    assert told["status"] == ["completed", "completed", "interrupted"]
    assert told["asked"] == [["item/commandExecution/requestApproval", f"c{number}"] for number in range(3)]
    assert [(stage.work / f"made{number}").exists() for number in range(3)] == [True, False, False]
    assert len(stage.model.requests) == 5
    (output,) = [item for item in stage.inputs(3) if item["type"] == "function_call_output"]
    assert "rejected by user" in str(output["output"])


def test_what_needs_approval_is_refused_where_nobody_is_asked(stage: Stage, play) -> None:
    stage.script([call("exec_command", "c1", cmd="touch made", sandbox_permissions="require_escalated")], [say("no")])
    told = play("deny")
    assert told["turn"]["final"] == "no"
    assert not (stage.work / "made").exists()


def test_a_turn_is_steered(stage: Stage, play) -> None:
    reply, stall = stalled(stage.model.answer(say("first words of a long text")), after_steps=3)
    stage.model.play(reply, stage.model.answer(say("to the left", "m2")))
    told = play("steer", on={"steered": lambda _: stall.release()})
    assert told["last"] == "turn/completed"
    assert told["messages"] == 3  # the first message, what was said meanwhile, the second message
    assert stage.said(1) == ["Begin.", "Turn left."]


def test_a_turn_is_interrupted_and_the_thread_goes_on(stage: Stage, play) -> None:
    reply, _ = stalled(stage.model.answer(say("first words of a long text")), after_steps=3)
    stage.model.play(reply, stage.model.answer(say("going on", "m2")))
    told = play("interrupt")
    assert told["status"] == "interrupted"
    assert told["next"]["final"] == "going on"
    assert stage.said(1)[0] == "Begin."
    assert stage.said(1)[-1] == "Go on."
