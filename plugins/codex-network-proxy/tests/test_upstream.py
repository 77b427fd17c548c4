"""Behind a company's proxy: everything goes through it, and names are still judged here."""

from __future__ import annotations

import pytest

from codex_network_proxy.proxy import upstream_of
from codex_network_proxy.target import Target
from codex_network_proxy.upstream import parent_proxy
from codex_plugin_sdk import ConfigError, NetworkRules

pytestmark = pytest.mark.anyio
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


async def parent(server, reader, writer):
    head = await reader.readuntil(b"\r\n\r\n")
    server.heads.append(head)
    if head.startswith(b"CONNECT no"):
        writer.write(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
    elif head.startswith(b"CONNECT"):
        writer.write(b"HTTP/1.1 200 Go on\r\n\r\n")
        writer.write(await reader.readexactly(4))
    else:
        writer.write(OK)


async def test_requests_and_tunnels_go_through_the_parent(serve, origin):
    async with origin(parent) as company:
        url = f"http://user:p%40ss@127.0.0.1:{company.port}"
        async with serve(NetworkRules(), options={"upstream": url}) as proxy:
            proxy.answers["denied.test"] = "no"
            plain = await proxy.raw(b"GET http://far.test/x HTTP/1.1\r\nConnection: close\r\n\r\n")
            tunnel = await proxy.raw(b"CONNECT far.test:443 HTTP/1.1\r\n\r\nping")
            refused = await proxy.raw(b"CONNECT no.test:443 HTTP/1.1\r\n\r\n")
            denied = await proxy.raw(b"GET http://denied.test/ HTTP/1.1\r\n\r\n")
            private = await proxy.raw(b"GET http://10.0.0.1/ HTTP/1.1\r\n\r\n")
    assert plain.endswith(b"ok")
    assert tunnel.endswith(b"\r\n\r\nping")
    assert b"502 Bad Gateway" in refused
    assert b"407 Who are you" in refused
    assert b"403" in denied
    assert b"403" in private
    login = b"Proxy-Authorization: Basic dXNlcjpwQHNz\r\n"
    assert company.heads[0] == b"GET http://far.test/x HTTP/1.1\r\nHost: far.test\r\n" + login + b"\r\n"
    assert company.heads[1] == b"CONNECT far.test:443 HTTP/1.1\r\nHost: far.test:443\r\n" + login + b"\r\n"
    assert len(company.heads) == 3


async def test_environment_names_the_parent_only_where_that_is_configured():
    environ = {"https_proxy": "http://p:1", "HTTP_PROXY": "q:2", "NO_PROXY": "near.test"}
    near, far = Target(host="near.test", port=443), Target(host="far.test", port=443)
    configured = upstream_of({"upstream": True}, environ)
    assert configured.choose(far, tunnel=True) == parent_proxy("http://p:1")
    assert configured.choose(far, tunnel=False) == parent_proxy("http://q:2")
    assert configured.choose(near, tunnel=True) is None
    assert upstream_of({}, environ).choose(far, tunnel=True) is None
    assert upstream_of({"upstream": "p:1"}, {}).choose(near, tunnel=True) == parent_proxy("http://p:1")


@pytest.mark.parametrize("wrong", [7, "", "https://p:1", "socks5://p:1", "http://", "http://a b:1"])
async def test_wrong_parent_is_a_configuration_error(wrong):
    with pytest.raises(ConfigError):
        upstream_of({"upstream": wrong}, {})
    with pytest.raises(ConfigError):
        upstream_of({"upstream": True}, {"all_proxy": "socks5://p:1"})


async def test_parent_that_is_away_is_told(serve, origin):
    async with origin(parent) as company:
        port = company.port
    async with serve(options={"upstream": f"127.0.0.1:{port}"}) as proxy:
        answer = await proxy.raw(b"CONNECT far.test:443 HTTP/1.1\r\n\r\n")
    assert b"502 Bad Gateway" in answer
