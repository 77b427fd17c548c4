"""The check `mcp` of `codex doctor`, with real programs, sockets and files."""

import socket
from types import SimpleNamespace

import pytest

from codex_mcp_bridge.check import McpCheck
from codex_mcp_bridge.logins import Login, LoginStore
from codex_plugin_sdk import CheckSetup, Health

pytestmark = pytest.mark.anyio


@pytest.fixture
def check(tmp_path):
    """`await check(servers, …)`: health and message of each finding."""

    async def run(servers, environ=None, offered=(), offline=False, **config):
        setup = CheckSetup(
            codex_home=str(tmp_path),
            cwd=str(tmp_path),
            environ={"PATH": str(tmp_path / "bin"), **(environ or {})},
            options={"mcp_servers": servers, "mcp_oauth_credentials_store": "file", **config},
            plugins=SimpleNamespace(mcp_servers=lambda _: dict.fromkeys(offered)),
        )
        if offline:
            setup = Examined(setup)
        return [(found.health, found.message, found.cure) for found in await McpCheck(setup, limit_s=2.0).run()]

    return run


class Examined:
    """What `codex doctor` gives beside the setup."""

    offline = True

    def __init__(self, setup):
        self._setup = setup

    def __getattr__(self, name):
        return getattr(self._setup, name)


@pytest.fixture
def listening():
    """The URL of something that accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield f"http://127.0.0.1:{found.getsockname()[1]}/mcp"


@pytest.fixture
def closed():
    """The URL of a port at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    return f"http://127.0.0.1:{port}/mcp"


async def test_without_servers_there_is_nothing_to_check(check):
    assert await check({}) == [(Health.OK, "no MCP server is configured", "")]
    off = {"a": {"command": "x", "enabled": False}}
    assert await check(off) == [(Health.OK, "no MCP server is configured, 1 switched off", "")]
    assert await check({}, offered=["clock"]) == [(Health.OK, "clock: within this process", "")]


async def test_a_table_that_cannot_be_used_is_named_by_its_key(check):
    ((health, message, _),) = await check({"a": {"command": "x", "url": "http://x"}})
    assert health is Health.FAILED
    assert message == "mcp_servers.a: command and url exclude each other"


async def test_programs_are_looked_for_on_path_and_in_the_servers_folder(check, tmp_path):
    for folder in ("bin", "tools"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "serve").write_text("#!/bin/sh\n")
        (tmp_path / folder / "serve").chmod(0o755)
    found = await check(
        {
            "a": {"command": "serve"},
            "b": {"command": "./serve", "cwd": "tools"},
            "c": {"command": "nowhere"},
            "d": {"command": "nowhere", "required": True},
            "e": {"command": "serve", "cwd": "absent"},
            "f": {"command": "serve", "env_vars": ["TOKEN"]},
        }
    )
    assert [health for health, _, _ in found] == [
        Health.OK,
        Health.OK,
        Health.WARNING,
        Health.FAILED,
        Health.WARNING,
        Health.WARNING,
    ]
    assert found[0][1] == f"a: runs {tmp_path}/bin/serve"
    assert found[2][1:] == ("c: nowhere: no such program on PATH", "codex mcp get c")
    assert "absent is not a folder" in found[4][1]
    assert found[5][1].endswith("not set: TOKEN")


async def test_an_address_is_connected_to_unless_offline(check, listening, closed):
    up, down = {"a": {"url": listening}}, {"a": {"url": closed, "required": True}}
    assert await check(up) == [(Health.OK, f"a: {listening.removesuffix('/mcp')}, not logged in", "")]
    ((health, message, _),) = await check(down)
    assert health is Health.FAILED
    assert "cannot be reached" in message
    assert (await check(down, offline=True))[0][0] is Health.OK


async def test_tokens_and_logins_are_looked_up(check, listening, tmp_path):
    own = {"a": {"url": listening, "bearer_token_env_var": "TOKEN"}}
    assert await check(own) == [(Health.WARNING, "a: not set, though it is to be sent: TOKEN", "set TOKEN")]
    assert (await check(own, environ={"TOKEN": "x"}))[0][
        1
    ] == f"a: {listening.removesuffix('/mcp')}, with a token of its own"
    wanted = {"a": {"url": listening, "scopes": ["read"]}}
    assert await check(wanted) == [
        (Health.WARNING, f"a: {listening.removesuffix('/mcp')}, not logged in", "codex mcp login a")
    ]
    store = LoginStore(str(tmp_path), "file")
    login = Login(server_name="a", server_url=listening, client_id="c", access_token="t-secret")
    store.save(login)
    assert await check(wanted) == [(Health.OK, f"a: {listening.removesuffix('/mcp')}, logged in", "")]
    store.save(login.replace(expires_at_ms=1))
    assert await check(wanted) == [
        (Health.WARNING, f"a: {listening.removesuffix('/mcp')}: the login is over", "codex mcp login a")
    ]
    assert "t-secret" not in str(await check(wanted))


async def test_what_stands_in_an_address_is_not_told(check, listening):
    secret = listening.replace("http://", "http://user:hunter2@") + "?key=hunter2"
    ((_, message, cure),) = await check({"a": {"url": secret}})
    assert message == f"a: {listening.removesuffix('/mcp')}, not logged in"
    assert "hunter2" not in cure
