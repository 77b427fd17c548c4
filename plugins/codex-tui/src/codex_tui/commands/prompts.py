"""Prompts that begin with a slash: files of the user and of the project, and those of MCP servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import attrs

from codex_plugin_sdk import ProtocolError, UserError

from .asking import is_not_served, request

if TYPE_CHECKING:
    from codex_plugin_sdk.prompts import Prompt

    from .line import Row
    from .ui import Ui

PREFIX = "/prompts:"


@attrs.frozen(kw_only=True)
class Input:
    """What is to be sent: text, and images as URLs."""

    text: str
    images: tuple[str, ...] = ()


def may_be_prompt(line: str) -> bool:
    """Whether a line may invoke a prompt: `/prompts:NAME`, `/mcp__SERVER__PROMPT`, `/SERVER:PROMPT`, and no path."""
    word = line.split(None, 1)[0]
    return word.startswith("/mcp__") or (":" in word and "/" not in word[1:])


async def listed(ui: Ui) -> list[Row]:
    """All prompts, from the server; where that cannot tell, the files of this machine, if the server is on it. Waits
    until MCP servers have started."""
    try:
        found = await request(ui, "slashCommands/list", threadId=ui.session.thread_id)
    except ProtocolError as error:
        if not is_not_served(error):
            raise
        return [
            (f"prompts:{prompt.name}", prompt.problem or prompt.description, prompt.argument_hint)
            for prompt in await _files(ui)
        ]
    return [
        (entry["name"].removeprefix("/"), entry.get("problem") or entry["description"], entry["hint"])
        for entry in found["data"]
    ]


async def expand(ui: Ui, line: str) -> Input:
    """What a prompt stands for; another line stays as it is. Raises `UserError`, `ProtocolError`: there is no such
    prompt, arguments are missing."""
    if not may_be_prompt(line):
        return Input(text=line)
    try:
        found = await request(ui, "slashCommands/expand", threadId=ui.session.thread_id, text=line)
    except ProtocolError as error:
        if not is_not_served(error):
            raise
        return await _expanded_here(ui, line)
    texts = [part["text"] for part in found["input"] if part["type"] == "text"]
    images = tuple(part["url"] for part in found["input"] if part["type"] == "image")
    return Input(text="\n\n".join(texts), images=images)


async def _expanded_here(ui: Ui, line: str) -> Input:
    """For servers that expand nothing but, at the begin of a turn, their own prompts."""
    from codex_plugin_sdk.slash import custom_input

    if not line.startswith(PREFIX):
        if ui.session.busy:
            word = line.split(maxsplit=1)[0]
            raise UserError(f"{word} can only begin a turn", hint="send it when this one has ended")
        return Input(text=line)
    if not ui.session.link.is_local:
        raise UserError("prompt files are on the machine of the server", hint="write out what is to be done")
    return Input(text=custom_input(line, await _files(ui)))


async def _files(ui: Ui) -> tuple[Prompt, ...]:
    """Prompt files of this machine; none for a server elsewhere."""
    from codex_plugin_sdk.slash import custom_prompts

    if not ui.session.link.is_local:
        return ()
    cwd = ui.session.status.cwd

    def read() -> tuple[Prompt, ...]:
        return custom_prompts(cwd, ui.invocation.load_config(cwd=cwd))

    return await anyio.to_thread.run_sync(read)
