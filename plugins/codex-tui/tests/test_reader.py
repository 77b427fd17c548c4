"""What the server says becomes cells and status."""

from __future__ import annotations

import time

import pytest

from .session_kit import THREAD, Told


@pytest.fixture
def told():
    """A thread whose turn t1 has begun."""
    found = Told()
    found("thread/status/changed", status={"type": "active", "activeFlags": []})
    found.begin()
    return found


# -- what is said ------------------------------------------------------------------------------------


def test_a_message_grows_and_is_done_with_its_item(told):
    told.item("agentMessage", text="")
    assert told.kinds() == []
    for word in ("One", " and", " two"):
        told.delta("agentMessage/delta", word)
    cell = told.last
    version = cell.version
    assert (cell.text, cell.done) == ("One and two", False)
    told.item("agentMessage", ended=True, text="One and two.", phase="final_answer")
    assert (cell.text, cell.done, cell.final) == ("One and two.", True, True)
    assert cell.version > version
    assert told.kinds() == ["Agent"]


def test_an_item_that_is_complete_at_once_is_a_cell_too(told):
    told.item("agentMessage", ended=True, text="All of it", phase="commentary")
    assert (told.last.text, told.last.done, told.last.final) == ("All of it", True, False)


def test_a_message_without_a_word_is_no_cell(told):
    told.item("agentMessage", ended=True, text="")
    told.item("reasoning", "r", ended=True, summary=[], content=[])
    told.end()
    assert told.kinds() == ["TurnEnd"]


def test_thoughts_have_parts_and_the_heading_of_the_newest_is_what_is_done_now(told):
    told.item("reasoning", summary=[], content=[])
    told("item/reasoning/summaryPartAdded", turnId="t1", itemId="i1", summaryIndex=0)
    told.delta("reasoning/summaryTextDelta", "**Looking", summaryIndex=0)
    assert told.status.detail == ""
    told.delta("reasoning/summaryTextDelta", " around**\n\nat files", summaryIndex=0)
    assert told.status.detail == "Looking around"
    told("item/reasoning/summaryPartAdded", turnId="t1", itemId="i1", summaryIndex=1)
    told.delta("reasoning/summaryTextDelta", "**Thinking** hard", summaryIndex=1)
    told.delta("reasoning/textDelta", "raw", contentIndex=0)
    told.delta("reasoning/textDelta", " thought", contentIndex=0)
    cell = told.last
    assert (cell.summary, cell.content) == (["**Looking around**\n\nat files", "**Thinking** hard"], ["raw thought"])
    assert told.status.detail == "Thinking"
    told.now += 2.5
    told.item("reasoning", ended=True, summary=["whole", "thing"], content=[])
    assert (cell.summary, cell.content, cell.elapsed_s, cell.done) == (["whole", "thing"], ["raw thought"], 2.5, True)


def test_what_the_user_says_while_the_turn_runs_steers_it(told):
    parts = [
        {"type": "text", "text": "look at"},
        {"type": "localImage", "path": "/tmp/a.png"},
        {"type": "image", "url": "data:image/png;base64,AAAA"},
        {"type": "mention", "name": "main.py", "path": "/w/main.py"},
        {"type": "skill", "name": "review", "path": "/s"},
        {"type": "text", "text": "this"},
    ]
    told.item("userMessage", "u1", content=parts)
    told.item("userMessage", "u1", ended=True, content=parts)
    told.item("userMessage", "u2", ended=True, content=[{"type": "text", "text": "and that"}])
    first, second = told.transcript
    assert (first.text, first.images, first.mentions) == (
        "look at\nthis",
        ("/tmp/a.png", "data:image/png"),
        ("main.py", "review"),
    )
    assert (first.steered, first.done, second.steered, second.text) == (False, True, True, "and that")


# -- what is done ------------------------------------------------------------------------------------


def command(**more):
    return {
        "command": "/bin/bash -lc 'ls -l'",
        "cwd": "/w",
        "status": "inProgress",
        "source": "agent",
        "commandActions": [],
        **more,
    }


