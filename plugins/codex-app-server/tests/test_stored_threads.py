"""Threads as they are stored: listed, read, archived, deleted, named, forked, reverted, by real servers."""

import json
from pathlib import Path

import pytest

from codex_plugin_sdk import new_thread_id
from codex_plugin_sdk.testing.model import call, freeform, say, think

pytestmark = pytest.mark.anyio

PATCH = "*** Begin Patch\n*** Add File: new.txt\n+hello\n*** End Patch\n"


async def turns_of(app, thread, **params):
    found = await app.call("thread/turns/list", {"threadId": thread, "itemsView": "full", "limit": 100, **params})
    return found["data"]


async def spoken(host, app, *texts, **params):
    """A thread with a turn for each text; ids of the thread and of the turns."""
    thread = await app.thread(**params)
    ids = []
    for text in texts:
        host.model.play(host.model.answer(say(f"on {text}", f"m_{text}")))
        ids.append((await app.turn(thread, text))["turn"]["id"])
    return thread, ids


async def told(app, method, **wanted):
    return (await app.until(method, **wanted))["params"]


async def refusal(app, method, **params):
    with pytest.raises(Exception) as caught:
        await app.call(method, params)
    return caught.value.error["message"]


async def test_turns_read_after_a_restart_are_those_that_were_told_live(host, fits):
    host.script(
        [think("**Look**"), call("exec_command", "c1", cmd="echo hi; exit 3")],
        [freeform("apply_patch", PATCH, "p1"), call("update_plan", "u1", plan=[{"step": "a", "status": "pending"}])],
        [say("done", "m1")],
    )
    host.model.play(host.model.failed("server_error", "out of order"))
    host.script([call("exec_command", "c2", cmd="echo started; sleep 60")])
    async with host.start() as app:
        thread = await app.thread(sandbox="workspace-write", approvalPolicy="never")
        assert (await app.turn(thread))["turn"]["status"] == "completed"
        assert (await app.turn(thread))["turn"]["status"] == "failed"
        given = {"threadId": thread, "input": [{"type": "text", "text": "wait"}]}
        turn = (await app.call("turn/start", given))["turn"]["id"]
        await app.until("item/commandExecution/outputDelta", itemId="c2")
        await app.call("turn/interrupt", {"threadId": thread, "turnId": turn})
        await app.until("turn/completed", threadId=thread)
        await app.call("thread/shellCommand", {"threadId": thread, "command": "echo mine"})
        await app.until("turn/completed", threadId=thread)
        live = (await app.call("thread/read", {"threadId": thread, "includeTurns": True}))["thread"]
    kinds = [[item["type"] for item in turn["items"]] for turn in live["turns"]]
    assert [turn["status"] for turn in live["turns"]] == ["completed", "failed", "interrupted", "completed"]
    assert kinds[0] == ["userMessage", "reasoning", "commandExecution", "fileChange", "agentMessage"]
    async with host.start() as app:
        cold = fits("v2/ThreadReadResponse", await app.call("thread/read", {"threadId": thread, "includeTurns": True}))
        assert cold["thread"]["status"] == {"type": "notLoaded"}
        assert cold["thread"]["turns"] == live["turns"]
        same = ("preview", "createdAt", "cwd", "source", "path", "modelProvider", "model", "name", "gitInfo")
        assert {name: cold["thread"][name] for name in same} == {name: live[name] for name in same}
        warm = fits("v2/ThreadResumeResponse", await app.call("thread/resume", {"threadId": thread}))
        assert warm["thread"]["turns"] == live["turns"]
        assert warm["cwd"] == live["cwd"]


async def test_resumed_thread_reads_its_earlier_turns_and_the_new_one(host):
    async with host.start() as app:
        thread, (first,) = await spoken(host, app, "one")
    async with host.start() as app:
        await app.call("thread/resume", {"threadId": thread, "excludeTurns": True})
        host.script([say("again", "m2")])
        second = (await app.turn(thread, "two"))["turn"]["id"]
        found = (await app.call("thread/read", {"threadId": thread, "includeTurns": True}))["thread"]
        assert [turn["id"] for turn in found["turns"]] == [first, second]
        sent = json.dumps(host.model.requests[-1].json["input"])
        assert "on one" in sent
        page = await app.call(
            "thread/resume", {"threadId": thread, "excludeTurns": True, "initialTurnsPage": {"limit": 1}}
        )
        assert [turn["id"] for turn in page["initialTurnsPage"]["data"]] == [second]
        assert page["thread"]["turns"] == []


