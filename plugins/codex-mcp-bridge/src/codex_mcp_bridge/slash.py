"""Prompts of servers as slash commands: `/mcp__SERVER__PROMPT`, or `/SERVER:PROMPT`, with arguments behind it.

What a server's prompt says is a stranger's text in the user's place: it is bounded, and shown as the model gets it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import ContentPart, UserError
from codex_plugin_sdk.prompts import split_words

from .names import Origin, model_names
from .results import Rendering
from .safe_text import shown
from .spill import Spill

if TYPE_CHECKING:
    import mcp.types

    from codex_plugin_sdk import ToolSourceSetup

    from .prompts import Prompts
    from .server import Server
    from .servers import Servers

MAX_CHARS = 1_048_576
"""Of what a prompt expands to: as much as a user may write."""
MAX_MESSAGES = 200
_DESCRIPTION_CHARS = 300
_NAME_CHARS = 100
_NAMES_SHOWN = 20


class SlashPrompts:
    """Lists and expands; in both, a server that still starts is waited for."""

    def __init__(self, servers: Servers, prompts: Prompts, setup: ToolSourceSetup) -> None:
        self._servers, self._prompts = servers, prompts
        self._rendering = Rendering(Spill(setup.tools.spill_dir), sees_images=setup.sees_images)

    async def listed(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """All prompts as commands, by server; texts of theirs on one line, made harmless."""
        found = await self._prompts.by_server()
        return {"data": [entry for name in sorted(found) for entry in commands(name, found[name])]}

    async def expanded(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """What `text`, a command with its arguments, stands for: `input`, texts and images in their order.
        Raises `UserError`, and `ToolFailed` for a server that is not there or refuses."""
        from .prompts import prompts_of

        word, rest = _split(str(params.get("text")))
        server, wanted = self._target(word)
        await server.connected()
        if server.capabilities is None or server.capabilities.prompts is None:
            raise UserError(
                f"the MCP server {server.name} has no prompts", hint="codex mcp prompts shows all there are"
            )
        prompt = _chosen(server.name, wanted, await prompts_of(server))
        arguments, more = _filled(word, prompt, split_words(rest))
        result = await server.get_prompt(prompt.name, arguments)
        found = self._input(result.messages)
        if not found:
            raise UserError(f"the prompt {word} is empty: the MCP server {server.name} gave nothing to send for it")
        return {"input": [*found, *([{"type": "text", "text": more}] if more else [])]}

    def _target(self, word: str) -> tuple[Server, str]:
        """The server and the name of the prompt."""
        if word.startswith("/mcp__"):
            named = word.removeprefix("/mcp__")
            fits = [name for name in self._servers if named.startswith(f"{name}__")]
            name = max(fits, key=len) if fits else named.partition("__")[0]
            wanted = named[len(name) + 2 :]
        else:
            name, _, wanted = word.removeprefix("/").partition(":")
        if name not in self._servers:
            raise UserError(
                f"there is no MCP server {name!r}", hint=_near(name, list(self._servers), "the servers are")
            )
        return self._servers[name], wanted

    def _input(self, messages: Sequence[mcp.types.PromptMessage]) -> list[dict[str, str]]:
        """The messages as input. Words put into the assistant's mouth say so; files are kept and named."""
        found: list[dict[str, str]] = []
        size, images = 0, list[ContentPart]()
        for message in messages[:MAX_MESSAGES]:
            texts: list[str] = []
            before = len(images)
            self._rendering.block(message.content, texts, images)
            text = shown("\n".join(texts))
            size += len(text)
            if text.strip():
                text = text if message.role == "user" else f"Assistant: {text}"
                found.append({"type": "text", "text": text})
            found += ({"type": "image", "url": str(image.image_url)} for image in images[before:])
        if size > MAX_CHARS or len(messages) > MAX_MESSAGES:
            raise UserError(f"the prompt is too large: more than {MAX_CHARS:,} characters or {MAX_MESSAGES} messages")
        return found


