"""Configuration, feature flags, profiles, feedback and figures."""

import json
import os
import zipfile

import pytest

pytestmark = pytest.mark.anyio


async def refused(app, method, params=None):
    with pytest.raises(Exception) as caught:
        await app.call(method, params)
    return caught.value.error


async def test_configuration_is_read_with_its_layers_and_origins(host, fits):
    host.write_config('sandbox_mode = "read-only"', "notify = ['a', 'b']")
    async with host.start("-c", "model_reasoning_effort=low") as app:
        found = fits("v2/ConfigReadResponse", await app.call("config/read", {"includeLayers": True}))
        user = {"type": "user", "file": str(app.home / "config.toml"), "profile": None}
        assert found["config"]["sandbox_mode"] == "read-only"
        assert found["config"]["web_search"] is None
        assert found["origins"]["sandbox_mode"]["name"] == user
        assert found["origins"]["notify.1"]["name"] == user
        assert found["origins"]["model_providers.scripted.wire_api"]["name"] == user
        assert found["origins"]["model_reasoning_effort"]["name"] == {"type": "sessionFlags"}
        assert [layer["name"]["type"] for layer in found["layers"]] == ["sessionFlags", "user"]
        assert (await app.call("config/read", {}))["layers"] is None


async def test_the_version_of_a_layer_is_that_of_its_content(host):
    async with host.start() as app:
        first = (await app.call("config/read", {}))["origins"]["model"]["version"]
        assert first == (await app.call("config/read", {}))["origins"]["model"]["version"]
        host.write_config("# changed")
        assert first != (await app.call("config/read", {}))["origins"]["model"]["version"]


async def test_a_project_that_is_not_trusted_is_told_as_left_out(app, fits):
    (app.work / ".codex").mkdir()
    (app.work / ".codex" / "config.toml").write_text('model = "other"\n')
    found = await app.call("config/read", {"cwd": str(app.work), "includeLayers": True})
    fits("v2/ConfigReadResponse", found)
    assert found["config"]["model"] == "gpt-5.5"
    [left_out] = [layer for layer in found["layers"] if layer.get("disabledReason")]
    assert left_out["name"]["type"] == "project"
    assert left_out["name"]["dotCodexFolder"].startswith(str(app.work))


async def test_profiles_and_requirements_are_listed(host, fits):
    host.write_config()
    with open(host.root / "codex-home" / "config.toml", "a") as file:
        file.write('[permissions.house]\nextends = ":read-only"\n')
    async with host.start() as app:
        found = fits("v2/PermissionProfileListResponse", await app.call("permissionProfile/list", {}))
        assert [entry["id"] for entry in found["data"]] == [
            *(":read-only", ":workspace", ":danger-full-access"),
            "house",
        ]
        assert all(entry["allowed"] for entry in found["data"])
        needed = fits("v2/ConfigRequirementsReadResponse", await app.call("configRequirements/read"))
        assert needed == {"requirements": None}


async def test_a_flag_is_switched_for_this_server_unless_the_file_says_otherwise(host, fits):
    async with host.start() as app:
        listed = fits("v2/ExperimentalFeatureListResponse", await app.call("experimentalFeature/list", {}))["data"]
        flags = {entry["name"]: entry for entry in listed}
        name = next(name for name, flag in flags.items() if flag["stage"] == "beta" and not flag["enabled"])
        answer = await app.call("experimentalFeature/enablement/set", {"enablement": {name: True, "nobody": True}})
        assert fits("v2/ExperimentalFeatureEnablementSetResponse", answer) == {"enablement": {name: True}}
        again = await app.call("experimentalFeature/list", {})
        assert {entry["name"]: entry["enabled"] for entry in again["data"]}[name] is True
        await app.call("experimentalFeature/enablement/set", {"enablement": {name: False}})
        again = await app.call("experimentalFeature/list", {})
        assert {entry["name"]: entry["enabled"] for entry in again["data"]}[name] is False
        error = await refused(app, "experimentalFeature/enablement/set", {"enablement": {name: "yes"}})
        assert error["message"].startswith("Invalid request")
    host.write_config()
    with open(host.root / "codex-home" / "config.toml", "a") as file:
        file.write(f"[features]\n{name} = false\n")
    async with host.start() as app:
        await app.call("experimentalFeature/enablement/set", {"enablement": {name: True}})
        again = await app.call("experimentalFeature/list", {})
        assert {entry["name"]: entry["enabled"] for entry in again["data"]}[name] is False


async def test_feedback_is_a_private_file_without_secrets(host, fits):
    host.env["HOUSE_TOKEN"] = "swordfish-swordfish"
    async with host.start() as app:
        log = app.root / "app.log"
        log.write_text("line\ntoken swordfish-swordfish here\n")
        path = app.root / "feedback.zip"
        given = {
            "classification": "bug",
            "savePath": str(path),
            "reason": "it says swordfish-swordfish",
            "includeLogs": True,
            "extraLogFiles": [str(log)],
        }
        answer = fits("v2/FeedbackSaveResponse", await app.call("feedback/save", given))
        assert answer["savedPath"] == str(path)
        assert os.stat(path).st_mode & 0o777 == 0o600
        with zipfile.ZipFile(path) as archive:
            contents = {name: archive.read(name) for name in archive.namelist()}
        assert json.loads(contents["report.json"])["classification"] == "bug"
        assert contents["attachments/0000/app.log"].startswith(b"line\n")
        assert b"swordfish" not in b"".join(contents.values())


async def test_feedback_that_cannot_be_saved_leaves_nothing_behind(app):
    bad = {"classification": "bug", "savePath": "relative.zip"}
    assert (await refused(app, "feedback/save", bad))["message"] == "feedback savePath must be an absolute host path"
    folder = app.root / "reports"
    folder.mkdir()
    given = {"classification": "bug", "savePath": str(folder / "a.zip"), "includeLogs": True}
    error = await refused(app, "feedback/save", {**given, "extraLogFiles": ["/no/such/log"]})
    assert error["message"].startswith("failed to save feedback: failed to read selected attachment /no/such/log")
    (app.root / "dir.zip").mkdir()
    assert (await refused(app, "feedback/save", {**given, "savePath": str(app.root / "dir.zip")}))["code"] == -32603
    assert list(folder.iterdir()) == []
    assert not [name for name in os.listdir(app.root) if name.startswith("tmp")]


async def test_the_server_tells_its_figures(app, fits):
    found = fits("v2/ServerDiagnosticsResponse", await app.call("server/diagnostics", {}))
    assert found["process"]["id"] == app.process.pid
    assert {"name": "app.clients", "value": 1} in found["gauges"]
