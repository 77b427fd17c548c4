"""Slash commands in place of a prompt: a Markdown file of the user or the project, or a prompt of an MCP server."""

from __future__ import annotations

from typing import Any

from codex_plugin_sdk import Config, TextInput, UserTurn
from codex_plugin_sdk.slash import SOURCE, custom_input, custom_prompts, is_server_prompt, server_input


def expanded(text: str, cwd: str, config: Config) -> str:
    """What a custom prompt stands for. Raises `UserError` where it cannot be used."""
    return custom_input(text, custom_prompts(cwd, config))


class ServerPrompt:
    """A prompt of an MCP server, which only a running thread can ask for. `more` is what was piped besides."""

    def __init__(self, command: str, more: str = "") -> None:
        self._command, self._more = command, more

    @property
    def inputs(self) -> tuple[TextInput, ...]:
        """As it was written, for a server that asks by itself."""
        return tuple(TextInput(text=text) for text in (self._command, self._more) if text)

    async def turn(self, op: UserTurn, sources: Any) -> UserTurn:
        """The turn with what the prompt stands for before its own input. Raises `UserError`."""
        ask = sources[SOURCE].inquire if SOURCE in sources else None
        found = await server_input(self._command, ask)
        return op.replace(input=(*found, *self.inputs[1:], *op.input))


def server_prompt(argument: str | None, prompt: str, config: Config) -> str | ServerPrompt:
    """The whole prompt, or the prompt of a server that it names; what was piped is appended to its text. Of the
    argument alone arguments are read."""
    servers = config.table("mcp_servers")
    if argument in (None, "-"):
        return ServerPrompt(prompt) if is_server_prompt(prompt, servers) else prompt
    assert argument is not None
    if not is_server_prompt(argument, servers):
        return prompt
    return ServerPrompt(argument, prompt.removeprefix(argument).lstrip("\n"))
