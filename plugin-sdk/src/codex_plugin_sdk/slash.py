"""Slash commands: what a user may begin a line with, wherever it comes from.

Custom prompts (`/prompts:NAME`, Markdown files) and prompts of MCP servers (`/mcp__SERVER__PROMPT`, or shorter
`/SERVER:PROMPT`). A frontend shows those of `slash_commands`; what the user sends becomes input by `custom_input` and
`server_input`. The latter asks the thread's source of tools, which starts servers and waits for them.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from codex_kernel.errors import UserError
from codex_kernel.protocol.ops import ImageInput, TextInput, UserInput
from codex_kernel.protocol.value import Value, value

from .prompts import PREFIX, Prompt, expand_prompt, find_prompts

if TYPE_CHECKING:
    from codex_kernel.config import Config

    Ask = Callable[[str, Mapping[str, Any]], Awaitable[Any]]

SOURCE = "mcp"
"""The name of the source of tools that knows the prompts of servers."""
SERVER_PREFIX = "/mcp__"
FOLDER = os.path.join(".codex", "prompts")


@value
class SlashArgument(Value):
    """What a command wants to know, given by place or as `name=value`."""

    name: str
    description: str = ""
    required: bool = False


@value
class SlashCommand(Value):
    """One command. `name` begins with the slash, `hint` shows the arguments; `origin` is `prompts`, or the MCP server
    whose words the rest is, made harmless. `problem` says why it cannot be used."""

    name: str
    origin: str
    description: str = ""
    hint: str = ""
    arguments: tuple[SlashArgument, ...] = ()
    problem: str = ""


def custom_prompts(cwd: str, config: Config) -> tuple[Prompt, ...]:
    """The prompt files of the user and of the project. Nothing of one that is not trusted is looked at."""
    folders = tuple(_project_folders(cwd, config)) if config.trusted else ()
    return find_prompts(config.codex_home, folders)


def custom_input(text: str, prompts: Sequence[Prompt]) -> str:
    """What the text stands for, itself if it is no custom prompt. Raises `UserError` for an unknown prompt, a file that
    cannot be used, missing arguments, and for what expands to nothing."""
    found = expand_prompt(text, prompts)
    if found is not None and not found.strip():
        name = text.split(maxsplit=1)[0]
        raise UserError(f"the prompt {name} is empty", hint="write into its file what is to be done")
    return text if found is None else found


def is_server_prompt(text: str, servers: Collection[str]) -> bool:
    """Whether the text invokes a prompt of an MCP server; the shorter form does for `servers`, the configured ones."""
    word = text.split(None, 1)[0] if text.startswith("/") else ""
    if word.startswith(SERVER_PREFIX):
        return "__" in word[len(SERVER_PREFIX) :]
    server, colon, prompt = word[1:].partition(":")
    return bool(colon and prompt) and server in servers and not word.startswith(PREFIX)


async def server_input(text: str, ask: Ask | None) -> tuple[UserInput, ...]:
    """What a prompt of a server stands for: its messages, then words for which it has no argument. Waits for the
    server's start as long as that may take. `ask` is `inquire` of the source `SOURCE` of a running thread, None where
    it has none. Raises `UserError`: an unknown server or prompt, missing arguments, a server that is not there."""
    if ask is None:
        raise UserError(
            f"{text.split(None, 1)[0]} is a prompt of an MCP server, and there is none in this session",
            hint="codex mcp list shows the servers; a text that begins with a blank is sent as it is",
        )
    found = await ask("slashCommands/expand", {"text": text})
    return tuple(map(_input, found["input"]))


async def slash_commands(prompts: Sequence[Prompt], ask: Ask | None = None) -> tuple[SlashCommand, ...]:
    """All commands: custom prompts by name, then those of servers, if there is somebody to `ask` (see `server_input`).
    Waits until the servers' starts have ended; one that cannot tell its prompts has none."""
    own = tuple(
        SlashCommand(
            name=PREFIX + prompt.name,
            origin="prompts",
            description=prompt.description,
            hint=prompt.argument_hint,
            problem=prompt.problem,
        )
        for prompt in prompts
    )
    if ask is None:
        return own
    found = await ask("slashCommands/list", {})
    return own + tuple(map(_command, found["data"]))


def _command(entry: Mapping[str, Any]) -> SlashCommand:
    arguments = tuple(SlashArgument(**argument) for argument in entry["arguments"])
    return SlashCommand(
        name=entry["name"],
        origin=entry["server"],
        description=entry["description"],
        hint=entry["hint"],
        arguments=arguments,
    )


def _input(entry: Mapping[str, Any]) -> UserInput:
    return ImageInput(url=entry["url"]) if entry["type"] == "image" else TextInput(text=entry["text"])


def _project_folders(cwd: str, config: Config) -> Iterator[str]:
    """`.codex/prompts` of cwd and of the folders above it, up to the project's root."""
    from .context.agents_md import DEFAULT_MARKERS, project_root

    markers = config.strings("project_root_markers") if "project_root_markers" in config.data else DEFAULT_MARKERS
    root, folder = project_root(cwd, markers), cwd
    yield os.path.join(folder, FOLDER)
    while folder != root:
        folder = os.path.dirname(folder)
        yield os.path.join(folder, FOLDER)
