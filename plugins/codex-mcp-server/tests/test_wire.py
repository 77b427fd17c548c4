"""What goes over the wire, line by line: Codex's words, bad input, answers of every kind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codex_plugin_sdk import __version__
from codex_plugin_sdk.testing.model import freeform, say

pytestmark = pytest.mark.anyio

RECORDED = Path(__file__).parents[4] / "shared" / "protocol" / "mcp_server.json"
PATCH = "*** Begin Patch\n*** Add File: made.txt\n+hello\n*** End Patch\n"
UNKNOWN = "019e0000-0000-7000-8000-000000000000"


def bare(found):
    """A schema without its words for people."""
    if isinstance(found, dict):
        return {
            name: bare(value) for name, value in found.items() if name != "description" or not isinstance(value, str)
        }
    return found


@pytest.mark.cold_start
async def test_initialize_names_the_server_as_codex_does(host):
    async with host.raw(greet=False) as raw:
        found = await raw.greet()
    assert found["protocolVersion"] == "2025-06-18"
    assert found["serverInfo"] == {"name": "codex-mcp-server", "title": "Codex", "version": __version__}
    assert set(found["capabilities"]) >= {"tools"}


async def test_the_tools_are_those_of_codex_and_a_profile(host):
    async with host.raw() as raw:
        found = (await raw.call(1, "tools/list"))["result"]["tools"]
    assert [tool["name"] for tool in found] == ["codex", "codex-reply"]
    assert found[0]["inputSchema"]["properties"].pop("profile")["type"] == "string"
    assert found[0]["inputSchema"]["required"] == ["prompt"]
    assert found[0]["inputSchema"]["additionalProperties"] is False
    if RECORDED.is_file():
        recorded = json.loads(RECORDED.read_text())["tools_list"]["tools"]
        assert [bare(tool) for tool in found] == [bare(tool) for tool in recorded]


async def test_events_come_as_codex_sends_them(host):
    host.script([say("hello there")])
    async with host.raw() as raw:
        await raw.tool(1, "codex", {"prompt": "hello"})
        done = (await raw.answer(1))["result"]
        first = next(m for m in raw.heard if m.get("method") == "codex/event")["params"]
    assert raw.kinds() == [
        "session_configured",
        "task_started",
        "item_started",
        "item_completed",
        "user_message",
        "item_started",
        "agent_message_content_delta",
        "agent_message_content_delta",
        "item_completed",
        "agent_message",
        "token_count",
        "task_complete",
    ]
    thread_id = done["structuredContent"]["threadId"]
    assert first["_meta"] == {"requestId": 1, "threadId": thread_id}
    assert first["id"] == ""
    assert first["msg"]["model"] == "gpt-5.5"
    assert Path(first["msg"]["rollout_path"]).is_file()
    turns = {m["params"]["id"] for m in raw.heard if m.get("method") == "codex/event"} - {""}
    assert len(turns) == 1
    assert not [m for m in raw.heard if m.get("method") == "notifications/progress"], "nobody asked for progress"


async def test_a_command_is_asked_for_with_codex_fields(host, escalated):
    made = host.root / "made.txt"
    host.script([escalated(made)], [say("done")])
    async with host.raw() as raw:
        await raw.tool(7, "codex", {"prompt": "go", "approval-policy": "on-request"})
        asked = await raw.asked()
        event = next(
            m["params"] for m in raw.heard if m.get("params", {}).get("msg", {}).get("type") == "exec_approval_request"
        )
        await raw.send({"id": asked["id"], "result": {"decision": "approved"}})
        done = (await raw.answer(7))["result"]
    command = ["/bin/sh", "-c", f"touch {made}"]
    params = asked["params"]
    assert params.pop("message").startswith(f"Allow Codex to run `/bin/sh -c 'touch {made}'` in `{host.work}`?")
    assert params == {
        "requestedSchema": {"type": "object", "properties": {}},
        "threadId": done["structuredContent"]["threadId"],
        "codex_elicitation": "exec-approval",
        "codex_mcp_tool_call_id": "7",
        "codex_event_id": event["id"],
        "codex_call_id": "call_1",
        "codex_command": command,
        "codex_cwd": str(host.work),
        "codex_parsed_cmd": [{"type": "unknown", "cmd": command[-1]}],
    }
    assert made.exists()
    assert {"exec_approval_request", "exec_command_begin", "exec_command_end"} <= set(raw.kinds())


async def test_a_patch_is_asked_for_with_codex_fields(host):
    host.script([freeform("apply_patch", PATCH)], [say("done")])
    async with host.raw() as raw:
        await raw.tool(7, "codex", {"prompt": "go", "sandbox": "read-only", "approval-policy": "on-request"})
        params = (await raw.asked())["params"]
        await raw.send({"id": raw.heard[-1]["id"], "result": {"action": "accept", "decision": "approved"}})
        done = (await raw.answer(7))["result"]
    made = host.work / "made.txt"
    assert made.read_text() == "hello\n"
    assert params["codex_elicitation"] == "patch-approval"
    assert params["codex_changes"] == {str(made): {"type": "add", "content": ""}}
    assert params["threadId"] == done["structuredContent"]["threadId"]
    assert "patch_apply_end" in raw.kinds()


ANSWERS = (
    ({"decision": "approved_for_session"}, True, ""),
    ({"decision": "denied"}, False, "rejected by user"),
    ({"action": "decline", "decision": "approved"}, False, "rejected by user"),
    ({"action": "accept", "decision": "denied"}, False, "rejected by user"),
    ({"decision": "maybe"}, False, "could not be understood"),
    ({"action": "perhaps"}, False, "could not be understood"),
    ({}, False, "could not be understood"),
)


async def test_the_stricter_part_of_an_answer_counts(host, escalated):
    async with host.raw() as raw:
        for id, (answer, runs, told) in enumerate(ANSWERS, 1):
            made = host.root / f"made-{id}.txt"
            host.script([escalated(made)], [say("done")])
            await raw.tool(id, "codex", {"prompt": "go", "approval-policy": "on-request"})
            asked = await raw.asked()
            await raw.send({"id": asked["id"], "result": answer})
            await raw.answer(id)
            assert made.exists() is runs, answer
            assert told in host.outputs()[0]


async def test_an_error_instead_of_an_answer_is_a_refusal(host, escalated):
    host.script([escalated(host.root / "made.txt")], [say("done")])
    async with host.raw() as raw:
        await raw.tool(7, "codex", {"prompt": "go", "approval-policy": "on-request"})
        asked = await raw.asked()
        await raw.send({"id": asked["id"], "error": {"code": -32601, "message": "I never ask"}})
        await raw.answer(7)
    assert "the client did not answer: I never ask" in host.outputs()[0]


BAD = (
    ("nope", {}, "Unknown tool 'nope'"),
    ("codex", None, "Missing arguments for codex tool-call; the `prompt` field is required."),
    ("codex", {}, "Failed to parse configuration for Codex tool: missing field `prompt`"),
    ("codex", {"prompt": 7}, "invalid type for `prompt`: expected a string, found int"),
    ("codex", {"prompt": "x", "bogus": 1}, "unknown field `bogus`, expected one of `prompt`, `model`"),
    ("codex", {"prompt": "x", "sandbox": "zzz"}, "unknown variant `zzz`, expected one of `read-only`"),
    ("codex", {"prompt": "x", "approval-policy": "yes"}, "unknown variant `yes`"),
    ("codex", {"prompt": "x", "config": "a=1"}, "invalid type for `config`"),
    ("codex", {"prompt": "x", "config": {"model": 7}}, "`model` must be"),
    ("codex", {"prompt": "x", "profile": "no/name"}, "no/name"),
    ("codex", {"prompt": "x", "cwd": "/does/not/exist"}, "/does/not/exist is not a folder"),
    ("codex-reply", None, "Missing arguments for codex-reply tool-call"),
    ("codex-reply", {"prompt": "x"}, "either threadId or conversationId must be provided"),
    ("codex-reply", {"threadId": UNKNOWN}, "missing field `prompt`"),
    ("codex-reply", {"prompt": "x", "threadId": "abc"}, "Failed to parse thread_id"),
    ("codex-reply", {"prompt": "x", "threadId": UNKNOWN}, f"Session not found for thread_id: {UNKNOWN}"),
    ("codex-reply", {"prompt": "x", "conversationId": UNKNOWN}, "Session not found"),
)


async def test_bad_input_is_an_error_result_that_says_what(host):
    async with host.raw() as raw:
        for id, (name, arguments, text) in enumerate(BAD, 1):
            await raw.tool(id, name, arguments)
            found = (await raw.answer(id))["result"]
            assert found["isError"] is True, (name, arguments)
            assert text in found["content"][0]["text"]
    assert not host.model.requests


async def test_garbage_is_skipped_and_the_rest_is_served(host):
    async with host.raw(greet=False) as raw:
        for line in (
            b"garbage\n",
            b"\n",
            b"[1,2]\n",
            b"\xff\xfe\x00\n",
            b'{"jsonrpc":"2.0"}\n',
            b"{" * 100_000 + b"\n",
        ):
            await raw.send(line)
        await raw.greet()
        await raw.send(b"{}\n" + b'{"jsonrpc":"2.0","id":1,"meth' + b'od":"ping"}\n')
        assert (await raw.answer(1))["result"] == {}
        assert (await raw.call(2, "no/such/thing"))["error"]["code"] == -32601


async def test_a_call_before_the_handshake_is_refused(host):
    async with host.raw(greet=False) as raw:
        await raw.tool(1, "codex", {"prompt": "hello"})
        assert "error" in await raw.answer(1)
    assert not host.model.requests


async def test_a_reply_while_a_turn_runs_is_refused(host):
    from codex_plugin_sdk.testing.servers import stalled

    slow, stall = stalled(host.model.answer(say("slow")))
    host.model.play(slow)
    async with host.raw() as raw:
        await raw.tool(1, "codex", {"prompt": "hello"})
        thread_id = (await raw.event("session_configured"))["_meta"]["threadId"]
        await raw.event("item_completed")
        await raw.tool(2, "codex-reply", {"prompt": "more", "threadId": thread_id})
        refused = (await raw.answer(2))["result"]
        stall.release()
        done = (await raw.answer(1))["result"]
    assert refused["isError"]
    assert "still running" in refused["content"][0]["text"]
    assert done["structuredContent"]["content"] == "slow"


async def test_a_question_is_taken_back_when_its_call_is_cancelled(host, escalated):
    host.script([escalated(host.root / "made.txt")], [say("again")])
    async with host.raw() as raw:
        await raw.tool(1, "codex", {"prompt": "go", "approval-policy": "on-request"})
        asked = await raw.asked()
        await raw.send({"method": "notifications/cancelled", "params": {"requestId": 1}})
        await raw.until(
            lambda m: m.get("method") == "notifications/cancelled" and m["params"]["requestId"] == asked["id"]
        )
        await raw.tool(2, "codex-reply", {"prompt": "more", "threadId": asked["params"]["threadId"]})
        done = (await raw.answer(2))["result"]
    assert done["structuredContent"]["content"] == "again"
    assert not (host.root / "made.txt").exists()
