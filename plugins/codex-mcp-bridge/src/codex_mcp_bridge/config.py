"""`[mcp_servers.NAME]` of config.toml as values. Whoever reads them need not check anything again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from codex_plugin_sdk import ConfigError, Value, field, value

STARTUP_TIMEOUT_S = 30.0
TOOL_TIMEOUT_S = 60.0
OPTIONAL_GRACE_S = 1.0
APPROVAL_MODES = ("auto", "prompt", "writes", "approve")

STDIO_ONLY = ("args", "env", "env_vars", "cwd", "sandbox")
HTTP_ONLY = ("bearer_token_env_var", "http_headers", "env_http_headers", "oauth", "oauth_resource")
_LONGEST_S = 366 * 24 * 3600.0


@value
class EnvVar(Value):
    """A variable that a stdio server gets from this process's environment; `source` is local or remote."""

    name: str
    source: str = "local"


@value
class ServerConfig(Value):
    """One server. `transport` is stdio, http or inprocess; what belongs to another transport is empty.

    `enabled_tools` None means all; `tool_approvals` holds the tools with an approval mode of their own.
    """

    name: str
    transport: str
    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(factory=dict, repr=False)
    env_vars: tuple[EnvVar, ...] = ()
    cwd: str | None = None
    sandbox: bool = False
    url: str = ""
    bearer_token_env_var: str | None = None
    http_headers: Mapping[str, str] = field(factory=dict, repr=False)
    env_http_headers: Mapping[str, str] = field(factory=dict)
    oauth: Mapping[str, Any] = field(factory=dict, repr=False)
    oauth_resource: str | None = None
    scopes: tuple[str, ...] | None = None
    enabled: bool = True
    required: bool = False
    enabled_tools: frozenset[str] | None = None
    disabled_tools: frozenset[str] = frozenset()
    startup_timeout_s: float = STARTUP_TIMEOUT_S
    tool_timeout_s: float = TOOL_TIMEOUT_S
    supports_parallel_tool_calls: bool = False
    default_tools_approval_mode: str = "auto"
    tool_approvals: Mapping[str, str] = field(factory=dict)

    def offers(self, tool: str) -> bool:
        """Whether the user lets the model have this tool."""
        return tool not in self.disabled_tools and (self.enabled_tools is None or tool in self.enabled_tools)

    def approval_mode(self, tool: str) -> str:
        """auto, prompt, writes or approve."""
        return self.tool_approvals.get(tool, self.default_tools_approval_mode)


def server_configs(config: Mapping[str, Any], in_process: Iterable[str] = ()) -> tuple[ServerConfig, ...]:
    """All servers of the effective configuration, sorted by name, and the `in_process` ones that plugins bring along.

    A table without `command` and `url` may switch off or restrict the in-process server of its name; one with either
    takes its place. Raises `ConfigError` naming the key.
    """
    tables = config.get("mcp_servers") or {}
    if not isinstance(tables, Mapping):
        raise ConfigError(f"mcp_servers must be a table, not {_kind(tables)}")
    offered = set(in_process)
    names = sorted(offered | set(tables))
    return tuple(_server(name, tables.get(name, {}), in_process=name in offered) for name in names)


def optional_grace_s(config: Mapping[str, Any]) -> float:
    """How long the first request waits for servers that are not required. Raises `ConfigError`."""
    grace = config.get("mcp_optional_startup_grace_ms")
    if grace is None:
        return OPTIONAL_GRACE_S
    if isinstance(grace, bool) or not isinstance(grace, int) or grace < 0:
        raise ConfigError(f"mcp_optional_startup_grace_ms must be a whole number of milliseconds, not {grace!r}")
    return grace / 1000


