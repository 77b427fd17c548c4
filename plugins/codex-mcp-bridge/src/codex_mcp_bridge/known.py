"""The servers that a command can speak of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import UserError, Value, field, value

from .config import ServerConfig, server_configs

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation


@value
class Known(Value):
    """The configured servers, sorted by name, and what logins need besides: it fits `OAuthSetup`."""

    codex_home: str
    cwd: str
    environ: Mapping[str, str] = field(repr=False)
    config: Mapping[str, Any] = field(repr=False)
    servers: tuple[ServerConfig, ...] = ()

    @property
    def configured(self) -> tuple[ServerConfig, ...]:
        """Without those that plugins bring along and nobody has configured."""
        tables = self.config.get("mcp_servers") or {}
        return tuple(config for config in self.servers if config.name in tables)

    def server(self, name: str) -> ServerConfig:
        """The one of that name. Raises `UserError`."""
        for config in self.servers:
            if config.name == name:
                return config
        names = ", ".join(config.name for config in self.servers)
        hint = f"there are: {names}" if names else "add one: codex mcp add NAME -- COMMAND"
        raise UserError(f"No MCP server named '{name}' found.", hint=hint)

    def table(self, config: ServerConfig) -> Mapping[str, Any]:
        """What the configuration says of a server, as it stands there."""
        found: Mapping[str, Any] = (self.config.get("mcp_servers") or {}).get(config.name, {})
        return found


def known_servers(invocation: Invocation, given: Mapping[str, Any]) -> Known:
    """The servers that a session in the present folder would have. Raises `ConfigError`."""
    from codex_plugin_sdk.command_line import working_folder

    cwd = working_folder(invocation.flags.get("cwd"))
    config = invocation.load_config(
        cwd=cwd,
        overrides=given["overrides"],
        profile=given["profile"],
        enable=given["enable"],
        disable=given["disable"],
    )
    return Known(
        codex_home=config.codex_home,
        cwd=cwd,
        environ=invocation.environ,
        config=config.data,
        servers=server_configs(config.data, invocation.plugins.mcp_servers(config.table("mcp_servers"))),
    )
