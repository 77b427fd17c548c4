"""Sub-agents, as clients see them: the items of their parent, their threads, and what they want to have approved."""

import json

import anyio
import pytest

from codex_plugin_sdk.testing.model import call, say

pytestmark = pytest.mark.anyio


async def test_an_agents_thread_stands_below_that_of_its_parent_and_is_listed_only_when_asked_for(host, app, fits):
    thread = await app.thread(approvalPolicy="never")
    host.script([call("spawn_agent", "c1", message="look")], [say("same")], [say("same")])
    await app.turn(thread)
    told = [m["params"]["item"] for m in app.heard if m.get("method") == "item/completed"]
    (item,) = [entry for entry in told if entry["type"] == "collabAgentToolCall"]
    (agent,) = item["receiverThreadIds"]
    assert (item["tool"], item["prompt"], item["agentsStates"][agent]["status"]) == (
        "spawnAgent",
        "look",
        "pendingInit",
    )

    async def listed(**params):
        return fits("v2/ThreadListResponse", await app.call("thread/list", params))["data"]

    with anyio.fail_after(30):
        while not (found := await listed(parentThreadId=thread)):  # it is listed when it has read its task
            await anyio.lowlevel.checkpoint()
    (child,) = found
    assert (child["id"], child["parentThreadId"], child["agentRole"]) == (agent, thread, None)
    assert child["agentNickname"] == child["source"]["subAgent"]["thread_spawn"]["agent_nickname"]
    assert [entry["id"] for entry in await listed(ancestorThreadId=thread)] == [agent]
    assert [entry["id"] for entry in await listed(sourceKinds=["subAgentThreadSpawn"])] == [agent]
    assert [entry["id"] for entry in await listed()] == [thread]
    read = await app.call("thread/read", {"threadId": thread, "includeTurns": True})
    assert [entry for entry in read["thread"]["turns"][0]["items"] if entry["id"] == "c1"] == [item]


async def test_clients_of_the_parent_are_told_that_an_agent_works_and_how_its_turn_ended(host, app):
    def answer(request):
        done = [item["output"] for item in request.json["input"] if item["type"] == "function_call_output"]
        if "look" in json.dumps([item for item in request.json["input"] if item.get("role") == "user"]):
            return host.model.answer(say("seen"))
        if not done:
            return host.model.answer(call("spawn_agent", "c1", message="look"))
        targets = [json.loads(done[0])["agent_id"]]
        tool = {1: "wait_agent", 2: "close_agent"}.get(len(done))
        given = {"wait_agent": {"targets": targets, "timeout_ms": 60_000}, "close_agent": {"target": targets[0]}}
        return host.model.answer(say("done") if tool is None else call(tool, f"c{len(done) + 1}", **given[tool]))

    host.model.play(*[answer] * 5)
    thread = await app.thread(approvalPolicy="never")
    assert (await app.turn(thread))["turn"]["status"] == "completed"
    told = [m["params"] | {"method": m["method"]} for m in app.heard if "method" in m]
    (agent,) = {m["threadId"] for m in told if m.get("threadId") not in (None, thread)}
    own = [m for m in told if m.get("threadId") == agent]
    assert [(m["method"], (m.get("status") or m.get("turn") or {}).get("type")) for m in own] == [
        ("thread/status/changed", "active"),
        ("turn/started", None),
        ("thread/status/changed", "idle"),
        ("turn/completed", None),
        ("thread/status/changed", "notLoaded"),
        ("thread/closed", None),
    ]
    assert own[1]["turn"]["id"] == own[3]["turn"]["id"]
    assert [own[index]["turn"]["status"] for index in (1, 3)] == ["inProgress", "completed"]
    read = await app.call("thread/read", {"threadId": agent, "includeTurns": True})
    assert [turn["id"] for turn in read["thread"]["turns"]] == [own[1]["turn"]["id"]]


@pytest.mark.parametrize("decision", ["accept", "decline"])
async def test_what_an_agent_wants_approved_is_asked_in_the_thread_of_its_parent(host, app, decision):
    target = app.work / "touched"

    def answer(request):
        body = request.json
        done = [item["output"] for item in body["input"] if item["type"] == "function_call_output"]
        if "look" in json.dumps([item for item in body["input"] if item.get("role") == "user"]):
            answered = [say(done[0])] if done else [call("exec_command", "x", cmd=f"touch {target}")]
        elif not done:
            answered = [call("spawn_agent", "c1", message="look")]
        elif len(done) == 1:
            answered = [call("wait_agent", "c2", targets=[json.loads(done[0])["agent_id"]], timeout_ms=60_000)]
        else:
            answered = [say("done")]
        return host.model.answer(*answered)

    host.model.play(*[answer] * 5)
    thread = await app.thread(sandbox="danger-full-access", approvalPolicy="untrusted")
    await app.call("turn/start", {"threadId": thread, "input": [{"type": "text", "text": "go"}]})
    request = await app.until("item/commandExecution/requestApproval")
    assert request["params"]["threadId"] == thread
    assert str(target) in request["params"]["command"]
    assert not target.exists()
    await app.answer(request, {"decision": decision})
    done = (await app.until("turn/completed", threadId=thread))["params"]
    assert done["turn"]["status"] == "completed"
    assert target.exists() == (decision == "accept")
