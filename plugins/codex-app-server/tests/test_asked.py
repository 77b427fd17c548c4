"""What the server asks of clients: questions of the agent, permissions, tools of the client, approvals and rules."""

import asyncio
import json
import os

import pytest

from codex_plugin_sdk.testing.model import call, freeform, say

pytestmark = pytest.mark.anyio

OPTIONS = [{"label": "red", "description": "warm"}, {"label": "blue", "description": "cold"}]
QUESTION = {"id": "q", "header": "Colour", "question": "Which?", "options": OPTIONS}
LOOKUP = {
    "type": "function",
    "name": "lookup",
    "description": "Look up a ticket",
    "inputSchema": {"type": "object", "properties": {"ticket": {"type": "number"}}},
}


async def begin(app, thread):
    """A turn that goes on."""
    given = {"threadId": thread, "input": [{"type": "text", "text": "go"}]}
    return (await app.call("turn/start", given))["turn"]["id"]


def outputs(host):
    """What the model was given as results of its calls, by call id."""
    items = host.model.requests[-1].json["input"]
    return {item["call_id"]: item["output"] for item in items if item["type"].endswith("_call_output")}


def flags(app):
    """The flags of an active thread, as they changed."""
    told = [m["params"]["status"] for m in app.heard if m["method"] == "thread/status/changed"]
    return [status["activeFlags"] for status in told if status["type"] == "active"]


async def test_a_question_reaches_the_user_and_the_answer_the_model(host, app):
    host.script([call("request_user_input", "u1", questions=[QUESTION])], [say("done")])
    await begin(app, await app.thread())
    request = await app.until("item/tool/requestUserInput")
    (asked,) = request["params"]["questions"]
    assert (asked["options"], asked["isOther"], request["params"]["itemId"]) == (OPTIONS, True, "u1")
    assert flags(app)[-1] == ["waitingOnUserInput"]
    await app.answer(request, {"answers": {"q": {"answers": ["red", "but dark"]}}})
    done = await app.until("turn/completed")
    assert done["params"]["turn"]["status"] == "completed"
    assert json.loads(outputs(host)["u1"]) == {"answers": {"q": {"answers": ["red", "but dark"]}}}
    assert flags(app)[-1] == []
    assert app.methods().index("serverRequest/resolved") > app.methods().index("item/tool/requestUserInput")


async def test_a_client_that_cannot_answer_is_a_failure_that_the_model_reads(host, app):
    host.script([call("request_user_input", "u1", questions=[QUESTION])], [say("done")])
    await begin(app, await app.thread())
    request = await app.until("item/tool/requestUserInput")
    await app.send({"id": request["id"], "error": {"code": -32601, "message": "no such method"}})
    await app.until("turn/completed")
    assert "no such method" in outputs(host)["u1"]


async def test_a_question_is_taken_back_when_the_turn_is_interrupted(host, app):
    host.script([call("request_user_input", "u1", questions=[QUESTION])])
    thread = await app.thread()
    turn = await begin(app, thread)
    request = await app.until("item/tool/requestUserInput")
    await app.call("turn/interrupt", {"threadId": thread, "turnId": turn})
    assert (await app.until("serverRequest/resolved"))["params"]["requestId"] == request["id"]
    assert (await app.until("turn/completed"))["params"]["turn"]["status"] == "interrupted"


async def test_a_question_fails_with_the_last_client_that_listens(host, app):
    host.script([call("request_user_input", "u1", questions=[QUESTION])], [say("done")])
    thread = await app.thread()
    await begin(app, thread)
    await app.until("item/tool/requestUserInput")
    await app.call("thread/unsubscribe", {"threadId": thread})
    await app.call("thread/resume", {"threadId": thread})
    async with asyncio.timeout(20):
        while (await app.call("thread/read", {"threadId": thread}))["thread"]["status"]["type"] != "idle":
            pass
    assert "no client is there to answer" in outputs(host)["u1"]


