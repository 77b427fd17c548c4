"""The handshake."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import anyio

from codex_plugin_sdk import ConfigError, codex_home

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

    async def warn() -> None:
        for warning in await anyio.to_thread.run_sync(config_warnings, server):
            client.notify("configWarning", warning)

    async def then() -> None:
        status = {"status": "disabled", "serverName": system.nodename, "installationId": "", "environmentId": None}
        client.notify("remoteControl/status/changed", status)
        server.start(warn)  # not awaited: the client's first request need not wait for it

    result = {
        "userAgent": agent,
        "codexHome": codex_home(server.invocation.environ),
        "platformFamily": "windows" if sys.platform == "win32" else "unix",
        "platformOs": platform,
    }
    return Reply(result, then)


def config_warnings(server: Server) -> list[dict[str, Any]]:
    """What is wrong with the configuration of the server's own folder, as params of `configWarning`."""
    try:
        config = server.invocation.load_config(cwd=os.getcwd())
    except ConfigError as error:
        warning = {"summary": "The configuration cannot be used: no thread will start.", "details": error.message}
        return [{**warning, **_place(error.where or "")}]
    return [{"summary": text, "details": None, **_place(text)} for text in config.notices]


def _place(where: str) -> dict[str, Any]:
    """File and line of what begins with FILE:LINE or FILE:LINE:COLUMN; empty for anything else."""
    found = re.match(r"(/[^:]*):(\d+)(?::(\d+))?", where)
    if found is None:
        return {}
    position = {"line": int(found[2]), "column": int(found[3] or 1)}
    return {"path": found[1], "range": {"start": position, "end": position}}
