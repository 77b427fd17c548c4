"""Models, providers and the account."""

import json
import os

import pytest

pytestmark = pytest.mark.anyio
KEY = "sk-test-key-that-is-long-enough-0123"


async def refused(app, method, params=None):
    with pytest.raises(Exception) as caught:
        await app.call(method, params)
    return caught.value.error


async def test_models_come_in_pages_with_the_configured_one_among_them(app, fits):
    whole = fits("v2/ModelListResponse", await app.call("model/list", {}))
    assert whole["nextCursor"] is None
    assert [entry["id"] for entry in whole["data"] if entry["isDefault"]] == ["gpt-5.5"]
    paged, cursor = [], None
    while True:
        part = await app.call("model/list", {"limit": 2, "cursor": cursor})
        assert len(part["data"]) <= 2
        paged += part["data"]
        cursor = part["nextCursor"]
        if cursor is None:
            break
    assert paged == whole["data"]


async def test_a_model_that_nobody_lists_is_offered_first(host, fits):
    host.write_config()
    path = host.root / "codex-home" / "config.toml"
    path.write_text(path.read_text().replace("gpt-5.5", "house-model"))
    async with host.start() as app:
        first = fits("v2/ModelListResponse", await app.call("model/list"))["data"][0]
        assert (first["id"], first["isDefault"], first["supportedReasoningEfforts"]) == ("house-model", True, [])


async def test_bad_cursors_and_unknown_providers_are_refused(app):
    assert (await refused(app, "model/list", {"cursor": "x"}))["message"] == "invalid cursor: x"
    error = await refused(app, "model/list", {"modelProvider": "nobody"})
    assert error["data"] == {"type": "modelProviderNotConfigured", "modelProvider": "nobody"}


async def test_providers_are_listed_with_how_they_authenticate(host, fits):
    host.write_config()
    with open(host.root / "codex-home" / "config.toml", "a") as file:
        file.write('[model_providers.keyed]\nbase_url = "http://127.0.0.1:9/v1"\nenv_key = "HOUSE_KEY"\n')
    async with host.start() as app:
        found = fits("v2/ModelProviderListResponse", await app.call("modelProvider/list"))
        by_id = {entry["id"]: entry for entry in found["data"]}
        assert found["defaultProviderId"] == "scripted"
        assert by_id["openai"]["settings"] == {"type": "openai"}
        assert by_id["scripted"]["settings"]["auth"] == {"mode": "none"}
        assert by_id["keyed"]["settings"]["auth"] == {"mode": "environmentVariable", "envKey": "HOUSE_KEY"}
        capabilities = await app.call("modelProvider/capabilities/read")
        fits("v2/ModelProviderCapabilitiesReadResponse", capabilities)


async def test_a_key_is_kept_told_and_forgotten(host, fits):
    host.write_config()
    path = host.root / "codex-home" / "config.toml"
    path.write_text(path.read_text() + "requires_openai_auth = true\n")
    async with host.start() as app:
        before = fits("v2/GetAccountResponse", await app.call("account/read", {}))
        assert (before["account"], before["requiresOpenaiAuth"]) == (None, True)
        answer = await app.call("account/login/start", {"type": "apiKey", "apiKey": KEY})
        assert fits("v2/LoginAccountResponse", answer) == {"type": "apiKey"}
        done = (await app.until("account/login/completed"))["params"]
        assert fits("v2/AccountLoginCompletedNotification", done)["success"] is True
        told = (await app.until("account/updated"))["params"]
        assert fits("v2/AccountUpdatedNotification", told) == {"authMode": "apikey", "planType": None}
        kept = app.home / "auth.json"
        assert json.loads(kept.read_text())["OPENAI_API_KEY"] == KEY
        assert os.stat(kept).st_mode & 0o777 == 0o600
        assert (await app.call("account/read", {"refreshToken": False}))["account"] == {"type": "apiKey"}
        assert await app.call("account/logout") == {}
        assert (await app.until("account/updated"))["params"]["authMode"] is None
        assert not kept.exists()


async def test_what_belongs_to_chatgpt_accounts_is_refused_in_known_words(app):
    error = await refused(app, "account/rateLimits/read")
    assert error["message"] == "codex account authentication required to read rate limits"
    await app.call("account/login/start", {"type": "apiKey", "apiKey": KEY})
    error = await refused(app, "account/usage/read")
    assert error["message"] == "chatgpt authentication required to read token usage"


@pytest.mark.parametrize("kind", ["chatgpt", "chatgptDeviceCode"])
async def test_flows_that_this_build_lacks_are_refused_with_what_there_is(app, kind):
    error = await refused(app, "account/login/start", {"type": kind})
    assert error["message"] == f"signing in with {kind} is not available in this build: log in with an API key"


async def test_a_key_that_cannot_be_one_changes_nothing_and_is_not_repeated(app):
    error = await refused(app, "account/login/start", {"type": "apiKey", "apiKey": "not a key"})
    assert "not a key" not in error["message"]
    assert not (app.home / "auth.json").exists()


async def test_logins_that_are_not_under_way_cannot_be_cancelled(app):
    assert (await refused(app, "account/login/cancel", {"loginId": "x"}))["message"] == "invalid login id: x"
    unknown = {"loginId": "00000000-0000-4000-8000-000000000000"}
    assert await app.call("account/login/cancel", unknown) == {"status": "notFound"}


async def test_a_flow_that_is_added_runs_and_can_be_cancelled():
    import anyio

    from codex_app_server.logins import Logins, Pending
    from codex_plugin_sdk import AuthenticationFailed

    logins, begun = Logins(), anyio.Event()

    async def wait():
        begun.set()
        await anyio.sleep_forever()

    async def fail():
        raise AuthenticationFailed("the code has expired")

    async def succeed():
        return None

    assert await logins.run("a", Pending(result={}, finish=succeed)) is None
    assert await logins.run("b", Pending(result={}, finish=fail)) == "the code has expired"
    ends = []

    async def run():
        ends.append(await logins.run("c", Pending(result={}, finish=wait)))

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await begun.wait()
            assert logins.cancel("c")
    assert ends == ["Login was not completed"]
    assert not logins.cancel("c")