def test_a_command_runs_in_front_of_us(told):
    told.item("commandExecution", **command(commandActions=[{"type": "listFiles", "command": "ls -l", "path": None}]))
    cell = told.last
    assert (cell.command, cell.cwd, cell.status, cell.started_at, cell.done) == (
        "ls -l",
        "/w",
        "inProgress",
        100.0,
        False,
    )
    assert cell.actions[0]["type"] == "listFiles"
    assert told.status.detail == "ls -l"
    told.delta("commandExecution/outputDelta", "a\n")
    told.delta("commandExecution/outputDelta", "b\n")
    told("item/commandExecution/terminalInteraction", turnId="t1", itemId="i1", processId="7", stdin="y\n")
    told("item/commandExecution/terminalInteraction", turnId="t1", itemId="i1", processId="7", stdin="")
    assert (cell.output.text, cell.typed) == ("a\nb\n", ["y\n"])
    told.item(
        "commandExecution",
        ended=True,
        **command(status="failed", exitCode=2, durationMs=1250, aggregatedOutput="a\nb\nc\n"),
    )
    assert (cell.status, cell.exit_code, cell.elapsed_s, cell.output.text) == ("failed", 2, 1.25, "a\nb\nc\n")
    assert (told.status.detail, cell.done) == ("", True)


@pytest.mark.parametrize(
    ("shown", "bare"),
    [
        ("/bin/sh -c ls", "ls"),
        ("/usr/bin/zsh -lc 'a \"b\" $c'", 'a "b" $c'),
        ('bash -lc "it\'s \\"so\\""', 'it\'s "so"'),
        ("sh -c 'a'\"'\"'b'", "a'b"),
        ("sh -c 'a' b", "sh -c 'a' b"),
        ("sh -c 'open", "sh -c 'open"),
        ("git status", "git status"),
        ("/bin/sh", "/bin/sh"),
    ],
)
def test_a_command_is_shown_without_its_shell(told, shown, bare):
    told.item("commandExecution", **command(command=shown))
    assert told.last.command == bare


def test_a_flood_of_output_leaves_its_beginning_and_its_end(told):
    told.item("commandExecution", **command())
    for number in range(40_000):
        told.delta("commandExecution/outputDelta", f"line {number}\n")
    output = told.last.output
    assert output.head.startswith("line 0\nline 1\n")
    assert output.tail.endswith("line 39999\n")
    assert len(output.head) + len(output.tail) + output.dropped == sum(len(f"line {n}\n") for n in range(40_000))
    assert len(output.text) < 100_000


def test_a_command_of_the_user_ends_without_a_word_about_the_turn(told):
    told.item("commandExecution", **command(source="userShell"))
    told.item("commandExecution", ended=True, **command(source="userShell", status="completed", exitCode=0))
    told.end()
    assert (told.kinds(), told.last.by_user) == (["Command"], True)


def test_a_patch_is_shown_while_the_model_writes_it_and_when_it_is_made(told):
    change = {"path": "/w/a.py", "kind": {"type": "update", "move_path": "/w/b.py"}, "diff": "@@ -1 +1 @@\n-a\n+b\n"}
    told("item/fileChange/patchUpdated", turnId="t1", itemId="i1", changes=[{**change, "diff": "@@"}])
    told.item("fileChange", status="inProgress", changes=[])
    (cell,) = told.transcript
    assert (cell.changes[0].diff, cell.status) == ("@@", "inProgress")
    told("x-codex-agent/detail", turnId="t1", completes="item/completed", stdout="", stderr="no such file\n")
    told.item("fileChange", ended=True, status="failed", changes=[change])
    found = cell.changes[0]
    assert (found.path, found.kind, found.move_path, found.diff) == ("/w/a.py", "update", "/w/b.py", change["diff"])
    assert (cell.status, cell.output, cell.done) == ("failed", "no such file\n", True)


def test_a_detail_is_of_the_next_message_alone(told):
    told("x-codex-agent/detail", turnId="t1", completes="item/completed", stdout="", stderr="oops")
    told("thread/name/updated", threadName="a name")
    told.item("fileChange", ended=True, status="failed", changes=[])
    assert (told.last.output, told.status.thread_name) == ("", "a name")


def test_a_tool_of_an_mcp_server_tells_how_it_goes(told):
    call = {"server": "docs", "tool": "search", "arguments": {"q": "x"}}
    told.item("mcpToolCall", status="inProgress", **call)
    assert told.status.detail == "docs.search"
    told("item/mcpToolCall/progress", turnId="t1", itemId="i1", message="half way")
    cell = told.last
    assert (cell.server, cell.tool, cell.arguments, cell.progress) == ("docs", "search", {"q": "x"}, "half way")
    parts = [
        {"type": "text", "text": "found"},
        {"type": "image", "mimeType": "image/png", "data": "…"},
        {"type": "resource", "resource": {"uri": "file:///a"}},
    ]
    told.item("mcpToolCall", ended=True, status="completed", result={"content": parts}, durationMs=20, **call)
    assert (cell.result, cell.error, cell.elapsed_s) == ("found\n[image: image/png]\n[resource: file:///a]", "", 0.02)


