"""Calls of MCP servers' tools and failures of servers, as `codex exec` shows them."""

import io
import json

import pytest

from codex_exec.jsonl import JsonlRenderer
from codex_exec.text import TextRenderer
from codex_plugin_sdk import (
    Event,
    ItemCompleted,
    ItemStarted,
    ItemStatus,
    McpServerStatus,
    McpToolCallItem,
    Notice,
    RenderSetup,
    ThreadId,
)

STARTED = McpToolCallItem(id="c", server="demo", tool="add", arguments={"a": 2}, status=ItemStatus.IN_PROGRESS)
RESULT = {"content": [{"type": "text", "text": "5"}], "structuredContent": {"result": 5}, "isError": False}
WRONG = {"content": [{"type": "image"}, {"type": "text", "text": "it broke"}], "isError": True}


def shown(renderer, *messages):
    """What a renderer writes to stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    made = renderer(RenderSetup(stdout=out, stderr=err, color=False, options={}))
    for number, msg in enumerate(messages):
        made.handle(Event(thread_id=ThreadId("t"), turn_id=None, seq=number, at_ms=0, msg=msg))
    made.close()
    return out.getvalue(), err.getvalue()


def test_a_call_is_an_item_as_codex_writes_it():
    done = STARTED.replace(status=ItemStatus.COMPLETED, result=RESULT)
    out, _ = shown(JsonlRenderer, ItemStarted(item=STARTED), ItemCompleted(item=done))
    head = '"item":{"id":"item_0","type":"mcp_tool_call","server":"demo","tool":"add","arguments":{"a":2},'
    assert out.splitlines() == [
        f'{{"type":"item.started",{head}"result":null,"error":null,"status":"in_progress"}}}}',
        (
            f'{{"type":"item.completed",{head}"result":{{"content":[{{"type":"text","text":"5"}}],'
            '"structured_content":{"result":5}},"error":null,"status":"completed"}}'
        ),
    ]


@pytest.mark.parametrize(
    ("outcome", "text"),
    [({"result": WRONG}, "it broke"), ({"error": "user rejected MCP tool call"}, "user rejected MCP tool call")],
)
def test_in_words_a_failed_call_says_why(outcome, text):
    failed = STARTED.replace(status=ItemStatus.FAILED, duration_ms=3, **outcome)
    _, err = shown(TextRenderer, ItemStarted(item=STARTED), ItemCompleted(item=failed))
    assert err == f"tool\ndemo.add failed in 3ms:\n{text}\n"


def test_the_failure_of_a_server_is_told_once_however_often_it_is_tried():
    failed = McpServerStatus(server="bad", status="failed", error="no such program")
    events = (
        McpServerStatus(server="bad", status="starting"),
        failed,
        McpServerStatus(server="bad", status="starting"),
        failed,
        Notice(level="warning", message="1 of 1 MCP servers did not start: bad", source="mcp-startup"),
    )
    told = "MCP server bad is not available: no such program"
    assert shown(TextRenderer, *events) == ("", f"warning: {told}\n")
    out, err = shown(JsonlRenderer, *events)
    assert [json.loads(line)["item"] for line in out.splitlines()] == [
        {"id": "item_0", "type": "error", "message": told}
    ]
    assert err == ""
    again = failed.replace(error="it ended")
    assert shown(TextRenderer, failed, again)[1].count("warning:") == 2