async def test_list_filters_sorts_and_pages(host, app, fits):
    threads = []
    for text in ("alpha", "beta", "gamma"):
        (app.work / text).mkdir()
        threads.append((await spoken(host, app, text, cwd=str(app.work / text)))[0])
    await app.thread()  # nothing is said in it

    async def ids(**params):
        found = fits("v2/ThreadListResponse", await app.call("thread/list", params))
        return [thread["id"] for thread in found["data"]]

    assert await ids() == threads[::-1]
    assert await ids(sortDirection="asc") == threads
    assert await ids(cwd=str(app.work / "beta")) == [threads[1]]
    assert await ids(cwd=[str(app.work / "beta"), str(app.work / "gamma")]) == [threads[2], threads[1]]
    assert await ids(searchTerm="lph") == await ids(searchTerm="LPH") == [threads[0]]
    assert await ids(searchTerm=f"{app.work.name}/BETA") == [threads[1]]
    assert await ids(sourceKinds=["exec"]) == []
    assert await ids(sourceKinds=["vscode"]) == threads[::-1]
    assert await ids(modelProviders=["other"]) == []
    assert await ids(modelProviders=[]) == threads[::-1]
    assert await ids(originators=["tests"]) == threads[::-1]
    assert await ids(originators=["other"]) == []
    assert await ids(archived=True) == []
    assert await ids(parentThreadId=threads[0]) == []
    host.script([say("again")])
    await app.turn(threads[0])
    assert await ids(sortKey="updated_at") == [threads[0], threads[2], threads[1]]
    first = await app.call("thread/list", {"limit": 2})
    second = await app.call("thread/list", {"limit": 2, "cursor": first["nextCursor"]})
    assert [thread["id"] for thread in first["data"] + second["data"]] == threads[::-1]
    assert second["nextCursor"] is None
    back = await app.call("thread/list", {"cursor": second["backwardsCursor"], "sortDirection": "asc"})
    assert [thread["id"] for thread in back["data"]] == threads
    assert await refusal(app, "thread/list", cursor="x") == "invalid cursor: x"
    assert "unknown variant `nope`" in await refusal(app, "thread/list", sortKey="nope")


async def test_turns_and_items_are_paged_both_ways(host, app, fits):
    thread, turns = await spoken(host, app, "a", "b", "c")

    async def walk(method, key, **params):
        seen, cursor = [], None
        while True:
            page = await app.call(method, {"threadId": thread, "limit": 2, "cursor": cursor, **params})
            fits("v2/ThreadTurnsListResponse" if method.endswith("turns/list") else "v2/ThreadItemsListResponse", page)
            seen += [key(entry) for entry in page["data"]]
            cursor = page["nextCursor"]
            if cursor is None:
                return seen

    assert await walk("thread/turns/list", lambda turn: turn["id"]) == turns[::-1]
    assert await walk("thread/turns/list", lambda turn: turn["id"], sortDirection="asc") == turns
    items = [item["id"] for turn in (await turns_of(app, thread))[::-1] for item in turn["items"]]
    assert len(items) == 6
    assert await walk("thread/items/list", lambda entry: entry["item"]["id"]) == items
    assert await walk("thread/items/list", lambda entry: entry["item"]["id"], sortDirection="desc") == items[::-1]
    assert await walk("thread/items/list", lambda entry: entry["item"]["id"], turnId=turns[1]) == items[2:4]
    summary = await app.call("thread/turns/list", {"threadId": thread, "limit": 1})
    assert [item["type"] for item in summary["data"][0]["items"]] == ["userMessage", "agentMessage"]
    at = await app.call("thread/items/list", {"threadId": thread, "cursor": {"type": "item", "itemId": items[3]}})
    assert [entry["item"]["id"] for entry in at["data"]] == items[3:]
    given = {"threadId": thread, "turnId": turns[0], "itemIds": [items[1], "other"]}
    assert [entry["item"]["id"] for entry in (await app.call("thread/items/read", given))["data"]] == [items[1]]
    assert await refusal(app, "thread/turns/list", threadId=thread, cursor="x") == "invalid cursor: x"


