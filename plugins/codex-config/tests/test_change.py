"""`codex config set` and its kin where something stands in the way."""

import json
import tomllib

import pytest

from codex_config.change import refuse_wrong
from codex_plugin_sdk import Config, ConfigError, ConfigLayer, ConfigSources, load_config, parse_requirements

DOTTED = 'projects."/a.b/c".trust_level'


def test_names_with_dots_are_set_shown_explained_and_unset(codex):
    codex.run("config", "set", DOTTED, "trusted")
    assert tomllib.loads(codex.file.read_text()) == {"projects": {"/a.b/c": {"trust_level": "trusted"}}}
    assert codex.run("config", "get", DOTTED).stdout == "trusted\n"
    report = json.loads(codex.run("config", "explain", DOTTED, "--json").stdout)
    assert (report["known"], report["winner"]) == (True, f"{codex.file}:2:1")
    (row,) = json.loads(codex.run("config", "list", "--json").stdout)["values"]
    assert row == {"key": DOTTED, "value": "trusted", "layer": "user", "where": f"{codex.file}:2:1"}
    codex.run("config", "unset", DOTTED)
    assert codex.run("config", "get", DOTTED, code=1).stdout == ""


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("mcp_servers.a", '{ command = "x", bogus = 1 }', "unknown configuration field `mcp_servers.a.bogus`"),
        ("mcp_servers.a", '{ command = "x", url = "y" }', "has both a command and a url"),
        ("mcp_servers.a", "{ command = 1 }", "`mcp_servers.a.command` must be a string"),
        ("features", "{ nope = true }", "Unknown feature flag: nope"),
        ("model_providers.openai.name", "x", "is reserved for the built-in provider"),
        ("model_context_window", "-5", "must be an integer above 0"),
    ],
)
def test_the_inside_of_tables_is_checked_before_anything_is_written(codex, key, value, said):
    codex.write('model = "x"\n')
    assert said in codex.run("config", "set", key, value, code=3).stderr
    assert codex.file.read_text() == 'model = "x"\n'


def test_a_wrong_value_can_be_explained_and_put_right(codex):
    codex.write("hide_agent_reasoning = 3\n[model_providers.openai]\nname = 'x'\n")
    text = codex.run("config", "explain", "hide_agent_reasoning").stdout
    assert "must be true or false, not 3" in text
    assert f"{codex.file}:1:1" in text
    said = codex.run("config", "set", "hide_agent_reasoning", "true").stderr
    assert "the configuration does not load" in said
    codex.run("config", "unset", "model_providers.openai")
    assert codex.run("config", "check").stdout == "nothing is wrong\n"


def test_a_contradiction_that_only_warns_is_told_and_written(codex):
    codex.write('sandbox_mode = "read-only"\n')
    said = codex.run("config", "set", "sandbox_workspace_write.network_access", "true").stderr
    assert "has no effect while sandbox_mode is read-only" in said
    assert tomllib.loads(codex.file.read_text())["sandbox_workspace_write"] == {"network_access": True}


def test_a_profile_that_is_written_is_the_one_that_is_asked_whether_it_holds(codex):
    codex.write('model = "user"\n')
    assert "stronger" not in codex.run("config", "set", "--profile", "work", "model", "o9").stderr


def test_what_an_untrusted_project_sets_is_told_not_to_count(codex):
    assert "does not count here" in codex.run("config", "set", "--project", "max_turns", "7").stderr


def test_unsetting_tells_who_sets_it_still(codex):
    codex.write('model = "user"\n')
    said = codex.run("-c", "model=flag", "config", "unset", "model").stderr
    assert "-c model (flags) still sets it" in said


def test_the_project_is_that_of_the_folder_named_by_cd(codex, tmp_path):
    other = tmp_path / "other"
    (other / ".git").mkdir(parents=True)
    codex.run("-C", str(other), "config", "set", "--project", "max_turns", "7")
    codex.run("config", "set", "--project", "-C", str(other), "max_turns", "8")
    assert tomllib.loads((other / ".codex/config.toml").read_text()) == {"max_turns": 8}
    assert not (codex.work / ".codex").exists()


