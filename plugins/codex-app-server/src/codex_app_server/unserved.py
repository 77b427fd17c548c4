"""Methods and notifications of the protocol that have no meaning here, and why.

What is served or sent does not belong here; tests hold both tables against ours and the protocol.
"""

from __future__ import annotations

from collections.abc import Mapping

from .wire import RpcError

NOT_SERVED = -32601
"""A method that exists in the protocol, but not here. One that does not exist at all is an unknown variant: -32600."""

_ACCOUNT = "it belongs to ChatGPT and workspace accounts, and this server signs in with API keys"
_CLOUD_LOGIN = "providers of other clouds are set up in config.toml and by their own tools"
_APPS = "apps are connected through ChatGPT accounts, which this server has none of; MCP servers do the same"
_ENVIRONMENTS = "threads run on the machine of the server; there are no other environments"
_IMPORT = "the configuration of other agents is not taken over"
_BUNDLES = "plugins are Python packages here: pip installs them, and `codex plugins` tells what is there"
_PROJECTS = "threads are kept by folder; there are no projects, sections, attachments and read marks"
_REMOTE = "there is no remote control through a service; listen on a socket for other machines"
_DEVICE = "the person at the keyboard is not verified by this server"
_MEMORY = "memories are not kept by this server"
_REALTIME = "there are no spoken conversations"
_QUEUE = "input is not queued by the server: `turn/steer` adds to the turn under way"
_GUARDIAN = "approval requests are answered by the user; no other model reviews them"
_SAMPLE = "a model is reached through turns only"
_SETTINGS = "settings are given with `turn/start`, and hold from then on"
_TERMINALS = "what a turn leaves running ends with its thread; `process/*` is for processes of the client"
_WINDOWS = "the sandbox of Windows is not part of this server"
_SEARCH = "`thread/list` finds threads by `searchTerm`; there is no index of their content"
_RETIRED = "it is gone from the second version of the protocol"

UNSERVED: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("account/gatewayOAuth/cancel", "account/gatewayOAuth/login", "account/gatewayOAuth/read"),
            *("account/rateLimitResetCredit/consume", "account/securitySetup/read"),
            *("account/sendAddCreditsNudgeEmail", "account/workspaceMessages/read"),
            *("accountSession/list", "accountSession/switch"),
        ),
        _ACCOUNT,
    ),
    **dict.fromkeys(
        (
            *("account/bedrock/checkGovCloudRequirements", "account/bedrock/discover", "account/bedrock/setup"),
            *("account/gcp/setup", "modelProvider/config/write"),
        ),
        _CLOUD_LOGIN,
    ),
    **dict.fromkeys(("app/installed", "app/list", "app/read"), _APPS),
    **dict.fromkeys(("environment/add", "environment/info", "environment/status"), _ENVIRONMENTS),
    **dict.fromkeys(
        (
            *("externalAgentConfig/detect", "externalAgentConfig/import"),
            *("externalAgentConfig/import/readHistories", "externalAgentConfig/import/recordHistory"),
        ),
        _IMPORT,
    ),
    **dict.fromkeys(
        (
            *("marketplace/add", "marketplace/remove", "marketplace/upgrade", "plugin/install", "plugin/installed"),
            *("plugin/list", "plugin/read", "plugin/reconcile", "plugin/search", "plugin/share/checkout"),
            *("plugin/share/delete", "plugin/share/list", "plugin/share/save", "plugin/share/updateTargets"),
            *("plugin/skill/read", "plugin/uninstall"),
        ),
        _BUNDLES,
    ),
    **dict.fromkeys(
        (
            *("project/create", "project/delete", "project/import", "project/list", "project/move", "project/read"),
            *("project/update", "thread/attachment/add", "thread/attachment/list", "thread/attachment/remove"),
            *("thread/attachmentOwner/list", "thread/readState/update", "thread/section/move"),
            *("threadSection/create", "threadSection/delete", "threadSection/list", "threadSection/update"),
        ),
        _PROJECTS,
    ),
    **dict.fromkeys(
        (
            *("remoteControl/client/list", "remoteControl/client/revoke", "remoteControl/disable"),
            *("remoteControl/enable", "remoteControl/pairing/start", "remoteControl/pairing/status"),
            "remoteControl/status/read",
        ),
        _REMOTE,
    ),
    **dict.fromkeys(
        (
            *("userVerification/cancel", "userVerification/delete", "userVerification/enroll"),
            *("userVerification/status", "userVerification/verify"),
        ),
        _DEVICE,
    ),
    **dict.fromkeys(("memory/reset", "memory/status", "thread/memory/read", "thread/memoryMode/set"), _MEMORY),
    **dict.fromkeys(
        (
            *("thread/realtime/appendAudio", "thread/realtime/appendSpeech", "thread/realtime/appendText"),
            *("thread/realtime/listVoices", "thread/realtime/start", "thread/realtime/stop"),
        ),
        _REALTIME,
    ),
    **dict.fromkeys(
        (
            *("thread/queue/add", "thread/queue/delete", "thread/queue/list", "thread/queue/reorder"),
            *("thread/queue/start", "thread/queue/update"),
        ),
        _QUEUE,
    ),
    **dict.fromkeys(("thread/approveGuardianDeniedAction", "thread/guardianReview"), _GUARDIAN),
    **dict.fromkeys(("thread/prediction/request", "thread/sample", "thread/sample/cancel"), _SAMPLE),
    **dict.fromkeys(("thread/settings/update", "turn/settings/update"), _SETTINGS),
    **dict.fromkeys(
        (
            *("thread/backgroundTerminals/clean", "thread/backgroundTerminals/list"),
            "thread/backgroundTerminals/terminate",
        ),
        _TERMINALS,
    ),
    **dict.fromkeys(("windowsSandbox/readiness", "windowsSandbox/setupStart"), _WINDOWS),
    **dict.fromkeys(("thread/search", "thread/searchOccurrences", "thread/timeline/list"), _SEARCH),
    **dict.fromkeys(("getAuthStatus", "getConversationSummary", "gitDiffToRemote"), _RETIRED),
    "collaborationMode/list": "there is one way of working together; a plan is kept by the plan tool",
    "thread/prepareApprovedPlan": "there is no mode in which a plan has to be approved first",
    "feedback/upload": "nothing is sent to anybody: `feedback/save` writes a file",
    "mcpServer/event/stream/start": "events of MCP servers are not passed on",
    "mcpServer/event/stream/stop": "events of MCP servers are not passed on",
    "mock/experimentalMethod": "it is there for the tests of Codex itself",
    "rollout/compress": "rollouts stay as they are, so that Codex can read them too",
    "skills/extraRoots/set": "skills are looked for in the folders that the configuration names",
    "thread/increment_elicitation": "no time runs while the user is asked, so none has to be stopped",
    "thread/decrement_elicitation": "no time runs while the user is asked, so none has to be stopped",
}

