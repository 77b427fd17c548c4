"""What each method answers with, and by which name the schemas know it.

Only the schemas and the tests read this: answers are not checked while they are sent. Params are declared beside the
methods; their name is that of the result with `Params` for `Response`, unless `PARAMS` has another.
"""

from __future__ import annotations

from collections.abc import Mapping

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
from .wire_catalogue import CONFIG, CONFIG_LAYER, CONFIG_LAYER_METADATA, MODEL, MODEL_PROVIDER
from .wire_types import (
    ASK_FOR_APPROVAL,
    COUNT_OR_NULL,
    HOOK_EVENT_NAME,
    HOOK_SOURCE,
    NOTHING,
    SETTINGS,
    TEXT_OR_NULL,
    THREAD,
    THREAD_GOAL,
    THREAD_ITEM_ENTRY,
    TURN,
)

DONE = record()
"""Nothing but that it was done."""


def _page(entries: Shape, **more: Shape) -> Shape:
    return record({"data": array(entries), "nextCursor": TEXT_OR_NULL, **more})


ACCOUNT = named("Account", tagged(apiKey=record()), "With what the model is paid.")
LOGIN = tagged(
    apiKey=record(),
    chatgpt=record({"authUrl": STRING, "loginId": STRING}),
    chatgptDeviceCode=record({"loginId": STRING, "userCode": STRING, "verificationUrl": STRING}),
)
FEATURE = named(
    "ExperimentalFeature",
    record(
        {
            "name": STRING,
            "stage": named(
                "ExperimentalFeatureStage", enum("beta", "underDevelopment", "stable", "deprecated", "removed")
            ),
            "displayName": TEXT_OR_NULL,
            "description": TEXT_OR_NULL,
            "announcement": TEXT_OR_NULL,
            "enabled": BOOLEAN,
            "defaultEnabled": BOOLEAN,
        }
    ),
)
REQUIREMENTS = named(
    "ConfigRequirements",
    record(
        allowedApprovalPolicies=array(ASK_FOR_APPROVAL),
        allowedSandboxModes=array(named("SandboxMode", enum("read-only", "workspace-write", "danger-full-access"))),
        allowedPermissionProfiles=mapping(BOOLEAN),
        featureRequirements=mapping(BOOLEAN),
    ),
    "What an administrator permits; what is not named is free.",
)
WRITTEN = named(
    "ConfigWriteResponse",
    record(
        {
            "status": named("WriteStatus", enum("ok", "okOverridden")),
            "version": STRING,
            "filePath": STRING,
            "overriddenMetadata": nullable(
                named(
                    "OverriddenMetadata",
                    record({"message": STRING, "overridingLayer": CONFIG_LAYER_METADATA, "effectiveValue": ANY}),
                )
            ),
        }
    ),
)
DIAGNOSTICS = record(
    {
        "process": named(
            "ServerDiagnosticsProcess",
            record({"id": INTEGER, "residentMemoryBytes": COUNT_OR_NULL, "physicalFootprintBytes": COUNT_OR_NULL}),
        ),
        "gauges": array(named("ServerDiagnosticsGauge", record({"name": STRING, "value": INTEGER}))),
    }
)
SEARCH_RESULT = named(
    "FuzzyFileSearchResult",
    record(
        {
            "root": STRING,
            "path": STRING,
            "match_type": named("FuzzyFileSearchMatchType", enum("file", "directory")),
            "file_name": STRING,
            "score": INTEGER,
            "indices": array(INTEGER),
        }
    ),
    "A path below `root`; `indices` are the places of the characters that were looked for.",
)
TURNS_PAGE = named("TurnsPage", _page(TURN, backwardsCursor=TEXT_OR_NULL))
CURSORS = {"turnsBackwardsCursor": TEXT_OR_NULL, "itemsBackwardsCursor": TEXT_OR_NULL}
METADATA = record(
    {
        "isDirectory": BOOLEAN,
        "isFile": BOOLEAN,
        "isSymlink": BOOLEAN,
        "createdAtMs": INTEGER,
        "modifiedAtMs": INTEGER,
    }
)
DIRECTORY_ENTRY = named("FsReadDirectoryEntry", record({"fileName": STRING, "isDirectory": BOOLEAN, "isFile": BOOLEAN}))