def test_a_project_does_not_choose_which_of_our_files_is_written(codex):
    codex.write('model = "mine"\n')
    (codex.work / ".codex").mkdir()
    (codex.work / ".codex/config.toml").symlink_to(codex.file)
    assert "leads out of the project" in codex.run("config", "set", "--project", "model", "x", code=3).stderr
    assert codex.file.read_text() == 'model = "mine"\n'


def test_a_home_that_cannot_be_written_is_told_in_one_line(codex):
    codex.write('model = "x"\n')
    (codex.home / "kernel").write_text("a file where the folder of the lock belongs\n")
    said = codex.run("config", "set", "model", "y", code=3).stderr
    assert "config.lock: cannot be locked" in said
    assert len(said.splitlines()) <= 2
    assert codex.file.read_text() == 'model = "x"\n'


REQUIRED = """\
allowed_sandbox_modes = ["read-only", "workspace-write"]
allowed_approval_policies = ["on-request"]
allowed_model_providers = ["openai"]
allowed_mcp_servers = ["docs"]
allowed_domains = ["example.org"]
allowed_plugins = ["codex-exec"]

[features]
goals = false
"""


@pytest.fixture
def constrained():
    config = Config("/nowhere", ConfigSources(codex_home="/nowhere"))
    layer = ConfigLayer(kind="requirements", source="/etc/r.toml", table=tomllib.loads(REQUIRED), text=REQUIRED)
    config.requirements = parse_requirements([layer], config.place)
    return config


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        (("sandbox_mode",), "danger-full-access", "1:1"),
        (("default_permissions",), ":danger-full-access", "1:1"),
        (("approval_policy",), "never", "2:1"),
        (("approval_policy",), {"granular": {"rules": True}}, "2:1"),
        (("approval_policy", "granular", "rules"), True, "2:1"),
        (("model_provider",), "lab", "3:1"),
        (("mcp_servers", "other", "command"), "x", "4:1"),
        (("mcp_servers",), {"docs": {"command": "x"}, "other": {"command": "x"}}, "4:1"),
        (("permissions", "p", "network", "domains", "evil.test"), "allow", "5:1"),
        (("permissions", "p"), {"network": {"domains": {"evil.test": "allow"}}}, "5:1"),
    ],
)
def test_what_requirements_do_not_permit_is_refused_with_their_place(constrained, path, value, place):
    with pytest.raises(ConfigError, match=f"/etc/r.toml:{place} allows"):
        refuse_wrong(constrained, path, value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("sandbox_mode",), "read-only"),
        (("default_permissions",), ":workspace"),
        (("model_provider",), "openai"),
        (("mcp_servers", "docs"), {"command": "x"}),
        (("plugins", "anything"), {"enabled": True}),
        (("permissions", "p", "network", "domains", "evil.test"), "deny"),
        (("permissions", "p", "network", "domains", "example.org"), "allow"),
    ],
)
def test_what_requirements_permit_is_not_refused(constrained, path, value):
    assert refuse_wrong(constrained, path, value) == ""


def test_a_flag_that_requirements_fix_cannot_be_switched(constrained):
    from codex_config.permitted import refusal

    why = refusal(constrained, ("features", "goals"), True)
    assert "/etc/r.toml:9:1 allows false" in why
    assert refusal(constrained, ("features", "goals"), False) == ""


def test_checks_are_held_only_where_that_was_asked_for(tmp_path):
    from codex_config.source import CheckSource, checks_held

    (tmp_path / "config.toml").write_text("max_turns = 0\n")
    config = load_config(ConfigSources(codex_home=str(tmp_path), system_dir=str(tmp_path / "none")))
    with checks_held():
        assert CheckSource().check(config) == ()
    assert [problem.code for problem in CheckSource().check(config)] == ["type"]