_MODERATION = "what a service does to look after its model's answers is no part of its interface"

UNSENT: Mapping[str, str] = {
    **dict.fromkeys(("account/gatewayOAuth/changed", "account/rateLimits/updated"), _ACCOUNT),
    "app/list/updated": _APPS,
    "autoApprovalReview/strictReviewRequired": "a review is asked for or it is not; no thread is made to have one",
    "deprecationNotice": "nothing that is served is about to go",
    **dict.fromkeys(("externalAgentConfig/import/completed", "externalAgentConfig/import/progress"), _IMPORT),
    "guardianWarning": "what a reviewer has to say stands in `item/autoApprovalReview/completed`",
    "item/fileChange/outputDelta": "a patch is applied at once, and prints nothing while it is",
    "item/plan/delta": "there is no mode in which the answer is a plan; the plan tool sends `turn/plan/updated`",
    "mcpServer/event/stream/notification": "events of MCP servers are not passed on",
    **dict.fromkeys(
        ("model/safetyBuffering/updated", "model/verification", "turn/moderationMetadata"),
        _MODERATION,
    ),
    "model/rerouted": "a turn is answered by the model that was asked, or fails",
    **dict.fromkeys(
        ("modelProvider/authRecoveryCompleted", "modelProvider/authRecoveryStarted"),
        "a key that is refused fails the turn",
    ),
    **dict.fromkeys(
        (
            *("project/changed", "thread/attachment/updated", "thread/project/updated"),
            *("thread/readState/changed", "thread/section/changed"),
        ),
        _PROJECTS,
    ),
    **dict.fromkeys(("thread/environment/connected", "thread/environment/disconnected"), _ENVIRONMENTS),
    "thread/prediction/updated": _SAMPLE,
    "thread/queue/changed": _QUEUE,
    **dict.fromkeys(
        (
            *("thread/realtime/closed", "thread/realtime/error", "thread/realtime/item/completed"),
            *("thread/realtime/item/started", "thread/realtime/item/transcript/delta", "thread/realtime/itemAdded"),
            *("thread/realtime/outputAudio/delta", "thread/realtime/sdp", "thread/realtime/started"),
            *("thread/realtime/transcript/delta", "thread/realtime/transcript/done"),
        ),
        _REALTIME,
    ),
    **dict.fromkeys(("windows/worldWritableWarning", "windowsSandbox/setupCompleted"), _WINDOWS),
}
"""Notifications that are never sent."""


def not_served(method: str) -> RpcError | None:
    """What a request for such a method is answered with; None for any other method."""
    why = UNSERVED.get(method)
    if why is None:
        return None
    return RpcError(f"{method} is not served here: {why}", NOT_SERVED, {"type": "notServed", "method": method})
