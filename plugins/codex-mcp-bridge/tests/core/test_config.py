"""`[mcp_servers.NAME]` becomes values, and every fault names its key."""

from __future__ import annotations

from typing import Any

import pytest

from codex_mcp_bridge.config import EnvVar, ServerConfig, optional_grace_s, server_configs
from codex_plugin_sdk import ConfigError


def one(**table: Any) -> ServerConfig:
    (config,) = server_configs({"mcp_servers": {"s": table}})
    return config


def test_stdio_server_has_all_that_its_table_says() -> None:
    found = one(
        command="x",
        args=["a"],
        env={"A": "1"},
        env_vars=["B", {"name": "C", "source": "remote"}],
        cwd="/w",
        sandbox=True,
        required=True,
        enabled_tools=["t"],
        disabled_tools=["u"],
        startup_timeout_sec=1.5,
        tool_timeout_sec=2,
        supports_parallel_tool_calls=True,
        default_tools_approval_mode="writes",
        tools={"t": {"approval_mode": "approve"}, "v": {}},
    )
    assert found == ServerConfig(
        name="s",
        transport="stdio",
        command="x",
        args=("a",),
        env={"A": "1"},
        env_vars=(EnvVar(name="B"), EnvVar(name="C", source="remote")),
        cwd="/w",
        sandbox=True,
        required=True,
        enabled_tools=frozenset({"t"}),
        disabled_tools=frozenset({"u"}),
        startup_timeout_s=1.5,
        tool_timeout_s=2.0,
        supports_parallel_tool_calls=True,
        default_tools_approval_mode="writes",
        tool_approvals={"t": "approve"},
    )
    assert (found.approval_mode("t"), found.approval_mode("v")) == ("approve", "writes")
    assert (found.offers("t"), found.offers("u"), found.offers("w")) == (True, False, False)


def test_http_server_has_all_that_its_table_says() -> None:
    table = {
        "url": "https://h/mcp",
        "bearer_token_env_var": "T",
        "http_headers": {"X": "1"},
        "env_http_headers": {"Y": "E"},
        "oauth": {"client_id": "me"},
        "oauth_resource": "r",
        "scopes": ["a", "b"],
        "startup_timeout_ms": 2500,
    }
    found = one(**table)
    assert (found.transport, found.scopes, found.startup_timeout_s) == ("http", ("a", "b"), 2.5)
    assert (found.oauth, found.oauth_resource, found.http_headers) == ({"client_id": "me"}, "r", {"X": "1"})


def test_defaults_are_those_of_codex() -> None:
    found = one(command="x")
    assert (found.startup_timeout_s, found.tool_timeout_s, found.enabled, found.required) == (30.0, 60.0, True, False)
    assert found.default_tools_approval_mode == "auto"
    assert optional_grace_s({}) == 1.0
    assert optional_grace_s({"mcp_optional_startup_grace_ms": 20}) == 0.02


def test_servers_come_sorted_with_those_of_plugins_among_them() -> None:
    found = server_configs({"mcp_servers": {"z": {"command": "x"}, "m": {"enabled": False}}}, ["m", "a"])
    assert [(config.name, config.transport, config.enabled) for config in found] == [
        ("a", "inprocess", True),
        ("m", "inprocess", False),
        ("z", "stdio", True),
    ]


def test_unknown_keys_are_left_to_newer_programs() -> None:
    assert one(command="x", bogus=1) == one(command="x")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "mcp_servers.s needs command .* or url"),
        ({"args": ["x"]}, "mcp_servers.s needs command"),
        ({"command": ""}, "mcp_servers.s.command is empty"),
        ({"command": "a", "url": "http://x"}, "mcp_servers.s: command and url exclude each other"),
        ({"command": 3}, "mcp_servers.s.command must be a string, not an integer"),
        ({"command": "a", "args": "x"}, "mcp_servers.s.args must be an array of strings, not a string"),
        ({"command": "a", "env": {"A": 1}}, "mcp_servers.s.env must be a table of strings"),
        ({"command": "a", "enabled": "yes"}, "mcp_servers.s.enabled must be true or false, not a string"),
        ({"command": "a", "startup_timeout_sec": -1}, "mcp_servers.s.startup_timeout_sec must be between 0"),
        ({"command": "a", "tool_timeout_sec": float("nan")}, "mcp_servers.s.tool_timeout_sec must be between 0"),
        ({"command": "a", "tool_timeout_sec": True}, "mcp_servers.s.tool_timeout_sec must be a number of seconds"),
        ({"command": "a", "bearer_token_env_var": "X"}, "bearer_token_env_var is not supported for stdio"),
        ({"command": "a", "env_vars": [3]}, "mcp_servers.s.env_vars holds names"),
        ({"command": "a", "env_vars": [{"name": "A", "source": "z"}]}, "source must be local or remote, not 'z'"),
        ({"command": "a", "default_tools_approval_mode": "z"}, "default_tools_approval_mode must be one of auto"),
        ({"command": "a", "tools": {"t": {"approval_mode": "z"}}}, "mcp_servers.s.tools.t.approval_mode must be one"),
        ({"command": "a", "tools": {"t": 1}}, "mcp_servers.s.tools.t must be a table"),
        ({"url": "nonsense"}, "mcp_servers.s.url must be an http"),
        ({"url": "http://x", "env": {"A": "b"}}, "mcp_servers.s.env is not supported for streamable_http"),
        ({"url": "http://x", "bearer_token": "hush"}, "mcp_servers.s.bearer_token is not supported"),
        ({"url": "http://x", "oauth": {"client_id": 1}}, "mcp_servers.s.oauth.client_id must be a string"),
        (3, "mcp_servers.s must be a table, not an integer"),
    ],
)
def test_a_fault_names_its_key(table: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        server_configs({"mcp_servers": {"s": table}})
    assert "hush" not in str(caught.value)


def test_faults_beside_the_tables_name_their_key() -> None:
    with pytest.raises(ConfigError, match="mcp_servers must be a table"):
        server_configs({"mcp_servers": [1]})
    with pytest.raises(ConfigError, match="invalid server name 'a b'"):
        server_configs({"mcp_servers": {"a b": {"command": "x"}}})
    with pytest.raises(ConfigError, match="mcp_optional_startup_grace_ms must be a whole number"):
        optional_grace_s({"mcp_optional_startup_grace_ms": "1s"})
