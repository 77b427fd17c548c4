"""What an authorization server says of itself, as far as no socket is needed for it."""

from __future__ import annotations

import httpx2
import pytest

from codex_mcp_bridge import discovery
from codex_mcp_bridge.discovery import auth_status, discover
from codex_plugin_sdk import AuthenticationFailed

pytestmark = pytest.mark.anyio
SERVER = "https://mcp.example/mcp"
AUTH = "https://auth.example"


@pytest.fixture
def anyio_backend():
    return "asyncio"


def described(issuer=AUTH, **changed):
    """A client for which `issuer` is the authorization server of `SERVER`."""
    about = {"issuer": issuer, **{f"{name}_endpoint": f"{AUTH}/{name}" for name in ("authorization", "token")}}

    def answer(request):
        path = request.url.path
        if "oauth-protected-resource" in path:
            return httpx2.Response(200, json={"resource": SERVER, "authorization_servers": [issuer]})
        if "oauth-authorization-server" in path:
            return httpx2.Response(200, json=about | changed)
        return httpx2.Response(401)

    return httpx2.AsyncClient(transport=httpx2.MockTransport(answer))


async def test_a_description_that_fits_is_taken():
    async with described() as client:
        found = await discover(client, SERVER)
    assert found.authorization_endpoint == f"{AUTH}/authorization"


@pytest.mark.parametrize("end", ["\x1b[2J", "\u202e", " x", "\x07"])
async def test_an_address_that_could_steer_the_terminal_is_refused(end):
    async with described(authorization_endpoint=f"{AUTH}/a{end}") as client:
        with pytest.raises(AuthenticationFailed, match=r"authorization_endpoint .* cannot be used") as caught:
            await discover(client, SERVER)
    assert end == " x" or end not in caught.value.message


async def test_a_description_in_the_clear_is_refused_for_a_server_over_tls():
    async with described("http://auth.example") as client:
        with pytest.raises(AuthenticationFailed, match=r"issuer .* cannot be used"):
            await discover(client, SERVER)


async def test_a_list_does_not_wait_for_answers_that_come_in_drops(monkeypatch):
    import anyio

    async def endless(client, url, headers):
        await anyio.sleep_forever()

    monkeypatch.setattr(discovery, "discover", endless)
    monkeypatch.setattr(discovery, "STATUS_TIMEOUT_S", 0.01)
    with anyio.fail_after(5):
        assert await auth_status(SERVER, {}) == "unknown"
