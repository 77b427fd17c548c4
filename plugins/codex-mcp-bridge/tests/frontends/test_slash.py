"""Prompts of servers as slash commands."""

import base64
import struct
import zlib

import anyio
import pytest

import codex_mcp_bridge.plugin as bridge
from codex_plugin_sdk import ImageInput, McpServerSpec, TextInput, UserError
from codex_plugin_sdk.prompts import Prompt
from codex_plugin_sdk.slash import is_server_prompt, server_input, slash_commands
from codex_plugin_sdk.testing.harness import open_thread, plugin
from codex_plugin_sdk.testing.model import ScriptedModel, say

pytestmark = pytest.mark.anyio


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PNG = b"\x89PNG\r\n\x1a\n" + b"".join(
    (
        _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)),
        _chunk(b"IDAT", zlib.compress(b"\0\0")),
        _chunk(b"IEND", b""),
    )
)


def served():
    """A server with prompts of all kinds."""
    from mcp.server.mcpserver import AssistantMessage, MCPServer, UserMessage
    from mcp.types import EmbeddedResource, ImageContent, TextResourceContents

    server = MCPServer("talk")

    @server.prompt(description="Greets\x1b[31m somebody.")
    def greet(name: str, tone: str = "warm") -> str:
        return f"Greet {name}, {tone}"

    @server.prompt()
    def chat() -> list:
        return [UserMessage("Hello"), AssistantMessage("And you?")]

    @server.prompt(name="with a blank")
    def blank() -> str:
        return "\x1b]0;title\x07 seen"

    @server.prompt()
    def rich() -> list:
        image = ImageContent(type="image", data=base64.b64encode(PNG).decode(), mime_type="image/png")
        note = TextResourceContents(uri="notes://1", text="the note", mime_type="text/plain")
        return [UserMessage(image), UserMessage(EmbeddedResource(type="resource", resource=note))]

    @server.prompt()
    def void() -> list:
        return []

    return server


def mute():
    """A server without prompts."""
    from mcp.server.lowlevel import Server

    return Server("mute")


@pytest.fixture
async def ask(tmp_path):
    """How a frontend asks the servers `talk` and `mute` of a running thread."""
    offers = [McpServerSpec(name="talk", factory=served), McpServerSpec(name="mute", factory=mute)]
    async with open_thread(
        ScriptedModel([say("done")]), bridge, plugin(codex_mcp_servers=offers), home=str(tmp_path)
    ) as harness:
        yield harness.thread._state.sources["mcp"].inquire


async def texts(text, ask):
    with anyio.fail_after(30):
        return [part.text for part in await server_input(text, ask)]


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("/mcp__talk__greet Bo", ["Greet Bo, warm"]),
        ("/talk:greet Bo", ["Greet Bo, warm"]),
        ("/talk:greet 'Bo Peep' cold", ["Greet Bo Peep, cold"]),
        ("/talk:greet tone=cold Bo", ["Greet Bo, cold"]),
        ("/talk:greet Bo as if you\nmeant it", ["Greet Bo, as if you meant it"]),
        ("/talk:greet Bo with=zest", ["Greet Bo, with=zest"]),
        ("/talk:chat", ["Hello", "Assistant: And you?"]),
        ("/talk:chat and more", ["Hello", "Assistant: And you?", "and more"]),
        ("/mcp__talk__with_a_blank", ["\\x1b]0;title\\x07 seen"]),
    ],
)
async def test_a_command_becomes_what_the_server_makes_of_it(ask, text, sent):
    assert await texts(text, ask) == sent


async def test_images_and_resources_stay_parts_of_the_input(ask):
    with anyio.fail_after(30):
        image, note = await server_input("/talk:rich", ask)
    assert image == ImageInput(url="data:image/png;base64," + base64.b64encode(PNG).decode())
    assert note == TextInput(text="[resource notes://1 (text/plain)]\nthe note")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("/talk:greet", "the prompt /talk:greet wants name", "/talk:greet name=… [tone=…]"),
        ("/talk:gret Bo", "the MCP server talk has no prompt 'gret'", "did you mean greet?"),
        (
            "/talk:zzz",
            "the MCP server talk has no prompt 'zzz'",
            "its prompts are chat, greet, rich, void, with_a_blank",
        ),
        ("/mcp__tolk__greet", "there is no MCP server 'tolk'", "did you mean talk?"),
        ("/mute:greet", "the MCP server mute has no prompts", "codex mcp prompts shows all there are"),
        ("/talk:void", "the prompt /talk:void is empty: the MCP server talk gave nothing to send for it", ""),
    ],
)
async def test_what_cannot_be_expanded_says_why(ask, text, message, hint):
    with anyio.fail_after(30), pytest.raises(UserError) as caught:
        await server_input(text, ask)
    assert caught.value.message == message
    assert (caught.value.hint or "") == hint


async def test_without_servers_the_command_is_refused():
    with pytest.raises(UserError, match="there is none in this session"):
        await server_input("/mcp__talk__greet", None)


async def test_frontends_get_all_commands_from_one_place(ask):
    own = (Prompt(name="review", path="/r.md", description="Reviews", argument_hint="FILE=<path>"),)
    with anyio.fail_after(30):
        found = await slash_commands(own, ask)
    assert [one.name for one in found[:3]] == ["/prompts:review", "/mcp__talk__greet", "/mcp__talk__chat"]
    assert "/mcp__talk__with_a_blank" in [one.name for one in found]
    review, greet = found[:2]
    assert (review.origin, review.hint, greet.origin) == ("prompts", "FILE=<path>", "talk")
    assert (greet.description, greet.hint) == ("Greets\\x1b[31m somebody.", "name=… [tone=…]")
    assert [(one.name, one.required) for one in greet.arguments] == [("name", True), ("tone", False)]
    assert await slash_commands(own) == found[:1]


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("/mcp__any__thing", True),
        ("/talk:greet Bo", True),
        ("/mcp__any", False),
        ("/other:greet", False),
        ("/talk:", False),
        ("/prompts:greet", False),
        (" /talk:greet", False),
        ("/usr/bin/env: what is it?", False),
        ("/", False),
        ("", False),
    ],
)
def test_only_what_names_a_server_is_one_of_its_prompts(text, is_one):
    assert is_server_prompt(text, {"talk", "prompts"}) is is_one
