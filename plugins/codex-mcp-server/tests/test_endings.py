"""Ends: of the input, by signals, by a kill, of a client's patience. Nothing is left running."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal

import anyio
import pytest

from codex_plugin_sdk import FunctionCall
from codex_plugin_sdk.testing.model import say
from codex_plugin_sdk.testing.servers import stalled

from .conftest import PROGRAM

pytestmark = pytest.mark.anyio


def long_command(host):
    """A call of a command that writes its process id and stays."""
    given = {"cmd": f"echo $$ > {host.root}/pid; exec sleep 1000", "yield_time_ms": 60_000}
    return FunctionCall(name="exec_command", call_id="call_1", arguments=json.dumps(given))


async def pid_of_command(host) -> int:
    """The process id, once it is written."""
    with anyio.fail_after(20):
        while True:
            try:
                return int((host.root / "pid").read_text())
            except (OSError, ValueError):
                await anyio.sleep(0.01)


async def gone(pid: int) -> None:
    """Wait until there is no such process, or nothing but its entry."""
    with anyio.fail_after(20):
        while True:
            try:
                with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                    if file.read().rpartition(")")[2].split()[0] == "Z":
                        return
            except (FileNotFoundError, ProcessLookupError):
                return
            await anyio.sleep(0.01)


async def ended(process) -> int:
    async with asyncio.timeout(20):
        return await process.wait()


def recorded(host):
    """The bodies of all recorded events."""
    lines = [json.loads(line) for path in host.home.rglob("rollout-*.jsonl") for line in path.read_text().splitlines()]
    return [line["payload"] for line in lines if line["type"] == "event_msg"]


FULL = {"prompt": "go", "sandbox": "danger-full-access", "approval-policy": "never"}


async def test_the_end_of_input_ends_turns_and_their_commands(host):
    host.script([long_command(host)])
    async with host.raw() as raw:
        await raw.tool(1, "codex", FULL)
        pid = await pid_of_command(host)
        raw.process.stdin.close()
        assert await ended(raw.process) == 0
    await gone(pid)
    assert recorded(host)[-1]["type"] == "turn_aborted"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_turns_and_their_commands(host, number):
    host.script([long_command(host)])
    async with host.raw() as raw:
        await raw.tool(1, "codex", FULL)
        pid = await pid_of_command(host)
        raw.process.send_signal(number)
        assert await ended(raw.process) == 0
    await gone(pid)
    assert recorded(host)[-1]["type"] == "turn_aborted"


async def test_a_signal_ends_a_server_on_http_with_its_commands(host):
    from mcp.client.client import Client

    host.script([long_command(host)])
    async with host.listening() as (url, process):
        with contextlib.suppress(Exception):  # whatever the client makes of a server that ends
            async with Client(url, mode="legacy") as client, anyio.create_task_group() as tasks:
                tasks.start_soon(client.call_tool, "codex", FULL)
                pid = await pid_of_command(host)
                process.send_signal(signal.SIGTERM)
                assert await ended(process) == 0
    await gone(pid)


async def test_a_client_that_reads_nothing_does_not_keep_the_server(host):
    host.script([say("x" * 4_000_000)])
    async with host.raw() as raw:
        await raw.tool(1, "codex", {"prompt": "go"})
        await anyio.to_thread.run_sync(host.model.wait_until, lambda server: len(server.requests) == 1)
        raw.process.send_signal(signal.SIGTERM)
        assert await ended(raw.process) == 0


async def test_a_turn_may_outlive_its_client(host):
    slow, stall = stalled(host.model.answer(say("done at last")))
    host.model.play(slow)
    async with host.raw("--on-disconnect", "finish") as raw:
        await raw.tool(1, "codex", {"prompt": "go"})
        await anyio.to_thread.run_sync(stall.reached.wait)
        raw.process.stdin.close()
        await asyncio.sleep(0)
        stall.release()
        assert await ended(raw.process) == 0
    last = recorded(host)[-1]
    assert (last["type"], last["last_agent_message"]) == ("task_complete", "done at last")


async def test_what_may_outlive_its_client_still_obeys_it(host):
    host.script([long_command(host)], [say("again")])
    async with host.raw("--on-disconnect", "finish") as raw:
        await raw.tool(1, "codex", FULL)
        pid = await pid_of_command(host)
        thread_id = raw.heard[0]["params"]["_meta"]["threadId"] if len(raw.heard) > 1 else None
        await raw.send({"method": "notifications/cancelled", "params": {"requestId": 1}})
        await gone(pid)
        if thread_id is None:
            thread_id = (await raw.event("session_configured"))["_meta"]["threadId"]
        await raw.tool(2, "codex-reply", {"prompt": "more", "threadId": thread_id})
        assert (await raw.answer(2))["result"]["structuredContent"]["content"] == "again"


async def test_a_thread_of_a_server_that_was_killed_is_resumed(host):
    host.script([say("first")])
    slow, stall = stalled(host.model.answer(say("never")))
    host.model.play(slow, host.model.answer(say("risen")))
    async with host.raw() as raw:
        await raw.tool(1, "codex", {"prompt": "remember the word walrus"})
        thread_id = (await raw.answer(1))["result"]["structuredContent"]["threadId"]
        await raw.tool(2, "codex-reply", {"prompt": "more", "threadId": thread_id})
        await anyio.to_thread.run_sync(stall.reached.wait)
        raw.process.kill()
        await ended(raw.process)
    stall.release()
    async with host.raw() as raw:
        await raw.tool(1, "codex-reply", {"prompt": "and now?", "threadId": thread_id})
        found = (await raw.answer(1))["result"]
    assert found["structuredContent"] == {"threadId": thread_id, "content": "risen"}
    assert "walrus" in str(host.model.requests[-1].json["input"])
    assert len(list(host.home.rglob("rollout-*.jsonl"))) == 1


async def test_a_turn_does_not_wait_for_ever_for_a_client_that_has_to_come_back(host, escalated):
    from mcp.client.client import Client

    made = host.root / "made.txt"
    host.script([escalated(made)])

    async def unused(context, params):
        raise AssertionError("the test answers by itself")

    given = {"prompt": "go", "approval-policy": "on-request"}
    async with (
        host.listening("--answer-timeout", "0.2") as (url, _),
        Client(url, elicitation_callback=unused) as client,
    ):
        waits = await client.session.call_tool("codex", given, allow_input_required=True)
        assert waits.result_type == "input_required"
        with anyio.fail_after(20):
            while not any(body["type"] == "turn_aborted" for body in recorded(host)):
                await anyio.sleep(0.01)
        late = await client.session.call_tool("codex", given, request_state=waits.request_state)
        forged = await client.session.call_tool("codex", given, request_state="guessed")
    assert late.is_error
    assert "does not wait for it any more" in late.content[0].text
    assert forged.is_error
    assert not made.exists()


def test_looking_at_the_command_costs_no_import_of_mcp(host):
    import subprocess
    import sys

    command = [sys.executable, "-X", "importtime", str(PROGRAM), "mcp-server", "--help"]
    found = subprocess.run(command, check=False, env=host.env, capture_output=True, text=True, timeout=30)
    assert found.returncode == 0
    assert "codex-reply" in found.stdout
    imported = {line.rpartition("|")[2].strip() for line in found.stderr.splitlines()}
    assert "codex_mcp_server.command" in imported
    assert not {"mcp", "mcp_types", "uvicorn", "pydantic", "codex_mcp_server.serve"} & imported
