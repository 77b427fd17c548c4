"""Whole turns through the real server: order of messages, approvals, steering, interrupting, clients that leave."""

import asyncio

import pytest

from codex_plugin_sdk.testing.model import call, say, think

pytestmark = pytest.mark.anyio


def of_item(app, id):
    """What was told of one item, in order."""
    found = []
    for message in app.heard:
        params = message.get("params") or {}
        if params.get("itemId") == id or (params.get("item") or {}).get("id") == id:
            found.append(message["method"])
    return found


async def test_a_turn_is_told_in_the_order_that_clients_rely_on(host, app):
    host.script([think("**Look**"), call("exec_command", "c1", cmd="echo hi")], [say("done", "m2")])
    thread = await app.thread(sandbox="workspace-write")
    done = await app.turn(thread)
    assert done["turn"]["status"] == "completed"
    assert [item["text"] for item in done["turn"]["items"]] == ["done"]
    methods = app.methods()
    assert methods.index("thread/started") < methods.index("turn/started")
    at = methods.index("turn/started")
    assert methods[at - 1] == "thread/status/changed"
    assert methods[at + 1 : at + 3] == ["item/started", "item/completed"]
    assert app.heard[at + 1]["params"]["item"]["type"] == "userMessage"
    command = of_item(app, "c1")
    assert (command[0], command[-1]) == ("item/started", "item/completed")
    assert set(command[1:-1]) <= {"item/commandExecution/outputDelta"}
    message = of_item(app, "m2")
    assert (message[0], message[-1]) == ("item/started", "item/completed")
    assert methods[-2:] == ["thread/status/changed", "turn/completed"]
    assert methods.count("thread/tokenUsage/updated") == 2
    (finished,) = [
        m["params"]["item"] for m in app.heard if m["method"] == "item/completed" and m["params"]["item"]["id"] == "c1"
    ]
    assert (finished["status"], finished["exitCode"], finished["aggregatedOutput"]) == ("completed", 0, "hi\n")


async def test_a_failed_turn_says_why_and_the_thread_goes_on(host, app):
    host.model.play(host.model.failed("server_error", "out of order"), host.model.answer(say("better")))
    thread = await app.thread()
    done = await app.turn(thread)
    assert done["turn"]["status"] == "failed"
    assert "out of order" in done["turn"]["error"]["message"]
    errors = [m["params"] for m in app.heard if m["method"] == "error"]
    assert errors[-1]["willRetry"] is False
    assert (await app.turn(thread))["turn"]["status"] == "completed"


ASK = {"approvalPolicy": "untrusted", "sandbox": "workspace-write"}


@pytest.mark.parametrize(
    ("decision", "status", "turn", "told"),
    [
        ("accept", "completed", "completed", "exited with code 0"),
        ("acceptForSession", "completed", "completed", "exited with code 0"),
        ("decline", "declined", "completed", "rejected by user"),
        ("cancel", "declined", "interrupted", None),
    ],
)
async def test_a_command_is_asked_about_and_the_answer_holds(host, app, decision, status, turn, told):
    host.script([call("exec_command", "c1", cmd="touch made")], [say("done")])
    thread = await app.thread(**ASK)
    given = {"threadId": thread, "input": [{"type": "text", "text": "go"}]}
    await app.call("turn/start", given)
    request = await app.until("item/commandExecution/requestApproval")
    assert request["params"]["itemId"] == "c1"
    assert "touch made" in request["params"]["command"]
    assert of_item(app, "c1")[0] == "item/started"
    flags = [m["params"]["status"].get("activeFlags") for m in app.heard if m["method"] == "thread/status/changed"]
    assert flags[-1] == ["waitingOnApproval"]
    await app.answer(request, {"decision": decision})
    done = await app.until("turn/completed")
    assert done["params"]["turn"]["status"] == turn
    assert "serverRequest/resolved" in app.methods()
    ends = [
        m["params"]["item"] for m in app.heard if m["method"] == "item/completed" and m["params"]["item"]["id"] == "c1"
    ]
    assert [item["status"] for item in ends] == [status]
    assert (app.work / "made").exists() == (status == "completed")
    if told is not None:
        outputs = [
            item["output"] for item in host.model.requests[-1].json["input"] if item["type"] == "function_call_output"
        ]
        assert told in str(outputs)


