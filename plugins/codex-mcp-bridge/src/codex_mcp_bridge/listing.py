"""`codex mcp list` and `codex mcp get`: the tables and objects of Codex."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import ExitCode, UserError

from .config import ServerConfig
from .known import Known, known_servers
from .safe_text import shown

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

EMPTY = "No MCP servers configured yet. Try `codex mcp add my-tool -- my-command`."
_AUTH_WORDS = {
    "unsupported": "Unsupported",
    "unknown": "Unknown",
    "not_logged_in": "Not logged in",
    "bearer_token": "Bearer token",
    "o_auth": "OAuth",
}
_MASK = "*****"


def run_list(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Carry out `list`; returns the exit code. Raises `ConfigError`."""
    import anyio

    known = known_servers(invocation, given)
    if not known.configured and not given["as_json"]:
        _write(EMPTY)
        return ExitCode.OK
    statuses = anyio.run(_auth_statuses, known)
    if given["as_json"]:
        _write_json([_listed(known, config, statuses[config.name]) for config in known.configured])
    else:
        _write("\n\n".join(_tables(known, statuses)))
    return ExitCode.OK


def run_get(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Carry out `get`; returns the exit code. Raises `UserError` and `ConfigError`."""
    known = known_servers(invocation, given)
    config = known.server(given["name"])
    if given["as_json"]:
        _write_json(_described(known, config))
    elif not config.enabled:
        _write(f"{config.name} (disabled)")
    else:
        _write("\n".join([config.name, *(f"  {name}: {text}" for name, text in _lines(known, config))]))
    return ExitCode.OK


async def _auth_statuses(known: Known) -> dict[str, str]:
    """Of each server, asked at the same time."""
    import anyio

    found: dict[str, str] = {}

    async def ask(config: ServerConfig) -> None:
        found[config.name] = await _auth_status(known, config)

    async with anyio.create_task_group() as tasks:
        for config in known.configured:
            tasks.start_soon(ask, config)
    return found


async def _auth_status(known: Known, config: ServerConfig) -> str:
    from anyio.to_thread import run_sync

    from .discovery import auth_status
    from .logins import LoginStore, store_setting
    from .oauth import has_own_authorization, static_headers

    if not config.url or not config.enabled:
        return "unsupported"
    if has_own_authorization(config):
        return "bearer_token"
    store = LoginStore(known.codex_home, store_setting(known.config))
    if await run_sync(store.load, config.name, config.url) is not None:
        return "o_auth"
    return await auth_status(config.url, static_headers(config, known.environ))


def _tables(known: Known, statuses: Mapping[str, str]) -> Iterable[str]:
    programs, addresses = [], []
    for config in known.configured:
        ends = ("enabled" if config.enabled else "disabled", _AUTH_WORDS[statuses[config.name]])
        if config.url:
            addresses.append((config.name, config.url, config.bearer_token_env_var or "-", *ends))
        else:
            args, cwd = " ".join(config.args) or "-", config.cwd or "-"
            programs.append((config.name, config.command or "-", args, _masked_env(config), cwd, *ends))
    if programs:
        yield _table(("Name", "Command", "Args", "Env", "Cwd", "Status", "Auth"), programs)
    if addresses:
        yield _table(("Name", "Url", "Bearer Token Env Var", "Status", "Auth"), addresses)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = [[_plain(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)


def _listed(known: Known, config: ServerConfig, status: str) -> dict[str, Any]:
    return {**_head(known, config), **_timeouts(known, config), "auth_status": status}


def _described(known: Known, config: ServerConfig) -> dict[str, Any]:
    table = known.table(config)
    tools = {name: table.get(name) for name in ("enabled_tools", "disabled_tools")}
    return {**_head(known, config), **tools, **_timeouts(known, config)}


def _head(known: Known, config: ServerConfig) -> dict[str, Any]:
    return {
        "name": config.name,
        "enabled": config.enabled,
        "disabled_reason": None,
        "transport": _transport(known.table(config), config),
    }


def _transport(table: Mapping[str, Any], config: ServerConfig) -> dict[str, Any]:
    if config.url:
        named = ("bearer_token_env_var", "http_headers", "env_http_headers", "http_headers_helper")
        return {"type": "streamable_http", "url": config.url, **{name: table.get(name) for name in named}}
    return {
        "type": "stdio" if config.command else config.transport,
        "command": config.command or None,
        "args": list(config.args),
        "env": table.get("env"),
        "env_vars": list(table.get("env_vars") or ()),
        "cwd": config.cwd,
    }


def _timeouts(known: Known, config: ServerConfig) -> dict[str, float | None]:
    """Those that are configured, in seconds."""
    table = known.table(config)
    starts = table.get("startup_timeout_sec") is not None or table.get("startup_timeout_ms") is not None
    return {
        "startup_timeout_sec": config.startup_timeout_s if starts else None,
        "tool_timeout_sec": config.tool_timeout_s if table.get("tool_timeout_sec") is not None else None,
    }


def _lines(known: Known, config: ServerConfig) -> Iterable[tuple[str, str]]:
    table = known.table(config)
    yield "enabled", "true"
    for name in ("enabled_tools", "disabled_tools"):
        if table.get(name) is not None:
            yield name, _plain(", ".join(table[name])) or "[]"
    if config.url:
        yield from _address_lines(config)
    else:
        yield "transport", config.transport
        yield "command", _plain(config.command or "-")
        yield "args", _plain(" ".join(config.args) or "-")
        yield "cwd", _plain(config.cwd or "-")
        yield "env", _masked_env(config)
    for name, seconds in _timeouts(known, config).items():
        if seconds is not None:
            yield name, f"{seconds:g}"
    if table.get("default_tools_approval_mode") is not None:
        yield "default_tools_approval_mode", config.default_tools_approval_mode
    yield from ((name, _plain(text)) for name, text in _more(config))
    yield "remove", f"codex mcp remove {config.name}"


def _more(config: ServerConfig) -> Iterable[tuple[str, str]]:
    """What is set and does not stand in every table."""
    if config.required:
        yield "required", "true"
    if config.sandbox:
        yield "sandbox", "true"
    if config.supports_parallel_tool_calls:
        yield "supports_parallel_tool_calls", "true"
    for tool, mode in sorted(config.tool_approvals.items()):
        yield f"tools.{tool}.approval_mode", mode
    if config.scopes is not None:
        yield "scopes", ", ".join(config.scopes) or "[]"
    if config.oauth_resource:
        yield "oauth_resource", config.oauth_resource
    for name, given in sorted(config.oauth.items()):
        yield f"oauth.{name}", _MASK if name == "client_secret" else str(given)


def _address_lines(config: ServerConfig) -> Iterable[tuple[str, str]]:
    yield "transport", "streamable_http"
    yield "url", _plain(config.url)
    yield "bearer_token_env_var", config.bearer_token_env_var or "-"
    yield "http_headers", _masked(sorted(config.http_headers))
    pairs = (f"{name}={variable}" for name, variable in sorted(config.env_http_headers.items()))
    yield "env_http_headers", _plain(", ".join(pairs)) or "-"
    yield "http_headers_helper", "-"


def _masked_env(config: ServerConfig) -> str:
    return _masked([*sorted(config.env), *(variable.name for variable in config.env_vars)])


def _masked(names: Iterable[str]) -> str:
    return ", ".join(f"{_plain(name)}={_MASK}" for name in names) or "-"


def _plain(text: str) -> str:
    return shown(text, lines=False)


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _write_json(found: object) -> None:
    import json

    _write(json.dumps(found, indent=2, default=_refuse))


def _refuse(found: object) -> Any:
    raise UserError(f"a value of the kind {type(found).__name__} cannot be shown as JSON")