def test_a_structured_result_stands_for_a_missing_text_and_a_long_one_loses_its_middle(told):
    told.item(
        "mcpToolCall",
        ended=True,
        server="s",
        tool="t",
        status="completed",
        result={"content": [], "structuredContent": {"a": 1}},
    )
    assert told.last.result == '{\n  "a": 1\n}'
    long = "x" * 1_000_000
    told.item(
        "mcpToolCall",
        "i2",
        ended=True,
        server="s",
        tool="t",
        status="completed",
        result={"content": [{"type": "text", "text": long}]},
    )
    assert len(told.last.result) < 100_000
    assert "characters left out" in told.last.result


def test_other_tools_tell_what_they_gave_or_why_not(told):
    items = [{"type": "inputText", "text": "out"}]
    told.item("dynamicToolCall", "a", ended=True, tool="look", arguments={}, status="completed", contentItems=items)
    assert (told.last.server, told.last.tool, told.last.result, told.last.error) == (None, "look", "out", "")
    told.item(
        "dynamicToolCall",
        "b",
        ended=True,
        tool="look",
        namespace="my",
        arguments={},
        status="failed",
        contentItems=items,
    )
    assert (told.last.tool, told.last.result, told.last.error) == ("my.look", "", "out")
    told.item("functionCallOutput", "c", ended=True, name="say", output=[{"type": "input_text", "text": "hey"}])
    assert (told.last.tool, told.last.result, told.last.status) == ("say", "hey", "completed")


@pytest.mark.parametrize(
    ("action", "query"),
    [
        ({"type": "search", "query": "cats", "queries": ["cats", "dogs"]}, "cats"),
        ({"type": "openPage", "url": "u"}, "u"),
        ({"type": "findInPage", "url": "u", "pattern": "p"}, "p in u"),
        (None, ""),
    ],
)
def test_a_search_tells_what_it_looks_for(told, action, query):
    told.item("webSearch", ended=True, query="", action=action)
    assert (told.last.query, told.last.done) == (query, True)


def test_an_item_of_a_kind_that_is_not_known_is_named(told):
    told.item("sleep", ended=True, durationMs=5)
    assert (told.kinds(), told.last.tool, told.last.arguments, told.last.done) == (
        ["Tool"],
        "sleep",
        {"durationMs": 5},
        True,
    )


def test_reviews_and_compactions_are_phases(told):
    told.item("enteredReviewMode", ended=True, review="changes")
    assert (told.status.phase, told.last.entered, told.last.text) == ("reviewing", True, "changes")
    told.item("exitedReviewMode", "i2", ended=True, review="all is well")
    assert (told.status.phase, told.last.entered) == ("working", False)
    told.item("contextCompaction", "i3")
    assert told.status.phase == "compacting"
    told.item("contextCompaction", "i3", ended=True)
    told("thread/compacted", turnId="t1")
    assert (told.status.phase, told.kinds()) == ("working", ["Review", "Review", "Compaction"])


def test_a_compaction_that_only_ended_is_told_of_once(told):
    told("thread/compacted", turnId="t1")
    told("thread/compacted", turnId="t1")
    assert told.kinds() == ["Compaction"]


def test_each_new_plan_is_a_cell(told):
    plan = [{"step": "look", "status": "completed"}, {"step": "do", "status": "inProgress"}]
    for _ in range(2):
        told("turn/plan/updated", turnId="t1", explanation="why", plan=plan)
    told("turn/plan/updated", turnId="t1", explanation=None, plan=plan[:1])
    assert [cell.steps for cell in told.transcript] == [
        (("completed", "look"), ("inProgress", "do")),
        (("completed", "look"),),
    ]
    assert [(cell.explanation, cell.done) for cell in told.transcript] == [("why", True), ("", True)]


