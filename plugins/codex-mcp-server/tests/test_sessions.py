"""Sessions, with the official MCP client over every transport and both generations of the protocol."""

from __future__ import annotations

import anyio
import pytest

from codex_plugin_sdk.testing.model import freeform, say

pytestmark = pytest.mark.anyio

PATCH = "*** Begin Patch\n*** Add File: made.txt\n+hello\n*** End Patch\n"


def answering(action, seen):
    """An elicitation callback that always answers the same."""
    import mcp_types as types

    async def answer(context, params):
        seen.append(params)
        return types.ElicitResult(action=action)

    return answer


async def test_a_session_is_started_and_continued(host, every_kind):
    host.script([say("hello there")], [say("and again")])
    with anyio.fail_after(30):
        async with host.client(every_kind) as client:
            tools = await client.list_tools()
            info, version = client.server_info, client.protocol_version
            first = await client.call_tool("codex", {"prompt": "hello"})
            thread_id = first.structured_content["threadId"]
            second = await client.call_tool("codex-reply", {"prompt": "more", "threadId": thread_id})
    assert first.structured_content == {"threadId": thread_id, "content": "hello there"}
    assert first.content[0].text == "hello there"
    assert not first.is_error
    assert second.structured_content == {"threadId": thread_id, "content": "and again"}
    assert "hello there" in str(host.model.requests[1].json["input"])
    assert (info.name, info.title) == ("codex-mcp-server", "Codex")
    assert [tool.name for tool in tools.tools] == ["codex", "codex-reply"]
    assert version == ("2025-11-25" if "legacy" in every_kind else "2026-07-28")


async def test_progress_is_told_while_it_runs(host, kind):
    host.script([say("hello there")])
    told = []

    async def progress(done, total, message):
        told.append((done, message))

    with anyio.fail_after(30):
        async with host.client(kind) as client:
            await client.call_tool("codex", {"prompt": "hello"}, progress_callback=progress)
            await client.list_tools(cache_mode="bypass")  # what came before its answer has been dispatched
    assert sorted(told) == [(1.0, "asking gpt-5.5"), (2.0, "hello there")]


async def test_an_approved_command_runs(host, every_kind, escalated):
    made, seen = host.root / "made.txt", []
    host.script([escalated(made)], [say("done")])
    with anyio.fail_after(30):
        async with host.client(every_kind, elicitation_callback=answering("accept", seen)) as client:
            found = await client.call_tool("codex", {"prompt": "go", "approval-policy": "on-request"})
    assert found.structured_content["content"] == "done"
    assert made.exists()
    assert [params.message for params in seen] == [
        f"Allow Codex to run `/bin/sh -c 'touch {made}'` in `{host.work}`?\nthe command asks to run outside the sandbox: the test wants it"
    ]


@pytest.mark.parametrize("kind", ["stdio", "stdio legacy"])
async def test_a_declined_command_does_not_run_and_the_turn_goes_on(host, kind, escalated):
    made, seen = host.root / "made.txt", []
    host.script([escalated(made)], [say("then not")])
    with anyio.fail_after(30):
        async with host.client(kind, elicitation_callback=answering("decline", seen)) as client:
            found = await client.call_tool("codex", {"prompt": "go", "approval-policy": "on-request"})
    assert found.structured_content["content"] == "then not"
    assert len(seen) == 1
    assert not made.exists()
    assert "rejected by user" in host.outputs()[0]


@pytest.mark.parametrize("kind", ["stdio", "stdio legacy"])
async def test_a_cancelled_question_stops_the_turn(host, kind, escalated):
    made, seen = host.root / "made.txt", []
    host.script([escalated(made)])
    with anyio.fail_after(30):
        async with host.client(kind, elicitation_callback=answering("cancel", seen)) as client:
            found = await client.call_tool("codex", {"prompt": "go", "approval-policy": "on-request"})
    assert found.is_error
    assert found.structured_content["content"] == "the turn was interrupted"
    assert not made.exists()


async def test_two_questions_of_one_answer_are_both_asked(host, kind, escalated):
    seen = []
    files = [host.root / name for name in ("one.txt", "two.txt")]
    host.script([escalated(files[0], "call_1"), escalated(files[1], "call_2")], [say("done")])
    with anyio.fail_after(30):
        async with host.client(kind, elicitation_callback=answering("accept", seen)) as client:
            found = await client.call_tool("codex", {"prompt": "go", "approval-policy": "on-request"})
    assert found.structured_content["content"] == "done"
    assert len(seen) == 2
    assert all(file.exists() for file in files)


