"""Whatever a server says, in whatever order, the reader does not raise and the transcript holds together."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path

import pytest

from codex_tui.session.cells import NoticeCell

from .session_kit import THREAD, Told, content

SCHEMA = Path(__file__).parents[4] / "shared" / "protocol" / "app_server" / "schema-experimental.json"
ODD = [
    None,
    True,
    0,
    -1,
    3.5,
    10**30,
    "",
    "t1",
    "completed",
    "inProgress",
    "x" * 50,
    [],
    [None],
    {},
    {"type": 3},
    {"a": {"b": []}},
]


def a_session():
    """Messages of three turns with all kinds of items."""
    told = Told()
    command = {
        "command": "/bin/sh -c 'ls -l'",
        "cwd": "/w",
        "status": "inProgress",
        "source": "agent",
        "commandActions": [],
    }
    change = {"path": "/w/a", "kind": {"type": "update", "move_path": None}, "diff": "@@ -1 +1 @@\n-a\n+b\n"}
    call = {"server": "s", "tool": "t", "arguments": {"q": [1]}}
    agents = {
        "tool": "spawnAgent",
        "receiverThreadIds": ["child"],
        "agentsStates": {"child": {"status": "running", "message": None}},
    }
    run = {"id": "h", "eventName": "stop", "entries": [{"kind": "feedback", "text": "fix"}], "statusMessage": None}
    review = {"reviewId": "r", "action": {"type": "applyPatch", "cwd": "/", "files": ["/a"]}}
    counts = dict.fromkeys(("totalTokens", "inputTokens", "cachedInputTokens", "outputTokens"), 10)
    told(
        "thread/settings/updated",
        threadSettings={
            "model": "m",
            "sandboxPolicy": {"type": "readOnly"},
            "approvalPolicy": "never",
            "effort": "low",
        },
    )
    for turn in ("t1", "t2", "t3"):
        told("thread/status/changed", status={"type": "active", "activeFlags": []})
        told.begin(turn)
        said = [
            {"type": "text", "text": "go"},
            {"type": "localImage", "path": "/i"},
            {"type": "mention", "name": "a", "path": "/a"},
        ]
        told.item("userMessage", f"u{turn}", turn, content=said)
        told.item("userMessage", f"u{turn}", turn, ended=True, content=said)
        told.item("reasoning", "r", turn, summary=[], content=[])
        told("item/reasoning/summaryPartAdded", turnId=turn, itemId="r", summaryIndex=0)
        for word in ("**Head", "ing** and", " more"):
            told.delta("reasoning/summaryTextDelta", word, id="r", turn=turn, summaryIndex=0)
            told.delta("reasoning/textDelta", word, id="r", turn=turn, contentIndex=1)
        told.item("reasoning", "r", turn, ended=True, summary=["**Heading** and more"], content=[])
        told(
            "error", turnId=turn, error={"message": "Reconnecting... 1/5", "additionalDetails": "reset"}, willRetry=True
        )
        for word in ("some ", "words ", "more"):
            told.delta("agentMessage/delta", word, id=f"m{turn}", turn=turn)
        told.item("agentMessage", f"m{turn}", turn, ended=True, text="some words more", phase="commentary")
        told.item("commandExecution", f"c{turn}", turn, **command)
        told("thread/status/changed", status={"type": "active", "activeFlags": ["waitingOnApproval"]})
        told("item/autoApprovalReview/started", turnId=turn, review={"status": "inProgress"}, **review)
        told("item/autoApprovalReview/completed", turnId=turn, review={"status": "denied", "rationale": "no"}, **review)
        told.delta("commandExecution/outputDelta", "a\n", id=f"c{turn}", turn=turn)
        told("item/commandExecution/terminalInteraction", turnId=turn, itemId=f"c{turn}", processId="1", stdin="y")
        told.item(
            "commandExecution",
            f"c{turn}",
            turn,
            ended=True,
            **{**command, "status": "failed", "exitCode": 1, "durationMs": 5, "aggregatedOutput": "a\n"},
        )
        told("turn/plan/updated", turnId=turn, explanation=None, plan=[{"step": "s", "status": "pending"}])
        told("item/fileChange/patchUpdated", turnId=turn, itemId=f"f{turn}", changes=[change])
        told.item("fileChange", f"f{turn}", turn, status="inProgress", changes=[])
        told("x-codex-agent/detail", turnId=turn, completes="item/completed", stdout="", stderr="oops")
        told.item("fileChange", f"f{turn}", turn, ended=True, status="completed", changes=[change])
        told("turn/diff/updated", turnId=turn, diff="diff")
        told.item("mcpToolCall", f"x{turn}", turn, status="inProgress", **call)
        told("item/mcpToolCall/progress", turnId=turn, itemId=f"x{turn}", message="half")
        told.item(
            "mcpToolCall",
            f"x{turn}",
            turn,
            ended=True,
            status="completed",
            result={"content": [{"type": "text", "text": "r"}]},
            durationMs=3,
            **call,
        )
        told.item(
            "dynamicToolCall",
            f"d{turn}",
            turn,
            ended=True,
            tool="t",
            arguments=None,
            status="failed",
            contentItems=[{"type": "inputText", "text": "r"}],
        )
        told.item("collabAgentToolCall", f"s{turn}", turn, status="inProgress", **agents)
        told("turn/started", threadId="child", turn={"id": "c1"})
        told("turn/completed", threadId="child", turn={"id": "c1", "status": "completed"})
        told.item("collabAgentToolCall", f"s{turn}", turn, ended=True, status="completed", **agents)
        told.item(
            "webSearch",
            f"w{turn}",
            turn,
            ended=True,
            query="q",
            action={"type": "search", "query": "q", "queries": ["q"]},
        )
        told.item("imageView", f"v{turn}", turn, ended=True, path="/a/../i.png")
        told.item("hookPrompt", f"h{turn}", turn, ended=True, fragments=[{"hookRunId": "h", "text": "on"}])
        told.item("sleep", f"z{turn}", turn, ended=True, durationMs=3)
        told.item("enteredReviewMode", f"e{turn}", turn, ended=True, review="x")
        told.item("exitedReviewMode", f"o{turn}", turn, ended=True, review="y")
        told.item("contextCompaction", f"k{turn}", turn)
        told.item("contextCompaction", f"k{turn}", turn, ended=True)
        told("thread/compacted", turnId=turn)
        told.delta("plan/delta", "1.", id=f"p{turn}", turn=turn)
        told("hook/started", turnId=turn, run={**run, "status": "running"})
        told("hook/completed", turnId=turn, run={**run, "status": "blocked"})
        told(
            "thread/tokenUsage/updated",
            turnId=turn,
            tokenUsage={"total": counts, "last": counts, "modelContextWindow": 100},
        )
        told("mcpServer/startupStatus/updated", name="s", status="starting", error=None)
        told("mcpServer/startupStatus/updated", name="s", status="failed", error="no")
        told("warning", threadId=None, message="careful")
        told("configWarning", threadId=None, summary="odd", details=None, range={"start": {"line": 1}})
        told("model/rerouted", turnId=turn, fromModel="a", toModel="b", reason="c")
        told("thread/name/updated", threadName="n")
        told("thread/status/changed", status={"type": "idle"})
        if turn == "t2":
            told("error", turnId=turn, error={"message": "bad", "additionalDetails": None}, willRetry=False)
        told.end("failed" if turn == "t2" else "completed", turn, error={"message": "bad"} if turn == "t2" else None)
    told("thread/reverted")
    told("thread/closed")
    return told


SESSION = a_session()


def disturb(messages, chance):
    """Messages out of order, twice, missing, and with other members than they should have."""
    found = copy.deepcopy(messages)
    for _ in range(len(found) // 4):
        place = chance.randrange(len(found) - 6)
        match chance.randrange(5):
            case 0:
                other = place + chance.randrange(1, 6)
                found[place], found[other] = found[other], found[place]
            case 1:
                found.insert(chance.randrange(place, len(found)), copy.deepcopy(found[place]))
            case 2:
                del found[place]
            case _:
                _spoil(found[place], chance)
    return found


def _spoil(message, chance):
    holder = message
    while True:
        inner = [
            value
            for value in (holder.values() if isinstance(holder, dict) else holder)
            if isinstance(value, dict | list) and value
        ]
        if not inner or chance.random() < 0.3:
            break
        holder = chance.choice(inner)
    if not holder:
        return
    key = chance.choice(list(holder)) if isinstance(holder, dict) else chance.randrange(len(holder))
    if isinstance(holder, dict) and chance.random() < 0.4:
        del holder[key]
    else:
        holder[key] = copy.deepcopy(chance.choice(ODD))


def check(told, settled):
    """That the transcript holds together; `settled` are the cells that were done, as they were then."""
    cells = told.transcript.cells
    assert len({cell.key for cell in cells}) == len(cells)
    assert all(told.transcript.get(cell.key) is cell for cell in cells)
    for cell in cells:
        if cell.done:
            assert settled.setdefault(cell.key, (cell.version, repr(content(cell)))) == (
                cell.version,
                repr(content(cell)),
            )
        else:
            assert not told.reader.has_ended(cell.turn_id)
    assert told.status.phase in ("idle", "working", "waiting", "reviewing", "compacting")


def test_the_session_itself_has_nothing_that_cannot_be_read():
    assert not [text for _, text, _ in SESSION.notices() if "cannot be read" in text]
    assert all(cell.done for cell in SESSION.transcript)
    assert len(SESSION.transcript) > 60


@pytest.mark.parametrize("seed", range(25))
def test_disorder_and_nonsense_do_no_harm(seed):
    chance = random.Random(seed)
    told, settled = Told(), {}
    for number, message in enumerate(disturb(SESSION.sent, chance)):
        told.reader.handle(message)
        if number % 10 == 0:
            check(told, settled)
    for turn in ("t1", "t2", "t3"):
        told.end("interrupted", turn)
    check(told, settled)
    assert all(cell.done for cell in told.transcript if cell.turn_id in ("t1", "t2", "t3"))
    unread = [
        cell.text.split(" in a form ")[0]
        for cell in told.transcript
        if isinstance(cell, NoticeCell) and "cannot be read" in cell.text
    ]
    assert len(set(unread)) == len(unread)


def test_a_session_told_twice_is_there_once():
    told = Told()
    for message in [message for message in SESSION.sent for _ in range(2)]:
        told.reader.handle(message)
    assert [(type(cell), cell.key) for cell in told.transcript if cell.turn_id] == [
        (type(cell), cell.key) for cell in SESSION.transcript if cell.turn_id
    ]
    before = len(told.transcript)
    for message in SESSION.sent:
        if not message["method"].endswith(("arning", "rerouted", "closed", "hook/completed", "startupStatus/updated")):
            told.reader.handle(message)
    assert len(told.transcript) == before


def test_any_value_may_stand_for_any_message():
    for message in SESSION.sent:
        told = Told()
        told.begin()
        for odd in ODD:
            told.reader.handle({"method": message["method"], "params": odd})
            told.reader.handle(
                {"method": message["method"], "params": {"threadId": odd, "turnId": "t1", "itemId": "i"}}
            )
            told.reader.handle({**message, "params": dict.fromkeys(message["params"], odd) | {"threadId": THREAD}})
        check(told, {})


NOT_SHOWN = {
    *("account/login/completed", "account/rateLimits/updated", "account/updated", "account/gatewayOAuth/changed"),
    *("app/list/updated", "command/exec/outputDelta", "process/exited", "process/outputDelta", "fs/changed"),
    *("fuzzyFileSearch/sessionCompleted", "fuzzyFileSearch/sessionUpdated", "serverRequest/resolved", "skills/changed"),
    *(
        "thread/started",
        "thread/archived",
        "thread/unarchived",
        "thread/reverted",
        "thread/goal/updated",
        "thread/goal/cleared",
    ),
}
"""What others than the transcript want to know, or nobody."""
ELSEWHERE = (
    "autoApprovalReview/",
    "externalAgentConfig/",
    "mcpServer/event",
    "model/",
    "modelProvider/",
    "project/",
    "remoteControl/",
    "thread/",
    "turn/moderation",
    "windows",
)
"""What our servers do not send."""


def test_every_notification_of_the_protocol_is_read_or_known_not_to_be_shown():
    if not SCHEMA.is_file():
        assert NOT_SHOWN.isdisjoint(Told().reader._handlers)
        return
    schema = json.loads(SCHEMA.read_text())
    methods = {
        option["properties"]["method"]["enum"][0] for option in schema["definitions"]["ServerNotification"]["oneOf"]
    }
    left = methods - set(Told().reader._handlers) - NOT_SHOWN
    assert not [method for method in left if not method.startswith(ELSEWHERE)]