async def test_steering_and_interrupting(host, app):
    host.script([call("exec_command", "c1", cmd="echo started; sleep 60")])
    thread = await app.thread(sandbox="workspace-write")
    with pytest.raises(Exception, match="no active turn to steer"):
        await app.call("turn/steer", {"threadId": thread, "expectedTurnId": "x", "input": []})
    turn = (await app.call("turn/start", {"threadId": thread, "input": [{"type": "text", "text": "go"}]}))["turn"]["id"]
    await app.until("item/commandExecution/outputDelta")
    with pytest.raises(Exception, match=f"expected active turn id `x` but found `{turn}`"):
        await app.call("turn/steer", {"threadId": thread, "expectedTurnId": "x", "input": []})
    more = {"threadId": thread, "expectedTurnId": turn, "input": [{"type": "text", "text": "faster"}]}
    assert await app.call("turn/steer", more) == {"turnId": turn}
    assert await app.call("turn/interrupt", {"threadId": thread, "turnId": turn}) == {}
    done = await app.until("turn/completed")
    assert done["params"]["turn"]["status"] == "interrupted"


async def test_a_thread_is_resumed_by_the_next_server(host):
    host.script([say("first")], [say("second")])
    async with host.start() as app:
        thread = await app.thread()
        await app.turn(thread, "one")
    async with host.start() as app:
        found = await app.call("thread/resume", {"threadId": thread})
        assert found["thread"]["id"] == thread
        await app.turn(thread, "two")
    said = [part["text"] for item in host.model.requests[-1].json["input"] for part in item.get("content", [])]
    assert "one" in said
    assert "first" in said


async def test_threads_run_side_by_side(host, app):
    async def slow(text):
        thread = await app.thread(sandbox="workspace-write")
        await app.call("turn/start", {"threadId": thread, "input": [{"type": "text", "text": text}]})
        return thread

    host.model.play(
        *(host.model.answer(call("exec_command", "c", cmd="sleep 1")) for _ in range(3)),
        *(host.model.answer(say("ok")) for _ in range(3)),
    )
    begun = asyncio.get_running_loop().time()
    threads = {await slow(str(number)) for number in range(3)}
    done = {(await app.until("turn/completed"))["params"]["threadId"] for _ in range(3)}
    assert done == threads
    assert asyncio.get_running_loop().time() - begun < 3


async def test_a_client_finds_its_own_names_for_a_thread_and_a_message_again(host, app):
    host.script([say("one\u2028two", "m1")])
    thread = await app.thread(threadSource="my-editor")
    done = await app.turn(thread, "hello", clientUserMessageId="mine-1")
    assert done["turn"]["status"] == "completed"
    shown = [m["params"]["item"] for m in app.heard if m["method"] == "item/completed"]
    assert [item["clientId"] for item in shown if item["type"] == "userMessage"] == ["mine-1"]
    assert [item["text"] for item in shown if item["type"] == "agentMessage"] == ["one\u2028two"]
    async with host.start() as other:
        again = await other.call("thread/read", {"threadId": thread, "includeTurns": True})
    assert again["thread"]["threadSource"] == "my-editor"
    (read,) = [i for turn in again["thread"]["turns"] for i in turn["items"] if i["type"] == "userMessage"]
    assert read["clientId"] == "mine-1"


async def test_what_a_message_was_written_for_is_told_and_recorded(host, app):
    texts = (say("looking", "m1").replace(extra={"phase": "commentary"}), say("seen", "m2"))
    last = say("done", "m3").replace(extra={"phase": "final_answer"})
    host.model.play(host.model.answer(*texts, call("exec_command", "c", cmd="true")), host.model.answer(last))
    thread = await app.thread(sandbox="workspace-write")
    await app.turn(thread, "go")
    wanted = {"looking": "commentary", "seen": None, "done": "final_answer"}

    def phases(items):
        return {item["text"]: item["phase"] for item in items if item["type"] == "agentMessage"}

    for method in ("item/started", "item/completed"):
        told = [m["params"]["item"] for m in app.heard if m["method"] == method]
        assert [item["phase"] for item in told if item["type"] == "agentMessage"] == list(wanted.values()), method
    async with host.start() as other:
        again = await other.call("thread/read", {"threadId": thread, "includeTurns": True})
    assert phases(item for turn in again["thread"]["turns"] for item in turn["items"]) == wanted


async def test_the_service_tier_can_be_changed_with_a_turn(host, app):
    host.script([say("a", "m1")], [say("b", "m2")])
    thread = await app.thread()
    await app.turn(thread)
    await app.turn(thread, serviceTier="priority")
    assert [request.json.get("service_tier") for request in host.model.requests] == [None, "priority"]
