"""Servers that are programs: what they offer, and what they do to us."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from codex_mcp_bridge import server as server_module
from codex_mcp_bridge.config import server_configs
from codex_plugin_sdk import Notice, ToolFailed

pytestmark = pytest.mark.anyio


async def test_tools_of_the_official_package_are_found_and_called(world: Any, official: dict[str, Any]) -> None:
    seen: list[tuple[float, float | None, str | None]] = []

    async def progress(now: float, total: float | None, message: str | None) -> None:
        seen.append((now, total, message))

    async with world.running({"s": official}) as servers:
        server = servers["s"]
        await server.connected()
        assert {tool.name for tool in server.tools} == {"add", "fail", "count", "ask"}
        assert server.instructions == "Ask me to add."
        added = await server.call_tool("add", {"a": 2, "b": 3})
        assert (added.content[0].text, added.structured_content) == ("5", {"result": 5})
        failed = await server.call_tool("fail", {"words": "oh no"})
        assert failed.is_error
        await server.call_tool("count", {"to": 3}, progress=progress)
        assert seen == [(1.0, 3.0, "at 1"), (2.0, 3.0, "at 2"), (3.0, 3.0, "at 3")]
        asked = await server.call_tool("ask", {})
        assert asked.content[0].text == "accept: blue"
        assert [str(found.uri) for found in (await server.list_resources()).resources] == ["notes://today"]
        assert [found.uri_template for found in (await server.list_resource_templates()).resource_templates] == [
            "notes://{day}"
        ]
        assert (await server.read_resource("notes://monday")).contents[0].text == "monday: nothing"
        assert [found.name for found in (await server.list_prompts()).prompts] == ["greet"]
        assert "Ada" in (await server.get_prompt("greet", {"name": "Ada"})).messages[0].content.text
    assert world.statuses("s") == ["starting", "ready"]


async def test_all_pages_of_tools_are_read_and_their_changes_followed_without_haste(world: Any) -> None:
    changes = 0

    async with world.running({"s": world.raw()}) as servers:
        server = servers["s"]
        await server.connected()
        assert len(server.tools) == 12
        changed = anyio.Event()

        def on_change() -> None:
            nonlocal changes
            changes += 1
            changed.set()

        server._changed = on_change
        await server.call_tool("grow", {})
        with anyio.fail_after(5):
            await changed.wait()
        assert "grown" in {tool.name for tool in server.tools}
        assert changes <= 2


async def test_a_list_of_tools_without_end_is_cut(world: Any) -> None:
    async with world.running({"s": world.raw("endless")}) as servers:
        await servers["s"].connected()
        assert len(servers["s"].tools) == 100
    (notice,) = [event for event in world.events if isinstance(event, Notice)]
    assert "only its first 100" in notice.message


async def test_many_who_wait_share_one_start(world: Any) -> None:
    async with world.running({"s": world.raw()}) as servers, anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(servers["s"].connected)
    assert len([line for line in world.log() if line.startswith("started")]) == 1


async def test_two_entries_with_one_command_are_two_servers(world: Any) -> None:
    async with world.running({"a": world.raw(), "b": world.raw()}) as servers:
        pids = {(await servers[name].call_tool("pid", {})).content[0].text for name in "ab"}
    assert len(pids) == 2


async def test_secrets_of_the_environment_stay_with_us_unless_they_are_named(world: Any) -> None:
    tables = {"a": world.raw(env={"OWN": "1"}), "b": world.raw(env_vars=["SECRET_TOKEN", "NOT_SET"])}
    async with world.running(tables) as servers:
        bare = json.loads((await servers["a"].call_tool("environ", {})).content[0].text)
        named = json.loads((await servers["b"].call_tool("environ", {})).content[0].text)
    assert bare["OWN"] == "1"
    assert set(bare) - {"LC_CTYPE"} == {"OWN", "HOME", "PATH", "LANG", "CODEX_PROCESS_TREE"}
    assert named["SECRET_TOKEN"] == "s3cret"


@pytest.mark.parametrize(
    ("mode", "more", "why"),
    [
        ("quiet", (), "it did not get ready within 0.8 s"),
        ("late", ("5",), "it did not get ready within 0.8 s"),
    ],
)
async def test_a_server_that_does_not_answer_in_time_fails_and_is_gone(
    world: Any, alive: Callable[[int], bool], mode: str, more: tuple[str, ...], why: str
) -> None:
    async with world.running({"s": world.raw(mode, *more, startup_timeout_sec=0.8)}) as servers:
        with pytest.raises(ToolFailed, match=f"The MCP server s is not there: {why}"):
            await servers["s"].connected()
        assert not alive(int(world.log()[0].split()[1]))
        with pytest.raises(ToolFailed, match=why):
            await servers["s"].connected()
        await world.until(lambda: any(isinstance(event, Notice) for event in world.events))
    assert world.statuses("s") == ["starting", "failed"]
    assert f"1 of 1 MCP servers did not start: s ({why})" in world.events[-1].message
    assert len(world.log()) == 1


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ({"command": "no-such-program"}, "cannot start no-such-program: there is no such program"),
        ({"command": "cat", "cwd": "nowhere"}, "cannot start cat: its cwd .*nowhere is no folder"),
        ({"command": "true"}, "it ended with exit code 0"),
        ({"raw": "dies"}, "it ended with exit code 7; its last words: no licence found"),
        ({"raw": "refuses"}, "the handshake failed: not today"),
        ({"raw": "nonsense"}, "the handshake failed: "),
    ],
)
async def test_a_start_that_fails_says_why(world: Any, table: dict[str, Any], why: str) -> None:
    table = world.raw(table["raw"]) if "raw" in table else table
    async with world.running({"s": table, "good": world.raw()}) as servers:
        with pytest.raises(ToolFailed, match=why):
            await servers["s"].connected()
        await servers["good"].connected()
    assert world.statuses("s") == ["starting", "failed"]


async def test_log_lines_on_stdout_do_no_harm_and_are_kept(world: Any) -> None:
    async with world.running({"s": world.raw("chatty")}) as servers:
        assert (await servers["s"].call_tool("echo", {"a": 1})).content[0].text == '{"a": 1}'
        assert "starting up ... [ok]" in servers["s"]._link.tail.text()
        with pytest.raises(ToolFailed, match="out of luck"):
            await servers["s"].call_tool("crash", {})


async def test_unknown_notifications_and_answers_do_no_harm(world: Any) -> None:
    async with world.running({"s": world.raw()}) as servers:
        assert (await servers["s"].call_tool("chat", {})).content[0].text == "{}"


async def test_requests_before_the_handshake_is_complete_are_refused_but_for_a_ping(world: Any) -> None:
    async with world.running({"s": world.raw("early")}) as servers:
        await servers["s"].call_tool("echo", {})
    answers = {
        found["id"]: found for line in world.log() if line.startswith("answer") for found in [json.loads(line[7:])]
    }
    assert answers["s3"]["result"] == {}
    refused = {key: found["error"]["message"] for key, found in answers.items() if "error" in found}
    assert refused == {**dict.fromkeys(("s0", "s1", "s2"), "the handshake is not complete"), "s4": "Method not found"}


async def test_a_crash_during_a_call_is_told_and_the_next_call_starts_it_again(world: Any) -> None:
    async with world.running({"s": world.raw()}) as servers:
        server = servers["s"]
        first = (await server.call_tool("pid", {})).content[0].text
        with pytest.raises(
            ToolFailed, match=r"went away during the tool crash: it ended with exit code 3.*out of luck"
        ):
            await server.call_tool("crash", {})
        second = (await server.call_tool("pid", {})).content[0].text
    assert first != second
    assert world.statuses("s") == ["starting", "ready", "failed", "starting", "ready"]


async def test_a_server_that_crashes_again_and_again_is_given_up(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "FIRST_BACKOFF_S", 0.001)
    async with world.running({"s": world.raw()}) as servers:
        for _ in range(server_module.MAX_RESTARTS + 1):
            with pytest.raises(ToolFailed, match="went away"):
                await servers["s"].call_tool("crash", {})
        with pytest.raises(ToolFailed, match="ended 6 times soon after its start and is not started again"):
            await servers["s"].call_tool("pid", {})
        servers["s"].retry()
        await servers["s"].call_tool("pid", {})


async def test_a_cancelled_call_is_told_to_the_server(world: Any) -> None:
    async with world.running({"s": world.raw()}) as servers:
        await servers["s"].connected()
        with anyio.move_on_after(0.1) as scope:
            await servers["s"].call_tool("sleep", {})
        assert scope.cancelled_caught
        await servers["s"].call_tool("echo", {})
    assert "notifications/cancelled" in world.log()


async def test_time_of_a_call_is_limited_by_the_configuration(world: Any) -> None:
    async with world.running({"s": world.raw(tool_timeout_sec=0.1)}) as servers:
        with pytest.raises(ToolFailed, match=r"the tool sleep of the MCP server s took longer than 0\.1 s"):
            await servers["s"].call_tool("sleep", {})


async def test_the_clock_of_a_call_may_stand_still(world: Any) -> None:
    left: list[float | None] = [0.01, None, None, 0.01, 0.0]
    async with world.running({"s": world.raw()}) as servers:
        with pytest.raises(ToolFailed, match="took too long"):
            await servers["s"].call_tool("sleep", {}, timeout_s=lambda: left.pop(0))
    assert left == []


@pytest.mark.parametrize("tool", ["huge", "bomb"])
async def test_an_answer_without_measure_is_refused_and_memory_stays_bounded(world: Any, tool: str) -> None:
    async with world.running({"s": world.raw()}) as servers:
        server = servers["s"]
        pid = (await server.call_tool("pid", {})).content[0].text
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(ToolFailed, match=f"refused the tool {tool}: the answer is not taken: it "):
            await server.call_tool(tool, {})
        grown_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        assert grown_mib < 160
        assert (await server.call_tool("pid", {})).content[0].text == pid


async def test_an_answer_that_is_no_json_fails_the_call_and_not_the_server(world: Any) -> None:
    async with world.running({"s": world.raw()}) as servers:
        with pytest.raises(ToolFailed, match="no valid JSON-RPC"):
            await servers["s"].call_tool("broken", {})
        await servers["s"].call_tool("echo", {})


@pytest.mark.parametrize("mode", ["ok", "stays"])
async def test_nothing_that_a_server_started_is_left_behind(
    world: Any, alive: Callable[[int], bool], mode: str
) -> None:
    async with world.running({"s": world.raw(mode)}) as servers:
        words = (await servers["s"].call_tool("family", {})).content[0].text
        pids = [int(word) for word in words.split()]
        assert all(map(alive, pids))
    assert not any(map(alive, pids))


async def test_a_start_that_is_cancelled_leaves_nothing_behind(world: Any, alive: Callable[[int], bool]) -> None:
    async with world.running({"s": world.raw("quiet")}):
        with anyio.fail_after(20):
            while not world.log():
                await anyio.sleep(0.01)
    assert world.statuses("s") == ["starting", "cancelled"]
    assert not alive(int(world.log()[0].split()[1]))


async def test_a_server_may_run_in_the_sandbox_with_its_stderr_beside(world: Any) -> None:
    async with world.running({"s": world.raw(sandbox=True)}) as servers:
        await servers["s"].call_tool("echo", {})
        with pytest.raises(ToolFailed, match="out of luck"):
            await servers["s"].call_tool("crash", {})


async def test_a_server_that_is_switched_off_is_not_started(world: Any) -> None:
    async with world.running({"s": world.raw(enabled=False)}) as servers:
        with pytest.raises(ToolFailed, match="switched off"):
            await servers["s"].connected()
    assert (world.log(), world.events) == ([], [])


async def test_a_tool_that_is_defined_wrongly_does_not_cost_the_others(world: Any) -> None:
    async with world.running({"s": world.raw("odd")}) as servers:
        await servers["s"].connected()
        assert [tool.name for tool in servers["s"].tools] == ["echo", "typeless"]
        assert servers["s"].tools[1].input_schema == {"type": "object"}
        assert (await servers["s"].call_tool("typeless", {"a": 1})).content[0].text == '{"a": 1}'
    (told,) = [event.message for event in world.events if isinstance(event, Notice)]
    assert told == "tools of the MCP server s are left out, they are not well defined: list, no\\x1bschema, None, words"


async def test_a_server_that_is_given_up_before_it_runs_is_never_started(world: Any) -> None:
    async with world.running({"a": world.raw()}) as servers:
        await servers["a"].connected()
        servers.take_over(server_configs({"mcp_servers": {"b": world.raw()}}))
        servers.take_over(server_configs({"mcp_servers": {"c": world.raw()}}))
        await servers["c"].connected()
        assert list(servers) == ["c"]
        assert len([line for line in world.log() if line.startswith("started")]) == 2
