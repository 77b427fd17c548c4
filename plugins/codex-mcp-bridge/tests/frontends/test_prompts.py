"""Prompts of servers, as frontends list them and fill them in."""

import anyio
import pytest

import codex_mcp_bridge.plugin as bridge
from codex_plugin_sdk import McpServerSpec, UserError
from codex_plugin_sdk.testing.harness import open_thread, plugin
from codex_plugin_sdk.testing.model import ScriptedModel, say

pytestmark = pytest.mark.anyio


def served():
    """A server with two prompts."""
    from mcp.server.mcpserver import AssistantMessage, MCPServer, UserMessage

    server = MCPServer("talk")

    @server.prompt(description="Greets somebody.")
    def greet(name: str) -> str:
        return f"Greet {name}"

    @server.prompt()
    def chat() -> list:
        return [UserMessage("Hello"), AssistantMessage("And you?")]

    return server


async def test_prompts_are_listed_and_filled_in(tmp_path):
    servers = plugin(codex_mcp_servers=[McpServerSpec(name="talk", factory=served)])
    model = ScriptedModel([say("done")])
    with anyio.fail_after(30):
        async with open_thread(model, bridge, servers, home=str(tmp_path)) as harness:
            await harness.turn()
            source = harness.thread._state.sources["mcp"]
            listed = (await source.inquire("mcpServer/prompts/list", {}))["data"]
            assert [(entry["server"], entry["name"]) for entry in listed] == [("talk", "greet"), ("talk", "chat")]
            assert listed[0]["description"] == "Greets somebody."
            assert [argument["name"] for argument in listed[0]["arguments"]] == ["name"]
            asked = {"server": "talk", "name": "greet", "arguments": {"name": "Bo"}}
            found = await source.inquire("mcpServer/prompts/get", asked)
            assert found["text"] == "Greet Bo"
            assert found["messages"][0]["role"] == "user"
            both = await source.inquire("mcpServer/prompts/get", {"server": "talk", "name": "chat"})
            assert both["text"] == "Hello\n\nAssistant: And you?"
            with pytest.raises(UserError):
                await source.inquire("mcpServer/prompts/get", {"server": "talk", "name": "none"})
            with pytest.raises(UserError, match="unknown MCP server 'other'"):
                await source.inquire("mcpServer/prompts/get", {"server": "other", "name": "greet"})