@pytest.mark.parametrize("scope", ["turn", "session"])
async def test_permissions_are_granted_for_as_long_as_was_said_and_no_further(host, scope):
    config = host.root / "codex-home" / "config.toml"
    config.write_text(config.read_text() + "[tools.request_permissions]\nenabled = true\n")
    extra, other, wide = (host.root / name for name in ("extra", "other", "wide"))
    for folder in (extra, other, wide):
        folder.mkdir()
    wanted = {"file_system": {"write": [str(extra), str(other)]}}
    host.script(
        [call("request_permissions", "p1", permissions=wanted, reason="to build")],
        [call("exec_command", "c1", cmd=f"touch {extra}/1 {other}/1 {wide}/1")],
        [say("done")],
        [call("exec_command", "c2", cmd=f"touch {extra}/2")],
        [say("done")],
        [call("exec_command", "c3", cmd=f"touch {extra}/3")],
        [say("done")],
    )
    async with host.start() as app:
        thread = await app.thread(sandbox="read-only")
        await begin(app, thread)
        request = await app.until("item/permissions/requestApproval")
        asked = request["params"]["permissions"]
        assert (asked["fileSystem"]["write"], asked["network"]) == ([str(extra), str(other)], None)
        assert request["params"]["reason"] == "to build"
        granted = {"fileSystem": {"write": [str(extra), str(wide)]}, "network": {"enabled": True}}
        await app.answer(request, {"permissions": granted, "scope": scope})
        await app.until("turn/completed")
        told = json.loads(outputs(host)["p1"])
        assert told == {"permissions": {"file_system": {"write": [str(extra)]}}, "scope": scope}
        assert [(folder / "1").exists() for folder in (extra, other, wide)] == [True, False, False]
        turn = (await app.turn(thread))["turn"]["id"]
        await app.call("thread/revert", {"threadId": thread, "beforeTurnId": turn})  # closed for a moment, and opened
        await app.turn(thread)
    for name in "23":
        assert (extra / name).exists() == (scope == "session")


async def test_a_tool_of_the_client_is_called_and_its_content_reaches_the_model(host, app):
    pixel = "data:image/png;base64,iVBORw0KGgo="
    host.script([call("lookup", "d1", ticket=5)], [call("lookup", "d2", ticket=6)], [say("done")])
    await begin(app, await app.thread(dynamicTools=[LOOKUP]))
    request = await app.until("item/tool/call")
    assert (request["params"]["tool"], request["params"]["arguments"]) == ("lookup", {"ticket": 5})
    before = app.methods()[: app.heard.index(request)]
    assert before[-1] == "item/started"
    content = [{"type": "inputText", "text": "open"}, {"type": "inputImage", "imageUrl": pixel}]
    await app.answer(request, {"contentItems": content, "success": True})
    again = await app.until("item/tool/call")
    await app.answer(again, {"contentItems": [{"type": "inputText", "text": "gone"}], "success": False})
    await app.until("turn/completed")
    ends = [m["params"]["item"] for m in app.heard if m["method"] == "item/completed"]
    first, second = (item for item in ends if item["type"] == "dynamicToolCall")
    assert (first["contentItems"], first["success"], first["arguments"]) == (content, True, {"ticket": 5})
    assert (second["status"], second["success"]) == ("failed", False)
    image = {"type": "input_image", "image_url": pixel}
    assert [{k: part[k] for k in want} for part, want in zip(outputs(host)["d1"][1:], [image], strict=True)] == [image]
    assert outputs(host)["d2"] == "gone"


async def test_tools_of_a_client_are_there_again_when_the_thread_is_resumed(host):
    host.script([say("one")], [call("crm__find", "d1", who="me")], [say("two")])
    space = {"type": "namespace", "name": "crm", "description": "c", "tools": [{**LOOKUP, "name": "find"}]}
    async with host.start() as app:
        thread = await app.thread(dynamicTools=[space])
        await app.turn(thread)
    async with host.start() as app:
        await app.call("thread/resume", {"threadId": thread})
        await begin(app, thread)
        request = await app.until("item/tool/call")
        assert (request["params"]["namespace"], request["params"]["tool"]) == ("crm", "find")
        await app.send({"id": request["id"], "error": {"code": 1, "message": "broken"}})
        await app.until("turn/completed")
    assert "broken" in outputs(host)["d1"]


