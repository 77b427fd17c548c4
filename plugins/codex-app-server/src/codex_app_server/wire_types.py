"""What threads, turns, items and settings look like on the wire, as this server sends them.

Only the schemas and the tests read this: it is not imported by a server that runs.
"""

from __future__ import annotations

from codex_plugin_sdk import Category

from .goals import STATUSES
from .items import PHASES
from .params import SANDBOX_POLICY, USER_INPUT
from .shapes import (
    ANY,
    BOOLEAN,
    INTEGER,
    NULL,
    STRING,
    Shape,
    array,
    enum,
    experimental,
    mapping,
    named,
    nullable,
    record,
    tagged,
    union,
)

TEXT_OR_NULL, COUNT_OR_NULL, FLAG_OR_NULL = nullable(STRING), nullable(INTEGER), nullable(BOOLEAN)
NOTHING = union()
"""No value at all: entries of lists that are always empty, results of methods that only refuse."""
REQUEST_ID = named("RequestId", union(STRING, INTEGER), "Echoed as it came.")

# -- settings ----------------------------------------------------------------------------------------

ASK_FOR_APPROVAL = named(
    "AskForApproval",
    union(
        enum("untrusted", "on-request", "never"),
        record({"granular": record(dict.fromkeys((category.value for category in Category), BOOLEAN))}),
    ),
    "When the user is asked before a command runs; `granular` switches single kinds of question off.",
)
APPROVALS_REVIEWER = named("ApprovalsReviewer", enum("user", "auto_review"), "Who answers approval requests.")
REASONING_EFFORT = named("ReasoningEffort", STRING, "How much a model thinks; which words there are depends on it.")
SETTINGS: dict[str, Shape] = {
    "model": STRING,
    "modelProvider": STRING,
    "serviceTier": TEXT_OR_NULL,
    "cwd": STRING,
    "runtimeWorkspaceRoots": experimental(array(STRING)),
    "instructionSources": array(STRING),
    "approvalPolicy": ASK_FOR_APPROVAL,
    "approvalsReviewer": APPROVALS_REVIEWER,
    "sandbox": SANDBOX_POLICY,
    "activePermissionProfile": experimental(NULL),
    "reasoningEffort": nullable(REASONING_EFFORT),
}
"""What the answers to start, resume and fork have beside the thread."""

# -- items -------------------------------------------------------------------------------------------