def test_a_plan_that_is_an_answer_grows(told):
    told.delta("plan/delta", "1. do")
    told.delta("plan/delta", " it")
    assert (told.last.explanation, told.last.done) == ("1. do it", False)
    told.item("plan", ended=True, text="1. do it.")
    assert (told.kinds(), told.last.explanation, told.last.done) == (["Plan"], "1. do it.", True)


# -- sub-agents --------------------------------------------------------------------------------------


def agents(tool, **states):
    found = {id: {"status": state, "message": None} for id, state in states.items()}
    return {
        "tool": tool,
        "status": "completed",
        "senderThreadId": THREAD,
        "receiverThreadIds": list(states),
        "prompt": "look",
        "agentsStates": found,
    }


def test_a_sub_agent_that_has_ended_before_its_call_has_does_not_run(told):
    told("turn/started", threadId="one", turn={"id": "x1", "status": "inProgress"})
    told("turn/completed", threadId="one", turn={"id": "x1", "status": "completed"})
    told("turn/started", threadId="two", turn={"id": "x2", "status": "inProgress"})
    assert told.status.agents_running == 0
    told.item("collabAgentToolCall", "s", ended=True, **agents("spawnAgent", one="pendingInit", two="pendingInit"))
    assert told.status.agents_running == 1
    told("turn/completed", threadId="two", turn={"id": "x2", "status": "completed"})
    assert told.status.agents_running == 0


def test_sub_agents_show_their_state_and_what_they_say_is_not_mixed_in(told):
    told.item("collabAgentToolCall", "s", ended=True, **agents("spawnAgent", one="pendingInit", two="running"))
    assert told.last.agents == (("one", "pendingInit", ""), ("two", "running", ""))
    assert told.status.agents_running == 2
    told.item("collabAgentToolCall", "w", **{**agents("wait", one="running", two="running"), "status": "inProgress"})
    waits = told.last
    told("turn/started", threadId="one", turn={"id": "x1"})
    told("item/agentMessage/delta", threadId="one", turnId="x1", itemId="m", delta="hidden")
    told("turn/completed", threadId="one", turn={"id": "x1", "status": "failed"})
    told("warning", threadId="one", message="hidden")
    assert waits.agents[0] == ("one", "errored", "")
    assert told.status.agents_running == 1
    told("thread/closed", threadId="two")
    told("turn/completed", threadId="nobody", turn={"id": "x2", "status": "completed"})
    assert (told.status.agents_running, told.kinds()) == (0, ["Agents", "Agents"])
    told.item("subAgentActivity", "a", ended=True, kind="completed", agentThreadId="one", agentPath="/agents/one")
    assert told.last.agents == (("one", "completed", "/agents/one"),)


# -- the status line ---------------------------------------------------------------------------------


def test_phases_follow_the_thread(told):
    assert (told.status.phase, told.status.turn_id, told.status.turn_started_at) == ("working", "t1", 100.0)
    told("thread/status/changed", status={"type": "active", "activeFlags": ["waitingOnApproval"]})
    assert told.status.phase == "waiting"
    told("thread/status/changed", status={"type": "active", "activeFlags": []})
    assert told.status.phase == "working"
    told("thread/status/changed", status={"type": "idle"})
    told.end()
    assert (told.status.phase, told.status.turn_id, told.status.turn_started_at) == ("idle", None, None)


def test_a_turn_that_began_before_we_came_has_its_age():
    told = Told()
    told("turn/started", turn={"id": "t1", "startedAt": int(time.time()) - 60})
    assert 30 <= told.status.turn_started_at <= 41


def usage(total, last, **more):
    counts = {"inputTokens": total - 20, "cachedInputTokens": 10, "outputTokens": 20}
    return {
        "total": {"totalTokens": total, **counts},
        "last": {"totalTokens": last},
        "modelContextWindow": 1000,
        **more,
    }


def test_tokens_are_counted_for_the_thread_the_context_and_the_turn(told):
    for total, last in ((500, 100), (500, 100), (700, 200)):
        told("thread/tokenUsage/updated", turnId="t1", tokenUsage=usage(total, last))
    status = told.status
    assert (status.total_tokens, status.input_tokens, status.cached_tokens, status.output_tokens) == (700, 680, 10, 20)
    assert (status.context_tokens, status.context_window, status.context_used) == (200, 1000, 0.2)
    told.end()
    assert (told.last.tokens, told.last.elapsed_s, told.last.status) == (300, 1.5, "completed")


