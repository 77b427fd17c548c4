"""Changing config.toml."""

import pytest

pytestmark = pytest.mark.anyio


async def refused(app, method, params=None):
    with pytest.raises(Exception) as caught:
        await app.call(method, params)
    return caught.value.error


def edit(key, value, strategy="replace", **more):
    return {"keyPath": key, "value": value, "mergeStrategy": strategy, **more}


async def test_a_key_is_set_and_removed_and_comments_stay(host, fits):
    host.write_config("# mine")
    async with host.start() as app:
        path = app.home / "config.toml"
        found = fits("v2/ConfigWriteResponse", await app.call("config/value/write", edit("sandbox_mode", "read-only")))
        assert (found["status"], found["filePath"]) == ("ok", str(path))
        assert 'sandbox_mode = "read-only"' in path.read_text()
        assert path.read_text().startswith("# mine\n")
        read = await app.call("config/read", {})
        assert read["config"]["sandbox_mode"] == "read-only"
        assert read["origins"]["sandbox_mode"]["version"] == found["version"]
        await app.call("config/value/write", edit("sandbox_mode", None))
        assert "sandbox_mode" not in path.read_text()


async def test_upsert_keeps_what_else_a_table_holds(app):
    await app.call("config/value/write", edit("mcp_servers", {"a": {"command": "x"}}, "upsert"))
    await app.call("config/value/write", edit("mcp_servers", {"b.c": {"command": "y"}}, "upsert"))
    servers = (await app.call("config/read", {}))["config"]["mcp_servers"]
    assert {name: entry["command"] for name, entry in servers.items()} == {"a": "x", "b.c": "y"}
    await app.call("config/value/write", edit("mcp_servers", {"z": {"command": "z"}}))
    assert list((await app.call("config/read", {}))["config"]["mcp_servers"]) == ["z"]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        (edit("sandbox_mode", "loose"), "configValidationError"),
        (edit("model", 5), "configValidationError"),
        (edit("", "x"), "configValidationError"),
        (edit("model", "x", expectedVersion="sha256:0"), "configVersionConflict"),
        (edit("model", "x", filePath="/no/such.toml"), "configLayerReadonly"),
    ],
)
async def test_what_may_not_be_written_changes_nothing(app, params, code):
    before = (app.home / "config.toml").read_bytes()
    assert (await refused(app, "config/value/write", params))["data"] == {"config_write_error_code": code}
    assert (app.home / "config.toml").read_bytes() == before


async def test_a_batch_is_made_whole_or_not_at_all(app, fits):
    path = app.home / "config.toml"
    before = path.read_bytes()
    bad = [edit("model", "other"), edit("sandbox_mode", "loose")]
    assert (await refused(app, "config/batchWrite", {"edits": bad}))["code"] == -32600
    assert path.read_bytes() == before
    version = (await app.call("config/read", {}))["origins"]["model"]["version"]
    good = [edit("model", "other"), edit("sandbox_mode", "read-only")]
    found = await app.call("config/batchWrite", {"edits": good, "expectedVersion": version})
    assert fits("v2/ConfigWriteResponse", found)["version"] != version
    assert (await refused(app, "config/batchWrite", {"edits": good, "expectedVersion": version}))["data"] == {
        "config_write_error_code": "configVersionConflict"
    }
    same = await app.call("config/batchWrite", {"edits": []})
    assert same["version"] == found["version"]


async def test_a_stronger_layer_that_holds_is_told(host, fits):
    async with host.start("-c", "model_reasoning_effort=low") as app:
        found = await app.call("config/value/write", edit("model_reasoning_effort", "high"))
        fits("v2/ConfigWriteResponse", found)
        assert found["status"] == "okOverridden"
        assert found["overriddenMetadata"]["effectiveValue"] == "low"
        assert found["overriddenMetadata"]["overridingLayer"]["name"] == {"type": "sessionFlags"}