async def test_archived_thread_moves_its_file_and_comes_back(host, app, fits):
    thread, _ = await spoken(host, app, "one")
    await app.call("thread/archive", {"threadId": thread})
    assert (await told(app, "thread/archived"))["threadId"] == thread
    (file,) = app.home.glob(f"archived_sessions/rollout-*-{thread}.jsonl")
    assert (await app.call("thread/list", {}))["data"] == []
    (entry,) = (await app.call("thread/list", {"archived": True}))["data"]
    assert entry["path"] == str(file)
    assert (await app.call("thread/loaded/list", {}))["data"] == []
    assert (await refusal(app, "thread/resume", threadId=thread)).startswith(f"session {thread} is archived")
    assert await refusal(app, "thread/archive", threadId=thread) == f"no rollout found for thread id {thread}"
    back = fits("v2/ThreadUnarchiveResponse", await app.call("thread/unarchive", {"threadId": thread}))
    assert (await told(app, "thread/unarchived"))["threadId"] == thread
    assert Path(back["thread"]["path"]).is_relative_to(app.home / "sessions")
    assert not file.exists()
    text = f"no archived rollout found for thread id {thread}"
    assert await refusal(app, "thread/unarchive", threadId=thread) == text
    assert (await app.call("thread/resume", {"threadId": thread}))["thread"]["turns"]


async def test_deleted_thread_is_gone(host, app):
    thread, _ = await spoken(host, app, "one")
    await app.call("thread/name/set", {"threadId": thread, "name": "A name"})
    await app.call("thread/goal/set", {"threadId": thread, "objective": "Be done"})
    await app.call("thread/delete", {"threadId": thread})
    assert (await told(app, "thread/deleted"))["threadId"] == thread
    assert not list(app.home.rglob(f"*{thread}*"))
    assert thread not in (app.home / "session_index.jsonl").read_text()
    assert await refusal(app, "thread/read", threadId=thread) == f"thread not loaded: {thread}"
    assert await refusal(app, "thread/delete", threadId=thread) == f"no rollout found for thread id {thread}"


async def test_name_is_kept_where_codex_keeps_it(host, app):
    thread, _ = await spoken(host, app, "one")
    await app.call("thread/name/set", {"threadId": thread, "name": "  A name "})
    assert (await told(app, "thread/name/updated"))["threadName"] == "A name"
    (line,) = (app.home / "session_index.jsonl").read_text().splitlines()
    assert (json.loads(line)["id"], json.loads(line)["thread_name"]) == (thread, "A name")
    assert (await app.call("thread/read", {"threadId": thread}))["thread"]["name"] == "A name"
    assert (await app.call("thread/list", {"searchTerm": "A na"}))["data"][0]["name"] == "A name"
    assert await refusal(app, "thread/name/set", threadId=thread, name=" ") == "thread name must not be empty"


async def test_git_facts_are_corrected_field_by_field(host, app, fits):
    thread, _ = await spoken(host, app, "one")

    async def update(**git):
        params = {"threadId": thread, "gitInfo": git}
        return fits("v2/ThreadMetadataUpdateResponse", await app.call("thread/metadata/update", params))["thread"]

    assert (await update(branch="b", sha="abc"))["gitInfo"] == {"sha": "abc", "branch": "b", "originUrl": None}
    assert (await update(sha=None))["gitInfo"] == {"sha": None, "branch": "b", "originUrl": None}
    params = {"threadId": thread, "gitInfo": {"branch": " "}}
    assert await refusal(app, "thread/metadata/update", **params) == "gitInfo.branch must not be empty"
    text = "thread metadata update must include at least one field"
    assert await refusal(app, "thread/metadata/update", threadId=thread) == text


