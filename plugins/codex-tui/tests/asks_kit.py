"""Requests of a server, as they come on the wire."""

from __future__ import annotations

from typing import Any

from codex_tui.session.asks import Ask, read_ask

PLACE = {"threadId": "t", "turnId": "u", "itemId": "i", "startedAtMs": 1}
PREFIX = {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["npm", "test"]}}
HOST = {"host": "example.org", "action": "allow"}
REACH = {"applyNetworkPolicyAmendment": {"network_policy_amendment": HOST}}
BLOCK = {"applyNetworkPolicyAmendment": {"network_policy_amendment": {**HOST, "action": "deny"}}}
COMMAND = {**PLACE, "kind": "command", "command": "npm test -- --all", "cwd": "/proj", "reason": "to see what fails"}
CHANGE = {**PLACE, "reason": "edits are to be confirmed", "grantRoot": None}
PERMISSIONS = {
    **PLACE,
    "cwd": "/proj",
    "reason": "to build",
    "permissions": {
        "network": {"enabled": True},
        "fileSystem": {
            "read": ["/data"],
            "write": ["/out"],
            "entries": [
                {"path": {"type": "path", "path": "/out"}, "access": "write"},
                {"path": {"type": "glob_pattern", "pattern": "**/.env"}, "access": "none"},
            ],
        },
    },
}
ELICIT = {"threadId": "t", "turnId": "u", "serverName": "tracker", "_meta": None, "message": "Say more."}
FORM = {**ELICIT, "mode": "form"}
TOOL = {
    **FORM,
    "message": 'Allow the tracker MCP server to run tool "close"?',
    "_meta": {
        "codex_approval_kind": "mcp_tool_call",
        "persist": ["session", "always"],
        "tool_name": "close",
        "tool_description": "Close a ticket",
        "tool_params": {"ticket": 5, "why": "done"},
        "tool_params_display": [{"name": "ticket", "value": 5, "display_name": "Ticket"}],
    },
    "requestedSchema": {"type": "object", "properties": {}},
}
URL = {**ELICIT, "mode": "url", "url": "https://example.org@evil.test/login", "elicitationId": "e"}
QUESTION = {
    "id": "q",
    "header": "Colour",
    "question": "Which?",
    "isOther": True,
    "isSecret": False,
    "options": [{"label": "red", "description": "warm"}, {"label": "blue", "description": "cold"}],
}
ASKED = {
    "threadId": "t",
    "turnId": "u",
    "itemId": "i",
    "isBlocking": True,
    "autoResolutionMs": None,
    "questions": [QUESTION],
}
METHODS = {
    "command": "item/commandExecution/requestApproval",
    "change": "item/fileChange/requestApproval",
    "permissions": "item/permissions/requestApproval",
    "elicit": "mcpServer/elicitation/request",
    "questions": "item/tool/requestUserInput",
}
DIFF = "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n@@ -8,2 +8,3 @@\n h\n+H\n i\n"


def ask(kind: str, params: Any, **more: Any) -> Any:
    """The question in a request."""
    found = read_ask({"id": 7, "method": METHODS[kind], "params": {**params, **more}})
    assert isinstance(found, Ask)
    return found


def form(properties: Any, required: Any = ()) -> Any:
    """The question with a form of these fields."""
    return ask("elicit", FORM, requestedSchema={"type": "object", "properties": properties, "required": list(required)})
