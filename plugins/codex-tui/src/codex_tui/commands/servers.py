"""/mcp."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..link import Message
from ..measures import counted
from .asking import extension, need_thread, short, wrong
from .ui import Option

if TYPE_CHECKING:
    from .ui import Ui

CURE = "pip install codex-mcp-bridge, where the server runs"
STATES = {
    "connected": "ready",
    "notStarted": "not started",
    "authenticationRequired": "wants you to sign in",
    None: "not known",
}
LOGINS = {"notLoggedIn": "not signed in", "oAuth": "signed in", "bearerToken": "a token", "unsupported": ""}
SHOWN = 12


async def mcp(ui: Ui, arguments: str) -> None:
    """Show servers or one of them, sign in at one, read their configuration anew."""
    need_thread(ui)
    word, _, rest = arguments.partition(" ")
    rest = rest.strip()
    if word == "login" and rest:
        await _login(ui, rest)
        return
    if word == "reload" and not rest:
        await extension(ui, "config/mcpServer/reload", CURE)
        ui.say("info", "MCP servers are started as config.toml has them now")
        return
    servers = await _servers(ui)
    if not servers:
        ui.say("info", "there are no MCP servers", "codex mcp add adds one")
    elif arguments:
        _one(ui, _named(servers, arguments))
    else:
        await _all(ui, servers)


async def _servers(ui: Ui) -> list[Message]:
    found = await extension(ui, "mcpServerStatus/list", CURE, threadId=ui.session.thread_id, detail="full")
    return list(found["data"])


def _named(servers: list[Message], name: str) -> Message:
    for server in servers:
        if server["name"] == name:
            return server
    raise wrong(name, [server["name"] for server in servers], "MCP server")


async def _all(ui: Ui, servers: list[Message]) -> None:
    ui.card("MCP servers", [(server["name"], _state(server)) for server in servers])
    if not ui.interactive:
        return
    options = [Option(value=server, label=server["name"], detail=_state(server)) for server in servers]
    picked = await ui.pick("Look at which server?", options)
    if picked is None:
        return
    _one(ui, picked)
    if picked["authStatus"] == "notLoggedIn" and await ui.confirm(f"Sign in at {picked['name']}?"):
        await _login(ui, picked["name"])


def _state(server: Message) -> str:
    state = server["runtimeStatus"]
    parts = [STATES.get(state, str(state)), counted(len(server["tools"]), "tool"), LOGINS.get(server["authStatus"], "")]
    if server["toolsError"]:
        parts.append(short(server["toolsError"], 200))
    return ", ".join(part for part in parts if part)


def _one(ui: Ui, server: Message) -> None:
    rows = [("status", _state(server))]
    about = server["serverInfo"]
    if about:
        rows.append(("server", f"{about.get('title') or about['name']} {about.get('version', '')}".strip()))
    if server["httpOrigin"]:
        rows.append(("address", server["httpOrigin"]))
    rows += [("tool", _tool(name, tool)) for name, tool in sorted(server["tools"].items())]
    for key, word in (("resources", "resource"), ("resourceTemplates", "template")):
        rows += [(word, found.get("uri") or found.get("uriTemplate") or "") for found in server[key][:SHOWN]]
    ui.card(f"MCP server {server['name']}", rows)


def _tool(name: str, tool: Message) -> str:
    about = short(tool.get("description") or "")
    return f"{name}: {about}" if about else name


async def _login(ui: Ui, name: str) -> None:
    found = await extension(ui, "mcpServer/oauth/login", CURE, name=name, threadId=ui.session.thread_id)
    url = found["authorizationUrl"]
    ui.card(f"Sign in at {name}", [("open", url)])
    await ui.perform("open-url", url)
    ui.say("info", "this waits for your browser; it is told here when it is done")
