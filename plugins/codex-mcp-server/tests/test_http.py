"""Who may come in over HTTP, and where the server may listen."""

from __future__ import annotations

import json
import socket
import subprocess

import httpx
import pytest

from codex_plugin_sdk.testing.model import say

from .conftest import HANDSHAKE, PROGRAM

pytestmark = pytest.mark.anyio

TOKEN = "a-token-of-the-tests-0123456789"
HEADERS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
HELLO = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HANDSHAKE}


async def post(url, body=HELLO, **headers):
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(url, headers={**HEADERS, **headers}, content=json.dumps(body))


LOCAL_ONLY = (
    ({}, 200),
    ({"host": "localhost"}, 200),
    ({"host": "[::1]:80"}, 200),
    ({"host": "evil.example"}, 403),
    ({"host": "127.0.0.1.evil.example:80"}, 403),
    ({"host": "localhost:80@evil"}, 403),
    ({"host": ""}, 403),
    ({"origin": "https://evil.example"}, 403),
    ({"origin": "http://localhost:3000"}, 403),
    ({"origin": "null"}, 403),
)


async def test_web_pages_and_rebound_names_are_refused(host):
    async with host.listening() as (url, _):
        found = [(headers, (await post(url, **headers)).status_code) for headers, _ in LOCAL_ONLY]
    assert found == list(LOCAL_ONLY)


@pytest.mark.parametrize("how", ["variable", "file"])
async def test_with_a_token_only_who_has_it_comes_in(host, how):
    file = host.root / "token"
    file.write_text(TOKEN + "\n")
    file.chmod(0o600)
    host.env["MCP_TOKEN"] = TOKEN
    args = ("--token-env", "MCP_TOKEN") if how == "variable" else ("--token-file", str(file))
    async with host.listening(*args) as (url, _):
        none = await post(url)
        wrong = await post(url, authorization=f"Bearer {TOKEN}x")
        other = await post(url, authorization=f"Basic {TOKEN}")
        page = await post(url, authorization=f"Bearer {TOKEN}", origin="https://evil.example")
        good = await post(url, authorization=f"Bearer {TOKEN}", host="agent.example")
    assert [found.status_code for found in (none, wrong, other, page, good)] == [401, 401, 401, 403, 200]
    assert none.headers["www-authenticate"] == "Bearer"
    assert TOKEN not in none.text + wrong.text


async def test_the_official_client_comes_in_with_a_token(host):
    import httpx2
    from mcp.client.client import Client
    from mcp.client.streamable_http import streamable_http_client

    host.env["MCP_TOKEN"] = TOKEN
    host.script([say("hello")])
    async with (
        host.listening("--token-env", "MCP_TOKEN", listen="http://0.0.0.0:0") as (url, _),
        httpx2.AsyncClient(headers={"authorization": f"Bearer {TOKEN}"}, trust_env=False) as http,
        Client(streamable_http_client(url.replace("0.0.0.0", "127.0.0.1"), http_client=http)) as client,
    ):
        found = await client.call_tool("codex", {"prompt": "hello"})
    assert found.structured_content["content"] == "hello"


async def test_what_is_no_request_does_not_disturb_the_server(host):
    async with host.listening() as (url, _):
        async with httpx.AsyncClient(trust_env=False) as client:
            garbage = await client.post(url, headers=HEADERS, content=b"garbage")
            huge = await client.post(url, headers=HEADERS, content=b"x" * (17 * 1024 * 1024))
            lost = await client.get(url.replace("/mcp", "/other"))
        unknown = await post(url, {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, **{"mcp-session-id": "guessed"})
        assert (await post(url)).status_code == 200
    assert (garbage.status_code, huge.status_code, lost.status_code, unknown.status_code) == (400, 413, 404, 404)


def run(host, *args):
    found = subprocess.run(
        [PROGRAM, "mcp-server", *args],
        env=host.env,
        cwd=host.work,
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert "Traceback" not in found.stderr
    return found.returncode, found.stderr


def test_other_machines_need_a_token(host):
    code, said = run(host, "--listen", "http://0.0.0.0:0")
    assert code != 0
    assert "refusing to listen on 0.0.0.0 without a token" in said


def test_a_token_that_others_can_read_is_refused(host):
    file = host.root / "token"
    file.write_text(TOKEN)
    file.chmod(0o644)
    code, said = run(host, "--listen", "http://127.0.0.1:0", "--token-file", str(file))
    assert code != 0
    assert "can be read by others (mode 0644)" in said
    assert TOKEN not in said


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("--listen", "http://127.0.0.1:0", "--token-env", "NOT_SET"), "the variable NOT_SET holds no token"),
        (("--listen", "http://127.0.0.1:0", "--token-file", "/does/not/exist"), "the token cannot be read"),
        (("--listen", "ftp://x"), "invalid --listen URL"),
        (("--listen", "http://example.com:80"), "invalid --listen URL"),
        (("--listen", "http://127.0.0.1"), "invalid --listen URL"),
        (("--listen", "http://127.0.0.1:99999"), "invalid --listen URL"),
        (("--listen", "http://127.0.0.1:1/other"), "invalid --listen URL"),
        (("--token-env", "HOME"), "are for --listen http://"),
    ],
)
def test_options_that_cannot_be_are_refused_in_words(host, args, text):
    code, said = run(host, *args)
    assert code != 0
    assert text in said


def test_a_port_that_is_taken_is_refused_in_words(host):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, said = run(host, "--listen", f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert code != 0
    assert "cannot listen on http://127.0.0.1:" in said
