"""The check `mcp`: whether the MCP servers that are configured can be started, reached and logged in to."""

from __future__ import annotations

import os

import anyio

from codex_plugin_sdk import AuthenticationFailed, CheckSetup, ConfigError, Finding, Health

from .config import ServerConfig, origin, server_configs
from .logins import LoginStore, store_setting
from .oauth import has_own_authorization

NAME = "mcp"
LIMIT_S = 3.0
"""For reaching all servers, name server included."""
PORTS = {"http": 80, "https": 443}


def _configured(setup: CheckSetup) -> tuple[ServerConfig, ...]:
    return server_configs(setup.options, setup.plugins.mcp_servers(setup.options.get("mcp_servers") or ()))


class McpCheck:
    """Starts no server and sends it nothing: a program is looked for, an address is connected to unless `--offline`
    was given, a login is looked up."""

    def __init__(self, setup: CheckSetup, limit_s: float = LIMIT_S) -> None:
        self._setup, self._limit_s = setup, limit_s

    async def run(self) -> tuple[Finding, ...]:
        """One finding for each server, or one that there is none."""
        try:
            found = _configured(self._setup)
        except ConfigError as error:
            return (_finding(Health.FAILED, error.message, error.hint or "correct it in config.toml"),)
        servers = [server for server in found if server.enabled]
        if not servers:
            off = f", {len(found)} switched off" if found else ""
            return (_finding(Health.OK, f"no MCP server is configured{off}"),)
        findings: dict[str, Finding] = {}

        async def look(server: ServerConfig) -> None:
            findings[server.name] = await self._look(server)

        async with anyio.create_task_group() as tasks:
            for server in servers:
                tasks.start_soon(look, server)
        return tuple(findings[server.name] for server in servers)

    async def _look(self, server: ServerConfig) -> Finding:
        match server.transport:
            case "stdio":
                return await anyio.to_thread.run_sync(self._program, server)
            case "http":
                return await self._address(server)
            case _:
                return _of(server, Health.OK, "within this process")

    # -- programs ------------------------------------------------------------------------------------

    def _program(self, server: ServerConfig) -> Finding:
        import shutil

        folder = os.path.join(self._setup.cwd, os.path.expanduser(server.cwd or ""))
        if not os.path.isdir(folder):
            return _of(server, _bad(server), f"{folder} is not a folder", f"correct mcp_servers.{server.name}.cwd")
        path = server.env.get("PATH") or self._setup.environ.get("PATH") or os.defpath
        command = os.path.expanduser(server.command)
        command = os.path.join(folder, command) if os.sep in command else command
        program = shutil.which(command, path=path)
        if program is None:
            why = "there is no such program" if os.sep in command else "no such program on PATH"
            return _of(server, _bad(server), f"{server.command}: {why}", f"codex mcp get {server.name}")
        missing = [wanted.name for wanted in server.env_vars if wanted.name not in self._setup.environ]
        if missing:
            names = ", ".join(missing)
            return _of(server, Health.WARNING, f"runs {program}; not set: {names}", "set what it is to be given")
        return _of(server, Health.OK, f"runs {program}")

    # -- addresses -----------------------------------------------------------------------------------

    async def _address(self, server: ServerConfig) -> Finding:
        unset = [
            name
            for name in (server.bearer_token_env_var, *server.env_http_headers.values())
            if name and not self._setup.environ.get(name, "").strip()
        ]
        if unset:
            why = f"not set, though it is to be sent: {', '.join(unset)}"
            return _of(server, _bad(server), why, f"set {' and '.join(unset)}")
        if not getattr(self._setup, "offline", False) and (trouble := await self._unreachable(server.url)):
            return _of(server, _bad(server), trouble, "is it running, and is the URL right?")
        return await anyio.to_thread.run_sync(self._login, server, abandon_on_cancel=True)

    async def _unreachable(self, url: str) -> str:
        """Why nothing answers at the address; empty if something does."""
        from urllib.parse import urlsplit

        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port or PORTS[parts.scheme.lower()]
        except (ValueError, KeyError) as error:
            return f"{origin(url)} is no address: {error}"
        try:
            with anyio.fail_after(self._limit_s):
                stream = await anyio.connect_tcp(host, port)
                await stream.aclose()
        except TimeoutError:
            return f"{host}:{port} did not answer within {self._limit_s:g} s"
        except OSError as error:
            return f"{host}:{port} cannot be reached: {error.strerror or error}"
        return ""

    def _login(self, server: ServerConfig) -> Finding:
        if has_own_authorization(server):
            return _of(server, Health.OK, f"{origin(server.url)}, with a token of its own")
        try:
            store = LoginStore(self._setup.codex_home, store_setting(self._setup.options))
            login = store.load(server.name, server.url)
        except (AuthenticationFailed, ConfigError) as error:
            return _of(server, Health.WARNING, f"its login cannot be read: {error.message}", error.hint)
        if login is None:
            wanted = server.scopes is not None or bool(server.oauth)
            health = Health.WARNING if wanted else Health.OK
            return _of(server, health, f"{origin(server.url)}, not logged in", _log_in(server) if wanted else "")
        import time

        if login.expires_within(0, time.time()) and not login.refresh_token:
            return _of(server, _bad(server), f"{origin(server.url)}: the login is over", _log_in(server))
        return _of(server, Health.OK, f"{origin(server.url)}, logged in")


def _bad(server: ServerConfig) -> Health:
    """A session goes on without a server that is not required."""
    return Health.FAILED if server.required else Health.WARNING


def _log_in(server: ServerConfig) -> str:
    return f"codex mcp login {server.name}"


def _of(server: ServerConfig, health: Health, message: str, cure: str = "") -> Finding:
    details = {"server": server.name, "transport": server.transport, "required": server.required}
    return Finding(name=NAME, health=health, message=f"{server.name}: {message}", cure=cure, details=details)


def _finding(health: Health, message: str, cure: str = "") -> Finding:
    return Finding(name=NAME, health=health, message=message, cure=cure)