def commands(server: str, prompts: Sequence[mcp.types.Prompt]) -> list[dict[str, Any]]:
    """Prompts of one server as commands: `name`, `server`, `description`, `hint`, `arguments`."""
    names = _names(server, prompts)
    return [
        {
            "name": f"/{names[prompt.name]}",
            "server": server,
            "description": _line(prompt.description or prompt.title or ""),
            "hint": _hint(prompt),
            "arguments": [
                {
                    "name": _line(argument.name, _NAME_CHARS),
                    "description": _line(argument.description or ""),
                    "required": argument.required is True,
                }
                for argument in prompt.arguments or ()
            ],
        }
        for prompt in prompts
    ]


def _names(server: str, prompts: Iterable[mcp.types.Prompt]) -> dict[str, str]:
    """How each prompt is called after the slash, by its own name: what cannot be typed is replaced."""
    found = model_names(Origin(server=server, tool=prompt.name) for prompt in prompts)
    return {origin.tool: name for origin, name in found.items()}


def _split(text: str) -> tuple[str, str]:
    parts = text.split(None, 1)
    return parts[0], parts[1].strip() if len(parts) > 1 else ""


def _chosen(server: str, wanted: str, prompts: Sequence[mcp.types.Prompt]) -> mcp.types.Prompt:
    """The prompt of that name, its own or the one that is listed. Raises `UserError`."""
    names = _names(server, prompts)
    for prompt in prompts:
        if wanted == prompt.name:
            return prompt
    prefix = f"mcp__{server}__"
    for prompt in prompts:
        if names[prompt.name] == prefix + wanted:
            return prompt
    known = [name.removeprefix(prefix) for name in names.values()]
    hint = _near(wanted, known, "its prompts are")
    raise UserError(f"the MCP server {server} has no prompt {_line(wanted, _NAME_CHARS)!r}", hint=hint)


def _near(name: str, known: Sequence[str], lead: str) -> str:
    """What may have been meant, else what there is."""
    import difflib

    near = difflib.get_close_matches(name, known, 3)
    if near:
        return f"did you mean {' or '.join(near)}?"
    more = ", …" if len(known) > _NAMES_SHOWN else ""
    return f"{lead} {', '.join(known[:_NAMES_SHOWN])}{more}" if known else "codex mcp list shows the servers"


def _filled(word: str, prompt: mcp.types.Prompt, words: Sequence[str]) -> tuple[dict[str, str], str]:
    """The arguments by name, and words for which there is no place. `name=value` is by name where the prompt has
    such an argument, all else by place; the last place takes all that is left. Raises `UserError`."""
    names = [argument.name for argument in prompt.arguments or ()]
    given: dict[str, str] = {}
    by_place: list[str] = []
    for one in words:
        name, equals, text = one.partition("=")
        if equals and name in names and name not in given:
            given[name] = text
        else:
            by_place.append(one)
    places = [name for name in names if name not in given]
    for name in places[:-1]:
        if by_place:
            given[name] = by_place.pop(0)
    if places and by_place:
        given[places[-1]] = " ".join(by_place)
        by_place = []
    missing = [one.name for one in prompt.arguments or () if one.required and not given.get(one.name)]
    if missing:
        wanted = ", ".join(_line(name, _NAME_CHARS) for name in missing)
        raise UserError(f"the prompt {word} wants {wanted}", hint=f"{word} {_hint(prompt)}")
    return given, " ".join(by_place)


def _hint(prompt: mcp.types.Prompt) -> str:
    """How its arguments are given: `name=… [other=…]`."""
    texts = ((f"{_line(one.name, _NAME_CHARS)}=…", one.required) for one in prompt.arguments or ())
    return " ".join(text if required else f"[{text}]" for text, required in texts)


def _line(text: str, limit: int = _DESCRIPTION_CHARS) -> str:
    return shown(" ".join(text.split()), limit, lines=False)