async def test_fork_takes_over_turns_up_to_the_one_that_is_named(host, app, fits):
    thread, turns = await spoken(host, app, "one", "two", "three")
    given = {"threadId": thread}
    for cut, kept in (
        ({}, 3),
        ({"lastTurnId": turns[1]}, 2),
        ({"beforeTurnId": turns[1]}, 1),
        ({"beforeTurnId": turns[0]}, 0),
    ):
        forked = fits("v2/ThreadForkResponse", await app.call("thread/fork", {**given, **cut}))["thread"]
        assert [turn["id"] for turn in forked["turns"]] == turns[:kept]
        assert forked["forkedFromId"] == thread
        assert forked["preview"] == ("one" if kept else "")
        host.script([say("other way")])
        await app.turn(forked["id"], "four")
        sent = json.dumps(host.model.requests[-1].json["input"])
        assert [f"on {text}" in sent for text in ("one", "two", "three")] == [kept > n for n in range(3)]
        assert len(await turns_of(app, forked["id"])) == kept + 1
    assert await refusal(app, "thread/fork", threadId=thread, lastTurnId="nope") == "turn not found: nope"
    both = {"lastTurnId": turns[0], "beforeTurnId": turns[1]}
    assert "cannot be combined" in await refusal(app, "thread/fork", threadId=thread, **both)


async def test_reverted_thread_goes_on_before_the_turn_for_its_listeners(host, app, fits):
    thread, turns = await spoken(host, app, "one", "two", "three")
    found = fits(
        "v2/ThreadRevertResponse", await app.call("thread/revert", {"threadId": thread, "beforeTurnId": turns[1]})
    )
    assert (await told(app, "thread/reverted"))["threadId"] == thread
    assert found["thread"]["status"] == {"type": "idle"}
    assert found["turnsBackwardsCursor"]
    assert [turn["id"] for turn in await turns_of(app, thread)] == [turns[0]]
    host.script([say("other way")])
    await app.turn(thread, "four")
    sent = json.dumps(host.model.requests[-1].json["input"])
    assert [f"on {text}" in sent for text in ("one", "two", "three")] == [True, False, False]
    (kept,) = (app.home / "kernel" / "reverted").iterdir()
    assert "on three" in kept.read_text()
    assert await refusal(app, "thread/revert", threadId=thread, beforeTurnId="nope") == "turn not found: nope"


async def test_what_was_allowed_for_the_session_still_is_after_a_turn_was_taken_back(host, app):
    asking = {"approvalPolicy": "untrusted", "sandbox": "workspace-write"}
    thread = await app.thread(**asking)

    async def begin(*answers):
        host.script(*answers)
        return await app.call("turn/start", {"threadId": thread, "input": [{"type": "text", "text": "go"}]})

    for decision in ("acceptForSession", "accept"):
        turn = (await begin([call("exec_command", "c0", cmd=f"touch {decision}")], [say("done")]))["turn"]["id"]
        request = await app.until("item/commandExecution/requestApproval")
        await app.answer(request, {"decision": decision})
        await app.until("turn/completed")
    await app.call("thread/revert", {"threadId": thread, "beforeTurnId": turn})
    asked = app.methods().count("item/commandExecution/requestApproval")
    await begin([call("exec_command", "c0", cmd="touch acceptForSession")], [say("done")])
    await app.until("turn/completed")
    assert app.methods().count("item/commandExecution/requestApproval") == asked == 2
    await begin([call("exec_command", "c0", cmd="touch accept")], [say("done")])
    request = await app.until("item/commandExecution/requestApproval")
    await app.answer(request, {"decision": "decline"})
    await app.until("turn/completed")


async def test_injected_items_are_sent_with_the_next_turn(host, app):
    thread, _ = await spoken(host, app, "one")
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "injected words"}]}
    assert await app.call("thread/inject_items", {"threadId": thread, "items": [item]}) == {}
    host.script([say("yes")])
    await app.turn(thread)
    assert "injected words" in json.dumps(host.model.requests[-1].json["input"])
    assert await refusal(app, "thread/inject_items", threadId=thread, items=[]) == "items must not be empty"
    text = "items[0] is not a valid response item: missing field `role`"
    assert await refusal(app, "thread/inject_items", threadId=thread, items=[{"type": "message"}]) == text


