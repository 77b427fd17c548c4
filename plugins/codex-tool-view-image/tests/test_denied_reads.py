"""A file that the sandbox policy denies is not shown, by whatever path."""

import base64

import pytest

from codex_plugin_sdk.testing.harness import open_thread
from codex_plugin_sdk.testing.model import ScriptedModel, call, say
from codex_tool_view_image import plugin

DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.mark.anyio
async def test_a_denied_image_is_refused_also_through_a_symlink(tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    for place in (secret / "a.png", tmp_path / "open.png"):
        place.write_bytes(base64.b64decode(DOT))
    (tmp_path / "link.png").symlink_to(secret / "a.png")
    names = ["secret/a.png", "link.png", "open.png"]
    calls = [call("view_image", f"c{i}", path=name) for i, name in enumerate(names)]
    config = {"sandbox.denied_reads": [str(tmp_path / "secret")]}
    async with open_thread(ScriptedModel(calls, [say("x")]), plugin, home=str(tmp_path), config=config) as h:
        await h.turn()
    first, second, third = h.outputs()
    assert "may not be read" in first
    assert "may not be read" in second
    assert third[0].image_url.startswith("data:image/png")
