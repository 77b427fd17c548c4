"""Reading [hooks]: what is understood, and everything that is wrong at once."""

import re

import pytest

from codex_plugin_sdk import (
    ConfigError,
    ConfigSources,
    EditIntent,
    LifecycleEvent,
    NetworkIntent,
    RunIntent,
    SandboxMode,
    load_config,
)
from codex_plugin_sdk.hooks.handlers import read_configured
from codex_plugin_sdk.hooks.matching import Matcher, names_of


def read(hooks, **config):
    return read_configured({"hooks": hooks, **config}, lambda key: "")


def one(**handler):
    return [{"hooks": [{"type": "command", "command": "true", **handler}]}]


def test_a_handler_has_its_defaults():
    (found,) = read({"Stop": one()}).handlers
    assert (found.event, found.command, found.timeout_s, found.blocks) == ("Stop", "true", 600, False)
    assert found.sandbox is SandboxMode.READ_ONLY


def test_all_options_are_read():
    options = {"timeout": 3, "on_failure": "block", "sandbox": "workspace-write", "name": "n", "description": "d"}
    (found,) = read({"PreToolUse": [{"matcher": "Bash", **one(**options)[0]}]}).handlers
    assert found.as_dict() == {
        "event": "PreToolUse",
        "matcher": "Bash",
        "command": "true",
        "source": "",
        "timeout": 3,
        "on_failure": "block",
        "sandbox": "workspace-write",
        "name": "n",
        "description": "d",
        "statusMessage": "",
    }


def test_a_timeout_of_zero_is_the_shortest():
    assert read({"Stop": one(timeout=0)}).handlers[0].timeout_s == 1


def test_members_that_are_no_events_are_left_alone():
    found = read({"state": {"x": {"trusted_hash": "y"}}, "SomethingNew": "whatever", "Stop": one()})
    assert [handler.event for handler in found.handlers] == ["Stop"]
    assert found.notices == ()


def test_a_handler_switched_off_in_the_state_is_left_out():
    state = {"/home/config.toml:pre_tool_use:0:1": {"enabled": False}}
    group = {"hooks": [{"type": "command", "command": name} for name in ("one", "two")]}
    hooks = {"PreToolUse": [group], "state": state}
    found = read_configured({"hooks": hooks}, lambda key: "/home/config.toml:7" if key == "hooks.PreToolUse" else "")
    assert [handler.command for handler in found.handlers] == ["one"]


def test_types_that_cannot_be_run_are_left_out_with_a_notice():
    found = read({"Stop": [{"hooks": [{"type": "prompt", "prompt": "x"}, *one()[0]["hooks"]]}]})
    assert len(found.handlers) == 1
    assert "of type 'prompt' is left out" in found.notices[0]


def test_unknown_members_and_empty_commands_are_told():
    found = read({"Stop": [*one(on_failur="block"), *one(command=" ")]})
    assert len(found.handlers) == 1
    assert any("on_failur is not known" in notice for notice in found.notices)
    assert any("empty command is left out" in notice for notice in found.notices)


WRONG = {
    "hooks.PreToolUse must be an array": {"PreToolUse": {"hooks": []}},
    "hooks.PreToolUse[0] must be a table": {"PreToolUse": ["x"]},
    "hooks.PreToolUse[0] needs hooks": {"PreToolUse": [{"matcher": "x"}]},
    "matcher must be a string": {"PreToolUse": [{"matcher": 3, "hooks": []}]},
    "is not a regular expression": {"PreToolUse": [{"matcher": "Bash|[", "hooks": []}]},
    "hooks[0].type must be one of": {"Stop": [{"hooks": [{"command": "x"}]}]},
    "not 'weird'": {"Stop": one(type="weird")},
    "needs a command": {"Stop": [{"hooks": [{"type": "command"}]}]},
    "command must be a string": {"Stop": one(command=["x"])},
    "timeout must be whole seconds": {"Stop": one(timeout="3")},
    "timeout must be": {"Stop": one(timeout=-1)},
    "on_failure must be one of allow, block": {"Stop": one(on_failure="deny")},
    "sandbox must be one of read-only": {"Stop": one(sandbox="none")},
    "name must be a string": {"Stop": one(name=1)},
}


@pytest.mark.parametrize(("words", "hooks"), WRONG.items(), ids=list(WRONG))
def test_a_wrong_shape_is_an_error_that_says_what_is_wrong(words, hooks):
    with pytest.raises(ConfigError, match=re.escape(words)):
        read(hooks)


def test_all_problems_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        read({"Stop": one(timeout="3", on_failure=1), "PreToolUse": 3}, notify="beep")
    assert len(caught.value.message.splitlines()) == 4


def test_an_invalid_matcher_is_ignored_where_nothing_is_matched():
    assert len(read({"UserPromptSubmit": [{"matcher": "[", **one()[0]}]}).handlers) == 1


def test_problems_and_handlers_have_their_own_lines(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text(
        '[[hooks.Stop]]\n[[hooks.Stop.hooks]]\ntype = "command"\ncommand = "a"\n'
        '[[hooks.Stop.hooks]]\ntype = "command"\ncommand = "b"\ntimeout = "3"\n'
    )
    config = load_config(ConfigSources(codex_home=str(tmp_path), system_dir=str(tmp_path / "none")))
    with pytest.raises(ConfigError, match=re.escape(f"{file}:8: hooks.Stop[0].hooks[1].timeout")):
        read_configured(config.data, config.origin)
    file.write_text(file.read_text().replace('"3"', "3"))
    config = load_config(ConfigSources(codex_home=str(tmp_path), system_dir=str(tmp_path / "none")))
    found = read_configured(config.data, config.origin)
    assert [handler.place for handler in found.handlers] == [f"{file}:3", f"{file}:6"]


def event(name, subject="", intent=None):
    return LifecycleEvent(name=name, subject=subject, intent=intent)


SHELL, PATCH = event("PreToolUse", "exec_command"), event("PreToolUse", "apply_patch")


@pytest.mark.parametrize(
    ("matcher", "shell", "patch"),
    [
        ("", True, True),
        ("*", True, True),
        ("Bash", True, False),
        ("exec_command", True, False),
        ("Bash|apply_patch", True, True),
        ("Bash|", True, False),
        ("Edit|Write", False, True),
        ("Ba", False, False),
        ("bash", False, False),
        (" Bash", False, False),
        ("Ba.*", True, False),
        ("^apply", False, True),
        ("(?i)bash", True, False),
        ("mcp__.*", False, False),
    ],
)
def test_matchers_mean_what_they_mean_to_codex(matcher, shell, patch):
    assert Matcher.of(matcher).matches(names_of(SHELL)) is shell
    assert Matcher.of(matcher).matches(names_of(PATCH)) is patch


def test_questions_are_matched_by_what_is_asked_about():
    run = RunIntent(argv=("ls",), cwd="/")
    assert names_of(event("PermissionRequest", "run", run))[0] == "Bash"
    assert "Edit" in names_of(event("PermissionRequest", "edit", EditIntent(paths=("/a",), cwd="/")))
    network = NetworkIntent(host="x.org", port=443, protocol="https")
    assert names_of(event("PermissionRequest", "network", network)) == ("network",)
    assert names_of(event("SessionEnd", "exit")) == ("other", "exit")
    assert names_of(event("SessionStart", "resume")) == ("resume",)
