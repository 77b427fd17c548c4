"""Logging in without a browser of our own, and being known by a document, against a real authorization server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import anyio
import httpx2
import pytest

from codex_mcp_bridge.config import server_configs
from codex_mcp_bridge.device import start_device_login
from codex_mcp_bridge.known import Known
from codex_mcp_bridge.logins import LoginStore
from codex_mcp_bridge.oauth import start_login
from codex_plugin_sdk import AuthenticationFailed, ConfigError, UserError

pytestmark = pytest.mark.anyio
PROGRAM = Path(sys.executable).with_name("codex")
DOCUMENT_URL = "https://client.example/codex.json"
DOCUMENT = {"client_id": DOCUMENT_URL, "redirect_uris": ["http://127.0.0.1/callback"]}


def make_known(home, server, table=None, **settings):
    data = {"mcp_oauth_credentials_store": "file", "mcp_servers": {"web": {"url": server.url, **(table or {})}}}
    data |= settings
    return Known(codex_home=str(home), cwd=str(home), environ={}, config=data, servers=server_configs(data))


@pytest.fixture
def known(tmp_path, server):
    return make_known(tmp_path, server)


def stored(known):
    return LoginStore(known.codex_home, "file").load("web", known.server("web").url)


class Pauses:
    """Sleeps at once, and remembers how long it would have."""

    def __init__(self):
        self.seconds = []

    async def __call__(self, seconds):
        self.seconds.append(seconds)
        await anyio.lowlevel.checkpoint()


async def by_device(known, pauses=None, **wanted):
    async with start_device_login(known.server("web"), known, sleep=pauses or Pauses(), **wanted) as pending:
        with anyio.fail_after(30):
            return pending, await pending.completed()


async def test_a_device_asks_until_its_user_has_agreed(server, known):
    server.faults(device=["authorization_pending", "slow_down", "authorization_pending", "outage"])
    pauses = Pauses()
    pending, login = await by_device(known, pauses)
    assert (pending.user_code, pending.verification_url) == ("BDWP-HQPK", f"{server.origin}/enter")
    assert pending.complete_url == f"{server.origin}/enter?user_code=BDWP-HQPK"
    assert pauses.seconds == [2, 2, 7, 7, 14]
    assert stored(known) == login
    assert (login.scopes, login.refresh_token) == (("read", "offline_access"), "refresh-1")
    headers = {"Authorization": f"Bearer {login.access_token}"}
    assert httpx2.post(server.url, headers=headers, json={}).status_code != 401


async def test_what_a_device_asks_follows_the_protocol(server, known):
    server.faults(device=[])
    await by_device(known, scopes=["write"])
    (registered,), (asked,), (polled,) = (server.asked(what) for what in ("register", "device", "token"))
    grant = "urn:ietf:params:oauth:grant-type:device_code"
    assert registered["grant_types"] == [grant, "refresh_token"]
    assert registered["redirect_uris"] == registered["response_types"] == []
    assert (asked["scope"], asked["resource"]) == ("write offline_access", server.url)
    assert (polled["grant_type"], polled["client_id"]) == (grant, asked["client_id"])


async def test_a_client_with_a_secret_proves_itself_as_a_device_too(server, tmp_path):
    server.faults(device=[])
    known = make_known(tmp_path, server, {"oauth": {"client_id": "by-hand", "client_secret": "s"}})
    await by_device(known)
    (asked,), (polled,) = server.asked("device"), server.asked("token")
    assert asked["client_secret"] == polled["client_secret"] == "s"
    assert server.asked("register") == []


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (["authorization_pending", "access_denied"], r"refused to give tokens: access_denied \(says the test\)"),
        (["expired_token"], "Nobody entered the code for the MCP server web while it was good"),
        (["invalid_client"], "refused to give tokens: invalid_client"),
    ],
)
async def test_an_end_without_tokens_is_told_and_stores_nothing(server, known, answers, said):
    server.faults(device=answers)
    with pytest.raises(AuthenticationFailed, match=said):
        await by_device(known)
    assert stored(known) is None


async def test_a_code_that_is_over_ends_the_login_without_the_servers_word(server, known):
    server.faults(device=[], device_answer={"expires_in": 1})
    async with start_device_login(known.server("web"), known, sleep=lambda _: anyio.sleep_forever()) as pending:
        with anyio.fail_after(30), pytest.raises(AuthenticationFailed, match="while it was good"):
            await pending.completed()
    assert server.asked("token") == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"verification_uri": "javascript:alert(1)"}, "verification_uri of .* cannot be used"),
        ({"verification_uri_complete": "http://h/\x1b[2J"}, "verification_uri_complete of .* cannot be used"),
        ({"user_code": 7}, "without a code or an address for it"),
        ({"error": "invalid_request"}, "refused to give a code: invalid_request"),
    ],
)
async def test_an_answer_that_must_not_be_shown_ends_the_login(server, known, answer, said):
    server.faults(device=[], device_answer=answer)
    with pytest.raises(AuthenticationFailed, match=said):
        await by_device(known)


async def test_hostile_codes_and_numbers_are_made_harmless(server, known):
    answer = {"user_code": "\x1b[2J" + "9" * 200, "interval": -1, "expires_in": 1e12}
    server.faults(device=[], device_answer=answer)
    pauses = Pauses()
    pending, _ = await by_device(known, pauses)
    assert pending.user_code == "\\x1b[2J" + "9" * 60
    assert (pauses.seconds, pending.expires_s) == ([5], 1800)


async def test_a_server_with_only_one_kind_of_login_names_the_other(server, known):
    with pytest.raises(UserError, match="no login for devices") as raised:
        await by_device(known)
    assert "--no-browser" in raised.value.hint
    server.faults(device=[], no_browser_logins=True)
    with pytest.raises(UserError, match="only for devices") as raised:
        async with start_login(known.server("web"), known):
            pytest.fail("there is nothing to open in a browser")
    assert "--device" in raised.value.hint
    await by_device(known)


async def by_browser(known, **wanted):
    async with start_login(known.server("web"), known, **wanted) as pending, anyio.create_task_group() as tasks:

        async def browse():
            async with httpx2.AsyncClient(follow_redirects=True) as client:
                assert (await client.get(pending.authorization_url)).status_code == 200

        tasks.start_soon(browse)
        with anyio.fail_after(30):
            return await pending.completed()


async def test_a_server_that_reads_documents_knows_us_by_ours(server, tmp_path):
    server.faults(document=DOCUMENT, no_registration=True, device=[])
    known = make_known(tmp_path, server, mcp_oauth_client_metadata_url=DOCUMENT_URL)
    assert (await by_browser(known)).client_id == DOCUMENT_URL
    assert (await by_device(known))[1].client_id == DOCUMENT_URL
    assert [form["client_id"] for form in server.asked("token")] == [DOCUMENT_URL, DOCUMENT_URL]
    assert server.asked("register") == []


@pytest.mark.parametrize(
    ("document", "table", "registration", "is_document"),
    [
        (DOCUMENT, {}, "auto", True),
        (DOCUMENT, {}, "dcr", False),
        (None, {}, "auto", False),
        (DOCUMENT, {"oauth": {"client_id": "by-hand"}}, "auto", False),
        (DOCUMENT, {"oauth": {"client_id": "by-hand"}}, "cimd", True),
    ],
)
async def test_how_we_are_known_can_be_chosen(server, tmp_path, document, table, registration, is_document):
    server.faults(document=document)
    known = make_known(tmp_path, server, table, mcp_oauth_client_metadata_url=DOCUMENT_URL)
    login = await by_browser(known, registration=registration)
    assert (login.client_id == DOCUMENT_URL) is is_document


@pytest.mark.parametrize(
    ("document", "url", "error", "said"),
    [
        (DOCUMENT, None, UserError, "There is no document"),
        (None, DOCUMENT_URL, UserError, "does not know clients by their documents"),
        (DOCUMENT, "http://client.example/codex.json", ConfigError, "must be an https:// address"),
        (DOCUMENT, "https://client.example/", ConfigError, "must be an https:// address"),
        (DOCUMENT, 3, ConfigError, "must be an https:// address"),
    ],
)
async def test_a_document_that_cannot_be_used_is_told(server, tmp_path, document, url, error, said):
    server.faults(document=document)
    settings = {} if url is None else {"mcp_oauth_client_metadata_url": url}
    with pytest.raises(error, match=said):
        await by_browser(make_known(tmp_path, server, **settings), registration="cimd")


def test_the_command_shows_the_code_and_waits(server, tmp_path):
    server.faults(device=["authorization_pending"], device_answer={"interval": 1})
    (tmp_path / "config.toml").write_text(
        f'mcp_oauth_credentials_store = "file"\n[mcp_servers.web]\nurl = "{server.url}"\n'
    )
    done = subprocess.run(
        [str(PROGRAM), "mcp", "login", "web", "--device"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CODEX_HOME": str(tmp_path), "LANG": "C.UTF-8"},
        timeout=60,
        check=False,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"open this URL in a browser on any machine:\n{server.origin}/enter\n" in done.stdout
    assert "enter the code there:\nBDWP-HQPK\n" in done.stdout
    assert done.stdout.endswith("Successfully logged in to MCP server 'web'.\n")
    assert not any(secret in done.stdout for secret in server.secrets())