def _server(name: str, table: object, *, in_process: bool) -> ServerConfig:
    where = f"mcp_servers.{name}"
    if not name or any(not (char.isascii() and (char.isalnum() or char in "-_")) for char in name):
        raise ConfigError(f"invalid server name {name!r} (use letters, numbers, '-', '_')")
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where} must be a table, not {_kind(table)}")
    read = _Reader(where, table)
    if "bearer_token" in table:
        raise ConfigError(
            f"{where}.bearer_token is not supported: a secret does not belong into config.toml",
            hint="name a variable that holds it: bearer_token_env_var",
        )
    command, url = read.text("command"), read.text("url")
    if command is not None and url is not None:
        raise ConfigError(f"{where}: command and url exclude each other")
    transport = "stdio" if command is not None else "http" if url is not None else "inprocess"
    if transport == "inprocess" and not in_process:
        raise ConfigError(f"{where} needs command (a program to run) or url (a server to reach)")
    _refuse_foreign(where, table, transport)
    if transport == "stdio" and not command:
        raise ConfigError(f"{where}.command is empty")
    if url is not None:
        _check_url(where, url)
    return ServerConfig(
        name=name, transport=transport, command=command or "", url=url or "", **_own(read), **_shared(read)
    )


def _own(read: _Reader) -> dict[str, Any]:
    """What belongs to one transport."""
    return {
        "args": read.texts("args") or (),
        "env": read.table_of_texts("env"),
        "env_vars": read.env_vars(),
        "cwd": read.text("cwd"),
        "sandbox": read.flag("sandbox", False),
        "bearer_token_env_var": read.text("bearer_token_env_var"),
        "http_headers": read.table_of_texts("http_headers"),
        "env_http_headers": read.table_of_texts("env_http_headers"),
        "oauth": read.oauth(),
        "oauth_resource": read.text("oauth_resource"),
    }


def _shared(read: _Reader) -> dict[str, Any]:
    """What every server may have."""
    enabled_tools = read.texts("enabled_tools")
    return {
        "scopes": read.texts("scopes"),
        "enabled": read.flag("enabled", True),
        "required": read.flag("required", False),
        "enabled_tools": None if enabled_tools is None else frozenset(enabled_tools),
        "disabled_tools": frozenset(read.texts("disabled_tools") or ()),
        "startup_timeout_s": read.startup_timeout(),
        "tool_timeout_s": read.seconds("tool_timeout_sec", TOOL_TIMEOUT_S),
        "supports_parallel_tool_calls": read.flag("supports_parallel_tool_calls", False),
        "default_tools_approval_mode": read.approval("default_tools_approval_mode", read.table) or "auto",
        "tool_approvals": read.tool_approvals(),
    }


def _refuse_foreign(where: str, table: Mapping[str, Any], transport: str) -> None:
    foreign = {"stdio": HTTP_ONLY, "http": STDIO_ONLY, "inprocess": STDIO_ONLY + HTTP_ONLY}[transport]
    for key in foreign:
        if table.get(key) not in (None, False):
            called = {"stdio": "stdio", "http": "streamable_http", "inprocess": "a server within this process"}
            raise ConfigError(f"{where}.{key} is not supported for {called[transport]}")


def _check_url(where: str, url: str) -> None:
    scheme, found, rest = url.partition("://")
    if not found or scheme.lower() not in ("http", "https") or not rest.strip("/"):
        raise ConfigError(f"{where}.url must be an http:// or https:// address, not {url!r}")


def origin(url: str) -> str:
    """Scheme, host and port of an address: what may be shown to others. Names and keys may stand in the rest."""
    scheme, _, rest = url.partition("://")
    for end in "/?#":
        rest = rest.partition(end)[0]
    return f"{scheme}://{rest.rpartition('@')[2]}"


