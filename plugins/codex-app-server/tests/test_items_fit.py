"""Items of every kind and status, live and recorded, as the protocol has them."""

import json
from pathlib import Path

import pytest

from codex_app_server.items import wire_approval, wire_error, wire_item
from codex_app_server.shapes import fault
from codex_app_server.stored_items import stored_item
from codex_app_server.wire_types import ASK_FOR_APPROVAL, THREAD_ITEM, TURN_ERROR
from codex_plugin_sdk import (
    AgentMessageItem,
    ApprovalPolicy,
    CommandExecutionItem,
    ContextCompactionItem,
    ErrorInfo,
    FileChange,
    FileChangeItem,
    GranularApproval,
    ImageInput,
    ImageViewItem,
    ItemStatus,
    LocalImageInput,
    McpToolCallItem,
    ReasoningItem,
    TextInput,
    ToolCallItem,
    UserMessageItem,
    WebSearchItem,
)

RECORDED = Path(__file__).parents[4] / "shared" / "protocol" / "rollout_lines.json"
SPOKEN = (
    TextInput(text="a"),
    ImageInput(url="https://example.org/a.png"),
    LocalImageInput(path="/a.png", url="data:,"),
)
CHANGES = (
    FileChange(path="/a", kind="add", content="a"),
    FileChange(path="/b", kind="delete", content="b"),
    FileChange(path="/c", kind="update", unified_diff="@@", move_path="/d"),
)
ACTIONS = (
    None,
    {"type": "search", "query": "a", "queries": ["a", "b"]},
    {"type": "open_page", "url": "https://example.org"},
    {"type": "find_in_page", "url": None, "pattern": "a"},
    {"type": "something new"},
)
RESULT = {"content": [{"type": "text", "text": "a"}], "isError": True, "structuredContent": {"a": 1}, "_meta": None}
ITEMS = (
    UserMessageItem(id="1", content=SPOKEN),
    *(AgentMessageItem(id="1", text="a", phase=phase) for phase in (None, "commentary", "final_answer", "new word")),
    ReasoningItem(id="1", summary=("a",), raw_content=("b",)),
    ImageViewItem(id="1", path="/a.png"),
    ContextCompactionItem(id="1"),
    *(WebSearchItem(id="1", query="a", action=action) for action in ACTIONS),
    *(CommandExecutionItem(id="1", command=("a",), cwd="/", status=status, exit_code=0) for status in ItemStatus),
    *(FileChangeItem(id="1", changes=CHANGES, status=status) for status in ItemStatus),
    *(McpToolCallItem(id="1", server="s", tool="t", arguments={}, status=status) for status in ItemStatus),
    McpToolCallItem(id="1", server="s", tool="t", arguments=None, status=ItemStatus.FAILED, result=RESULT, error="no"),
    *(ToolCallItem(id="1", tool="t", arguments="{}", status=status) for status in ItemStatus),
)


def fitting(item, fits):
    """An item that is as we declare it, and as the recorded schema has it."""
    assert not fault(THREAD_ITEM, item, closed=True), item
    return fits("ThreadItem", item)


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: type(item).__name__)
def test_live_items_fit(item, fits):
    assert fitting(wire_item(item), fits)["id"] == "1"


def test_what_a_tool_gave_is_told_without_what_is_no_part_of_the_protocol(fits):
    (item,) = (item for item in ITEMS if isinstance(item, McpToolCallItem) and item.result is not None)
    found = fitting(wire_item(item), fits)
    assert found["result"] == {"content": [{"type": "text", "text": "a"}], "structuredContent": {"a": 1}}
    assert found["error"] == {"message": "no"}


@pytest.mark.parametrize("status", ["in_progress", "completed", "failed", "declined", "something new"])
@pytest.mark.parametrize(
    "body",
    [
        {"type": "CommandExecution", "command": ["a"], "cwd": "file:///a", "duration": {"secs": 1, "nanos": 5}},
        {"type": "FileChange", "changes": {"/a": {"type": "update", "unified_diff": "@@", "move_path": None}}},
        {"type": "McpToolCall", "server": "s", "tool": "t", "arguments": {}, "result": RESULT, "error": "no"},
        {"type": "ToolCall", "tool": "t", "arguments": "{}", "output": "a"},
        {"type": "WebSearch", "query": "a", "action": {"type": "search", "query": "a"}},
        {"type": "Reasoning", "summary_text": ["a"], "raw_content": []},
        {"type": "Plan", "text": "a"},
    ],
    ids=lambda body: body["type"] if isinstance(body, dict) else body,
)
def test_stored_items_fit(body, status, fits):
    fitting(stored_item({"id": "1", "status": status, **body}), fits)


def test_places_in_a_stored_text_are_told_in_the_words_of_the_wire(fits):
    element = {"byte_range": {"start": 0, "end": 2}, "placeholder": "[Image]"}
    content = [{"type": "text", "text": "ab", "text_elements": [element]}]
    found = fitting(stored_item({"type": "UserMessage", "id": "1", "content": content}), fits)
    told = {"byteRange": {"start": 0, "end": 2}, "placeholder": "[Image]"}
    assert found["content"][0]["text_elements"] == [told]


@pytest.mark.skipif(not RECORDED.is_file(), reason="recorded lines are not at hand")
def test_recorded_items_of_codex_fit(fits):
    lines = json.loads(RECORDED.read_text())
    bodies = [line["payload"]["item"] for name, line in lines.items() if ":item_completed:" in name]
    assert len(bodies) > 5
    for body in bodies:
        fitting(stored_item(body, escaped_cwd=True), fits)


@pytest.mark.parametrize("policy", list(ApprovalPolicy))
def test_approval_policies_fit(policy, fits):
    granular = GranularApproval(rules=False) if policy is ApprovalPolicy.GRANULAR else None
    found = wire_approval(policy, granular)
    assert not fault(ASK_FOR_APPROVAL, found, closed=True)
    fits("AskForApproval", found)


@pytest.mark.parametrize("kind", ["ProviderError", "RateLimited", "SandboxDenied", "StreamClosed", "anything"])
def test_errors_fit(kind, fits):
    found = wire_error(ErrorInfo(message="no", kind=kind, http_status=503))
    assert not fault(TURN_ERROR, found, closed=True)
    fits("TurnError", found)
