"""Prompts of servers, for frontends that offer them as slash commands (`/mcp__SERVER__PROMPT arguments`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import anyio

from codex_plugin_sdk import ToolFailed, UserError

if TYPE_CHECKING:
    import mcp.types

    from .server import Server
    from .servers import Servers

MAX_PAGES = 100
MAX_PROMPTS = 1_000
"""Of one server."""


class Prompts:
    """`find` gives a server by its name, or raises `UserError`."""

    def __init__(self, servers: Servers, find: Callable[[object], Server]) -> None:
        self._servers, self._find = servers, find

    async def listed(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The prompts of all servers, by the servers' names; one that cannot tell them has none. Waits until the starts
        of all have ended."""
        found = await self.by_server()
        return {"data": [{"server": name, **_plain(prompt)} for name in sorted(found) for prompt in found[name]]}

    async def by_server(self) -> dict[str, tuple[mcp.types.Prompt, ...]]:
        """As `listed`, in the library's types."""
        found: dict[str, tuple[mcp.types.Prompt, ...]] = {}

        async def ask(server: Server) -> None:
            await self._servers.settled([server])
            found[server.name] = await prompts_of(server)

        async with anyio.create_task_group() as tasks:
            for server in self._servers.values():
                if server.config.enabled:
                    tasks.start_soon(ask, server)
        return found

    async def filled(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """A prompt with its arguments: its messages, and `text`, what is to be sent for it. Raises `UserError`."""
        server, name, arguments = self._find(params.get("server")), params.get("name"), params.get("arguments") or {}
        if not isinstance(name, str) or not isinstance(arguments, Mapping):
            raise UserError("a prompt has a name, and its arguments are an object")
        result = await server.get_prompt(name, {str(key): str(given) for key, given in arguments.items()})
        messages = list(map(_plain, result.messages))
        return {"description": result.description, "messages": messages, "text": _text(result.messages)}


async def prompts_of(server: Server) -> tuple[mcp.types.Prompt, ...]:
    """The prompts of a server; none where it is not there or cannot tell them. Two of one name count once."""
    if server.status != "ready" or server.capabilities is None or server.capabilities.prompts is None:
        return ()
    found: dict[str, mcp.types.Prompt] = {}
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        try:
            page = await server.list_prompts(cursor)
        except ToolFailed:
            break
        for prompt in page.prompts[: MAX_PROMPTS - len(found)]:
            found.setdefault(prompt.name, prompt)
        cursor = page.next_cursor
        if not cursor or len(found) >= MAX_PROMPTS:
            break
    return tuple(found.values())


def _plain(found: Any) -> dict[str, Any]:
    plain: dict[str, Any] = found.model_dump(mode="json", by_alias=True, exclude_none=True)
    return plain


def _text(messages: Sequence[mcp.types.PromptMessage]) -> str:
    """What the messages say; what is no text is named by its kind. Words put into the assistant's mouth say so."""
    parts = []
    for message in messages:
        content = message.content
        text = content.text if content.type == "text" else _resource_text(content)
        parts.append(text if message.role == "user" else f"Assistant: {text}")
    return "\n\n".join(parts)


def _resource_text(content: Any) -> str:
    inner = getattr(content, "resource", None)
    text = getattr(inner, "text", None)
    return text if isinstance(text, str) else f"[{content.type}]"
