"""One script runs on the official TypeScript SDK, unmodified, and on ours: both get the same of our `codex exec`."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from codex_plugin_sdk.testing.model import call, freeform, say, think
from codex_plugin_sdk.testing.servers import json_reply

from .building import typescript_sdk
from .conftest import CLIENTS, Stage
from .installing import node_client
from .test_openai_python import PNG

USAGE = {
    "input_tokens": 100,
    "cached_input_tokens": 40,
    "cache_write_input_tokens": 0,
    "output_tokens": 20,
    "reasoning_output_tokens": 5,
}
PATCH = "*** Begin Patch\n*** Add File: new.txt\n+x\n*** End Patch\n"


@pytest.fixture(params=["official", "ours"])
def play(request: pytest.FixtureRequest, stage: Stage):
    """`play(SCENE)`: one scene of the script, with either SDK."""
    if request.param == "official":
        module = node_client("codex-sdk", "@openai/codex-sdk@latest") / "@openai/codex-sdk/dist/index.js"
    else:
        module = typescript_sdk() / "dist/src/index.js"

    def run(scene: str, on: Any = None, **env: str) -> dict[str, Any]:
        return stage.run("node", CLIENTS / "quickstart.mjs", module.as_uri(), scene, on=on, **env)

    return run


def message(text: str, number: int = 0) -> dict[str, str]:
    """An agent message as an item."""
    return {"id": f"item_{number}", "type": "agent_message", "text": text}


def test_our_sdk_passes_its_own_tests() -> None:
    package = typescript_sdk()
    program = ["node", "--test", "--test-reporter=tap", "dist/test/"]
    done = subprocess.run(program, cwd=package, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    counts = dict(re.findall(r"^# (pass|fail|skipped) (\d+)$", done.stdout, re.M))
    assert (int(counts["pass"]) >= 28, counts["fail"], counts["skipped"]) == (True, "0", "0")


def test_the_package_holds_what_it_names() -> None:
    package = typescript_sdk()
    manifest = json.loads((package / "package.json").read_text())
    named = [manifest["main"], manifest["types"], *manifest["exports"]["."].values(), "README.md"]
    assert [name for name in named if not (package / name).is_file()] == []


def test_a_thread_runs_turns(stage: Stage, play) -> None:
    separators = "a\u2028b\u2029c"  # the readline of node 24 divides at these
    stage.script([think("**Look**"), say(separators)], [say("Done.", "m2")])
    told = play("run")
    assert told["class"] == [True, None]
    items = [{"id": "item_0", "type": "reasoning", "text": "**Look**"}, message(separators, 1)]
    assert told["first"] == {"items": items, "finalResponse": separators, "usage": USAGE}
    assert told["second"]["finalResponse"] == "Done."
    assert told["second"]["items"] == [message("Done.")]
    assert stage.said(1) == ["Diagnose the failure", "Implement the fix"]
    assert [request.json["reasoning"]["effort"] for request in stage.model.requests] == ["high", "high"]
    (rollout,) = stage.home.glob("sessions/**/*.jsonl")
    head = json.loads(rollout.read_text().splitlines()[0])["payload"]
    assert (head["id"], head["thread_source"]) == (told["thread"], "quickstart")
    assert head["originator"] in {"codex_sdk_ts", "codex_agent_sdk_ts"}


def test_a_thread_is_resumed_by_its_id(stage: Stage, play) -> None:
    stage.script([say("41.")], [say("It was 41.", "m2")])
    told = play("resume")
    assert told["turn"]["finalResponse"] == "It was 41."
    assert (told["same"], told["still"]) == (True, True)
    assert stage.said(1) == ["Remember 41.", "What was it?"]


def test_a_turn_streams_its_items(stage: Stage, play) -> None:
    (stage.work / "a.txt").write_text("one\n")
    steps = [{"step": "Read", "status": "in_progress"}]
    stage.script([call("exec_command", "c1", cmd="cat a.txt"), freeform("apply_patch", PATCH, "c2")],
                 [call("update_plan", "c3", plan=steps)], [say("Seen.", "m2")])  # fmt: skip
    events = play("streamed")["events"]
    assert [event["type"] for event in events[:2]] == ["thread.started", "turn.started"]
    assert events[-1] == {"type": "turn.completed", "usage": {name: 3 * count for name, count in USAGE.items()}}
    done = {event["item"]["type"]: event["item"] for event in events if event["type"] == "item.completed"}
    assert done["command_execution"]["aggregated_output"] == "one\n"
    assert (done["command_execution"]["exit_code"], done["command_execution"]["status"]) == (0, "completed")
    assert done["file_change"]["changes"] == [{"path": str(stage.work / "new.txt"), "kind": "add"}]
    assert done["todo_list"]["items"] == [{"text": "Read", "completed": False}]
    assert done["agent_message"]["text"] == "Seen."
    started = [event["item"]["type"] for event in events if event["type"] == "item.started"]
    assert started == ["command_execution", "file_change", "todo_list"]


def test_images_and_an_output_schema_reach_the_model(stage: Stage, play, tmp_path: Path) -> None:
    stage.script([say('{"ok":true}')])
    picture = tmp_path / "a picture.png"
    picture.write_bytes(PNG)
    told = play("inputs", PICTURE=str(picture))
    assert json.loads(told["turn"]["finalResponse"]) == {"ok": True}
    assert stage.said(0)[0] == "Describe these\n\nin JSON"
    images = [part for item in stage.inputs(0) for part in item.get("content") or () if part["type"] == "input_image"]
    assert [image["image_url"][:22] for image in images] == ["data:image/png;base64,"]
    schema = stage.model.requests[0].json["text"]["format"]["schema"]
    assert schema == {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    assert list((stage.root / "tmp").glob("*schema*")) == []


def test_an_address_a_key_and_overrides_hold(stage: Stage, play, tmp_path: Path) -> None:
    (stage.home / "config.toml").unlink()
    more = tmp_path / "more"
    more.mkdir()
    stage.script([call("exec_command", "c1", cmd=f"echo x > {more}/made")], [say("Written.")])
    told = play("account", BASE_URL=stage.model.base_url, MORE=str(more))
    assert told["turn"]["finalResponse"] == "Written."
    assert (more / "made").read_text() == "x\n"
    first = stage.model.requests[0]
    assert first.headers["authorization"] == "Bearer sk-of-the-test"
    assert first.json["model"] == "gpt-5.4"
    assert first.json["text"]["verbosity"] == "low"


def test_an_abort_ends_the_turn_and_its_command(stage: Stage, play) -> None:
    waiting = stage.work / "waiting"
    os.mkfifo(waiting)
    stage.script([call("exec_command", "c1", cmd=f"cat {waiting}")])
    told = play("abort")
    assert told["error"] == "AbortError"
    (rollout,) = stage.home.glob("sessions/**/*.jsonl")
    assert told["running"] in rollout.name
    assert len(stage.model.requests) == 1
    stage.model.wait_until(lambda server: server.open_connections == 0)  # our program has ended
    with pytest.raises(OSError) as refused:
        os.open(waiting, os.O_WRONLY | os.O_NONBLOCK)  # and nobody reads any more
    assert refused.value.errno == errno.ENXIO


def test_a_failed_turn_says_why(stage: Stage, play) -> None:
    stage.model.play(json_reply(400, {"error": {"message": "no such thing"}}))
    assert "no such thing" in play("fail")["error"]
