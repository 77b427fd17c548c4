"""Reviews through the real server, of a real repository."""

import json
import re
import subprocess

import pytest

from codex_app_server.stored_items import stored_item
from codex_plugin_sdk.testing.model import call, say

pytestmark = pytest.mark.anyio

FINDING = {
    "title": "[P1] Keep the divisor from zero",
    "body": "It raises.",
    "confidence_score": 0.9,
    "priority": 1,
    "code_location": {"absolute_file_path": "/w/a.py", "line_range": {"start": 3, "end": 4}},
}
REPLY = {
    "findings": [FINDING],
    "overall_correctness": "patch is incorrect",
    "overall_explanation": "It crashes.",
    "overall_confidence_score": 0.8,
}
TEXT = "It crashes.\n\nReview comment:\n\n- [P1] Keep the divisor from zero — /w/a.py:3-4\n  It raises."
UNCOMMITTED = {"type": "uncommittedChanges"}
FULL = {"sandbox": "danger-full-access"}


def git(work, *args):
    words = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *args]
    return subprocess.run(words, cwd=work, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repo(host):
    work = host.root / "work"
    git(work, "init", "-q", "-b", "main")
    (work / "a.py").write_text("one\n")
    git(work, "add", ".")
    git(work, "commit", "-qm", "first")
    (work / "a.py").write_text("two\n")
    return work


def items(app, method):
    return [m["params"]["item"] for m in app.heard if m["method"] == method]


async def review(app, thread, target=UNCOMMITTED, **more):
    answer = await app.call("review/start", {"threadId": thread, "target": target, **more})
    while True:
        done = (await app.until("turn/completed", threadId=answer["reviewThreadId"]))["params"]["turn"]
        if done["id"] == answer["turn"]["id"]:
            return answer, done


async def test_a_review_is_told_in_order_and_stands_in_the_history(host, app, repo):
    host.script([say("Looking."), call("exec_command", "c1", cmd="echo hi")], [say(json.dumps(REPLY))], [say("fixed")])
    thread = await app.thread(**FULL)
    answer, done = await review(app, thread)
    assert answer["reviewThreadId"] == thread
    assert answer["turn"]["items"][0]["content"][0]["text"] == "current changes"
    assert (answer["turn"]["status"], answer["turn"]["itemsView"]) == ("inProgress", "notLoaded")
    assert [item["type"] for item in items(app, "item/completed")] == [
        "enteredReviewMode",
        "userMessage",
        "commandExecution",
        "exitedReviewMode",
        "agentMessage",
    ]
    begun, *_, ended, message = items(app, "item/completed")
    assert (begun["review"], ended["review"], message["text"]) == ("current changes", TEXT, TEXT)
    assert [item["type"] for item in items(app, "item/started")] == [
        item["type"] for item in items(app, "item/completed")
    ]
    assert {m["params"]["turnId"] for m in app.heard if m["method"].startswith("item/")} == {done["id"]}
    methods = app.methods()
    assert methods.index("turn/started") < methods.index("item/started")
    assert methods[-2:] == ["thread/status/changed", "turn/completed"]
    assert (done["status"], [item["text"] for item in done["items"]]) == ("completed", [TEXT])
    assert "Looking." not in json.dumps(app.heard)

    await app.turn(thread, "fix it")
    said = [
        (item["role"], item["content"][0]["text"])
        for item in host.model.requests[-1].json["input"]
        if item["type"] == "message"
    ]
    at = said.index(("assistant", TEXT))
    assert "<action>review</action>" in said[at - 1][1]
    assert ("user", "fix it") in said[at:]


async def test_a_review_reads_back_from_the_record_as_it_was_shown(host, app, repo):
    host.script([say(json.dumps(REPLY))])
    thread = await app.thread(**FULL)
    await review(app, thread)
    read = await app.call("thread/read", {"threadId": thread, "includeTurns": True})
    (turn,) = read["thread"]["turns"]
    shown = {item["type"]: item.get("review") for item in turn["items"]}
    assert (shown["enteredReviewMode"], shown["exitedReviewMode"]) == ("current changes", TEXT)
    (path,) = (host.root / "codex-home" / "sessions").rglob("rollout-*.jsonl")
    kept = [json.loads(line)["payload"].get("item", {}) for line in path.read_text().splitlines()]
    (entered,) = [item for item in kept if item.get("type") == "EnteredReviewMode"]
    (exited,) = [item for item in kept if item.get("type") == "ExitedReviewMode"]
    assert (entered["target"], entered["user_facing_hint"]) == (UNCOMMITTED, "current changes")
    assert exited["review_output"] == REPLY
    assert stored_item(exited)["review"] == TEXT


async def test_a_detached_review_has_a_thread_of_its_own_while_the_other_goes_on(host, app, repo):
    host.script([say("before")], [say(json.dumps(REPLY))])
    thread = await app.thread(**FULL)
    await app.turn(thread)
    answer, done = await review(app, thread, delivery="detached")
    assert answer["reviewThreadId"] != thread
    started = [m["params"]["thread"] for m in app.heard if m["method"] == "thread/started"]
    assert (started[-1]["id"], started[-1]["forkedFromId"]) == (answer["reviewThreadId"], thread)
    assert done["items"][0]["text"] == TEXT
    listed = await app.call("thread/loaded/list", {})
    assert set(listed["data"]) == {thread, answer["reviewThreadId"]}


async def test_the_reviewer_reads_only_and_has_its_own_model_and_instructions(host, app, repo):
    host.write_config('review_model = "second-opinion"')
    host.script([say(json.dumps(REPLY))])
    await review(app, await app.thread(sandbox="workspace-write", approvalPolicy="on-request"))
    request = host.model.requests[-1].json
    assert request["model"] == "second-opinion"
    assert "overall_correctness" in json.dumps(request)
    offered = {tool.get("name") for tool in request["tools"]}
    assert {"exec_command", "write_stdin"} <= offered <= {"exec_command", "write_stdin", "view_image", "update_plan"}
    told = json.dumps(request["input"])
    assert "read-only" in told
    assert "workspace-write" not in told


async def test_an_interrupted_review_ends_and_the_thread_goes_on(host, app, repo):
    host.script([call("exec_command", "c1", cmd="sleep 60")], [say("after")])
    thread = await app.thread(**FULL)
    begun = await app.call("review/start", {"threadId": thread, "target": UNCOMMITTED})
    turn = begun["turn"]["id"]
    while "commandExecution" not in [item["type"] for item in items(app, "item/started")]:
        await app.until("item/started", threadId=thread)
    for method, params in (
        ("turn/steer", {"expectedTurnId": turn, "input": [{"type": "text", "text": "more"}]}),
        ("turn/start", {"input": [{"type": "text", "text": "more"}]}),
        ("review/start", {"target": UNCOMMITTED}),
    ):
        with pytest.raises(Exception, match=r"cannot steer a review turn|is still running"):
            await app.call(method, {"threadId": thread, **params})
    await app.call("turn/interrupt", {"threadId": thread, "turnId": turn})
    done = (await app.until("turn/completed", threadId=thread))["params"]["turn"]
    assert (done["id"], done["status"]) == (turn, "interrupted")
    assert [item["type"] for item in items(app, "item/completed")].count("exitedReviewMode") == 1
    assert (await app.turn(thread))["turn"]["status"] == "completed"


async def test_a_review_that_fails_says_why(host, app, repo):
    host.model.play(host.model.failed("server_error", "out of order"))
    _, done = await review(app, await app.thread(**FULL))
    assert done["status"] == "failed"
    assert "out of order" in done["error"]["message"]
    (exited,) = [item for item in items(app, "item/completed") if item["type"] == "exitedReviewMode"]
    assert exited["review"] == "Reviewer failed to output a response."


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ({"type": "custom", "instructions": " "}, "instructions must not be empty"),
        ({"type": "commit", "sha": ""}, "sha must not be empty"),
        ({"type": "baseBranch", "branch": " "}, "branch must not be empty"),
        ({"type": "commit"}, "Invalid request: missing field `sha`"),
        ({"type": "other"}, "Invalid request: unknown variant `other`"),
        ({"type": "baseBranch", "branch": "nowhere"}, "no branch 'nowhere'"),
        ({"type": "commit", "sha": "--all"}, "no commit '--all'"),
        ({"type": "baseBranch", "branch": "main"}, "nothing to review"),
    ],
)
async def test_a_target_that_cannot_be_reviewed_is_refused(host, app, repo, target, text):
    git(repo, "checkout", "-q", "--", ".")
    thread = await app.thread()
    with pytest.raises(Exception, match=re.escape(text)):
        await app.call("review/start", {"threadId": thread, "target": target})
    assert host.model.requests == []
