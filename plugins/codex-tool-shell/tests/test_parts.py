"""The pure parts: arguments, environment, limits, shells, definitions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codex_plugin_sdk import ConfigError, ThreadId, ToolFailed, ToolSetup
from codex_tool_shell import definitions, plugin, sessions
from codex_tool_shell.arguments import ExecArguments, WriteArguments, parse_exec, parse_write
from codex_tool_shell.environment import NON_INTERACTIVE, apply_policy, command_environment
from codex_tool_shell.limits import Limits
from codex_tool_shell.shells import default_shell, named_shell

# -- arguments ---------------------------------------------------------------------------------------------------


def test_every_argument_is_read():
    raw = {
        "cmd": "ls",
        "workdir": "sub",
        "shell": "zsh",
        "login": False,
        "tty": True,
        "yield_time_ms": 1000.0,
        "max_output_tokens": 5,
        "sandbox_permissions": "require_escalated",
        "justification": "why",
        "prefix_rule": ["ls"],
    }
    assert parse_exec(raw) == ExecArguments(
        cmd="ls",
        workdir="sub",
        shell="zsh",
        login=False,
        tty=True,
        yield_time_ms=1000,
        max_output_tokens=5,
        escalated=True,
        justification="why",
        prefix_rule=("ls",),
    )
    assert parse_write({"session_id": 7, "chars": "x", "yield_time_ms": 1, "max_output_tokens": 2}) == WriteArguments(
        session_id=7, chars="x", yield_time_ms=1, max_output_tokens=2
    )


def test_null_empty_and_unknown_arguments_count_as_absent():
    names = ["workdir", "shell", "login", "tty", "yield_time_ms", "max_output_tokens", "justification", "prefix_rule"]
    assert parse_exec({"cmd": "", "bogus": 1, **dict.fromkeys(names)}) == ExecArguments(cmd="")
    assert parse_exec({"cmd": "ls", "workdir": "", "shell": ""}) == ExecArguments(cmd="ls")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ({}, "missing field `cmd`"),
        ({"cmd": None}, "`cmd` must be given, not null"),
        ({"cmd": 5}, "`cmd` must be a string, not 5"),
        ({"cmd": "a\0b"}, "`cmd` must be a string without NUL characters"),
        ({"cmd": "ls", "workdir": ["x"]}, "`workdir` must be a string"),
        ({"cmd": "ls", "tty": 1}, "`tty` must be true or false, not 1"),
        ({"cmd": "ls", "login": "no"}, "`login` must be true or false"),
        ({"cmd": "ls", "yield_time_ms": "x"}, '`yield_time_ms` must be an integer, not "x"'),
        ({"cmd": "ls", "yield_time_ms": 100.5}, "`yield_time_ms` must be an integer"),
        ({"cmd": "ls", "yield_time_ms": True}, "`yield_time_ms` must be an integer, not true"),
        ({"cmd": "ls", "max_output_tokens": -4}, "`max_output_tokens` must be 0 or more, not -4"),
        ({"cmd": "ls", "prefix_rule": "ls"}, "`prefix_rule` must be an array of strings"),
        ({"cmd": "ls", "prefix_rule": ["ls", 3]}, "`prefix_rule` must be an array of strings"),
        ({"cmd": "ls", "sandbox_permissions": "all"}, "`sandbox_permissions` must be one of use_default, require"),
    ],
)
def test_arguments_that_do_not_fit_are_named(raw, reason):
    with pytest.raises(ToolFailed) as failed:
        parse_exec(raw)
    assert str(failed.value).startswith(f"failed to parse function arguments: {reason}")


def test_a_long_wrong_argument_is_not_repeated_in_full():
    with pytest.raises(ToolFailed) as failed:
        parse_exec({"cmd": ["x" * 10_000]})
    assert len(str(failed.value)) < 250


# -- environment ---------------------------------------------------------------------------------------------------

ENVIRON = {
    "PATH": "/bin",
    "HOME": "/home/u",
    "SHELL": "/bin/zsh",
    "TMPDIR": "/t",
    "USER": "u",
    "FOO_TOKEN": "1",
    "foo_key": "2",
    "KEYBOARD": "3",
    "My_Secret": "4",
    "TZ": "UTC",
    "TEMPERATURE": "9",
}


@pytest.mark.parametrize(
    ("policy", "left"),
    [
        ({}, set(ENVIRON)),
        ({"inherit": "all", "ignore_default_excludes": True}, set(ENVIRON)),
        ({"inherit": "core"}, {"PATH", "HOME", "SHELL", "TMPDIR", "USER"}),
        ({"inherit": "none"}, set()),
        ({"ignore_default_excludes": False}, {"PATH", "HOME", "SHELL", "TMPDIR", "USER", "TZ", "TEMPERATURE"}),
        ({"inherit": "core", "exclude": ["h*", "T?PDIR"]}, {"PATH", "SHELL", "USER"}),
        ({"include_only": ["p*", "FOO*"]}, {"PATH", "FOO_TOKEN", "foo_key"}),
        ({"include_only": ["T[EZ]*"]}, set()),
        ({"exclude": ["*"], "experimental_use_profile": True}, set()),
    ],
)
def test_the_policy_chooses_variables(policy, left):
    assert apply_policy(ENVIRON, policy) == {name: ENVIRON[name] for name in left}


def test_set_comes_after_the_excludes_and_before_include_only():
    policy = {"inherit": "core", "ignore_default_excludes": False, "exclude": ["NEW*"], "set": {"NEW_TOKEN": "x"}}
    assert apply_policy(ENVIRON, policy)["NEW_TOKEN"] == "x"
    assert apply_policy(ENVIRON, {**policy, "include_only": ["PATH"]}) == {"PATH": "/bin"}


@pytest.mark.parametrize(
    "policy",
    [
        {"inherit": "some"},
        {"inherit": 1},
        {"exclude": "*"},
        {"exclude": [1]},
        {"include_only": [None]},
        {"set": []},
        {"ignore_default_excludes": "no"},
    ],
)
def test_a_policy_that_does_not_fit_is_refused(policy):
    with pytest.raises(ConfigError, match=f"shell_environment_policy.{next(iter(policy))} must be"):
        apply_policy({}, policy)


def test_programs_are_kept_from_waiting_for_a_person():
    env = command_environment({"PAGER": "less", "A": "b"}, thread_id="t", call_id="c", network_disabled=True)
    assert env == {
        **NON_INTERACTIVE,
        "A": "b",
        "CODEX_THREAD_ID": "t",
        "CODEX_SESSION_ID": "t",
        "CODEX_TOOL_CALL_ID": "c",
        "CODEX_SANDBOX_NETWORK_DISABLED": "1",
    }
    assert (env["PAGER"], env["TERM"], env["NO_COLOR"]) == ("cat", "dumb", "1")


# -- limits --------------------------------------------------------------------------------------------------------


def test_waits_are_clamped():
    limits = Limits(max_poll_ms=60_000)
    assert [limits.exec_wait_s(ms) for ms in (None, 0, 300, 99_999)] == [10, 0.25, 0.3, 30]
    assert [limits.write_wait_s(ms) for ms in (None, 0, 300, 99_999)] == [0.25, 0.25, 0.3, 30]
    assert [limits.poll_wait_s(ms) for ms in (None, 0, 7_000, 99_999)] == [5, 5, 7, 60]
    assert Limits(max_poll_ms=0).poll_wait_s(10_000) == 5


def test_output_is_bounded_by_the_smaller_of_two_wishes():
    limits = Limits.read({"tool_output_token_limit": 100})
    assert [limits.budget_bytes(tokens) for tokens in (None, 10, 1000, 0)] == [400, 40, 400, 0]
    assert Limits.read({}) == Limits(output_tokens=10_000, max_poll_ms=300_000)


# -- shells --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "chosen"),
    [("/bin/sh", "/bin/sh"), ("/usr/bin/fish", None), ("/nowhere/zsh", None), ("", None), ("relative/sh", None)],
)
def test_the_default_shell_is_the_users_if_it_is_a_known_one(own, chosen):
    fallback = next(path for path in ("/bin/bash", "/bin/sh") if Path(path).exists())
    assert default_shell({"SHELL": own}) == (chosen or fallback)


def test_a_shell_is_found_by_name_and_never_in_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "zsh").write_text("#!/bin/sh\n")
    (tmp_path / "zsh").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    assert named_shell("zsh", {"PATH": f"/nowhere:{tmp_path}"}) == str(tmp_path / "zsh")
    for wanted, path in (("zsh", ""), ("./zsh", "/bin")):
        with pytest.raises(ToolFailed, match="is not installed"):
            named_shell(wanted, {"PATH": path})


# -- what is registered -----------------------------------------------------------------------------------------

STRING, NUMBER, BOOLEAN = {"type": "string"}, {"type": "number"}, {"type": "boolean"}
PARAMETERS = {
    "exec_command": {
        "type": "object",
        "properties": {
            "cmd": STRING,
            "justification": STRING,
            "login": BOOLEAN,
            "max_output_tokens": NUMBER,
            "prefix_rule": {"type": "array", "items": STRING},
            "sandbox_permissions": {"type": "string", "enum": ["use_default", "require_escalated"]},
            "shell": STRING,
            "tty": BOOLEAN,
            "workdir": STRING,
            "yield_time_ms": NUMBER,
        },
        "required": ["cmd"],
        "additionalProperties": False,
    },
    "write_stdin": {
        "type": "object",
        "properties": {"chars": STRING, "max_output_tokens": NUMBER, "session_id": NUMBER, "yield_time_ms": NUMBER},
        "required": ["session_id"],
        "additionalProperties": False,
    },
}


def without_descriptions(schema):
    if isinstance(schema, dict):
        return {name: without_descriptions(part) for name, part in schema.items() if name != "description"}
    return schema


def test_parameters_are_those_that_models_were_trained_on():
    for definition in (definitions.EXEC_COMMAND, definitions.WRITE_STDIN):
        assert without_descriptions(definition.parameters) == PARAMETERS[definition.name]
        assert definition.description
        assert all(part["description"] for part in definition.parameters["properties"].values())


def test_parameters_are_those_that_were_recorded():
    recorded = Path(__file__).parents[3] / ".." / "shared" / "protocol" / "tools.json"
    if not recorded.exists():
        pytest.skip("no recordings beside the repository")
    for tools in json.loads(recorded.read_text()).values():
        for tool in tools:
            if tool.get("name") in PARAMETERS:
                assert without_descriptions(tool["parameters"]) == PARAMETERS[tool["name"]]


def test_both_tools_of_a_thread_share_their_sessions_and_threads_do_not():
    def setup(thread: str) -> ToolSetup:
        return ToolSetup(thread_id=ThreadId(thread), codex_home="/h", spill_dir="/h/s", environ={}, config={})

    specs = list(plugin.codex_tools())
    assert [spec.name for spec in specs] == ["exec_command", "write_stdin"]
    one, other = ([spec.factory(setup(thread)) for spec in specs] for thread in ("a", "b"))
    assert [tool.definition.name for tool in one] == ["exec_command", "write_stdin"]
    made = [[tool._make() for tool in pair] for pair in (one, other)]
    assert made[0][0]._sessions is made[0][1]._sessions
    assert made[0][0]._sessions is not made[1][0]._sessions
    del one, other, made
    assert not sessions._of_threads
