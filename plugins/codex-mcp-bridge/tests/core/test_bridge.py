"""The source of tools as the kernel sees it: when it is ready, what it offers, what frontends ask it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from codex_mcp_bridge import plugin
from codex_mcp_bridge.bridge import McpBridge
from codex_mcp_bridge.dormant import DormantBridge
from codex_plugin_sdk import CodexError, ConfigError, UserError

pytestmark = pytest.mark.anyio

(SPEC,) = plugin.codex_tool_sources()


@asynccontextmanager
async def bridge(world: Any, servers: Mapping[str, Any], **config: Any) -> AsyncIterator[McpBridge]:
    made = McpBridge(world.setup(servers, **config))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.run)
        try:
            yield made
        finally:
            tasks.cancel_scope.cancel()


def names(made: McpBridge) -> list[str]:
    return [tool.definition.name for tool in made.tools()]


def test_nothing_is_made_without_a_server(world: Any) -> None:
    assert SPEC.factory(world.setup()) is None
    assert isinstance(SPEC.factory(world.setup({"s": world.raw()})), McpBridge)


def test_a_fault_of_the_configuration_stops_the_thread(world: Any) -> None:
    with pytest.raises(ConfigError, match=r"mcp_servers\.s\.command"):
        SPEC.factory(world.setup({"s": {"command": 1}}))


async def test_tools_of_ready_servers_are_offered_and_those_of_a_slow_one_later(world: Any) -> None:
    gate = world.path / "open"
    tables = {"fast": world.raw(required=True), "slow": world.raw("gated", str(gate))}
    async with bridge(world, tables, mcp_optional_startup_grace_ms=0) as made:
        await made.ready()
        assert any("fast" in name for name in names(made))
        assert not any("slow" in name for name in names(made))
        gate.touch()
        await world.until(lambda: world.statuses("slow")[-1] == "ready")
        await made.ready()
        assert any("slow" in name for name in names(made))


async def test_only_the_first_request_waits_for_optional_servers(world: Any) -> None:
    async with bridge(world, {"s": world.raw("quiet")}, mcp_optional_startup_grace_ms=1000) as made:
        began = anyio.current_time()
        await made.ready()
        assert 0.2 < anyio.current_time() - began < 5
        again = anyio.current_time()
        await made.ready()
        assert anyio.current_time() - again < 0.9
        assert names(made) == []


async def test_a_required_server_is_waited_for(world: Any) -> None:
    tables = {"s": world.raw("late", "0.5", required=True)}
    async with bridge(world, tables, mcp_optional_startup_grace_ms=0) as made:
        await made.ready()
        assert made.servers["s"].status == "ready"


async def test_a_required_server_that_fails_keeps_the_turn_from_going_on(world: Any) -> None:
    tables = {"s": world.raw("dies", required=True), "other": world.raw()}
    async with bridge(world, tables) as made:
        for _ in range(2):
            with pytest.raises(CodexError) as caught:
                await made.ready()
            assert caught.value.message == (
                "required MCP servers failed to initialize: s: it ended with exit code 7; "
                "its last words: no licence found"
            )


async def test_frontends_are_told_what_servers_there_are(world: Any) -> None:
    tables = {"good": world.raw(disabled_tools=["huge"]), "bad": world.raw("dies"), "off": world.raw(enabled=False)}
    async with bridge(world, tables) as made:
        found = {entry["name"]: entry for entry in (await made.inquire("mcpServerStatus/list", {}))["data"]}
        (only,) = (await made.inquire("mcpServerStatus/list", {"serverName": "good"}))["data"]
    good = found["good"]
    assert only == good
    assert {name: entry["runtimeStatus"] for name, entry in found.items()} == {
        "good": "connected",
        "bad": "failed",
        "off": "disabled",
    }
    assert good["serverInfo"] == {"name": "raw", "version": "1"}
    assert good["tools"]["echo"] == {
        "name": "echo",
        "description": "The tool echo.",
        "inputSchema": {"type": "object"},
    }
    assert "huge" not in good["tools"]
    assert (good["authStatus"], good["resources"], good["resourceTemplates"]) == ("unsupported", [], [])
    assert found["bad"]["toolsError"].startswith("it ended with exit code 7")


async def test_frontends_call_tools_and_read_resources(world: Any, official: dict[str, Any]) -> None:
    async with bridge(world, {"s": {**official, "disabled_tools": ["ask"]}}) as made:
        asked = {"server": "s", "tool": "add", "arguments": {"a": 2, "b": 3}, "_meta": None}
        assert await made.inquire("mcpServer/tool/call", asked) == {
            "content": [{"type": "text", "text": "5"}],
            "structuredContent": {"result": 5},
            "isError": False,
            "_meta": None,
        }
        read = await made.inquire("mcpServer/resource/read", {"server": "s", "uri": "notes://today"})
        assert read == {"contents": [{"uri": "notes://today", "mimeType": "text/plain", "text": "nothing"}]}
        (entry,) = (await made.inquire("mcpServerStatus/list", {"detail": "full"}))["data"]
        assert [found["uri"] for found in entry["resources"]] == ["notes://today"]
        assert [found["uriTemplate"] for found in entry["resourceTemplates"]] == ["notes://{day}"]
        (entry,) = (await made.inquire("mcpServerStatus/list", {"detail": "toolsAndAuthOnly"}))["data"]
        assert entry["resources"] == []


@pytest.mark.parametrize(
    ("method", "params", "why"),
    [
        ("mcpServer/dance", {}, "not a question about MCP servers"),
        ("mcpServer/tool/call", {"server": "x", "tool": "t"}, "unknown MCP server 'x'"),
        ("mcpServer/tool/call", {"server": "s", "tool": "huge"}, "has no tool 'huge' that may be used"),
        ("mcpServer/tool/call", {"server": "s", "tool": "echo", "arguments": [1]}, "must be an object"),
        ("mcpServer/tool/call", {"server": "s", "tool": "crash"}, "went away"),
        ("mcpServer/resource/read", {"server": "s", "uri": "a://b"}, "no such method"),
        ("mcpServer/oauth/login", {"name": "s"}, "only supported for streamable HTTP"),
        ("mcpServer/oauth/login", {"name": "x"}, "unknown MCP server 'x'"),
        ("mcpServer/oauthLogin/completed", {"loginId": "x"}, "there is no login x"),
    ],
)
async def test_what_cannot_be_answered_is_refused(world: Any, method: str, params: dict[str, Any], why: str) -> None:
    async with bridge(world, {"s": world.raw(disabled_tools=["huge"])}) as made:
        with pytest.raises(UserError, match=why):
            await made.inquire(method, params)


async def test_a_login_that_cannot_begin_says_why(world: Any) -> None:
    async with bridge(world, {"s": {"url": "http://127.0.0.1:9/mcp"}}) as made:
        with pytest.raises(UserError):
            await made.inquire("mcpServer/oauth/login", {"name": "s"})


async def test_another_configuration_is_taken_over(world: Any) -> None:
    same, old = world.raw(), world.raw()
    async with bridge(world, {"same": same, "old": old, "changed": world.raw()}) as made:
        await made.ready()
        before = {name: made.servers[name] for name in made.servers}
        tables = {"same": same, "changed": world.raw("chatty"), "new": world.raw()}
        assert await made.inquire("config/mcpServer/reload", {"config": {"mcp_servers": tables}}) == {}
        for name in ("same", "changed", "new"):
            await made.servers[name].connected()
        assert sorted(made.servers) == ["changed", "new", "same"]
        assert made.servers["same"] is before["same"]
        assert made.servers["changed"] is not before["changed"]
        assert any("new" in name for name in names(made))
        assert not any("__old" in name for name in names(made))
        with pytest.raises(ConfigError, match=r"mcp_servers\.bad needs"):
            await made.inquire("config/mcpServer/reload", {"config": {"mcp_servers": {"bad": {}}}})


async def test_a_thread_without_a_server_gets_those_that_are_configured_later(world: Any) -> None:
    made = SPEC.factory(world.setup().replace(answers_questions=True))
    assert isinstance(made, DormantBridge)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.run)
        await made.ready()
        assert await made.inquire("config/mcpServer/reload", {"config": {}}) == {}
        assert list(made.tools()) == []
        tables = {"s": world.raw(required=True)}
        with anyio.fail_after(20):
            assert await made.inquire("config/mcpServer/reload", {"config": {"mcp_servers": tables}}) == {}
            await made.ready()
        assert "mcp__s__echo" in [tool.definition.name for tool in made.tools()]
        tasks.cancel_scope.cancel()
