"""What the server tells of its own accord.

Only the schemas and the tests read this: messages are not checked while they are sent.
"""

from __future__ import annotations

from collections.abc import Mapping

from .results import SEARCH_RESULT
from .shapes import BOOLEAN, INTEGER, NULL, STRING, Shape, array, enum, named, nullable, record, tagged
from .wire_thread_settings import THREAD_SETTINGS
from .wire_types import (
    COUNT_OR_NULL,
    FILE_UPDATE_CHANGE,
    HOOK_EVENT_NAME,
    HOOK_SOURCE,
    NETWORK_PROTOCOL,
    PERMISSIONS,
    REQUEST_ID,
    TEXT_OR_NULL,
    THREAD,
    THREAD_GOAL,
    THREAD_ITEM,
    THREAD_STATUS,
    TOKEN_USAGE,
    TURN,
    TURN_ERROR,
)

OF_THREAD: dict[str, Shape] = {"threadId": STRING}
OF_TURN = {**OF_THREAD, "turnId": STRING}
OF_ITEM = {**OF_TURN, "itemId": STRING}
DELTA = {**OF_ITEM, "delta": STRING}
OUTPUT_STREAM = enum("stdout", "stderr")
CHUNK = {"deltaBase64": STRING, "capReached": BOOLEAN}
USAGE = named(
    "ThreadTokenUsage",
    record({"total": TOKEN_USAGE, "last": TOKEN_USAGE, "modelContextWindow": COUNT_OR_NULL}),
    "Tokens of the whole thread, and of the last request to the model.",
)
PLAN_STEP = named(
    "TurnPlanStep",
    record(
        {"step": STRING, "status": named("TurnPlanStepStatus", enum("pending", "inProgress", "completed"))},
    ),
)
HOOK_RUN = named(
    "HookRunSummary",
    record(
        {
            "id": STRING,
            "eventName": HOOK_EVENT_NAME,
            "handlerType": named("HookHandlerType", enum("command")),
            "executionMode": named("HookExecutionMode", enum("sync")),
            "scope": named("HookScope", enum("thread", "turn")),
            "sourcePath": STRING,
            "source": HOOK_SOURCE,
            "displayOrder": INTEGER,
            "status": named("HookRunStatus", enum("running", "completed", "failed", "blocked", "stopped")),
            "statusMessage": TEXT_OR_NULL,
            "startedAt": INTEGER,
            "completedAt": COUNT_OR_NULL,
            "durationMs": COUNT_OR_NULL,
            "entries": array(
                named(
                    "HookOutputEntry",
                    record(
                        {
                            "kind": named(
                                "HookOutputEntryKind", enum("warning", "stop", "feedback", "context", "error")
                            ),
                            "text": STRING,
                        }
                    ),
                )
            ),
        }
    ),
    "A handler of a lifecycle event; times are Unix seconds.",
)
OF_HOOK = {**OF_THREAD, "turnId": TEXT_OR_NULL, "run": HOOK_RUN}
REVIEW_ACTION = named(
    "GuardianApprovalReviewAction",
    tagged(
        command=record(
            {"command": STRING, "cwd": STRING, "source": named("GuardianCommandSource", enum("unifiedExec"))}
        ),
        applyPatch=record({"cwd": STRING, "files": array(STRING)}),
        networkAccess=record({"host": STRING, "port": INTEGER, "protocol": NETWORK_PROTOCOL, "target": STRING}),
        mcpToolCall=record({"server": STRING, "toolName": STRING}),
        requestPermissions=record({"permissions": PERMISSIONS, "reason": TEXT_OR_NULL}),
    ),
    "What somebody wants to do.",
)
REVIEW = named(
    "GuardianApprovalReview",
    record(
        {
            "status": named("GuardianApprovalReviewStatus", enum("inProgress", "approved", "denied", "aborted")),
            "rationale": TEXT_OR_NULL,
            "riskLevel": NULL,
            "userAuthorization": NULL,
        }
    ),
)
REVIEWED = {
    **OF_TURN,
    "reviewId": STRING,
    "targetItemId": STRING,
    "startedAtMs": INTEGER,
    "action": REVIEW_ACTION,
    "review": REVIEW,
}
ENDED = {
    "processHandle": STRING,
    "exitCode": INTEGER,
    "stdout": STRING,
    "stdoutCapReached": BOOLEAN,
    "stderr": STRING,
    "stderrCapReached": BOOLEAN,
}

TEXT_POSITION = named("TextPosition", record({"line": INTEGER, "column": INTEGER}))
TEXT_RANGE = named("TextRange", record({"start": TEXT_POSITION, "end": TEXT_POSITION}))