PROGRESS = ("inProgress", "completed", "failed")
COMMAND_ACTION = named(
    "CommandAction", tagged(unknown=record({"command": STRING})), "What a command does, as far as it is understood."
)
COMMAND_EXECUTION = record(
    {
        "id": STRING,
        "command": STRING,
        "cwd": STRING,
        "processId": TEXT_OR_NULL,
        "source": named(
            "CommandExecutionSource", enum("agent", "userShell", "unifiedExecStartup", "unifiedExecInteraction")
        ),
        "status": named("CommandExecutionStatus", enum(*PROGRESS, "declined")),
        "commandActions": array(COMMAND_ACTION),
        "aggregatedOutput": TEXT_OR_NULL,
        "exitCode": COUNT_OR_NULL,
        "durationMs": COUNT_OR_NULL,
    }
)
PATCH_CHANGE_KIND = named(
    "PatchChangeKind", tagged(add=record(), delete=record(), update=record({"move_path": TEXT_OR_NULL}))
)
FILE_UPDATE_CHANGE = named(
    "FileUpdateChange",
    record({"path": STRING, "kind": PATCH_CHANGE_KIND, "diff": STRING}),
    "A file that was changed; `diff` is the content of one that was added or deleted.",
)
MCP_TOOL_CALL = record(
    {
        "id": STRING,
        "server": STRING,
        "tool": STRING,
        "arguments": ANY,
        "status": named("McpToolCallStatus", enum(*PROGRESS)),
        "result": nullable(
            named("McpToolCallResult", record({"content": array(ANY)}, structuredContent=ANY, _meta=ANY))
        ),
        "error": nullable(named("McpToolCallError", record({"message": STRING}))),
        "durationMs": COUNT_OR_NULL,
    }
)
DYNAMIC_CONTENT = named(
    "DynamicToolCallOutputContentItem",
    tagged(
        inputText=record({"text": STRING}),
        inputImage=record({"imageUrl": STRING}),
        inputAudio=record({"audioUrl": STRING}),
    ),
)
DYNAMIC_TOOL_CALL = record(
    {
        "id": STRING,
        "tool": STRING,
        "arguments": ANY,
        "status": named("DynamicToolCallStatus", enum(*PROGRESS)),
        "contentItems": nullable(array(DYNAMIC_CONTENT)),
        "success": FLAG_OR_NULL,
    },
    namespace=STRING,
    durationMs=INTEGER,
)
WEB_SEARCH_ACTION = named(
    "WebSearchAction",
    tagged(
        search=record(query=STRING, queries=array(STRING)),
        openPage=record(url=STRING),
        findInPage=record(url=STRING, pattern=STRING),
        other=record(),
    ),
)
COLLAB_AGENT_TOOL_CALL = record(
    {
        "id": STRING,
        "tool": named(
            "CollabAgentTool",
            enum(
                *("spawnAgent", "sendInput", "resumeAgent", "wait", "closeAgent"),
                *("sendMessage", "followupTask", "interruptAgent", "listAgents"),
            ),
        ),
        "status": named("CollabAgentToolCallStatus", enum(*PROGRESS, "interrupted")),
        "senderThreadId": STRING,
        "receiverThreadIds": array(STRING),
        "prompt": TEXT_OR_NULL,
        "model": TEXT_OR_NULL,
        "reasoningEffort": TEXT_OR_NULL,
        "agentsStates": mapping(
            named(
                "CollabAgentState",
                record(
                    {
                        "status": named(
                            "CollabAgentStatus",
                            enum(
                                *("pendingInit", "running", "interrupted", "completed", "errored"),
                                *("shutdown", "notFound"),
                            ),
                        ),
                        "message": TEXT_OR_NULL,
                    }
                ),
            )
        ),
    }
)
MESSAGE_PHASE = named("MessagePhase", enum(*PHASES), "What the model wrote a message for.")
THREAD_ITEM = named(
    "ThreadItem",
    tagged(
        userMessage=record({"id": STRING, "content": array(USER_INPUT), "clientId": TEXT_OR_NULL}),
        agentMessage=record({"id": STRING, "text": STRING, "phase": nullable(MESSAGE_PHASE)}),
        plan=record({"id": STRING, "text": STRING}),
        reasoning=record({"id": STRING, "summary": array(STRING), "content": array(STRING)}),
        commandExecution=COMMAND_EXECUTION,
        fileChange=record(
            {
                "id": STRING,
                "changes": array(FILE_UPDATE_CHANGE),
                "status": named("PatchApplyStatus", enum(*PROGRESS, "declined")),
            }
        ),
        mcpToolCall=MCP_TOOL_CALL,
        dynamicToolCall=DYNAMIC_TOOL_CALL,
        collabAgentToolCall=COLLAB_AGENT_TOOL_CALL,
        webSearch=record({"id": STRING, "query": STRING, "action": nullable(WEB_SEARCH_ACTION)}),
        imageView=record({"id": STRING, "path": STRING}),
        enteredReviewMode=record({"id": STRING, "review": STRING}),
        exitedReviewMode=record({"id": STRING, "review": STRING}),
        contextCompaction=record({"id": STRING}),
    ),
    "What happens in a turn, one by one.",
)

# -- permissions and hooks ---------------------------------------------------------------------------

NETWORK_PROTOCOL = named("NetworkApprovalProtocol", enum("http", "https", "socks5Tcp", "socks5Udp"))
FILE_ENTRY = named(
    "FileSystemSandboxEntry",
    record(
        {
            "path": named("FileSystemPath", tagged(path=record({"path": STRING}))),
            "access": named("FileSystemAccessMode", enum("read", "write")),
        }
    ),
)
FILE_PERMISSIONS = named(
    "AdditionalFileSystemPermissions",
    record({"read": nullable(array(STRING)), "write": nullable(array(STRING)), "entries": array(FILE_ENTRY)}),
)
PERMISSION_FIELDS: dict[str, Shape] = {
    "network": nullable(named("AdditionalNetworkPermissions", record({"enabled": BOOLEAN}))),
    "fileSystem": nullable(FILE_PERMISSIONS),
}
PERMISSIONS = named(
    "RequestPermissionProfile", record(PERMISSION_FIELDS), "What is asked for beyond what the sandbox permits."
)
HOOK_EVENT_NAME = named(
    "HookEventName",
    enum(
        *("preModelRequest", "postModelRequest", "preToolUse", "permissionRequest", "postToolUse", "preCompact"),
        *("postCompact", "sessionStart", "sessionEnd", "userPromptSubmit", "subagentStart", "subagentStop", "stop"),
        "interrupt",
    ),
)
HOOK_SOURCE = named(
    "HookSource",
    enum(
        *("system", "user", "project", "mdm", "sessionFlags", "plugin", "cloudRequirements", "cloudManagedConfig"),
        *("legacyManagedConfigFile", "legacyManagedConfigMdm", "unknown"),
    ),
)

# -- turns -------------------------------------------------------------------------------------------

