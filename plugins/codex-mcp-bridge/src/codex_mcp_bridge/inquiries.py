"""Answers to what frontends ask about MCP servers, shaped as the app server's methods."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import anyio

from codex_plugin_sdk import ToolFailed, UserError

from .config import ServerConfig, origin
from .prompts import Prompts
from .server import Server
from .servers import Servers
from .sign_in import SignIns
from .slash import SlashPrompts

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from codex_plugin_sdk import ToolSourceSetup

MAX_PAGES = 100
MAX_ENTRIES = 10_000
RUNTIME_STATUS = {"ready": "connected"}


class Inquiries:
    """Answers by method; what takes time runs in `tasks`. `configs` reads servers from a configuration."""

    def __init__(
        self,
        servers: Servers,
        setup: ToolSourceSetup,
        tasks: TaskGroup,
        configs: Callable[[Mapping[str, Any]], Iterable[ServerConfig]],
    ) -> None:
        self._servers, self._setup, self._configs = servers, setup, configs
        prompts = Prompts(servers, self._server)
        slash = SlashPrompts(servers, prompts, setup)
        sign_ins = SignIns(self._server, setup, tasks)
        self._methods: Mapping[str, Callable[[Mapping[str, Any]], Awaitable[Any]]] = {
            "mcpServerStatus/list": self._status,
            "mcpServer/tool/call": self._call,
            "mcpServer/resource/read": self._read,
            "mcpServer/oauth/login": sign_ins.begin,
            "mcpServer/oauthLogin/completed": sign_ins.completed,
            "config/mcpServer/reload": self._reload,
            "mcpServer/prompts/list": prompts.listed,
            "mcpServer/prompts/get": prompts.filled,
            "slashCommands/list": slash.listed,
            "slashCommands/expand": slash.expanded,
        }

    async def answer(self, method: str, params: Mapping[str, Any]) -> Any:
        """The answer. Raises `UserError`."""
        asked = self._methods.get(method)
        if asked is None:
            raise UserError(f"{method} is not a question about MCP servers")
        try:
            return await asked(params)
        except ToolFailed as error:
            raise UserError(error.message) from error

    def _server(self, name: object) -> Server:
        if not isinstance(name, str) or name not in self._servers:
            raise UserError(f"unknown MCP server '{name}'")
        return self._servers[name]

    async def _status(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """All servers, or one; waits until their starts have ended."""
        name, full = params.get("serverName"), params.get("detail") != "toolsAndAuthOnly"
        chosen = [server for server in self._servers.values() if name in (None, server.name)]
        found: dict[str, dict[str, Any]] = {}

        async def ask(server: Server) -> None:
            found[server.name] = await self._entry(server, full=full)

        async with anyio.create_task_group() as tasks:
            for server in chosen:
                tasks.start_soon(ask, server)
        return {"data": [found[server.name] for server in chosen], "nextCursor": None}

    async def _entry(self, server: Server, *, full: bool) -> dict[str, Any]:
        if server.config.enabled:
            await self._servers.settled([server])
        ready = server.status == "ready"
        offers = ready and full and server.capabilities is not None and server.capabilities.resources is not None
        return {
            "name": server.name,
            "runtimeStatus": _runtime_status(server),
            "httpOrigin": _origin(server),
            "serverInfo": _plain(server.info) if server.info is not None else None,
            "serverCapabilities": _plain(server.capabilities) if server.capabilities is not None else None,
            "tools": {tool.name: _plain(tool) for tool in server.tools if server.config.offers(tool.name)},
            "toolsError": server.error or None,
            "resources": await _all(server.list_resources, "resources") if offers else [],
            "resourceTemplates": await _all(server.list_resource_templates, "resource_templates") if offers else [],
            "authStatus": await self._auth_status(server),
        }

    async def _auth_status(self, server: Server) -> str:
        if server.config.transport != "http":
            return "unsupported"
        from anyio.to_thread import run_sync

        from .logins import LoginStore, store_setting
        from .oauth import has_own_authorization

        if has_own_authorization(server.config):
            return "bearerToken"
        if server.needs_login:
            return "notLoggedIn"
        store = LoginStore(self._setup.tools.codex_home, store_setting(self._setup.tools.config))
        if await run_sync(store.load, server.name, server.config.url, abandon_on_cancel=True) is not None:
            return "oAuth"
        return "unsupported" if server.status == "ready" else "unknown"

    async def _call(self, params: Mapping[str, Any]) -> dict[str, Any]:
        server, tool, arguments = self._server(params.get("server")), params.get("tool"), params.get("arguments")
        if not isinstance(tool, str) or not server.config.offers(tool):
            raise UserError(f"the MCP server {server.name} has no tool {tool!r} that may be used")
        if not isinstance(arguments or {}, Mapping):
            raise UserError(f"the arguments of {tool} must be an object")
        result = await server.call_tool(tool, arguments or {}, meta=params.get("_meta"))
        found = _plain(result)
        return {key: found.get(key) for key in ("content", "structuredContent", "isError", "_meta")}

    async def _read(self, params: Mapping[str, Any]) -> dict[str, Any]:
        result = await self._server(params.get("server")).read_resource(str(params.get("uri")))
        return {"contents": [_plain(content) for content in result.contents]}

    async def _reload(self, params: Mapping[str, Any]) -> dict[str, Any]:
        config = params.get("config")
        self._servers.take_over(self._configs(self._setup.tools.config if config is None else config))
        return {}


def _runtime_status(server: Server) -> str:
    if server.status == "failed" and server.needs_login:
        return "authenticationRequired"
    return RUNTIME_STATUS.get(server.status, server.status)


def _origin(server: Server) -> str | None:
    if server.config.transport != "http":
        return None
    return origin(server.config.url)


def _plain(value: Any) -> dict[str, Any]:
    """A value of the library as JSON data, named as on the wire."""
    found: dict[str, Any] = value.model_dump(mode="json", by_alias=True, exclude_none=True)
    return found


async def _all(page_of: Callable[[str | None], Awaitable[Any]], member: str) -> list[dict[str, Any]]:
    """What is on all pages; a server that cannot tell its resources has tools all the same."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    seen: set[str] = set()
    for _ in range(MAX_PAGES):
        try:
            page = await page_of(cursor)
        except ToolFailed:
            break
        found += map(_plain, getattr(page, member))
        cursor = page.next_cursor
        if not cursor or cursor in seen or len(found) >= MAX_ENTRIES:
            break
        seen.add(cursor)
    return found[:MAX_ENTRIES]
