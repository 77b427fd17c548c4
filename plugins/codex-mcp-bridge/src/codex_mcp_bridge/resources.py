"""Tools that list and read resources of servers; offered when a server has any."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import anyio

from codex_plugin_sdk import (
    ContentPart,
    ItemStatus,
    McpToolCallItem,
    PolicyDenied,
    ToolDefinition,
    ToolFailed,
    ToolOutput,
)

from .approval import McpIntent, authorize
from .safe_text import shown, shown_data

if TYPE_CHECKING:
    from codex_plugin_sdk import ToolCall, ToolContext

    from .results import Rendering
    from .server import Server

MAX_PAGES = 50
MAX_ENTRIES = 2_000
_SERVER = {"type": "string", "description": "Name of the MCP server; without it all of them are asked."}
_CURSOR = {"type": "string", "description": "nextCursor of an earlier answer of the same server, for its next page."}

Page = tuple[Sequence[Any], str | None]


class ResourceTool(ABC):
    """What the three have in common: checked arguments, an item that is shown, JSON for the model."""

    def __init__(
        self, definition: ToolDefinition, servers: Callable[[], Mapping[str, Server]], rendering: Rendering
    ) -> None:
        self._definition, self._servers, self._rendering = definition, servers, rendering

    @property
    def definition(self) -> ToolDefinition:
        """How the model sees it."""
        return self._definition

    @property
    def parallel_safe(self) -> bool:
        """It only reads."""
        return True

    async def aclose(self) -> None:  # noqa: B027 - not for subclasses: nothing is held
        """Nothing is held."""

    async def run(self, call: ToolCall, ctx: ToolContext) -> ToolOutput:
        """Ask the servers, and show it as a call of the server that is named."""
        began = time.monotonic()
        given = {key: self._text(call.arguments, key) for key in self._definition.parameters["properties"]}
        item = McpToolCallItem(
            id=call.call_id,
            server=shown(given.get("server") or "codex", 100, lines=False),
            tool=self._definition.name,
            arguments=shown_data({key: text for key, text in given.items() if text is not None}),
            status=ItemStatus.IN_PROGRESS,
        )
        await ctx.item_started(item)
        status, result = ItemStatus.FAILED, None
        error: str | None = "interrupted"
        try:
            await authorize(ctx, McpIntent(tool=self._definition.name, arguments=dict(item.arguments), read_only=True))
            text, images = await self._asked(given)
            status, error = ItemStatus.COMPLETED, None
            result = {"content": [{"type": "text", "text": shown(text, 64_000)}], "structured_content": None}
            return self._output(text, images, time.monotonic() - began)
        except PolicyDenied as denied:
            status, error = ItemStatus.DECLINED, denied.message
            raise
        except ToolFailed as failed:
            error = shown(failed.message, 4_000)
            raise
        finally:
            spent_ms = int((time.monotonic() - began) * 1000)
            ended = item.replace(status=status, error=error, result=result, duration_ms=spent_ms)
            with anyio.CancelScope(shield=True):
                await ctx.item_completed(ended)

    @abstractmethod
    async def _asked(self, given: Mapping[str, str | None]) -> tuple[str, list[ContentPart]]:
        """What the model reads, and images. Raises `ToolFailed`, `PolicyDenied`."""

    def _output(self, text: str, images: Sequence[ContentPart], wall_time_s: float) -> ToolOutput:
        told = f"Wall time: {wall_time_s:.4f} seconds\nOutput:\n{self._rendering.bounded(text)}"
        if not images:
            return ToolOutput(output=told)
        return ToolOutput(output=(ContentPart(type="input_text", text=told), *images))

    def _text(self, arguments: Mapping[str, Any], key: str) -> str | None:
        found = arguments.get(key)
        if found is not None and not isinstance(found, str):
            raise ToolFailed(f"`{key}` must be a string")
        return found or None

    def _named(self, name: str) -> Server:
        servers = self._servers()
        if name not in servers:
            known = ", ".join(servers) or "none"
            raise ToolFailed(
                f"no MCP server named {shown(name, 100, lines=False)} has resources; those that do: {known}"
            )
        return servers[name]


class Listing(ResourceTool):
    """`list_mcp_resources` and `list_mcp_resource_templates`. `page` asks a server for one page."""

    def __init__(
        self,
        name: str,
        what: str,
        *,
        key: str,
        page: Callable[[Server, str | None], Awaitable[Page]],
        servers: Callable[[], Mapping[str, Server]],
        rendering: Rendering,
    ) -> None:
        parameters = {
            "type": "object",
            "properties": {"server": _SERVER, "cursor": _CURSOR},
            "additionalProperties": False,
        }
        super().__init__(ToolDefinition(name=name, description=what, parameters=parameters), servers, rendering)
        self._key, self._page = key, page

    async def _asked(self, given: Mapping[str, str | None]) -> tuple[str, list[ContentPart]]:
        server, cursor = given["server"], given["cursor"]
        body: dict[str, Any]
        if server is not None:
            entries, following = await self._page(self._named(server), cursor)
            body = {"server": server, self._key: _entries(server, entries[:MAX_ENTRIES])}
            if following:
                body["nextCursor"] = following
        elif cursor is not None:
            raise ToolFailed("`cursor` belongs to one server: name it with `server`")
        else:
            body = await self._all()
        return _dumped(body), []

    async def _all(self) -> dict[str, Any]:
        """All pages of all servers at once; one that fails is named beside what the others say."""
        servers = dict(self._servers())
        found: dict[str, list[dict[str, Any]]] = {}
        failed: dict[str, str] = {}

        async def ask(name: str) -> None:
            try:
                found[name] = _entries(name, await self._pages(servers[name]))
            except ToolFailed as error:
                failed[name] = shown(error.message, 500)

        async with anyio.create_task_group() as tasks:
            for name in servers:
                tasks.start_soon(ask, name)
        body: dict[str, Any] = {self._key: [entry for name in servers for entry in found.get(name, ())]}
        return body | ({"errors": failed} if failed else {})

    async def _pages(self, server: Server) -> list[Any]:
        entries: list[Any] = []
        cursor: str | None = None
        seen: set[str] = set()
        for _ in range(MAX_PAGES):
            page, cursor = await self._page(server, cursor)
            entries += page
            if not cursor or cursor in seen or len(entries) >= MAX_ENTRIES:
                break
            seen.add(cursor)
        return entries[:MAX_ENTRIES]


class Reading(ResourceTool):
    """`read_mcp_resource`."""

    def __init__(self, servers: Callable[[], Mapping[str, Server]], rendering: Rendering) -> None:
        definition = ToolDefinition(
            name="read_mcp_resource",
            description="Reads one resource of an MCP server, by the server's name and the resource's URI.",
            parameters={
                "type": "object",
                "properties": {
                    "server": {
                        "type": "string",
                        "description": "Name of the MCP server, as list_mcp_resources gave it.",
                    },
                    "uri": {
                        "type": "string",
                        "description": "URI of the resource, from a list or built by a template.",
                    },
                },
                "required": ["server", "uri"],
                "additionalProperties": False,
            },
        )
        super().__init__(definition, servers, rendering)

    async def _asked(self, given: Mapping[str, str | None]) -> tuple[str, list[ContentPart]]:
        server, uri = given["server"], given["uri"]
        if server is None or uri is None:
            raise ToolFailed("`server` and `uri` must not be empty")
        result = await self._named(server).read_resource(uri)
        images: list[ContentPart] = []
        texts: list[str] = []
        for contents in result.contents[:1_000]:
            texts += await anyio.to_thread.run_sync(self._rendering.contents, contents, images)
        return "\n".join(texts) or f"[resource {uri} is empty]", images


def _entries(server: str, entries: Sequence[Any]) -> list[dict[str, Any]]:
    """Entries with the server that each came from, without icons."""
    raw = [entry.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"icons"}) for entry in entries]
    return [{"server": server, **shown_data(entry, 2_000)} for entry in raw]


def _dumped(body: Mapping[str, Any]) -> str:
    import json

    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def resource_tools(servers: Callable[[], Mapping[str, Server]], rendering: Rendering) -> tuple[ResourceTool, ...]:
    """The three tools over the servers that have resources now."""

    async def resources(server: Server, cursor: str | None) -> Page:
        page = await server.list_resources(cursor)
        return page.resources, page.next_cursor

    async def templates(server: Server, cursor: str | None) -> Page:
        page = await server.list_resource_templates(cursor)
        return page.resource_templates, page.next_cursor

    about = "data that MCP servers share for context, such as files or database schemas"
    return (
        Listing(
            "list_mcp_resources",
            f"Lists resources: {about}.",
            key="resources",
            page=resources,
            servers=servers,
            rendering=rendering,
        ),
        Listing(
            "list_mcp_resource_templates",
            f"Lists templates of resources, whose URIs take parameters: {about}.",
            key="resourceTemplates",
            page=templates,
            servers=servers,
            rendering=rendering,
        ),
        Reading(servers, rendering),
    )