def test_settings_are_taken_over(told):
    settings = {
        "model": "m",
        "modelProvider": "p",
        "cwd": "/x",
        "approvalPolicy": {"granular": {}},
        "approvalsReviewer": "auto_review",
        "sandboxPolicy": {"type": "readOnly"},
        "effort": None,
    }
    told.status.effort = "high"
    told("thread/settings/updated", threadSettings=settings)
    told("model/rerouted", turnId="t1", fromModel="m", toModel="n", reason="busy")
    status = told.status
    assert (status.model, status.provider, status.cwd, status.approval) == ("n", "p", "/x", "granular")
    assert (status.reviewer, status.sandbox, status.effort) == ("auto_review", "readOnly", "")
    assert told.notices() == [("warning", "n answers in place of m", "reason: busy")]


def test_servers_that_start_are_shown_and_those_that_fail_are_told_of(told):
    def started(name, status, **more):
        told("mcpServer/startupStatus/updated", name=name, status=status, error=None, **more)

    started("a", "starting")
    started("b", "starting", threadId=None)
    assert told.status.servers_starting == ("a", "b")
    started("a", "ready")
    told("mcpServer/startupStatus/updated", name="b", status="failed", error="no such program")
    assert (told.status.servers_starting, told.notices()) == (
        (),
        [("warning", "The MCP server b did not start: no such program", "")],
    )
    told("mcpServer/oauthLogin/completed", name="c", threadId=None, success=True)
    assert told.last.text == "Signed in at the MCP server c"


# -- ends, and what goes wrong -----------------------------------------------------------------------


def test_the_end_of_a_turn_closes_what_is_open(told):
    told.item("commandExecution", "c", **command())
    told.delta("agentMessage/delta", "half a", id="m")
    told.end("interrupted")
    assert [(type(cell).__name__, cell.done, getattr(cell, "status", None)) for cell in told.transcript] == [
        ("CommandCell", True, "failed"),
        ("AgentCell", True, None),
        ("TurnEndCell", True, "interrupted"),
    ]
    told.delta("agentMessage/delta", " word", id="m")
    told.item("commandExecution", "c", ended=True, **command(status="completed"))
    told.item("agentMessage", "late", ended=True, text="too late")
    told.end("completed")
    assert (told.kinds(), told.transcript.get("m").text) == (["Command", "Agent", "TurnEnd"], "half a")
    assert told.reader.has_ended("t1")


def test_retries_are_one_notice_and_a_failure_is_told_once(told):
    def failed(text, *, again):
        told("error", turnId="t1", error={"message": text, "additionalDetails": "why"}, willRetry=again)

    failed("Reconnecting... 1/5", again=True)
    failed("Reconnecting... 2/5", again=True)
    cell = told.last
    assert (len(told.transcript), cell.text, cell.hint, cell.retrying, cell.done) == (
        1,
        "Reconnecting... 2/5",
        "why",
        True,
        False,
    )
    told.delta("agentMessage/delta", "it goes on")
    assert cell.done
    failed("it is over", again=False)
    told.end("failed", error={"message": "it is over", "additionalDetails": "why"})
    assert (told.kinds(), told.notices()[1:]) == (
        ["Notice", "Agent", "Notice", "TurnEnd"],
        [("error", "it is over", "why")],
    )


def test_a_failure_that_only_the_end_tells_is_told(told):
    told.end("failed", error={"message": "bad", "additionalDetails": None})
    assert (told.kinds(), told.notices()) == (["Notice", "TurnEnd"], [("error", "bad", "")])


def test_warnings_have_their_level_and_are_not_repeated(told):
    told("warning", threadId=None, message="careful")
    told("warning", message="careful")
    told("x-codex-agent/detail", turnId=None, completes="warning", level="error", source="sandbox")
    told("warning", message="no sandbox")
    told("x-codex-agent/detail", turnId=None, completes=None, level="info", source="x", message="by the way")
    told(
        "configWarning",
        threadId=None,
        summary="odd key",
        details="remove it",
        path="/c.toml",
        range={"start": {"line": 3, "column": 1}},
    )
    told("deprecationNotice", threadId=None, summary="old", details=None)
    assert told.notices() == [
        ("warning", "careful", ""),
        ("error", "no sandbox", ""),
        ("info", "by the way", ""),
        ("warning", "odd key", "/c.toml:3\nremove it"),
        ("warning", "old", ""),
    ]


