"""The handshake."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import codex_home

from .methods import method
from .server import Reply
from .shapes import BOOLEAN, STRING, array, record
from .wire import RpcError

if TYPE_CHECKING:
    from .client import Client
    from .server import Server

PROTOCOL_VERSION = "0.169.0"
"""The release of Codex whose protocol this is: clients read it from `userAgent` to know what they may send."""

INITIALIZE = record(
    {"clientInfo": record({"name": STRING, "version": STRING}, title=STRING)},
    capabilities=record(experimentalApi=BOOLEAN, optOutNotificationMethods=array(STRING)),
)


@method("initialize", INITIALIZE)
async def initialize(server: Server, client: Client, params: Mapping[str, Any]) -> Reply:
    """Who the client is, and who we are."""
    if client.initialized:
        raise RpcError("Already initialized")
    client.greet(params)
    system = os.uname()
    platform = {"linux": "linux", "darwin": "macos", "win32": "windows"}.get(sys.platform, sys.platform)
    terminal = server.invocation.environ.get("TERM_PROGRAM") or server.invocation.environ.get("TERM") or "unknown"
    agent = (
        f"{client.name}/{PROTOCOL_VERSION} ({system.sysname} {system.release}; {system.machine}) {terminal}"
        f" ({client.name}; {client.version})"
    )

    async def then() -> None:
        status = {"status": "disabled", "serverName": system.nodename, "installationId": "", "environmentId": None}
        client.notify("remoteControl/status/changed", status)

    result = {
        "userAgent": agent,
        "codexHome": codex_home(server.invocation.environ),
        "platformFamily": "windows" if sys.platform == "win32" else "unix",
        "platformOs": platform,
    }
    return Reply(result, then)