_TOLD: dict[str, tuple[str, str, Shape]] = {
    # the server
    "warning": (
        "Warning",
        "Something that the user should know.",
        record({"threadId": TEXT_OR_NULL, "message": STRING}),
    ),
    "remoteControl/status/changed": (
        "RemoteControlStatusChanged",
        "Told once, right after the handshake: there is no remote control here.",
        record(
            {
                "status": named("RemoteControlConnectionStatus", enum("disabled")),
                "serverName": STRING,
                "installationId": STRING,
                "environmentId": NULL,
            }
        ),
    ),
    "configWarning": (
        "ConfigWarning",
        "Something is wrong with the configuration; `range` is its place in the file, in lines from 1.",
        record({"summary": STRING, "details": TEXT_OR_NULL}, path=STRING, range=TEXT_RANGE),
    ),
    "skills/changed": ("SkillsChanged", "A skill was added, changed or removed: list them anew.", record()),
    "serverRequest/resolved": (
        "ServerRequestResolved",
        "A question of the server needs no answer any more.",
        record({**OF_THREAD, "requestId": REQUEST_ID}),
    ),
    "account/login/completed": (
        "AccountLoginCompleted",
        "Signing in has ended.",
        record({"loginId": TEXT_OR_NULL, "success": BOOLEAN, "error": TEXT_OR_NULL, "onboardingEntrypoint": NULL}),
    ),
    "account/updated": (
        "AccountUpdated",
        "Another account counts from now on.",
        record({"authMode": nullable(named("AuthMode", enum("apikey"))), "planType": NULL}),
    ),
    # threads
    "thread/started": ("ThreadStarted", "A thread was opened that did not exist before.", record({"thread": THREAD})),
    "thread/status/changed": (
        "ThreadStatusChanged",
        "What a thread is doing.",
        record({**OF_THREAD, "status": THREAD_STATUS}),
    ),
    "thread/settings/updated": (
        "ThreadSettingsUpdated",
        "What the turns of a thread are carried out with has changed; before the turn that changed it begins.",
        record({**OF_THREAD, "threadSettings": THREAD_SETTINGS}),
    ),
    "thread/closed": ("ThreadClosed", "A thread is open no more.", record(OF_THREAD)),
    "thread/archived": ("ThreadArchived", "A thread was put aside.", record(OF_THREAD)),
    "thread/unarchived": ("ThreadUnarchived", "A thread was put back.", record(OF_THREAD)),
    "thread/deleted": ("ThreadDeleted", "A thread is gone.", record(OF_THREAD)),
    "thread/reverted": ("ThreadReverted", "The last turns of a thread were taken back.", record(OF_THREAD)),
    "thread/compacted": ("ContextCompacted", "The history was shortened.", record(OF_TURN)),
    "thread/name/updated": (
        "ThreadNameUpdated",
        "A thread has another name.",
        record({**OF_THREAD, "threadName": STRING}),
    ),
    "thread/goal/updated": (
        "ThreadGoalUpdated",
        "The goal was set or changed; with `turnId` that turn was charged to it.",
        record({**OF_THREAD, "turnId": TEXT_OR_NULL, "goal": THREAD_GOAL}),
    ),
    "thread/goal/cleared": ("ThreadGoalCleared", "There is no goal any more.", record(OF_THREAD)),
    "thread/tokenUsage/updated": (
        "ThreadTokenUsageUpdated",
        "After each request to the model.",
        record({**OF_TURN, "tokenUsage": USAGE}),
    ),
    # turns
    "turn/started": ("TurnStarted", "A turn has begun; it has no items yet.", record({**OF_THREAD, "turn": TURN})),
    "turn/completed": (
        "TurnCompleted",
        "A turn has ended, in whatever way; the last of its messages.",
        record({**OF_THREAD, "turn": TURN}),
    ),
    "turn/diff/updated": ("TurnDiffUpdated", "All changes of the turn so far.", record({**OF_TURN, "diff": STRING})),
    "turn/plan/updated": (
        "TurnPlanUpdated",
        "The agent's plan.",
        record({**OF_TURN, "explanation": TEXT_OR_NULL, "plan": array(PLAN_STEP)}),
    ),
    "error": (
        "Error",
        "A request to the model failed; unless it is tried again, the turn ends.",
        record({**OF_TURN, "error": TURN_ERROR, "willRetry": BOOLEAN}),
    ),
    # items
    "item/started": (
        "ItemStarted",
        "Before its deltas.",
        record({**OF_TURN, "item": THREAD_ITEM, "startedAtMs": INTEGER}),
    ),
    "item/completed": (
        "ItemCompleted",
        "The item as it stays; after its deltas.",
        record({**OF_TURN, "item": THREAD_ITEM, "completedAtMs": INTEGER}),
    ),
    "item/agentMessage/delta": ("AgentMessageDelta", "More of the agent's message.", record(DELTA)),
    "item/commandExecution/outputDelta": (
        "CommandExecutionOutputDelta",
        "More output of a command.",
        record(DELTA),
    ),
    "item/commandExecution/terminalInteraction": (
        "TerminalInteraction",
        "The model types into a command that runs (`stdin`), or looks at its output: then `stdin` is empty.",
        record({**OF_ITEM, "processId": STRING, "stdin": STRING}),
    ),
    "item/fileChange/patchUpdated": (
        "FileChangePatchUpdated",
        "A patch that the model is still writing, with all of it so far; before its item, which may never come.",
        record({**OF_ITEM, "changes": array(FILE_UPDATE_CHANGE)}),
    ),
    "item/reasoning/summaryPartAdded": (
        "ReasoningSummaryPartAdded",
        "A part of a summary begins.",
        record({**OF_ITEM, "summaryIndex": INTEGER}),
    ),
    "item/reasoning/summaryTextDelta": (
        "ReasoningSummaryTextDelta",
        "More of a summary.",
        record({**DELTA, "summaryIndex": INTEGER}),
    ),
    "item/reasoning/textDelta": (
        "ReasoningTextDelta",
        "More of the reasoning itself.",
        record({**DELTA, "contentIndex": INTEGER}),
    ),
    "item/mcpToolCall/progress": (
        "McpToolCallProgress",
        "What an MCP server tells of a call under way.",
        record({**OF_ITEM, "message": STRING}),
    ),
    "item/autoApprovalReview/started": (
        "ItemGuardianApprovalReviewStarted",
        "A reviewer that is not the user looks at an approval request.",
        record(REVIEWED),
    ),
    "item/autoApprovalReview/completed": (
        "ItemGuardianApprovalReviewCompleted",
        "It has decided, or somebody was faster.",
        record(
            {
                **REVIEWED,
                "completedAtMs": INTEGER,
                "decisionSource": named("AutoReviewDecisionSource", enum("agent")),
            }
        ),
    ),
    "hook/started": ("HookStarted", "A handler of a lifecycle event runs.", record(OF_HOOK)),
    "hook/completed": ("HookCompleted", "It has ended.", record(OF_HOOK)),
    # MCP servers
    "mcpServer/startupStatus/updated": (
        "McpServerStatusUpdated",
        "How the start of a server goes.",
        record(
            {
                "threadId": TEXT_OR_NULL,
                "name": STRING,
                "status": named("McpServerStartupState", enum("starting", "ready", "failed", "cancelled")),
                "error": TEXT_OR_NULL,
                "failureReason": NULL,
            }
        ),
    ),
    "mcpServer/oauthLogin/completed": (
        "McpServerOauthLoginCompleted",
        "Signing in at a server has ended.",
        record(
            {
                "name": STRING,
                "threadId": TEXT_OR_NULL,
                "loginId": TEXT_OR_NULL,
                "success": BOOLEAN,
                "error": TEXT_OR_NULL,
            }
        ),
    ),
    # programs and files
    "command/exec/outputDelta": (
        "CommandExecOutputDelta",
        "More output of a command that the client runs; of a terminal and of stderr as well.",
        record({"processId": STRING, "stream": named("CommandExecOutputStream", OUTPUT_STREAM), **CHUNK}),
    ),
    "process/outputDelta": (
        "ProcessOutputDelta",
        "More output of a process.",
        record({"processHandle": STRING, "stream": named("ProcessOutputStream", OUTPUT_STREAM), **CHUNK}),
    ),
    "process/exited": ("ProcessExited", "A process has ended.", record(ENDED)),
    "fs/changed": (
        "FsChanged",
        "Files changed that are watched.",
        record({"watchId": STRING, "changedPaths": array(STRING)}),
    ),
    "fuzzyFileSearch/sessionUpdated": (
        "FuzzyFileSearchSessionUpdated",
        "What was found.",
        record({"sessionId": STRING, "query": STRING, "files": array(SEARCH_RESULT)}),
    ),
    "fuzzyFileSearch/sessionCompleted": (
        "FuzzyFileSearchSessionCompleted",
        "Nothing more will be found for the query.",
        record({"sessionId": STRING}),
    ),
}

NOTIFICATIONS: Mapping[str, Shape] = {
    method: named(f"{name}Notification", shape, about) for method, (name, about, shape) in _TOLD.items()
}
"""Params of every notification."""