def test_hooks_are_told_of_when_they_have_something_to_say(told):
    run = {"id": "h", "eventName": "stop", "status": "running", "entries": [], "statusMessage": None}
    told("hook/started", turnId="t1", run=run)
    assert told.status.detail == "hook stop"
    told(
        "hook/completed",
        turnId="t1",
        run={**run, "status": "completed", "entries": [{"kind": "context", "text": "quiet"}]},
    )
    assert (told.status.detail, told.kinds()) == ("", [])
    told(
        "hook/completed",
        turnId="t1",
        run={**run, "status": "blocked", "statusMessage": "lint", "entries": [{"kind": "feedback", "text": "fix it"}]},
    )
    told(
        "hook/completed",
        turnId="t1",
        run={**run, "status": "completed", "entries": [{"kind": "warning", "text": "mind"}]},
    )
    assert told.notices() == [("warning", "Hook stop blocked: lint", "fix it"), ("info", "Hook stop: mind", "")]


def test_what_another_reviewer_decides_is_a_decision(told):
    def review(id, status):
        action = {"type": "command", "command": "rm x", "cwd": "/"}
        return {"turnId": "t1", "reviewId": id, "action": action, "review": {"status": status, "rationale": "harmless"}}

    told("item/autoApprovalReview/started", **review("r", "inProgress"))
    assert told.status.detail == "a reviewer looks at rm x"
    for _ in range(2):
        told("item/autoApprovalReview/completed", **review("r", "approved"))
    told("item/autoApprovalReview/completed", **review("s", "denied"))
    told("item/autoApprovalReview/completed", **review("t", "aborted"))
    assert [(cell.text, cell.approved) for cell in told.transcript] == [
        ("The reviewer approved rm x: harmless", True),
        ("The reviewer refused rm x: harmless", False),
    ]


def test_a_thread_that_is_closed_is_idle(told):
    told("thread/status/changed", status={"type": "notLoaded"})
    told("thread/closed")
    assert (told.status.phase, told.status.turn_id) == ("idle", None)
    assert told.notices() == [
        ("warning", "The server has closed this session", f"codex resume {THREAD} opens it again")
    ]


def test_what_was_rewound_does_not_come_back(told):
    told.item("userMessage", "u1", ended=True, content=[{"type": "text", "text": "one"}])
    told.end()
    told.begin("t2")
    told.item("userMessage", "u2", "t2", ended=True, content=[])
    told.item("commandExecution", "c", "t2", **command())
    told.reader.rewound("t2")
    told.delta("commandExecution/outputDelta", "late", id="c", turn="t2")
    told.item("agentMessage", "m", "t2", ended=True, text="late")
    told.end("interrupted", "t2")
    told("thread/reverted")
    assert told.kinds() == ["User", "TurnEnd"]


def test_an_id_that_comes_again_in_another_turn_is_another_item(told):
    told.item("agentMessage", "m", ended=True, text="one")
    told.end()
    told.begin("t2")
    told.delta("agentMessage/delta", "tw", id="m", turn="t2")
    told.delta("agentMessage/delta", "o", id="m", turn="t2")
    assert told.reader.cell("t1", "m").text == "one"
    assert told.reader.cell("t2", "m").text == "two"
    assert len(told.transcript) == 3


def test_what_cannot_be_read_is_told_once_for_each_kind(told):
    for _ in range(3):
        told("item/started", turnId="t1", item={"type": "agentMessage"})
        told.delta("agentMessage/delta", None)
        told.reader.handle({"method": "turn/completed"})
        told.reader.handle({"method": "no/such/thing", "params": {}})
        told.reader.handle({})
    texts = [text for _, text, _ in told.notices()]
    assert texts == [
        "The server sent item/started in a form that cannot be read: an item without a type or an id",
        "The server sent item/agentMessage/delta in a form that cannot be read: no delta",
        "The server sent turn/completed in a form that cannot be read: no params",
    ]


def test_a_piece_costs_little_however_long_the_whole_is(told):
    message = {
        "method": "item/agentMessage/delta",
        "params": {"threadId": THREAD, "turnId": "t1", "itemId": "m", "delta": "word " * 8},
    }
    began = time.process_time()
    for _ in range(20_000):
        told.reader.handle(message)
    took = time.process_time() - began
    assert len(told.last.text) == 800_000
    assert took / 20_000 < 20e-6  # 2 µs where nobody else is; 100 µs if each piece copied the whole
