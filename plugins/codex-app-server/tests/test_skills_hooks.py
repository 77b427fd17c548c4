"""Skills and lifecycle hooks: the lists, the switches, and what is told while hooks run."""

import json

import pytest

from codex_plugin_sdk.testing.model import call, say

pytestmark = pytest.mark.anyio

HOOKS = """
[[hooks.UserPromptSubmit]]
[[hooks.UserPromptSubmit.hooks]]
type = "command"
command = "echo extra context"
[[hooks.PreToolUse]]
matcher = "Bash"
[[hooks.PreToolUse.hooks]]
type = "command"
command = '''echo '{"decision": "block", "reason": "not here"}' '''
statusMessage = "looking"
[[hooks.Stop]]
[[hooks.Stop.hooks]]
type = "command"
command = "exit 1"
timeout = 7
"""


def add_skill(folder, name):
    """A skill in a folder."""
    (folder / name).mkdir(parents=True)
    (folder / name / "SKILL.md").write_text(f"---\nname: {name}\ndescription: Does {name}\n---\nHow.\n")


def use_hooks(host):
    """Set the hooks in the user's configuration."""
    config = host.root / "codex-home" / "config.toml"
    config.write_text(config.read_text() + HOOKS)
    return config


async def test_hooks_are_told_as_they_begin_and_end_inside_the_turn(host):
    config = use_hooks(host)
    host.script([call("exec_command", "c1", cmd="touch made")], [say("done")])
    async with host.start() as app:
        await app.turn(await app.thread(sandbox="workspace-write"))
        told = [(m["method"], m["params"]["run"]) for m in app.heard if m["method"].startswith("hook/")]
        methods = app.methods()
    assert [(method, run["eventName"], run["status"]) for method, run in told] == [
        ("hook/started", "userPromptSubmit", "running"),
        ("hook/completed", "userPromptSubmit", "completed"),
        ("hook/started", "preToolUse", "running"),
        ("hook/completed", "preToolUse", "blocked"),
        ("hook/started", "stop", "running"),
        ("hook/completed", "stop", "failed"),
    ]
    assert [run["entries"] for _, run in told][1::2] == [
        [{"kind": "context", "text": "extra context"}],
        [{"kind": "feedback", "text": "not here"}],
        [{"kind": "error", "text": "it exited with code 1"}],
    ]
    blocked = told[3][1]
    assert (blocked["source"], blocked["sourcePath"], blocked["statusMessage"]) == ("user", str(config), "looking")
    assert told[2][1]["id"] == blocked["id"] == f"pre-tool-use:1:{config}:c1"
    assert methods.index("turn/started") < methods.index("hook/started")
    assert methods[-1] == "turn/completed"


async def test_hooks_are_listed_with_their_keys_and_what_is_wrong_is_told(host, app):
    config = use_hooks(host)
    with config.open("a") as file:
        file.write(f'[hooks.state."{config}:stop:0:0"]\nenabled = false\n')
    (entry,) = (await app.call("hooks/list", {"cwds": [str(app.work)]}))["data"]
    assert entry["errors"] == []
    assert [(hook["key"], hook["enabled"], hook["timeoutSec"]) for hook in entry["hooks"]] == [
        (f"{config}:user_prompt_submit:0:0", True, 600),
        (f"{config}:pre_tool_use:0:0", True, 600),
        (f"{config}:stop:0:0", False, 7),
    ]
    assert [hook["matcher"] for hook in entry["hooks"]] == [None, "Bash", None]
    config.write_text(config.read_text().replace("timeout = 7", 'timeout = "long"'))
    (entry,) = (await app.call("hooks/list", {"cwds": [str(app.work)]}))["data"]
    assert entry["errors"][0]["path"] == str(config)


async def test_skills_are_listed_switched_and_watched(host, app):
    folder = app.home / "skills"
    add_skill(folder, "alpha")
    (folder / "bad").mkdir()
    (folder / "bad" / "SKILL.md").write_text("nothing")
    (entry,) = (await app.call("skills/list", {"cwds": [str(app.work)]}))["data"]
    (skill,) = entry["skills"]
    assert (skill["name"], skill["scope"], skill["enabled"]) == ("alpha", "user", True)
    assert [error["path"] for error in entry["errors"]] == [str(folder / "bad" / "SKILL.md")]
    by_path = {"path": skill["path"]}
    assert await app.call("skills/config/write", {"name": "alpha", "enabled": False}) == {"effectiveEnabled": False}
    assert await app.call("skills/config/write", {**by_path, "enabled": True}) == {"effectiveEnabled": True}
    assert await app.call("skills/config/write", {**by_path, "enabled": False}) == {"effectiveEnabled": False}
    (entry,) = (await app.call("skills/list", {"cwds": [str(app.work)]}))["data"]
    assert entry["skills"][0]["enabled"] is False
    (folder / "alpha" / "SKILL.md").write_text("---\nname: alpha\ndescription: Does more\n---\n")
    await app.until("skills/changed")


async def test_a_switch_needs_one_skill(app):
    with pytest.raises(Exception, match="exactly one of path or name") as caught:
        await app.call("skills/config/write", {"enabled": True})
    assert caught.value.error["code"] == -32602


async def test_a_configuration_that_cannot_be_used_is_told_with_its_place(host):
    config = host.root / "codex-home" / "config.toml"
    config.write_text("model = \n")
    async with host.start() as app:
        told = (await app.until("configWarning"))["params"]
    assert told["path"] == str(config)
    assert told["range"]["start"]["line"] == 1
    assert json.dumps(told["details"])
