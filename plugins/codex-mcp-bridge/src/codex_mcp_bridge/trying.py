"""`codex mcp test`: connect to one server as a session would, and tell how it went."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import ExitCode, ToolFailed, UserError

from .config import ServerConfig
from .known import Known, known_servers
from .safe_text import shown

if TYPE_CHECKING:
    import mcp.types

    from codex_plugin_sdk import ExecRequest, Invocation, Process, ToolSourceSetup

    from .server import Server

_DESCRIPTION_CHARS = 100


class _Nobody:
    """Refuses what servers ask: there is no session whose user or model could answer."""

    async def elicit(self, params: mcp.types.ElicitRequestParams) -> mcp.types.ElicitResult:
        """Refuse."""
        raise UserError("a test asks nobody")

    async def sample(self, params: mcp.types.CreateMessageRequestParams) -> mcp.types.CreateMessageResult:
        """Refuse."""
        raise UserError("a test has no model")

    async def roots(self) -> mcp.types.ListRootsResult:
        """Refuse."""
        raise UserError("a test has no workspace")


def run_test(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Carry out `test`; returns the exit code. Raises `UserError` and `ConfigError`."""
    import time

    import anyio

    known = known_servers(invocation, given)
    config = known.server(given["name"]).replace(enabled=True)
    if config.sandbox:
        raise UserError(
            f"The MCP server {config.name} runs in the sandbox of a session, which a test has not.",
            hint=f"use it in a session: codex exec 'call a tool of {config.name}'",
        )
    began = time.monotonic()
    server, error = anyio.run(_connect, config, session_setup(invocation, known, (config.name,)))
    took_s = time.monotonic() - began
    report = _report(server, error, took_s)
    if given["as_json"]:
        import json

        sys.stdout.write(json.dumps(report, indent=2) + "\n")
    else:
        _print(config, report)
    return ExitCode.FAILED if error else ExitCode.OK


async def _connect(config: ServerConfig, setup: ToolSourceSetup) -> tuple[Server, str]:
    async with tried(config, setup) as (server, error):
        pass
    return server, error


@asynccontextmanager
async def tried(config: ServerConfig, setup: ToolSourceSetup) -> AsyncIterator[tuple[Server, str]]:
    """A server that is started for the block and ended again, and what went wrong, "" if nothing."""
    import anyio

    from .server import Server

    server = Server(config, setup, handlers=lambda _: _Nobody(), changed=lambda: None)
    error = ""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.run)
        try:
            await server.connected()
        except ToolFailed as problem:
            error = server.error or problem.message
        yield server, error
        tasks.cancel_scope.cancel()


def session_setup(invocation: Invocation, known: Known, names: Sequence[str]) -> ToolSourceSetup:
    """What those servers are started with, where there is no session."""
    from codex_plugin_sdk import ToolSetup, ToolSourceSetup, new_thread_id

    factories = {name: found.spec.factory for name, found in invocation.plugins.mcp_servers(names).items()}
    tools = ToolSetup(
        thread_id=new_thread_id(),
        codex_home=known.codex_home,
        spill_dir=os.path.join(known.codex_home, "tmp"),
        environ=known.environ,
        config=known.config,
    )
    return ToolSourceSetup(
        tools=tools,
        cwd=known.cwd,
        tell=lambda _: None,
        spawn=_no_sandbox,
        servers=factories,
        originator="codex_mcp_test",
    )


async def _no_sandbox(request: ExecRequest) -> Process:
    raise UserError(f"a test has no sandbox to run {request.argv[0]} in")


def _report(server: Server, error: str, took_s: float) -> dict[str, Any]:
    info = server.info
    return {
        "name": server.name,
        "status": "failed" if error else "ready",
        "error": shown(error) or None,
        "seconds": round(took_s, 3),
        "server": {"name": info.name, "version": info.version} if info else None,
        "unknown_tools": [] if error else _unknown(server),
        "tools": [
            {"name": tool.name, "description": tool.description or "", "enabled": server.config.offers(tool.name)}
            for tool in server.tools
        ],
    }


def _unknown(server: Server) -> list[str]:
    """Tools that the configuration speaks of and the server does not have: what is misspelt restricts nothing."""
    config = server.config
    named = {*(config.enabled_tools or ()), *config.disabled_tools, *config.tool_approvals}
    return sorted(named - {tool.name for tool in server.tools})


def _print(config: ServerConfig, report: Mapping[str, Any]) -> None:
    lines = [f"{config.name}: {report['status']} after {report['seconds']:g} s"]
    if report["error"]:
        lines.append(f"  error: {report['error']}")
    if found := report["server"]:
        lines.append(f"  server: {shown(found['name'])} {shown(found['version'])}".rstrip())
    if not report["error"]:
        lines.append(f"  tools: {len(report['tools'])}")
    for tool in report["tools"]:
        hidden = "" if tool["enabled"] else " (switched off by enabled_tools or disabled_tools)"
        about = shown(" ".join(tool["description"].split()), _DESCRIPTION_CHARS, lines=False)
        lines.append(f"    {shown(tool['name'], lines=False)}{hidden}{': ' + about if about else ''}")
    if report["unknown_tools"]:
        names = ", ".join(shown(name, lines=False) for name in report["unknown_tools"])
        lines.append(f"  warning: the configuration names tools that the server does not have: {names}")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