class _Reader:
    """Reads the keys of one server's table; each fault names its key."""

    def __init__(self, where: str, table: Mapping[str, Any]) -> None:
        self.where, self.table = where, table

    def _typed(self, key: str, fits: Callable[[Any], bool], wanted: str) -> Any:
        found = self.table.get(key)
        if found is not None and not fits(found):
            raise ConfigError(f"{self.where}.{key} must be {wanted}, not {_kind(found)}")
        return found

    def text(self, key: str) -> str | None:
        found: str | None = self._typed(key, lambda it: isinstance(it, str), "a string")
        return found

    def flag(self, key: str, default: bool) -> bool:
        found = self._typed(key, lambda it: isinstance(it, bool), "true or false")
        return default if found is None else bool(found)

    def texts(self, key: str) -> tuple[str, ...] | None:
        found = self._typed(key, _is_texts, "an array of strings")
        return None if found is None else tuple(found)

    def table_of_texts(self, key: str) -> dict[str, str]:
        fits = lambda it: isinstance(it, Mapping) and all(isinstance(word, str) for word in it.values())  # noqa: E731
        return dict(self._typed(key, fits, "a table of strings") or {})

    def seconds(self, key: str, default: float) -> float:
        found = self._typed(key, _is_number, "a number of seconds")
        if found is None:
            return default
        if not 0 <= found <= _LONGEST_S:
            raise ConfigError(f"{self.where}.{key} must be between 0 and a year, in seconds, not {found}")
        return float(found)

    def startup_timeout(self) -> float:
        """`startup_timeout_sec`, else `startup_timeout_ms`."""
        if self.table.get("startup_timeout_sec") is None and self.table.get("startup_timeout_ms") is not None:
            return self.seconds("startup_timeout_ms", 0) / 1000
        return self.seconds("startup_timeout_sec", STARTUP_TIMEOUT_S)

    def approval(self, key: str, table: Mapping[str, Any]) -> str | None:
        found = table.get(key.rpartition(".")[2])
        if found is not None and found not in APPROVAL_MODES:
            raise ConfigError(f"{self.where}.{key} must be one of {', '.join(APPROVAL_MODES)}, not {found!r}")
        return found

    def tool_approvals(self) -> dict[str, str]:
        tools = self._typed("tools", lambda it: isinstance(it, Mapping), "a table") or {}
        modes = {}
        for tool, table in tools.items():
            if not isinstance(table, Mapping):
                raise ConfigError(f"{self.where}.tools.{tool} must be a table, not {_kind(table)}")
            mode = self.approval(f"tools.{tool}.approval_mode", table)
            if mode is not None:
                modes[tool] = mode
        return modes

    def env_vars(self) -> tuple[EnvVar, ...]:
        entries = self._typed("env_vars", lambda it: isinstance(it, (list, tuple)), "an array") or ()
        return tuple(self._env_var(entry) for entry in entries)

    def _env_var(self, entry: object) -> EnvVar:
        if isinstance(entry, str):
            return EnvVar(name=entry)
        if isinstance(entry, Mapping) and isinstance(entry.get("name"), str):
            source = entry.get("source", "local")
            if source not in ("local", "remote"):
                raise ConfigError(f"{self.where}.env_vars: source must be local or remote, not {source!r}")
            return EnvVar(name=entry["name"], source=source)
        raise ConfigError(f"{self.where}.env_vars holds names of variables, or tables with name and source")

    def oauth(self) -> dict[str, Any]:
        table = self._typed("oauth", lambda it: isinstance(it, Mapping), "a table") or {}
        for key, found in table.items():
            if key == "client_id" and not isinstance(found, str):
                raise ConfigError(f"{self.where}.oauth.{key} must be a string, not {_kind(found)}")
        return dict(table)


def _is_texts(found: object) -> bool:
    return isinstance(found, (list, tuple)) and all(isinstance(word, str) for word in found)


def _is_number(found: object) -> bool:
    return isinstance(found, (int, float)) and not isinstance(found, bool)


def _kind(found: object) -> str:
    """What a value is, in TOML's words; never the value itself, which may be a secret."""
    words = {
        bool: "a boolean",
        str: "a string",
        int: "an integer",
        float: "a number",
        list: "an array",
        dict: "a table",
    }
    return words.get(type(found), type(found).__name__)
