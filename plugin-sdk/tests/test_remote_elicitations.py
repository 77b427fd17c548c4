"""What MCP servers ask, as a frontend of a remote thread gets and answers it."""

import pytest

from codex_plugin_sdk import (
    ApprovalAnswer,
    ApprovalId,
    ApprovalRequested,
    ElicitationRequested,
    McpServerStatus,
    OutputDelta,
    ReviewDecision,
    ToolIntent,
)
from codex_plugin_sdk.remote.approvals import ELICITATION, answer_of, approval_of
from codex_plugin_sdk.remote.events import EventReader

FORM = {"type": "object", "properties": {"name": {"type": "string"}}}
CALL = {
    "serverName": "demo",
    "mode": "form",
    "message": "Allow it?",
    "requestedSchema": {"type": "object", "properties": {}},
    "_meta": {
        "codex_approval_kind": "mcp_tool_call",
        "tool_name": "add",
        "tool_description": "adds",
        "tool_params": {"a": 1},
    },
}


def answered(request, decision, **more):
    """The answer on the wire."""
    return answer_of(ApprovalAnswer(approval_id=request.approval_id, decision=decision, **more), request)


def test_a_form_and_a_page_are_questions_of_the_server():
    form = approval_of(
        3, ELICITATION, {"serverName": "demo", "mode": "form", "message": "Who?", "requestedSchema": FORM}
    )
    assert isinstance(form, ElicitationRequested)
    assert (form.approval_id, form.server, form.message, form.schema) == (ApprovalId("3"), "demo", "Who?", FORM)
    page = approval_of(4, ELICITATION, {"serverName": "demo", "mode": "url", "message": "Log in", "url": "https://x"})
    assert isinstance(page, ElicitationRequested)
    assert (page.schema, page.url) == (None, "https://x")
    accepted = {"action": "accept", "content": {"name": "Bo"}}
    assert answered(form, ReviewDecision.APPROVED, content={"name": "Bo"}) == accepted
    for decision, action in ((ReviewDecision.DENIED, "decline"), (ReviewDecision.ABORT, "cancel")):
        assert answered(form, decision, content={"name": "Bo"}) == {"action": action, "content": None}


@pytest.mark.parametrize(
    ("decision", "action", "meta"),
    [
        (ReviewDecision.APPROVED, "accept", None),
        (ReviewDecision.APPROVED_FOR_SESSION, "accept", {"persist": "session"}),
        (ReviewDecision.APPROVED_ALWAYS, "accept", {"persist": "always"}),
        (ReviewDecision.DENIED, "decline", None),
        (ReviewDecision.ABORT, "cancel", None),
    ],
)
def test_whether_a_tool_may_run_is_an_approval_request(decision, action, meta):
    request = approval_of(5, ELICITATION, CALL)
    assert isinstance(request, ApprovalRequested)
    assert request.intent == ToolIntent(tool="mcp__demo__add", arguments={"a": 1}, summary="adds")
    assert request.reason == "Allow it?"
    assert answered(request, decision) == {"action": action, "content": None, "_meta": meta}


def test_progress_and_the_start_of_servers_are_events_again():
    reader = EventReader("t", {})
    progress = {"threadId": "t", "turnId": "u", "itemId": "c", "message": "half"}
    (event,) = reader.events("item/mcpToolCall/progress", progress)
    assert event.msg == OutputDelta(item_id="c", chunk=b"half\n")
    status = {"threadId": "t", "name": "demo", "status": "failed", "error": "gone", "failureReason": None}
    (event,) = reader.events("mcpServer/startupStatus/updated", status)
    assert event.msg == McpServerStatus(server="demo", status="failed", error="gone")
