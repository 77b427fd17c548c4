"""Servers that plugins bring along run within this process."""

from __future__ import annotations

from typing import Any

import pytest

from codex_plugin_sdk import ToolFailed

pytestmark = pytest.mark.anyio


def clock() -> Any:
    from mcp.server.mcpserver import MCPServer

    server = MCPServer("clock")

    @server.tool()
    def time() -> str:
        """Tell the time."""
        return "noon"

    return server


async def test_a_server_of_a_plugin_is_called(world: Any) -> None:
    world.in_process["clock"] = clock
    async with world.running({}) as servers:
        assert (await servers["clock"].call_tool("time", {})).content[0].text == "noon"


async def test_the_configuration_may_switch_it_off(world: Any) -> None:
    world.in_process["clock"] = clock
    async with world.running({"clock": {"enabled": False}}) as servers:
        with pytest.raises(ToolFailed, match="switched off"):
            await servers["clock"].call_tool("time", {})


async def test_a_configured_server_takes_its_place(world: Any) -> None:
    world.in_process["clock"] = clock
    async with world.running({"clock": world.raw()}) as servers:
        await servers["clock"].call_tool("echo", {})


async def test_a_factory_that_raises_fails_its_server_only(world: Any) -> None:
    def broken() -> Any:
        raise RuntimeError("no clock here")

    world.in_process.update(broken=broken, clock=clock)
    async with world.running({}) as servers:
        with pytest.raises(ToolFailed, match="no clock here"):
            await servers["broken"].connected()
        await servers["clock"].connected()