async def test_the_users_command_is_a_turn_that_the_model_reads_of(host, app):
    thread = await app.thread()
    await app.call("thread/shellCommand", {"threadId": thread, "command": "echo out; exit 3"})
    item = (await told(app, "item/completed"))["item"]
    assert (item["source"], item["status"], item["exitCode"]) == ("userShell", "failed", 3)
    assert item["aggregatedOutput"] == "out\n"
    await app.until("turn/completed")
    await app.call("thread/shellCommand", {"threadId": thread, "command": "echo begun; sleep 60", "timeoutMs": 50})
    assert (await told(app, "item/completed"))["item"]["exitCode"] == 124
    await app.until("turn/completed")
    await app.call("thread/shellCommand", {"threadId": thread, "command": "echo begun; sleep 60"})
    turn = (await told(app, "item/commandExecution/outputDelta"))["turnId"]
    given = {"threadId": thread, "input": [{"type": "text", "text": "go"}]}
    assert "is still running" in await refusal(app, "turn/start", **given)
    await app.call("turn/interrupt", {"threadId": thread, "turnId": turn})
    assert (await told(app, "turn/completed"))["turn"]["status"] == "interrupted"
    host.script([say("seen")])
    await app.turn(thread)
    assert "Exit code: 3" in json.dumps(host.model.requests[-1].json["input"])
    assert await refusal(app, "thread/shellCommand", threadId=thread, command=" ") == "command must not be empty"


async def test_goal_is_kept_charged_and_cleared(host, app, fits):
    thread, _ = await spoken(host, app, "one")
    given = {"threadId": thread}
    assert await app.call("thread/goal/get", given) == {"goal": None}
    goal = fits("v2/ThreadGoalSetResponse", await app.call("thread/goal/set", {**given, "objective": "Do it"}))["goal"]
    assert (goal["status"], goal["tokensUsed"], goal["tokenBudget"]) == ("active", 0, None)
    assert (await told(app, "thread/goal/updated"))["goal"] == goal
    await app.call("thread/goal/set", {**given, "tokenBudget": 1})
    await app.until("thread/goal/updated")
    host.script([say("spent")])
    await app.turn(thread)
    charged = fits("v2/ThreadGoalUpdatedNotification", await told(app, "thread/goal/updated"))["goal"]
    assert charged["status"] == "budgetLimited"
    assert charged["tokensUsed"] > 0
    assert (await app.call("thread/goal/get", given))["goal"] == charged
    assert await app.call("thread/goal/clear", given) == {"cleared": True}
    await app.until("thread/goal/cleared")
    assert await app.call("thread/goal/clear", given) == {"cleared": False}
    text = f"cannot update goal for thread {thread}: no goal exists"
    assert await refusal(app, "thread/goal/set", **given, status="paused") == text


@pytest.mark.parametrize(
    ("method", "more", "text"),
    [
        ("thread/read", {}, "thread not loaded: {}"),
        ("thread/turns/list", {}, "thread not loaded: {}"),
        ("thread/resume", {}, "no rollout found for thread id {}"),
        ("thread/fork", {}, "no rollout found for thread id {}"),
        ("thread/archive", {}, "no rollout found for thread id {}"),
        ("thread/unarchive", {}, "no archived rollout found for thread id {}"),
        ("thread/delete", {}, "no rollout found for thread id {}"),
        ("thread/name/set", {"name": "x"}, "no rollout found for thread id {}"),
        ("thread/metadata/update", {"gitInfo": {"branch": "b"}}, "no rollout found for thread id {}"),
        ("thread/inject_items", {"items": []}, "thread not found: {}"),
        ("thread/revert", {"beforeTurnId": "t"}, "thread not found: {}"),
        ("thread/shellCommand", {"command": "true"}, "thread not found: {}"),
        ("thread/goal/get", {}, "thread not found: {}"),
    ],
)
async def test_unknown_thread_is_refused_in_the_words_of_codex(app, method, more, text):
    unknown = new_thread_id()
    assert await refusal(app, method, threadId=unknown, **more) == text.format(unknown)
    assert (await refusal(app, method, threadId="x", **more)).startswith("invalid thread id: x")