SKILL = named(
    "SkillMetadata",
    record(
        {
            "name": STRING,
            "description": STRING,
            "path": STRING,
            "scope": named("SkillScope", enum("user", "repo", "system", "admin")),
            "enabled": BOOLEAN,
            "pluginId": TEXT_OR_NULL,
        }
    ),
)
SKILLS_ENTRY = named(
    "SkillsListEntry",
    record(
        {
            "cwd": STRING,
            "skills": array(SKILL),
            "errors": array(named("SkillErrorInfo", record({"path": STRING, "message": STRING}))),
        }
    ),
)
HOOK = named(
    "HookMetadata",
    record(
        {
            "key": STRING,
            "eventName": HOOK_EVENT_NAME,
            "handlerType": enum("command"),
            "command": STRING,
            "async": BOOLEAN,
            "matcher": TEXT_OR_NULL,
            "timeoutSec": INTEGER,
            "statusMessage": TEXT_OR_NULL,
            "sourcePath": STRING,
            "source": HOOK_SOURCE,
            "pluginId": TEXT_OR_NULL,
            "displayOrder": INTEGER,
            "enabled": BOOLEAN,
            "isManaged": BOOLEAN,
            "currentHash": STRING,
            "trustStatus": named("HookTrustStatus", enum("managed", "untrusted", "trusted", "modified")),
        }
    ),
)
HOOKS_ENTRY = named(
    "HooksListEntry",
    record(
        {
            "cwd": STRING,
            "hooks": array(HOOK),
            "warnings": array(STRING),
            "errors": array(named("HookErrorInfo", record({"path": STRING, "message": STRING}))),
        }
    ),
)

MCP_TOOL = named(
    "Tool",
    record(
        {"name": STRING, "inputSchema": ANY},
        title=STRING,
        description=STRING,
        outputSchema=ANY,
        annotations=ANY,
        icons=array(ANY),
        _meta=ANY,
    ),
    "A tool of an MCP server, as that describes it.",
)
MCP_RESOURCE = named(
    "Resource",
    record(
        {"name": STRING, "uri": STRING},
        title=STRING,
        description=STRING,
        mimeType=STRING,
        size=INTEGER,
        annotations=ANY,
        icons=array(ANY),
        _meta=ANY,
    ),
)
MCP_RESOURCE_TEMPLATE = named(
    "ResourceTemplate",
    record(
        {"name": STRING, "uriTemplate": STRING},
        title=STRING,
        description=STRING,
        mimeType=STRING,
        annotations=ANY,
    ),
)
MCP_CONTENT = named(
    "ResourceContent",
    union(
        record({"uri": STRING, "text": STRING}, mimeType=STRING, _meta=ANY),
        record({"uri": STRING, "blob": STRING}, mimeType=STRING, _meta=ANY),
    ),
    "What a resource holds; `blob` is Base64.",
)
MCP_SERVER_INFO = named(
    "McpServerInfo",
    record(
        {"name": STRING, "version": STRING},
        title=STRING,
        description=STRING,
        websiteUrl=STRING,
        icons=array(ANY),
    ),
)
MCP_SERVER_STATUS = named(
    "McpServerStatus",
    record(
        {
            "name": STRING,
            "runtimeStatus": nullable(
                named(
                    "McpServerConnectionStatus",
                    enum(
                        *("notStarted", "starting", "connected", "authenticationRequired"),
                        *("failed", "cancelled", "disabled"),
                    ),
                )
            ),
            "pluginId": TEXT_OR_NULL,
            "httpOrigin": TEXT_OR_NULL,
            "serverInfo": nullable(MCP_SERVER_INFO),
            "serverCapabilities": ANY,
            "toolListMeta": ANY,
            "tools": mapping(MCP_TOOL),
            "toolsError": TEXT_OR_NULL,
            "resources": array(MCP_RESOURCE),
            "resourceTemplates": array(MCP_RESOURCE_TEMPLATE),
            "authStatus": named("McpAuthStatus", enum("unknown", "unsupported", "notLoggedIn", "bearerToken", "oAuth")),
        }
    ),
    "An MCP server and what it offers; `runtimeStatus` is null for servers that were started for this answer.",
)

