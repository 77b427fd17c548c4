"""Logging in, against a real authorization server and a real MCP server behind it."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import stat
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx2
import pytest

from codex_mcp_bridge.bearer import BearerAuth
from codex_mcp_bridge.config import server_configs
from codex_mcp_bridge.known import Known
from codex_mcp_bridge.logins import Login, LoginStore, entry_key
from codex_mcp_bridge.oauth import LoginNeeded, auth_for, start_login
from codex_plugin_sdk import AuthenticationFailed, UserError

pytestmark = pytest.mark.anyio
PROGRAM = Path(sys.executable).with_name("codex")
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@pytest.fixture
def known(tmp_path, server):
    return make_known(tmp_path, server.url)


def make_known(home, url, store="file", table=None, **settings):
    data = {"mcp_oauth_credentials_store": store, "mcp_servers": {"web": {"url": url, **(table or {})}}, **settings}
    return Known(codex_home=str(home), cwd=str(home), environ={}, config=data, servers=server_configs(data))


async def browse(url):
    """A browser whose user agrees to everything; what its last page says."""
    async with httpx2.AsyncClient(follow_redirects=True) as client:
        return await client.get(url)


async def log_in(known, **wanted):
    async with start_login(known.server("web"), known, **wanted) as pending, anyio.create_task_group() as tasks:
        tasks.start_soon(browse, pending.authorization_url)
        with anyio.fail_after(20):
            return await pending.completed()


async def call(known, auth=None):
    auth = auth or auth_for(known.server("web"), known)
    headers = {"Accept": "application/json, text/event-stream"}
    async with httpx2.AsyncClient(auth=auth, headers=headers) as client:
        return await client.post(known.server("web").url, json=PING)


def stored(known):
    return LoginStore(known.codex_home, "file").load("web", known.server("web").url)


def aged(known, seconds):
    """Let the stored login end so many seconds from now."""
    login = stored(known)
    LoginStore(known.codex_home, "file").save(login.replace(expires_at_ms=int((time.time() + seconds) * 1000)))


async def test_a_login_gives_tokens_that_the_server_takes(server, known):
    login = await log_in(known)
    assert login == stored(known)
    assert (login.scopes, login.issuer) == (("read", "offline_access"), server.origin)
    assert (await call(known)).status_code != 401
    assert server.asked("mcp")[-1]["token"] == login.access_token


async def test_what_is_asked_follows_the_protocol(server, known):
    await log_in(known)
    (asked,), (redeemed,), (registered,) = (server.asked(what) for what in ("authorize", "token", "register"))
    challenge = base64.urlsafe_b64encode(hashlib.sha256(redeemed["code_verifier"].encode()).digest())
    assert asked["code_challenge"] == challenge.decode().rstrip("=")
    assert asked["code_challenge_method"] == "S256"
    assert asked["resource"] == redeemed["resource"] == server.url
    assert asked["scope"] == "read offline_access"
    assert len(asked["state"]) >= 32
    assert registered["redirect_uris"] == [asked["redirect_uri"]] == [redeemed["redirect_uri"]]
    assert asked["redirect_uri"].startswith("http://127.0.0.1:")


async def test_the_login_is_kept_as_codex_keeps_it_for_its_owner_only(server, known):
    login = await log_in(known)
    path = Path(known.codex_home) / ".credentials.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (key, entry), *others = json.loads(path.read_text()).items()
    said = json.dumps({"type": "http", "url": server.url, "headers": {}}, separators=(",", ":"))
    assert (key, others) == ("web|" + hashlib.sha256(said.encode()).hexdigest()[:16], [])
    assert entry["access_token"] == login.access_token
    assert entry["expires_at"] == login.expires_at_ms > time.time() * 1000
    assert {"server_name", "server_url", "issuer", "client_id", "refresh_token", "scopes"} <= entry.keys()


async def test_a_login_goes_to_the_keyring_and_the_file_is_the_fallback(server, tmp_path, monkeypatch):
    import keyring

    from codex_plugin_sdk.testing.fake_keyring import FileKeyring

    monkeypatch.setenv("FAKE_KEYRING_FILE", str(tmp_path / "keyring.json"))
    before = keyring.get_keyring()
    keyring.set_keyring(FileKeyring())
    try:
        known = make_known(tmp_path, server.url, "auto")
        login = await log_in(known)
        assert login.access_token in (tmp_path / "keyring.json").read_text()
        assert not (tmp_path / ".credentials.json").exists()
        assert (await call(known)).status_code != 401
        store = LoginStore(known.codex_home, "auto")
        assert (store.delete("web", server.url), store.load("web", server.url)) == (True, None)
        for fault in ("leaks", "forgets", "locked"):
            monkeypatch.setenv("FAKE_KEYRING_FAULT", fault)
            (notice,) = store.save(login)
            assert ".credentials.json instead" in notice
            assert store.load("web", server.url) == login
            assert not any(secret in notice for secret in server.secrets())
            with pytest.raises(AuthenticationFailed) as raised:
                LoginStore(known.codex_home, "keyring").save(login)
            assert not any(secret in f"{raised.value!r}{raised.value}" for secret in server.secrets())
            assert raised.value.__cause__ is None
    finally:
        keyring.set_keyring(before)


async def test_scopes_of_the_caller_count_before_those_of_the_configuration(server, tmp_path):
    known = make_known(tmp_path, server.url, table={"scopes": ["write"], "oauth_resource": "http://other.example/"})
    await log_in(known)
    await log_in(known, scopes=["read", "write"])
    first, second = server.asked("authorize")
    assert (first["scope"], second["scope"]) == ("write offline_access", "read write offline_access")
    assert first["resource"] == "http://other.example/"


async def test_a_wrong_state_ends_the_login_and_stores_nothing(server, known):
    server.faults(wrong_state=True)
    async with start_login(known.server("web"), known) as pending:
        assert (await browse(pending.authorization_url)).status_code == 400
        with pytest.raises(AuthenticationFailed, match="belongs to another login"):
            await pending.completed()
    assert stored(known) is None
    assert server.asked("token") == []


async def test_a_user_who_says_no_is_told_in_the_servers_words(server, known):
    server.faults(deny=True)
    async with start_login(known.server("web"), known) as pending:
        page = await browse(pending.authorization_url)
        with pytest.raises(AuthenticationFailed, match=r"refused: access_denied \(the user said no\)"):
            await pending.completed()
    assert page.status_code == 400
    assert "access_denied" in page.text
    assert stored(known) is None


async def test_a_browser_elsewhere_can_be_pasted_from(server, known):
    async with start_login(known.server("web"), known) as pending:
        async with httpx2.AsyncClient() as client:
            answer = await client.get(pending.authorization_url)
        pending.paste(f"  {answer.headers['location']}\n")
        login = await pending.completed()
    assert stored(known) == login


async def test_requests_to_other_paths_do_not_end_a_login(server, known):
    async with start_login(known.server("web"), known) as pending:
        redirect = parse_qs(urlsplit(pending.authorization_url).query)["redirect_uri"][0]
        async with httpx2.AsyncClient() as client:
            assert (await client.get(redirect)).status_code == 404
            assert (await client.get(f"{redirect}x?code=a&state=b")).status_code == 404
            assert (await client.post(f"{redirect}?code=a&state=b")).status_code == 404
        await browse(pending.authorization_url)
        assert (await pending.completed()).access_token


async def test_nobody_comes_and_the_login_ends(server, known):
    async with start_login(known.server("web"), known) as pending:
        with pytest.raises(AuthenticationFailed, match="Nobody logged in to the MCP server web"):
            await pending.completed(timeout_s=0.05)


async def test_the_callback_is_where_the_configuration_wants_it(server, tmp_path, free_tcp_port):
    known = make_known(tmp_path, server.url, mcp_oauth_callback_port=free_tcp_port)
    async with start_login(known.server("web"), known) as pending:
        assert f"127.0.0.1%3A{free_tcp_port}%2Fcallback%2F" in pending.authorization_url
        with pytest.raises(UserError, match=f"callback port {free_tcp_port} cannot be used"):
            await log_in(known)
    known = make_known(tmp_path, server.url, mcp_oauth_callback_url="https://my.example/cb")
    async with start_login(known.server("web"), known) as pending:
        redirect = parse_qs(urlsplit(pending.authorization_url).query)["redirect_uri"][0]
        assert redirect.startswith("https://my.example/cb/")


async def test_a_client_registered_by_hand_is_used_as_it_is(server, tmp_path):
    table = {"oauth": {"client_id": "by-hand", "callback_url": "http://127.0.0.1/callback/mine"}}
    known = make_known(tmp_path, server.url, table=table)
    assert (await log_in(known)).client_id == "by-hand"
    (asked,) = server.asked("authorize")
    assert urlsplit(asked["redirect_uri"]).path == "/callback/mine"
    assert server.asked("register") == []


async def test_a_client_with_a_secret_proves_itself_also_when_it_renews(server, known):
    server.faults(secret_clients=True)
    login = await log_in(known)
    assert login.client_secret
    aged(known, 5)
    await call(known)
    (refreshed,) = server.refreshes()
    assert refreshed["authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"wrong_issuer": True}, "describes itself as http://evil.invalid"),
        ({"foreign_resource": True}, "describes http://other.invalid/mcp, which is not the server"),
        ({"no_s256": True}, "does not support PKCE"),
        ({"no_registration": True}, "does not register clients by itself"),
        ({"refuse_registration": True}, r"refused to register us: invalid_client_metadata \(not you\)"),
        ({"no_metadata": True}, "does not describe itself"),
    ],
)
async def test_what_must_not_be_trusted_or_cannot_work_is_told(server, known, fault, said):
    server.faults(**fault)
    with pytest.raises(AuthenticationFailed, match=said):
        await log_in(known)
    assert stored(known) is None


async def test_a_server_without_any_description_is_asked_at_the_usual_paths(server, known):
    server.faults(no_metadata=True, no_resource_metadata=True)
    await log_in(known)
    assert (await call(known)).status_code != 401


async def test_an_open_server_has_no_login(server, known):
    server.faults(open=True, no_metadata=True, no_resource_metadata=True)
    with pytest.raises(UserError, match="does not ask for a login"):
        await log_in(known)


async def test_a_server_that_is_not_there_is_told(tmp_path, free_tcp_port):
    known = make_known(tmp_path, f"http://127.0.0.1:{free_tcp_port}/mcp")
    with pytest.raises(AuthenticationFailed, match="cannot be reached"):
        await log_in(known)


async def test_without_a_login_a_refusal_names_the_command(server, known):
    with pytest.raises(LoginNeeded, match="run `codex mcp login web`"):
        await call(known)


async def test_a_login_made_later_is_found_by_the_same_connection(server, known):
    auth = auth_for(known.server("web"), known)
    with pytest.raises(LoginNeeded):
        await call(known, auth)
    assert isinstance(auth.failure, LoginNeeded)
    await log_in(known)
    assert (await call(known, auth)).status_code != 401
    assert auth.failure is None


@pytest.mark.parametrize(
    "table",
    [
        {"bearer_token_env_var": "T"},
        {"http_headers": {"authorization": "x"}},
        {"env_http_headers": {"Authorization": "X"}},
    ],
)
async def test_a_server_with_a_token_of_its_own_is_left_alone(tmp_path, table):
    known = make_known(tmp_path, "http://127.0.0.1:9/mcp", table=table)
    assert auth_for(known.server("web"), known) is None


async def test_a_token_is_renewed_thirty_seconds_early_and_not_before(server, known):
    await log_in(known)
    aged(known, 60)
    await call(known)
    assert server.refreshes() == []
    old = stored(known)
    aged(known, 25)
    await call(known)
    (refreshed,) = server.refreshes()
    assert refreshed["refresh_token"] == old.refresh_token
    assert refreshed["resource"] == server.url
    new = stored(known)
    assert new.access_token not in ("", old.access_token)
    assert new.refresh_token not in ("", old.refresh_token)
    assert server.asked("mcp")[-1]["token"] == new.access_token


async def test_a_refresh_token_that_stays_is_kept(server, known):
    server.faults(rotate=False)
    old = await log_in(known)
    aged(known, 5)
    await call(known)
    assert stored(known).refresh_token == old.refresh_token
    assert stored(known).scopes == old.scopes


async def test_a_token_that_is_taken_back_is_renewed_within_the_request(server, known):
    await log_in(known)
    server.faults(revoke=True)
    assert (await call(known)).status_code != 401
    assert len(server.refreshes()) == 1


async def test_a_refused_renewal_names_the_command_and_is_not_asked_again(server, known):
    await log_in(known)
    server.faults(refuse_refresh=True)
    aged(known, 5)
    auth = auth_for(known.server("web"), known)
    for _ in range(3):
        with pytest.raises(LoginNeeded, match=r"cannot be renewed.*codex mcp login web"):
            await call(known, auth)
    assert len(server.refreshes()) == 1


async def test_a_renewal_that_fails_for_now_uses_the_token_while_it_lives(server, known):
    await log_in(known)
    server.faults(refresh_error_status=503)
    aged(known, 20)
    assert (await call(known)).status_code != 401
    aged(known, -1)
    with pytest.raises(AuthenticationFailed, match="out of order: HTTP 503"):
        await call(known)
    server.faults(refresh_error_status=0)
    assert (await call(known)).status_code != 401


async def test_a_login_by_codex_itself_is_renewed_too(server, known):
    """It notes neither the token endpoint nor the resource."""
    login = await log_in(known)
    LoginStore(known.codex_home, "file").save(login.replace(token_endpoint="", resource=""))
    aged(known, 5)
    assert (await call(known)).status_code != 401
    (refreshed,) = server.refreshes()
    assert refreshed["resource"] == server.url


async def test_requests_at_once_renew_once(server, known):
    await log_in(known)
    aged(known, 5)
    auth = auth_for(known.server("web"), known)
    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(call, known, auth)
    assert len(server.refreshes()) == 1


async def test_an_interrupted_request_does_not_lose_the_new_tokens(server, known, monkeypatch):
    await log_in(known)
    aged(known, 5)
    renewing = anyio.Event()
    exchange = BearerAuth._exchange

    async def told(self, login):
        renewing.set()
        return await exchange(self, login)

    monkeypatch.setattr(BearerAuth, "_exchange", told)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call, known)
        await renewing.wait()
        tasks.cancel_scope.cancel()
    assert len(server.refreshes()) == 1
    assert stored(known).refresh_token == server.secrets()[-1]


CALLER = """
import sys, anyio
from codex_mcp_bridge.known import Known
from codex_mcp_bridge.config import server_configs
from codex_mcp_bridge.oauth import auth_for
import httpx2