HTTP_STATUS = record({"httpStatusCode": COUNT_OR_NULL})
CODEX_ERROR_INFO = named(
    "CodexErrorInfo",
    union(
        enum("contextWindowExceeded", "usageLimitExceeded", "unauthorized", "sandboxError", "other"),
        record({"httpConnectionFailed": HTTP_STATUS}),
    ),
    "The kind of an error, by which programs tell them apart.",
)
TURN_ERROR = named(
    "TurnError",
    record({"message": STRING, "codexErrorInfo": nullable(CODEX_ERROR_INFO), "additionalDetails": TEXT_OR_NULL}),
)
TURN_ITEMS_VIEW = named(
    "TurnItemsView",
    enum("notLoaded", "summary", "full"),
    "Which items of a turn are told: none, the agent's last message, or all.",
)
TURN = named(
    "Turn",
    record(
        {
            "id": STRING,
            "items": array(THREAD_ITEM),
            "itemsView": TURN_ITEMS_VIEW,
            "status": named("TurnStatus", enum("completed", "interrupted", "failed", "inProgress")),
            "error": nullable(TURN_ERROR),
            "startedAt": COUNT_OR_NULL,
            "completedAt": COUNT_OR_NULL,
            "durationMs": COUNT_OR_NULL,
        }
    ),
    "One exchange: what the user said, and all that came of it. Times are Unix seconds.",
)
THREAD_ITEM_ENTRY = named(
    "ThreadItemEntry",
    record(
        {
            "turnId": STRING,
            "item": THREAD_ITEM,
            "startedAtMs": COUNT_OR_NULL,
            "completedAtMs": COUNT_OR_NULL,
            "outputDeferred": experimental(BOOLEAN),
        }
    ),
    "An item in a list. Times are Unix milliseconds; a deferred output is read by `thread/items/read`.",
)
TOKEN_USAGE = named(
    "TokenUsageBreakdown",
    record(
        dict.fromkeys(
            (
                *("totalTokens", "inputTokens", "cachedInputTokens", "cacheWriteInputTokens"),
                *("outputTokens", "reasoningOutputTokens"),
            ),
            INTEGER,
        )
    ),
)

# -- threads -----------------------------------------------------------------------------------------

THREAD_STATUS = named(
    "ThreadStatus",
    tagged(
        notLoaded=record(),
        idle=record(),
        active=record(
            {"activeFlags": array(named("ThreadActiveFlag", enum("waitingOnApproval", "waitingOnUserInput")))}
        ),
    ),
)
SUB_AGENT_SOURCE = named(
    "SubAgentSource",
    union(
        enum("review", "compact", "memory_consolidation"),
        record({"other": STRING}),
        record(
            {
                "thread_spawn": record(
                    {"parent_thread_id": STRING, "depth": INTEGER},
                    agent_nickname=STRING,
                    agent_path=STRING,
                    agent_role=STRING,
                )
            }
        ),
    ),
)
SESSION_SOURCE = named(
    "SessionSource",
    union(
        enum("cli", "vscode", "exec", "appServer", "unknown"),
        record({"custom": STRING}),
        record({"subAgent": SUB_AGENT_SOURCE}),
    ),
    "Who began a thread.",
)
GIT_INFO = named(
    "GitInfo",
    record({"sha": TEXT_OR_NULL, "branch": TEXT_OR_NULL, "originUrl": TEXT_OR_NULL}),
    "Where the thread's folder stood when it began, or as it was corrected.",
)
THREAD = named(
    "Thread",
    record(
        {
            "id": STRING,
            "sessionId": STRING,
            "forkedFromId": TEXT_OR_NULL,
            "historyMode": named("ThreadHistoryMode", enum("legacy", "paginated")),
            "preview": STRING,
            "ephemeral": BOOLEAN,
            "modelProvider": STRING,
            "model": TEXT_OR_NULL,
            "createdAt": INTEGER,
            "updatedAt": INTEGER,
            "recencyAt": INTEGER,
            "status": THREAD_STATUS,
            "path": TEXT_OR_NULL,
            "cwd": STRING,
            "cliVersion": STRING,
            "originator": TEXT_OR_NULL,
            "threadSource": TEXT_OR_NULL,
            "source": SESSION_SOURCE,
            "parentThreadId": TEXT_OR_NULL,
            "agentNickname": TEXT_OR_NULL,
            "agentRole": TEXT_OR_NULL,
            "gitInfo": nullable(GIT_INFO),
            "name": TEXT_OR_NULL,
            "projectId": NULL,
            "turns": array(TURN),
        }
    ),
    "A conversation, open or recorded. Times are Unix seconds; `turns` is empty unless they were asked for.",
)
THREAD_GOAL = named(
    "ThreadGoal",
    record(
        {
            "threadId": STRING,
            "objective": STRING,
            "status": named("ThreadGoalStatus", enum(*STATUSES)),
            "tokenBudget": COUNT_OR_NULL,
            "tokensUsed": INTEGER,
            "timeUsedSeconds": INTEGER,
            "createdAt": INTEGER,
            "updatedAt": INTEGER,
        }
    ),
    "What a thread is to reach, and what has been spent on it.",
)
