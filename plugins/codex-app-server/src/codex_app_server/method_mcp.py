"""MCP servers: what they offer, calls without a model, signing in. Served where a plugin offers the tools of such
servers, which does the work."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from codex_plugin_sdk import CodexError, Engine, ThreadOptions, UserError, reload_config

from .kept import Kept
from .methods import method
from .paging import PAGE, page
from .scopes import ALONE, GLOBAL, MCP_OAUTH
from .server import Reply, check_thread_id
from .settings import engine_for
from .shapes import ANY, INTEGER, OBJECT, STRING, array, enum, record
from .tool_sources import LoneSource, inquire
from .unserved import NOT_SERVED
from .wire import INTERNAL_ERROR, RpcError

if TYPE_CHECKING:
    from .client import Client
    from .server import Server

SOURCE = "mcp"
"""The name of the source of tools."""
CURE = "pip install codex-mcp-bridge"
STATUS: dict[str, Any] = {
    "runtimeStatus": None,
    "pluginId": None,
    "httpOrigin": None,
    "serverInfo": None,
    "serverCapabilities": None,
    "toolListMeta": None,
    "tools": {},
    "toolsError": None,
    "resources": [],
    "resourceTemplates": [],
    "authStatus": "unknown",
}
"""What clients read of a server of which nothing is known."""

LIST = record(serverName=STRING, threadId=STRING, detail=enum("full", "toolsAndAuthOnly"), **PAGE)
CALL = record({"threadId": STRING, "server": STRING, "tool": STRING}, arguments=ANY, _meta=ANY)
READ = record({"server": STRING, "uri": STRING}, threadId=STRING, originCallId=STRING, _meta=OBJECT)
LOGIN = record(
    {"name": STRING},
    threadId=STRING,
    scopes=array(STRING),
    timeoutSecs=INTEGER,
    clientRegistration=enum("auto", "cimd", "dcr"),
)

LONE = Kept(lambda: LoneSource(SOURCE))


@method("mcpServerStatus/list", LIST, scope=ALONE)
async def status(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """All servers with what they offer: those of a thread as they are, others are started for it."""
    name = params.get("serverName")
    asked = {"detail": params.get("detail") or "full", "serverName": name}
    found = await _ask(server, "mcpServerStatus/list", params, asked, {"data": []})
    entries = [{**STATUS, **entry} for entry in found["data"] if name is None or entry["name"] == name]
    return page(entries, params)


@method("mcpServer/tool/call", CALL, scope=ALONE)
async def call(server: Server, client: Client, params: Mapping[str, Any]) -> Any:
    """Call a tool as the client wants it. The model learns nothing of it."""
    asked = {"server": params["server"], "tool": params["tool"], "arguments": params.get("arguments") or {}}
    return await _carried_out(server, "mcpServer/tool/call", params, {**asked, "_meta": params.get("_meta")})


@method("mcpServer/resource/read", READ, scope=ALONE)
async def read(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """What a resource holds."""
    asked = {"server": params["server"], "uri": params["uri"], "_meta": params.get("_meta")}
    found = await _carried_out(server, "mcpServer/resource/read", params, asked)
    return {"contents": found["contents"], "originCallId": params.get("originCallId")}


@method("mcpServer/oauth/login", LOGIN, scope=MCP_OAUTH)
async def login(server: Server, client: Client, params: Mapping[str, Any]) -> Reply:
    """Begin to sign in at a server: where the user's browser has to go. The end is told later."""
    asked = {key: params.get(key) for key in ("name", "scopes", "timeoutSecs", "clientRegistration")}
    found = await _ask(server, "mcpServer/oauth/login", params, asked, None)
    if found is None:
        raise RpcError(f"No MCP server named '{params['name']}' found.")
    login_id = found.get("loginId")

    async def finish() -> None:
        about = {"name": params["name"], "threadId": params.get("threadId"), "loginId": login_id}
        try:
            waited = {"name": params["name"], "loginId": login_id}
            ended = await _ask(server, "mcpServer/oauthLogin/completed", params, waited, {})
            outcome = {"success": ended.get("success") is True, "error": ended.get("error")}
        except (CodexError, RpcError) as error:
            outcome = {"success": False, "error": error.message}
        server.tell_all("mcpServer/oauthLogin/completed", {**about, **outcome})

    async def then() -> None:
        server.start(finish)

    return Reply({"authorizationUrl": found["authorizationUrl"], "loginId": login_id}, then)


@method("config/mcpServer/reload", scope=GLOBAL)
async def reload(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """Let every thread take over what config.toml now says of MCP servers."""
    _require(server, "config/mcpServer/reload")
    LONE.of(server).close()
    for loaded in list(server.threads.values()):
        if SOURCE in loaded.state.sources:
            config = await anyio.to_thread.run_sync(reload_config, loaded.engine.config, loaded.engine.plugins)
            source = loaded.state.sources[SOURCE]
            await inquire(source, "config/mcpServer/reload", {"config": config.data}, loaded.closed)
    return {}


def _require(server: Server, name: str) -> None:
    if SOURCE not in server.invocation.plugins.tool_sources():
        text = f"{name} is not served here: nothing that is installed speaks with MCP servers ({CURE})"
        raise RpcError(text, NOT_SERVED, {"type": "notServed", "method": name})


async def _carried_out(server: Server, name: str, params: Mapping[str, Any], asked: Mapping[str, Any]) -> Any:
    """As `_ask`, for what only a server that exists can answer. A fault of it is no fault of the request."""
    try:
        found = await _ask(server, name, params, asked, None)
    except UserError as error:
        raise RpcError(str(error), INTERNAL_ERROR) from error
    if found is None:
        raise RpcError(f"unknown MCP server '{params['server']}'", INTERNAL_ERROR)
    return found


async def _ask(server: Server, name: str, params: Mapping[str, Any], asked: Mapping[str, Any], default: Any) -> Any:
    """The answer of the thread's MCP servers, or of the server's own without a thread; `default` where there are none.
    Raises `RpcError`, `CodexError`."""
    _require(server, name)
    thread_id = params.get("threadId")
    if thread_id is not None:
        check_thread_id(thread_id)
        loaded = server.loaded(thread_id)
        if SOURCE not in loaded.state.sources:
            return default
        return await inquire(loaded.state.sources[SOURCE], name, asked, loaded.closed)
    cwd = os.getcwd()
    engine: partial[Engine] = partial(engine_for, server.invocation, {}, cwd)
    options = ThreadOptions(cwd=cwd, originator="codex_app_server")
    return await LONE.of(server).inquire(server, engine, options, method=name, params=asked, default=default)
