"""One event of every kind and one item of every kind, as a thread would tell them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from codex_plugin_sdk import (
    AgentMessageDelta,
    AgentMessageItem,
    ApprovalId,
    ApprovalPolicy,
    ApprovalRequested,
    ApprovalResolved,
    Choice,
    CollabAgentToolCallItem,
    CommandExecutionItem,
    ContextCompactionItem,
    Decision,
    ElicitationRequested,
    ErrorInfo,
    ErrorItem,
    Event,
    EventMsg,
    FileChange,
    FileChangeItem,
    Guarantee,
    HookRun,
    ImageInput,
    ImageViewItem,
    ItemCompleted,
    ItemStarted,
    ItemStatus,
    ItemUpdated,
    LocalImageInput,
    McpServerStatus,
    McpToolCallItem,
    NetworkDecided,
    Notice,
    OpRejected,
    OutputDelta,
    Question,
    QuestionsAsked,
    ReasoningDelta,
    ReasoningItem,
    ReviewDecision,
    RunIntent,
    SandboxMode,
    SandboxPolicy,
    SandboxSelected,
    StreamRetry,
    TextInput,
    ThreadClosed,
    ThreadId,
    ThreadItem,
    ThreadStarted,
    TodoEntry,
    TodoListItem,
    TokenCount,
    TokenUsage,
    ToolCallItem,
    ToolInputDelta,
    TurnCompleted,
    TurnFailed,
    TurnId,
    TurnInterrupted,
    TurnStarted,
    TurnState,
    TurnStateChanged,
    UnknownThreadItem,
    UserMessageItem,
    WebSearchItem,
)

THREAD_ID = ThreadId("01990000-0000-7000-8000-000000000001")
TURN_ID = TurnId("01990000-0000-7000-8000-000000000002")
USAGE = TokenUsage(
    input_tokens=600, cached_input_tokens=60, output_tokens=120, reasoning_output_tokens=30, total_tokens=720
)
FINAL = "Fixed: `add` adds again.\nAll tests pass."


def events(messages: Iterable[EventMsg]) -> list[Event]:
    """The messages in envelopes, numbered from 0."""
    return [
        Event(thread_id=THREAD_ID, turn_id=TURN_ID, seq=seq, at_ms=1_795_229_695_000 + seq, msg=msg)
        for seq, msg in enumerate(messages)
    ]


def thread_started() -> ThreadStarted:
    """The first event of every thread."""
    return ThreadStarted(
        model="sample-model",
        model_provider="sample",
        cwd="/workspace",
        approval_policy=ApprovalPolicy.NEVER,
        sandbox_policy=SandboxPolicy(mode=SandboxMode.WORKSPACE_WRITE, writable_roots=("/data",)),
        rollout_path="/home/user/.codex/sessions/rollout.jsonl",
        effort="high",
    )


def every_item() -> Sequence[ThreadItem]:
    """One item of every kind in its final state, and the kinds of endings that a command can have."""
    done, failed = ItemStatus.COMPLETED, ItemStatus.FAILED
    changes = (
        FileChange(path="/workspace/new.txt", kind="add", content="hello\n"),
        FileChange(path="/workspace/a.txt", kind="update", unified_diff="@@ -1 +1 @@\n-one\n+two\n"),
        FileChange(path="/workspace/b.txt", kind="update", move_path="/workspace/c.txt"),
        FileChange(path="/workspace/d.txt", kind="delete", content="x\n"),
    )
    shell = ("/bin/bash", "-lc")
    return (
        UserMessageItem(
            id="u1",
            content=(
                TextInput(text="Fix it"),
                ImageInput(url="data:image/png;base64,AA"),
                LocalImageInput(path="a.png", url="data:image/png;base64,AAAA"),
            ),
        ),
        ReasoningItem(id="rs_1", summary=("**Looking** at the files", "Then editing"), raw_content=("raw",)),
        ReasoningItem(id="rs_2"),
        AgentMessageItem(id="msg_1", text="I will look."),
        CommandExecutionItem(
            id="call_1",
            command=(*shell, "cat a.txt"),
            cwd="/workspace",
            status=done,
            aggregated_output="one\n",
            exit_code=0,
            duration_ms=12,
        ),
        CommandExecutionItem(
            id="call_2", command=(*shell, "exit 3"), cwd="/workspace", status=failed, exit_code=3, duration_ms=61_000
        ),
        CommandExecutionItem(
            id="call_3", command=(*shell, "rm -rf /"), cwd="/workspace", status=ItemStatus.DECLINED, duration_ms=0
        ),
        FileChangeItem(id="call_4", changes=changes, status=done, stdout="Success."),
        FileChangeItem(id="call_5", changes=changes[:1], status=failed, stderr="No space left on device"),
        McpToolCallItem(
            id="call_6",
            server="demo",
            tool="add",
            arguments={"a": 2, "b": 3},
            status=done,
            result={"content": [{"type": "text", "text": "5"}], "structured_content": {"result": 5}},
        ),
        McpToolCallItem(id="call_7", server="demo", tool="fail", arguments=None, status=failed, error="it broke"),
        ToolCallItem(id="call_8", tool="clock", arguments='{"utc": true}', status=done, output="12:00"),
        ToolCallItem(id="call_9", tool="clock", arguments="not json", status=failed, output="bad arguments"),
        CollabAgentToolCallItem(
            id="call_11",
            tool="spawnAgent",
            status=done,
            sender_thread_id="00000000-0000-7000-8000-000000000001",
            receiver_thread_ids=("00000000-0000-7000-8000-000000000002",),
            prompt="look into it",
            model="small",
            agents={"00000000-0000-7000-8000-000000000002": {"status": "completed", "message": "found it"}},
        ),
        WebSearchItem(id="ws_1", query="weather", action={"type": "search", "query": "weather"}),
        TodoListItem(
            id="plan_1",
            items=(TodoEntry(text="Read", status="completed"), TodoEntry(text="Edit", status="in_progress")),
            explanation="two steps",
        ),
        ImageViewItem(id="call_10", path="/workspace/a.png"),
        ContextCompactionItem(id="c1"),
        ContextCompactionItem(id="c2", fallback=True),
        ErrorItem(id="e1", message="Model metadata not found."),
        UnknownThreadItem(id="x1", tag="HologramProjection", raw={"deep": [1, {"er": None}]}),
    )


def every_message() -> list[EventMsg]:
    """Every kind of event message at least once, in an order that a thread could tell them in, with all
    three endings of a turn; the last turn completes with `FINAL`."""
    failure = TurnFailed(
        error=ErrorInfo(message="boom", kind="ProviderError", hint="wait", http_status=500), usage=USAGE
    )
    approval = ApprovalId("ap_1")
    asked = ApprovalId("ap_2")
    question = Question(id="q", header="Colour", question="Which?", options=(Choice(label="red", description="r"),))
    began = TurnStarted(model="sample-model", context_window=272_000)
    started: list[EventMsg] = [ItemStarted(item=item) for item in every_item()]
    updated: list[EventMsg] = [ItemUpdated(item=item) for item in every_item()]
    completed: list[EventMsg] = [ItemCompleted(item=item) for item in every_item()]
    return [
        thread_started(),
        Notice(level="warning", message="a plugin is left out", source="kernel"),
        Notice(level="info", message="for your information"),
        Notice(level="error", message="something is wrong"),
        began,
        TurnStateChanged(previous=TurnState.IDLE, state=TurnState.BUILDING_CONTEXT),
        StreamRetry(attempt=1, max_attempts=5, delay_s=0.2, cause="stream disconnected"),
        AgentMessageDelta(item_id="msg_1", delta="I will"),
        ReasoningDelta(item_id="rs_1", delta="Look"),
        ReasoningDelta(item_id="rs_1", delta="raw", raw=True),
        ToolInputDelta(item_id="call_4", call_id="call_4", delta="*** Begin"),
        OutputDelta(item_id="call_1", chunk=b"\xff\xfe"),
        *started,
        *updated,
        *completed,
        TokenCount(last=USAGE, total=USAGE, context_window=None),
        ApprovalRequested(
            approval_id=approval, call_id="call_1", intent=RunIntent(argv=("rm", "x"), cwd="/"), reason="deletes"
        ),
        ApprovalResolved(approval_id=approval, decision=ReviewDecision.DENIED),
        QuestionsAsked(approval_id=asked, call_id="call_2", questions=(question,)),
        ApprovalResolved(approval_id=asked, decision=ReviewDecision.APPROVED),
        ElicitationRequested(approval_id=asked, call_id="call_2", server="docs", message="which branch?", schema={}),
        ApprovalResolved(approval_id=asked, decision=ReviewDecision.DENIED),
        McpServerStatus(server="docs", status="failed", error="it did not answer"),
        HookRun(id="stop:0:/hooks", event="Stop", key="/hooks:0"),
        HookRun(id="stop:0:/hooks", event="Stop", key="/hooks:0", status="failed", entries=(("error", "it broke"),)),
        SandboxSelected(
            backend="jail",
            version="1.0",
            degraded=True,
            guarantees=(Guarantee(name="processes", enforced=False, why="an old kernel"),),
        ),
        NetworkDecided(
            call_id="call_1",
            host="example.com",
            port=443,
            protocol="https",
            decision=Decision.FORBIDDEN,
            source="rules",
        ),
        OpRejected(op="Steer", message="no active turn to steer"),
        failure,
        began,
        TurnInterrupted(reason="interrupted", usage=USAGE),
        began,
        ItemCompleted(item=AgentMessageItem(id="msg_9", text=FINAL)),
        TurnCompleted(usage=USAGE, last_agent_message=FINAL, duration_ms=1200),
        ThreadClosed(),
    ]