_ANSWERS: dict[str, tuple[str, Shape]] = {
    "initialize": (
        "Initialize",
        record({"userAgent": STRING, "codexHome": STRING, "platformFamily": STRING, "platformOs": STRING}),
    ),
    # threads
    "thread/start": ("ThreadStart", record({"thread": THREAD, **SETTINGS})),
    "thread/resume": (
        "ThreadResume",
        record({"thread": THREAD, **SETTINGS}, initialTurnsPage=experimental(TURNS_PAGE)),
    ),
    "thread/fork": ("ThreadFork", record({"thread": THREAD, **SETTINGS})),
    "thread/unsubscribe": (
        "ThreadUnsubscribe",
        record(
            {"status": named("ThreadUnsubscribeStatus", enum("notLoaded", "notSubscribed", "unsubscribed"))},
        ),
    ),
    "thread/loaded/list": ("ThreadLoadedList", _page(STRING)),
    "thread/compact/start": ("ThreadCompactStart", DONE),
    "thread/list": ("ThreadList", _page(THREAD, backwardsCursor=TEXT_OR_NULL)),
    "thread/read": ("ThreadRead", record({"thread": THREAD})),
    "thread/turns/list": ("ThreadTurnsList", _page(TURN, backwardsCursor=TEXT_OR_NULL)),
    "thread/items/list": ("ThreadItemsList", _page(THREAD_ITEM_ENTRY, backwardsCursor=TEXT_OR_NULL)),
    "thread/items/read": ("ThreadItemsRead", record({"data": array(THREAD_ITEM_ENTRY)})),
    "thread/archive": ("ThreadArchive", DONE),
    "thread/unarchive": ("ThreadUnarchive", record({"thread": THREAD})),
    "thread/delete": ("ThreadDelete", DONE),
    "thread/name/set": ("ThreadSetName", DONE),
    "thread/metadata/update": ("ThreadMetadataUpdate", record({"thread": THREAD})),
    "thread/inject_items": ("ThreadInjectItems", DONE),
    "thread/revert": ("ThreadRevert", record({"thread": THREAD, **CURSORS})),
    "review/start": ("ReviewStart", record({"turn": TURN, "reviewThreadId": STRING})),
    "thread/shellCommand": ("ThreadShellCommand", DONE),
    "thread/goal/set": ("ThreadGoalSet", record({"goal": THREAD_GOAL})),
    "thread/goal/get": ("ThreadGoalGet", record({"goal": nullable(THREAD_GOAL)})),
    "thread/goal/clear": ("ThreadGoalClear", record({"cleared": BOOLEAN})),
    # turns
    "turn/start": ("TurnStart", record({"turn": TURN})),
    "turn/steer": ("TurnSteer", record({"turnId": STRING})),
    "turn/interrupt": ("TurnInterrupt", DONE),
    # models and the account
    "model/list": ("ModelList", _page(MODEL)),
    "modelProvider/list": (
        "ModelProviderList",
        record({"data": array(MODEL_PROVIDER), "defaultProviderId": STRING, "canChangeDefault": BOOLEAN}),
    ),
    "modelProvider/capabilities/read": (
        "ModelProviderCapabilitiesRead",
        record({"webSearch": BOOLEAN, "imageGeneration": BOOLEAN}),
    ),
    "account/read": (
        "GetAccount",
        record(
            {
                "account": nullable(ACCOUNT),
                "userId": NULL,
                "requiresOpenaiAuth": BOOLEAN,
                "workspaceRouting": experimental(NULL),
            },
        ),
    ),
    "account/login/start": ("LoginAccount", LOGIN),
    "account/login/cancel": (
        "CancelLoginAccount",
        record({"status": named("CancelLoginAccountStatus", enum("canceled", "notFound"))}),
    ),
    "account/logout": ("LogoutAccount", DONE),
    "account/rateLimits/read": ("GetAccountRateLimits", NOTHING),
    "account/usage/read": ("GetAccountTokenUsage", NOTHING),
    # configuration
    "config/read": (
        "ConfigRead",
        record(
            {"config": CONFIG, "origins": mapping(CONFIG_LAYER_METADATA), "layers": nullable(array(CONFIG_LAYER))},
        ),
    ),
    "config/value/write": ("ConfigWrite", WRITTEN),
    "config/batchWrite": ("ConfigWrite", WRITTEN),
    "configRequirements/read": ("ConfigRequirementsRead", record({"requirements": nullable(REQUIREMENTS)})),
    "permissionProfile/list": (
        "PermissionProfileList",
        _page(
            named("PermissionProfileSummary", record({"id": STRING, "description": TEXT_OR_NULL, "allowed": BOOLEAN}))
        ),
    ),
    "experimentalFeature/list": ("ExperimentalFeatureList", _page(FEATURE)),
    "experimentalFeature/enablement/set": (
        "ExperimentalFeatureEnablementSet",
        record({"enablement": mapping(BOOLEAN)}),
    ),
    # files
    "fs/readFile": ("FsReadFile", record({"dataBase64": STRING})),
    "fs/writeFile": ("FsWriteFile", DONE),
    "fs/createDirectory": ("FsCreateDirectory", DONE),
    "fs/getMetadata": ("FsGetMetadata", METADATA),
    "fs/readDirectory": ("FsReadDirectory", record({"entries": array(DIRECTORY_ENTRY)})),
    "fs/remove": ("FsRemove", DONE),
    "fs/copy": ("FsCopy", DONE),
    "fs/watch": ("FsWatch", record({"path": STRING})),
    "fs/unwatch": ("FsUnwatch", DONE),
    "fuzzyFileSearch": ("FuzzyFileSearch", record({"files": array(SEARCH_RESULT)})),
    "fuzzyFileSearch/sessionStart": ("FuzzyFileSearchSessionStart", DONE),
    "fuzzyFileSearch/sessionUpdate": ("FuzzyFileSearchSessionUpdate", DONE),
    "fuzzyFileSearch/sessionStop": ("FuzzyFileSearchSessionStop", DONE),
    # programs
    "command/exec": ("CommandExec", record({"exitCode": INTEGER, "stdout": STRING, "stderr": STRING})),
    "command/exec/write": ("CommandExecWrite", DONE),
    "command/exec/resize": ("CommandExecResize", DONE),
    "command/exec/terminate": ("CommandExecTerminate", DONE),
    "process/spawn": ("ProcessSpawn", DONE),
    "process/writeStdin": ("ProcessWriteStdin", DONE),
    "process/resizePty": ("ProcessResizePty", DONE),
    "process/kill": ("ProcessKill", DONE),
    # the rest
    "skills/list": (
        "SkillsList",
        record({"data": array(SKILLS_ENTRY)}),
    ),
    "skills/config/write": ("SkillsConfigWrite", record({"effectiveEnabled": BOOLEAN})),
    "hooks/list": ("HooksList", record({"data": array(HOOKS_ENTRY)})),
    "mcpServerStatus/list": ("ListMcpServerStatus", _page(MCP_SERVER_STATUS)),
    "mcpServer/tool/call": (
        "McpServerToolCall",
        record({"content": array(ANY)}, structuredContent=ANY, isError=BOOLEAN, _meta=ANY),
    ),
    "mcpServer/resource/read": (
        "McpResourceRead",
        record({"contents": array(MCP_CONTENT), "originCallId": TEXT_OR_NULL}),
    ),
    "mcpServer/oauth/login": ("McpServerOauthLogin", record({"authorizationUrl": STRING, "loginId": TEXT_OR_NULL})),
    "config/mcpServer/reload": ("McpServerRefresh", DONE),
    "feedback/save": (
        "FeedbackSave",
        record({"savedPath": STRING, "threadId": STRING, "promptHash": TEXT_OR_NULL}),
    ),
    "server/diagnostics": ("ServerDiagnostics", DIAGNOSTICS),
}

RESULTS: Mapping[str, Shape] = {method: named(f"{name}Response", shape) for method, (name, shape) in _ANSWERS.items()}
"""Every method's result."""
PARAMS = {
    "config/value/write": "ConfigValueWriteParams",
    "config/batchWrite": "ConfigBatchWriteParams",
    "account/logout": "",
    "config/mcpServer/reload": "",
    "configRequirements/read": "",
}
"""Names of params that do not follow from that of the result; empty for methods that take none."""


def params_name(method: str) -> str:
    """The name of a method's params; empty if it takes none."""
    if method in PARAMS:
        return PARAMS[method]
    return RESULTS[method].definition.removesuffix("Response") + "Params"