@pytest.mark.parametrize(
    ("tools", "message"),
    [
        ([{**LOOKUP, "name": "a b"}], "dynamic tool name must match ^[a-zA-Z0-9_-]+$"),
        ([{**LOOKUP, "name": ""}], "dynamic tool name must not be empty"),
        ([{**LOOKUP, "name": "x" * 129}], "dynamic tool name must be at most 128 characters"),
        ([{**LOOKUP, "name": "mcp__x"}], "dynamic tool name is reserved: mcp__x"),
        ([LOOKUP, LOOKUP], "duplicate dynamic tool name: lookup"),
        ([{**LOOKUP, "inputSchema": 5}], "dynamic tool input schema is not supported for lookup"),
        (
            [{"type": "namespace", "name": "mcp__x", "description": "", "tools": []}],
            "dynamic tool namespace is reserved",
        ),
    ],
)
async def test_tools_that_cannot_be_are_refused(app, tools, message):
    with pytest.raises(Exception, match="dynamic") as caught:
        await app.thread(dynamicTools=tools)
    assert caught.value.error["message"].startswith(message)


PATCH = "*** Begin Patch\n*** Update File: a.txt\n@@\n-old\n+new\n*** End Patch\n"


@pytest.mark.parametrize(
    ("decision", "status", "turn"),
    [
        ("accept", "completed", "completed"),
        ("acceptForSession", "completed", "completed"),
        ("decline", "declined", "completed"),
        ("cancel", "declined", "interrupted"),
    ],
)
async def test_a_change_is_shown_before_it_is_asked_about(host, app, decision, status, turn):
    (app.work / "a.txt").write_text("old\n")
    host.script([freeform("apply_patch", PATCH, "f1")], [say("done")])
    await begin(app, await app.thread(sandbox="workspace-write", approvalPolicy="untrusted"))
    request = await app.until("item/fileChange/requestApproval")
    started = [m["params"]["item"] for m in app.heard[: app.heard.index(request)] if m["method"] == "item/started"]
    (change,) = started[-1]["changes"]
    assert change["diff"].endswith("-old\n+new\n")
    await app.answer(request, {"decision": decision})
    done = await app.until("turn/completed")
    assert done["params"]["turn"]["status"] == turn
    ends = [m["params"]["item"] for m in app.heard if m["method"] == "item/completed"]
    assert [item["status"] for item in ends if item["id"] == "f1"] == [status]
    assert (app.work / "a.txt").read_text() == ("new\n" if status == "completed" else "old\n")


@pytest.mark.parametrize("offered", [True, False])
async def test_only_the_rule_that_was_proposed_is_written(host, app, offered):
    host.script([call("exec_command", "c1", cmd="touch made", prefix_rule=["touch"])], [say("done")])
    await begin(app, await app.thread(sandbox="workspace-write", approvalPolicy="untrusted"))
    request = await app.until("item/commandExecution/requestApproval")
    proposed = request["params"]["proposedExecpolicyAmendment"]
    (rule,) = [entry for entry in request["params"]["availableDecisions"] if isinstance(entry, dict)]
    assert rule == {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": proposed}}
    other = {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["rm"]}}
    await app.answer(request, {"decision": rule if offered else other})
    await app.until("turn/completed")
    rules = app.home / "rules" / "default.rules"
    assert (app.work / "made").exists() == offered
    assert rules.exists() == offered
    assert os.path.basename(proposed[0]) == "touch"


async def test_a_review_by_another_model_is_told_from_its_start_to_its_end(host):
    verdict = '{"decision": "approve", "reason": "harmless"}'
    host.script([call("exec_command", "c1", cmd="touch made")], [say(verdict, "r1")], [say("done")])
    async with host.start() as app:
        ask = {"approvalPolicy": "untrusted", "approvalsReviewer": "auto_review"}
        thread = await app.thread(sandbox="workspace-write", **ask)
        await begin(app, thread)
        done = await app.until("turn/completed")
    told = [m["params"] for m in app.heard if m["method"].startswith("item/autoApprovalReview/")]
    assert [entry["review"]["status"] for entry in told] == ["inProgress", "approved"]
    assert told[0]["action"]["type"] == "command"
    assert told[0]["targetItemId"] == told[1]["targetItemId"] == "c1"
    assert done["params"]["turn"]["status"] == "completed"
    assert (app.work / "made").exists()
