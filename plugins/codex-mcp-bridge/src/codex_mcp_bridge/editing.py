"""`codex mcp add` and `codex mcp remove`: changes of config.toml that keep what people wrote into it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import ConfigError, ExitCode, UserError

from .config import server_configs
from .known import Known

if TYPE_CHECKING:
    from codex_plugin_sdk import Config, Invocation

_HTTP_OPTIONS = ("bearer_token_env_var", "scopes", "oauth_client_id", "oauth_client_secret", "oauth_resource")


def run_add(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Carry out `add`; returns the exit code. Raises `UserError`, also for the login that may follow,
    and `ConfigError`."""
    import click

    if bool(given["command"]) == (given["url"] is not None):
        both = "--url and a command exclude each other" if given["command"] else "neither --url nor a command is given"
        raise click.UsageError(f"{both}: codex mcp add {given['name']} (--url URL | -- COMMAND...)")
    config = _configuration(invocation, given)
    table = _program(given) if given["command"] else _address(given, config)
    name = given["name"]
    _check(name, table)
    path, before = _own_table(config)
    _edit(config, path, name, table, before.get(name))
    _say(f"Added global MCP server '{name}'.")
    if not table.get("url") or table.get("bearer_token_env_var"):
        return ExitCode.OK
    if callback := table.get("oauth", {}).get("callback_url"):
        _say(f"OAuth callback URL: {callback}")
    from .logging_in import offer_login

    data = {**config.data, "mcp_servers": {name: table}}
    known = Known(
        codex_home=config.codex_home,
        cwd=os.getcwd(),
        environ=invocation.environ,
        config=data,
        servers=server_configs(data),
    )
    return offer_login(known, name, given["oauth_client_registration"])


def run_remove(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Carry out `remove`; returns the exit code: 0 also when there was nothing to remove, as in Codex. Raises
    `ConfigError`."""
    config = _configuration(invocation, given)
    name = given["name"]
    path, before = _own_table(config)
    if name not in before:
        _say(f"No MCP server named '{name}' found.")
        return ExitCode.OK
    from codex_plugin_sdk.config_edit import edit_config

    edit_config(path, {_key(name): None}, lock=_lock(config))
    _say(f"Removed global MCP server '{name}'.")
    return ExitCode.OK


def _program(given: Mapping[str, Any]) -> dict[str, Any]:
    import click

    for option in _HTTP_OPTIONS:
        if given[option] is not None:
            raise click.UsageError(f"--{option.replace('_', '-')} goes with --url only")
    env = {}
    for entry in given["env"]:
        key, found, text = entry.partition("=")
        if not found or not key.strip():
            raise click.UsageError("--env wants KEY=VALUE")  # the entry is not shown: it may be a secret
        env[key.strip()] = text
    command, *args = given["command"]
    return {"command": command} | ({"args": args} if args else {}) | ({"env": env} if env else {})


def _address(given: Mapping[str, Any], config: Config) -> dict[str, Any]:
    import click

    if given["env"]:
        raise click.UsageError("--env goes with a command only")
    if given["oauth_client_secret"] and not given["oauth_client_id"]:
        raise click.UsageError("--oauth-client-secret goes with --oauth-client-id only")
    table: dict[str, Any] = {"url": given["url"]}
    if given["bearer_token_env_var"]:
        table["bearer_token_env_var"] = given["bearer_token_env_var"]
    if given["scopes"] is not None:
        table["scopes"] = scope_words(given["scopes"])
    if given["oauth_resource"]:
        table["oauth_resource"] = given["oauth_resource"]
    if given["oauth_client_id"]:
        table["oauth"] = _client(given, config)
    return table


def _client(given: Mapping[str, Any], config: Config) -> dict[str, str]:
    """A client registered by hand, with the address that must be registered for it; its port may be any."""
    from .callback import callback_address

    port, url = config.get("mcp_oauth_callback_port", int), config.get("mcp_oauth_callback_url", str)
    address = callback_address(given["url"], port=port, url=url, registered=None)
    secret = {"client_secret": given["oauth_client_secret"]} if given["oauth_client_secret"] else {}
    return {"client_id": given["oauth_client_id"], **secret, "callback_url": address.redirect_uri}


def scope_words(text: str) -> list[str]:
    """The scopes of an option: `a,b`."""
    return [word for word in (part.strip() for part in text.split(",")) if word]


def _check(name: str, table: Mapping[str, Any]) -> None:
    """Whether a session could read it. Raises `UserError`."""
    try:
        server_configs({"mcp_servers": {name: table}})
    except ConfigError as error:
        raise UserError(error.message, hint=error.hint) from error


def _configuration(invocation: Invocation, given: Mapping[str, Any]) -> Config:
    """The person's own configuration: what a project says is not changed here."""
    return invocation.load_config(
        cwd=None,
        overrides=given["overrides"],
        profile=given["profile"],
        enable=given["enable"],
        disable=given["disable"],
    )


def _own_table(config: Config) -> tuple[str, Mapping[str, Any]]:
    """The path of the person's config.toml, and its servers as they stand there. Raises `ConfigError`."""
    from codex_plugin_sdk import read_toml

    path = os.path.join(config.codex_home, "config.toml")
    found = read_toml(path)
    servers = found[0].get("mcp_servers", {}) if found else {}
    if not isinstance(servers, Mapping):
        raise ConfigError("mcp_servers must be a table", where=path)
    return path, servers


def _edit(config: Config, path: str, name: str, table: Mapping[str, Any], before: Any) -> None:
    """Write a server's table. Of one that was there, keys are changed one by one, so that comments stay."""
    from codex_plugin_sdk.config_edit import edit_config

    known = before if isinstance(before, Mapping) else {}
    edits: dict[str, Any] = {f'{_key(name)}."{key}"': None for key in known if key not in table}
    edits |= {f'{_key(name)}."{key}"': found for key, found in table.items() if known.get(key) != found}
    edit_config(path, edits, lock=_lock(config))


def _key(name: str) -> str:
    return f'mcp_servers."{name}"'


def _lock(config: Config) -> str:
    """The file by which our processes take turns in changing config.toml."""
    return os.path.join(config.codex_home, "kernel", "config.lock")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
