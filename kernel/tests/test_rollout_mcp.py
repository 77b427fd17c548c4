"""Calls of MCP servers' tools in the rollout, in the form that Codex writes and reads."""

import json
from pathlib import Path

import pytest

from codex_kernel.protocol.thread_items import ItemStatus, McpToolCallItem
from codex_kernel.rollout_lines import item_body

RECORDED = Path(__file__).parents[2].parent / "shared" / "protocol" / "rollout_lines.json"
TEXT = [{"type": "text", "text": "Error executing tool fail: tool says: no"}]
CALL = McpToolCallItem(id="call_7", server="demo", tool="fail", arguments={"msg": "no"}, status=ItemStatus.COMPLETED)
HEAD = {"type": "McpToolCall", "id": "call_7", "server": "demo", "tool": "fail", "arguments": {"msg": "no"}}
AT_ONCE = {"secs": 0, "nanos": 0}


def test_a_result_is_recorded_in_the_words_of_the_protocol():
    result = {"content": TEXT, "structured_content": {"a": 1}}
    assert item_body(CALL.replace(result=result, duration_ms=1_250)) == {
        **HEAD,
        "status": "completed",
        "result": {"content": TEXT, "structuredContent": {"a": 1}, "isError": False},
        "duration": {"secs": 1, "nanos": 250_000_000},
    }


@pytest.mark.parametrize("status", [ItemStatus.FAILED, ItemStatus.DECLINED])
def test_a_call_that_did_not_happen_has_an_error_and_no_result(status):
    found = item_body(CALL.replace(status=status, error="user rejected MCP tool call"))
    error = {"message": "user rejected MCP tool call"}
    assert found == {**HEAD, "status": "failed", "error": error, "duration": AT_ONCE}


@pytest.mark.skipif(not RECORDED.is_file(), reason="the recorded lines are not at hand")
def test_a_failed_call_looks_as_it_was_recorded_from_codex():
    recorded = json.loads(RECORDED.read_text())["event_msg:item_completed:McpToolCall"]["payload"]["item"]
    found = item_body(CALL.replace(status=ItemStatus.FAILED, result={"content": TEXT, "structured_content": None}))
    assert {**found, "duration": recorded["duration"]} == recorded