home, url = sys.argv[1:]
data = {"mcp_oauth_credentials_store": "file", "mcp_servers": {"web": {"url": url}}}
known = Known(codex_home=home, cwd=home, environ={}, config=data, servers=server_configs(data))

async def main():
    print("ready", flush=True)
    sys.stdin.readline()
    headers = {"Accept": "application/json, text/event-stream"}
    async with httpx2.AsyncClient(auth=auth_for(known.server("web"), known), headers=headers) as client:
        answer = await client.post(url, json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
        print(answer.status_code, flush=True)

anyio.run(main)
"""


async def test_processes_that_renew_at_once_ask_once(server, known):
    await log_in(known)
    aged(known, 5)
    callers = [
        subprocess.Popen(
            [sys.executable, "-c", CALLER, known.codex_home, server.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for caller in callers:
        assert caller.stdout.readline() == "ready\n"
    for caller in callers:
        caller.stdin.write("go\n")
        caller.stdin.flush()
    answers = [caller.communicate(timeout=30)[0].strip() for caller in callers]
    assert all(answer and answer != "401" for answer in answers)
    assert len(server.refreshes()) == 1
    assert server.asked("refresh_refused") == []


BROWSER = "import sys, httpx2; sys.exit(httpx2.get(sys.argv[1], follow_redirects=True).status_code != 200)"


def program(home, *args, browser="", stdin=b"", **env):
    base = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "CODEX_HOME": str(home),
        "LANG": "C.UTF-8",
        "BROWSER": browser,
    }
    return subprocess.Popen(
        [str(PROGRAM), "mcp", *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**base, **env},
        cwd=home,
        text=True,
    )


@pytest.fixture
def browser(tmp_path):
    path = tmp_path / "browser"
    path.write_text(f"#!{sys.executable}\n{BROWSER}\n")
    path.chmod(0o700)
    return f"{path} %s"


@pytest.fixture
def home(tmp_path, server):
    home = tmp_path / "home"
    home.mkdir()
    text = f'mcp_oauth_credentials_store = "file"\n[mcp_servers.web]\nurl = "{server.url}"\n'
    (home / "config.toml").write_text(text)
    return home


async def test_the_commands_log_in_list_and_log_out(server, home, browser):
    said = []

    def run(*args):
        done = program(home, *args, browser=browser)
        out, err = done.communicate(timeout=60)
        said.extend((out, err))
        return done.returncode, out, err

    assert json.loads(run("list", "--json")[1])[0]["auth_status"] == "not_logged_in"
    code, out, err = run("login", "web", "--scopes", "read,write")
    assert (code, err) == (0, "")
    assert out.startswith(f"Authorize `web` by opening this URL in your browser:\n{server.origin}/authorize?")
    assert out.endswith("\n\nSuccessfully logged in to MCP server 'web'.\n")
    assert json.loads(run("list", "--json")[1])[0]["auth_status"] == "o_auth"
    assert run("list")[1].split()[-1] == "OAuth"
    run("get", "web", "--json")
    assert run("test", "web")[1].splitlines()[-1] == "    whoami: Says who asks."
    assert run("logout", "web") == (0, "Removed OAuth credentials for 'web'.\n", "")
    assert run("logout", "web") == (0, "No OAuth credentials stored for 'web'.\n", "")
    code, out, _ = run("test", "web")
    assert (code, "run `codex mcp login web`" in out) == (1, True)
    assert not any(secret in text for secret in server.secrets() for text in said)


async def test_adding_a_server_that_asks_for_a_login_logs_in(server, home, browser):
    added = program(home, "add", "more", "--url", server.url, browser=browser)
    out, _ = added.communicate(timeout=60)
    assert added.returncode == 0
    assert "Detected OAuth support. Starting OAuth flow…\n" in out
    assert out.endswith("Successfully logged in.\n")
    assert LoginStore(str(home), "file").load("more", server.url) is not None


async def test_without_a_browser_the_url_is_pasted(server, home):
    login = program(home, "login", "web", "--no-browser")
    url = ""
    while not url.startswith(server.origin):
        url = login.stdout.readline().strip()
    back = httpx2.get(url).headers["location"]
    out, err = login.communicate(f"{back}\n", timeout=60)
    assert (login.returncode, err) == (0, "")
    assert "Successfully logged in to MCP server 'web'." in out


async def test_without_a_browser_and_without_input_the_login_ends(server, home):
    login = program(home, "login", "web", "--no-browser")
    _, err = login.communicate("", timeout=60)
    assert login.returncode == 1
    assert "No OAuth callback URL received before input closed" in err


async def test_a_denied_login_ends_with_one(server, home, browser):
    server.faults(deny=True)
    login = program(home, "login", "web", browser=browser)
    _, err = login.communicate(timeout=60)
    assert login.returncode == 1
    assert "access_denied (the user said no)" in err
    assert not (home / ".credentials.json").exists()


async def test_processes_that_log_in_at_once_leave_one_whole_login(server, home, browser):
    logins = [program(home, "login", "web", browser=browser) for _ in range(2)]
    outcomes = [(login.communicate(timeout=60), login.returncode) for login in logins]
    assert [code for _, code in outcomes] == [0, 0], outcomes
    entries = json.loads((home / ".credentials.json").read_text())
    assert list(entries) == [entry_key("web", server.url)]
    assert entries[entry_key("web", server.url)]["access_token"] in server.secrets()


async def test_tokens_are_in_no_log_and_no_repr(server, known, caplog):
    caplog.set_level(logging.DEBUG)
    async with start_login(known.server("web"), known) as pending:
        await anyio.run_process([sys.executable, "-c", BROWSER, pending.authorization_url])
        login = await pending.completed()
    aged(known, 5)
    await call(known)
    server.faults(refuse_refresh=True)
    aged(known, 5)
    with pytest.raises(LoginNeeded) as raised:
        await call(known)
    told = caplog.text + repr(login) + repr(raised.value) + str(raised.value.__cause__)
    issued = [secret for secret in server.secrets() if secret in told]
    assert (server.secrets() != [], issued) == (True, [])


async def test_a_broken_file_is_told_without_its_content(known):
    path = Path(known.codex_home) / ".credentials.json"
    path.write_text('{"web": "at-secret-token')
    with pytest.raises(AuthenticationFailed, match="holds no JSON object") as raised:
        LoginStore(known.codex_home, "file").load("web", "http://x")
    assert "at-secret" not in repr(raised.value)
    assert raised.value.__cause__ is None


async def test_entries_of_others_stay_as_they_are(known):
    path = Path(known.codex_home) / ".credentials.json"
    path.write_text('{"other|1": {"unknown": [1, 2]}}')
    store = LoginStore(known.codex_home, "file")
    store.save(Login(server_name="web", server_url="http://x", client_id="c", access_token="t"))
    assert json.loads(path.read_text())["other|1"] == {"unknown": [1, 2]}
    assert store.delete("web", "http://x")
    assert json.loads(path.read_text()) == {"other|1": {"unknown": [1, 2]}}
