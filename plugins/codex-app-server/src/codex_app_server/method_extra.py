"""Methods that Codex's protocol does not have: slash commands, and how plugins fare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import anyio

from codex_plugin_sdk import ImageInput, UserInput, report_body

from .context_parts import context_parts
from .extensions import thread_config, thread_facts
from .methods import extra
from .scopes import ALONE
from .shapes import BOOLEAN, STRING, record
from .tool_sources import inquire

if TYPE_CHECKING:
    from codex_plugin_sdk.slash import Ask, SlashCommand

    from .client import Client
    from .server import Server


# Alone: servers that start are waited for, and a turn that begins must not wait with us.
@extra("slashCommands/list", record({"threadId": STRING}, servers=BOOLEAN), scope=ALONE)
async def list_commands(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """Custom prompts and, for an open thread unless `servers` is false, prompts of MCP servers, whose start is waited
    for."""
    from codex_plugin_sdk.slash import custom_prompts, slash_commands

    facts, config = await thread_facts(server, params["threadId"]), await thread_config(server, params["threadId"])
    prompts = await anyio.to_thread.run_sync(custom_prompts, facts.cwd, config)
    ask = None if params.get("servers") is False else _asking(server, params["threadId"])
    return {"data": [_wire(command) for command in await slash_commands(prompts, ask)]}


@extra("slashCommands/expand", record({"threadId": STRING, "text": STRING}), scope=ALONE)
async def expand(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """What a text that begins with such a command stands for, as input for `turn/start`; `expanded` false, and the text
    itself, where it begins with none."""
    from codex_plugin_sdk.slash import custom_input, custom_prompts, is_server_prompt, server_input

    text, thread_id = params["text"], params["threadId"]
    facts, config = await thread_facts(server, thread_id), await thread_config(server, thread_id)
    if is_server_prompt(text, config.table("mcp_servers")):
        parts = await server_input(text, _asking(server, thread_id))
        return {"input": [_part(part) for part in parts], "expanded": True}
    prompts = await anyio.to_thread.run_sync(custom_prompts, facts.cwd, config)
    found = custom_input(text, prompts)
    return {"input": [{"type": "text", "text": found}], "expanded": found != text}


def _asking(server: Server, thread_id: str) -> Ask | None:
    from codex_plugin_sdk.slash import SOURCE

    loaded = server.threads.get(thread_id)
    if loaded is None or SOURCE not in loaded.state.sources:
        return None
    source, gone = loaded.state.sources[SOURCE], loaded.closed
    return lambda name, asked: inquire(source, name, asked, gone)


def _wire(command: SlashCommand) -> dict[str, Any]:
    return {
        "name": command.name,
        "origin": command.origin,
        "description": command.description,
        "hint": command.hint,
        "arguments": [
            {"name": one.name, "description": one.description, "required": one.required} for one in command.arguments
        ],
        "problem": command.problem or None,
    }


def _part(part: UserInput) -> dict[str, Any]:
    if isinstance(part, ImageInput):
        return {"type": "image", "url": part.url}
    return {"type": "text", "text": getattr(part, "text", "")}


@extra("context/read", record({"threadId": STRING}), scope=ALONE)
async def read_context(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """What fills the context of an open thread, by kind. Tokens of the parts are estimated."""
    return context_parts(server.loaded(params["threadId"]))


@extra("plugins/report", scope=ALONE)
async def report(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """How every plugin fares: as `codex plugin list --json`."""
    reports = await anyio.to_thread.run_sync(server.invocation.plugins.reports)
    return {"data": [report_body(one) for one in reports]}