@pytest.mark.parametrize("kind", ["stdio"])
async def test_a_patch_is_asked_for_too(host, kind):
    seen = []
    host.script([freeform("apply_patch", PATCH)], [say("patched")])
    with anyio.fail_after(30):
        async with host.client(kind, elicitation_callback=answering("accept", seen)) as client:
            given = {"prompt": "go", "sandbox": "read-only", "approval-policy": "on-request"}
            found = await client.call_tool("codex", given)
    assert found.structured_content["content"] == "patched"
    assert (host.work / "made.txt").read_text() == "hello\n"
    assert "Allow Codex to apply proposed code changes?" in seen[0].message


@pytest.mark.parametrize("kind", ["stdio"])
async def test_a_client_that_cannot_ask_is_a_refusal_with_the_reason(host, kind, escalated):
    made = host.root / "made.txt"
    host.script([escalated(made)], [say("then not")])
    with anyio.fail_after(30):
        async with host.client(kind) as client:
            found = await client.call_tool("codex", {"prompt": "go", "approval-policy": "on-request"})
    assert found.structured_content["content"] == "then not"
    assert not made.exists()
    assert "the MCP client has no elicitation capability" in host.outputs()[0]


async def test_two_sessions_run_at_once(host, kind):
    from codex_plugin_sdk.testing.servers import stalled

    first, stall = stalled(host.model.answer(say("slow")))
    host.model.play(first, host.model.answer(say("fast")))
    results = {}
    with anyio.fail_after(30):
        async with host.client(kind) as client, anyio.create_task_group() as tasks:

            async def call(name):
                found = await client.call_tool("codex", {"prompt": name})
                results[name] = found.structured_content

            tasks.start_soon(call, "one")
            await anyio.to_thread.run_sync(stall.reached.wait)
            await call("two")
            assert "one" not in results
            stall.release()
    assert results["two"]["content"] == "fast"
    assert results["one"]["content"] == "slow"
    assert results["one"]["threadId"] != results["two"]["threadId"]


async def test_a_cancelled_call_interrupts_its_turn_and_the_thread_can_go_on(host, kind):
    from codex_plugin_sdk.testing.servers import stalled

    slow, stall = stalled(host.model.answer(say("never")))
    host.script([say("hello")])
    host.model.play(slow, host.model.answer(say("back again")))
    with anyio.fail_after(30):
        async with host.client(kind) as client:
            first = await client.call_tool("codex", {"prompt": "hello"})
            thread_id = first.structured_content["threadId"]
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.call_tool, "codex-reply", {"prompt": "slow", "threadId": thread_id})
                await anyio.to_thread.run_sync(stall.reached.wait)
                tasks.cancel_scope.cancel()
            # The model server sees that nobody waits for its answer any more.
            await anyio.to_thread.run_sync(host.model.wait_until, lambda server: server.open_connections == 0, 20.0)
            stall.release()
            again = await client.call_tool("codex-reply", {"prompt": "again", "threadId": thread_id})
    assert again.structured_content == {"threadId": thread_id, "content": "back again"}


@pytest.mark.parametrize("kind", ["stdio"])
async def test_a_failed_turn_is_an_error_that_names_its_thread(host, kind):
    from codex_plugin_sdk.testing.servers import json_reply

    host.model.play(json_reply(400, {"error": {"message": "no such thing", "type": "invalid_request_error"}}))
    with anyio.fail_after(30):
        async with host.client(kind) as client:
            found = await client.call_tool("codex", {"prompt": "hello"})
    assert found.is_error
    assert "no such thing" in found.content[0].text
    assert found.structured_content["threadId"]


@pytest.mark.parametrize("kind", ["stdio"])
async def test_settings_of_the_call_reach_the_session(host, kind):
    host.script([say("ok")])
    (host.work / "below").mkdir()
    given = {
        "prompt": "hello",
        "cwd": "below",
        "model": "gpt-other",
        "sandbox": "workspace-write",
        "base-instructions": "You are terse.",
        "developer-instructions": "Never shout.",
        "config": {"model_reasoning_effort": "low"},
    }
    with anyio.fail_after(30):
        async with host.client(kind) as client:
            await client.call_tool("codex", given)
    request = host.model.requests[0].json
    assert request["model"] == "gpt-other"
    assert "You are terse." in str(request)
    assert request["reasoning"]["effort"] == "low"
    assert "Never shout." in str(request["input"])
    assert str(host.work / "below") in str(request["input"])
