"""What the server asks of clients, and what they answer.

Only the schemas and the tests read this: `approvals.py` makes the questions and reads the answers.
"""

from __future__ import annotations

from collections.abc import Mapping

from .notifications import OF_ITEM
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
    never_null,
    nullable,
    record,
    tagged,
    union,
)
from .wire_types import (
    COMMAND_ACTION,
    COUNT_OR_NULL,
    DYNAMIC_CONTENT,
    NETWORK_PROTOCOL,
    PERMISSION_FIELDS,
    PERMISSIONS,
    TEXT_OR_NULL,
)

APPROVAL: dict[str, Shape] = {**OF_ITEM, "startedAtMs": INTEGER, "reason": TEXT_OR_NULL}
SIMPLE = ("accept", "acceptForSession", "decline", "cancel")
NETWORK_RULE = named(
    "NetworkPolicyAmendment",
    record({"host": STRING, "action": named("NetworkPolicyRuleAction", enum("allow", "deny"))}),
)
COMMAND_DECISION = named(
    "CommandExecutionApprovalDecision",
    union(
        enum(*SIMPLE),
        record({"acceptWithExecpolicyAmendment": record({"execpolicy_amendment": array(STRING)})}),
        record({"applyNetworkPolicyAmendment": record({"network_policy_amendment": NETWORK_RULE})}),
    ),
    "An amendment is written as a rule; it counts only if it is one of those that were proposed.",
)
NETWORK_CONTEXT = named("NetworkApprovalContext", record({"host": STRING, "protocol": NETWORK_PROTOCOL}))
COMMAND = record(
    {
        **APPROVAL,
        "kind": named("CommandExecutionApprovalKind", enum("command")),
        "approvalId": NULL,
        "environmentId": NULL,
        "command": TEXT_OR_NULL,
        "cwd": TEXT_OR_NULL,
        "availableDecisions": experimental(array(COMMAND_DECISION)),
        "proposedExecpolicyAmendment": nullable(array(STRING)),
        "proposedNetworkPolicyAmendments": nullable(array(NETWORK_RULE)),
    },
    commandActions=array(COMMAND_ACTION),
    networkApprovalContext=NETWORK_CONTEXT,
    additionalPermissions=experimental(named("AdditionalPermissionProfile", record(PERMISSION_FIELDS))),
)
GRANTED = named(
    "GrantedPermissionProfile",
    record(
        network=record(enabled=BOOLEAN), fileSystem=record(read=array(STRING), write=array(STRING), entries=array(ANY))
    ),
    "What the client grants; no more than was asked for counts.",
)
USER_QUESTION = named(
    "ToolRequestUserInputQuestion",
    record(
        {
            "id": STRING,
            "header": STRING,
            "question": STRING,
            "isOther": BOOLEAN,
            "isSecret": BOOLEAN,
            "options": nullable(
                array(named("ToolRequestUserInputOption", record({"label": STRING, "description": STRING})))
            ),
        }
    ),
)
ELICITING: dict[str, Shape] = {
    "threadId": STRING,
    "turnId": TEXT_OR_NULL,
    "serverName": STRING,
    "_meta": ANY,
    "message": STRING,
}
ELICITATION_FORM = named(
    "McpElicitationSchema",
    record({"type": enum("object"), "properties": mapping(ANY)}, **{"$schema": STRING, "required": array(STRING)}),
    "The JSON Schema of a form of plain values.",
)
ELICITATION = tagged(
    "mode",
    form=record({**ELICITING, "requestedSchema": ELICITATION_FORM}),
    url=record({**ELICITING, "url": STRING, "elicitationId": STRING}),
)

_ASKED: dict[str, tuple[str, str, Shape, Shape]] = {
    "item/commandExecution/requestApproval": (
        "CommandExecutionRequestApproval",
        "May a command run, or reach a host?",
        COMMAND,
        record({"decision": COMMAND_DECISION}),
    ),
    "item/fileChange/requestApproval": (
        "FileChangeRequestApproval",
        "May files be changed?",
        record({**APPROVAL, "grantRoot": TEXT_OR_NULL}),
        record({"decision": named("FileChangeApprovalDecision", enum(*SIMPLE))}),
    ),
    "item/permissions/requestApproval": (
        "PermissionsRequestApproval",
        "May commands do more than the sandbox permits?",
        record({**APPROVAL, "cwd": STRING, "environmentId": NULL, "permissions": PERMISSIONS}),
        record({"permissions": GRANTED}, scope=never_null(named("PermissionGrantScope", enum("turn", "session")))),
    ),
    "item/tool/requestUserInput": (
        "ToolRequestUserInput",
        "The agent asks the user.",
        record(
            {**OF_ITEM, "questions": array(USER_QUESTION), "isBlocking": BOOLEAN, "autoResolutionMs": COUNT_OR_NULL}
        ),
        record({"answers": mapping(named("ToolRequestUserInputAnswer", record({"answers": array(STRING)})))}),
    ),
    "mcpServer/elicitation/request": (
        "McpServerElicitationRequest",
        "An MCP server asks the user; or, with `codex_approval_kind` in `_meta`: may a tool of it run?",
        ELICITATION,
        record(
            {"action": named("McpServerElicitationAction", enum("accept", "decline", "cancel"))},
            content=ANY,
            _meta=ANY,
        ),
    ),
    "item/tool/call": (
        "DynamicToolCall",
        "Carry out a tool that the client brought with the thread.",
        record(
            {"threadId": STRING, "turnId": STRING, "callId": STRING, "tool": STRING, "arguments": ANY},
            namespace=STRING,
        ),
        record({"contentItems": array(DYNAMIC_CONTENT), "success": BOOLEAN}),
    ),
}

SERVER_REQUESTS: Mapping[str, tuple[Shape, Shape]] = {
    method: (named(f"{name}Params", asked, about), named(f"{name}Response", answered))
    for method, (name, about, asked, answered) in _ASKED.items()
}
"""Params and result of every question to clients."""
