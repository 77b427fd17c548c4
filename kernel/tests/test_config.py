import os

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_kernel.config import Config, ConfigSources, codex_home, load_config, parse_value, split_override
from codex_kernel.errors import ConfigError
from codex_kernel.protocol.policy import ApprovalPolicy, SandboxMode
from codex_kernel.settings import read_settings


def _load(tmp_path, text=None, **kwargs):
    if text is not None:
        (tmp_path / "config.toml").write_text(text)
    return load_config(ConfigSources(codex_home=str(tmp_path), **kwargs))


def test_later_layers_win_and_tables_are_merged(tmp_path):
    (tmp_path / "work.config.toml").write_text('model = "from-profile-file"\n[tui]\ntheme = "dark"\n')
    config = _load(
        tmp_path,
        'model = "from-file"\nmodel_reasoning_effort = "low"\n[tui]\nvim = true\n[profiles.work]\nmodel_verbosity = "high"\n',
        profile="work",
        overrides=(("tui.theme", "light"),),
        flags={"model_reasoning_effort": "high"},
    )
    assert config.get("model", str) == "from-profile-file"
    assert config.get("model_verbosity", str) == "high"
    assert config.get("model_reasoning_effort", str) == "high"
    assert config.table("tui") == {"vim": True, "theme": "light"}


def test_every_value_knows_where_it_was_set(tmp_path):
    config = _load(
        tmp_path, '# hello\nmodel = "x"\n\n[tui]\ntheme = "dark"\n', overrides=(("a.b", "1"),), flags={"c": 2}
    )
    assert config.origin("model") == f"{tmp_path}/config.toml:2"
    assert config.origin("tui.theme") == f"{tmp_path}/config.toml:5"
    assert config.origin("a.b") == "-c a.b"
    assert config.origin("c") == "the command line"
    assert config.origin("nowhere") == ""


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("gpt-5.5", "gpt-5.5"),
        ("gpt", "gpt"),
        ('"quoted"', "quoted"),
        ("true", True),
        ("false", False),
        ("42", 42),
        ("007", "007"),
        ("-3", -3),
        ("1.5", 1.5),
        ("[1, 2]", [1, 2]),
        ("['a']", ["a"]),
        ("{ a = 1 }", {"a": 1}),
        ("a b c", "a b c"),
        ("[broken", "[broken"),
        ("", ""),
        ("/some/path", "/some/path"),
    ],
)
def test_override_values_are_toml_or_the_text_itself(raw, expected):
    assert parse_value(raw) == expected


@given(st.text())
def test_any_override_text_gives_a_value(raw):
    parse_value(raw)


@pytest.mark.parametrize("text", ["novalue", "=x", "  =x"])
def test_an_override_without_key_or_equals_is_refused(text):
    with pytest.raises(ConfigError, match="KEY=VALUE"):
        split_override(text)
    assert split_override("a.b=c=d") == ("a.b", "c=d")


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ('cost.models."gpt-5.1".input=1', {"cost": {"models": {"gpt-5.1": {"input": 1}}}}),
        ("a.'b.c' . d=2", {"a": {"b.c": {"d": 2}}}),
        ("\"a b\"='c=d'", {"a b": "c=d"}),
        ('"it\'s".x=1', {"it's": {"x": 1}}),
    ],
)
def test_a_part_of_an_override_in_quotes_may_hold_dots(tmp_path, text, table):
    config = load_config(ConfigSources(codex_home=str(tmp_path), overrides=(split_override(text),)))
    assert config.data == table


@pytest.mark.parametrize("text", ['a."b=1', 'a."b"c=1', "it's=1", '""=1', "a..b=1"])
def test_an_override_whose_key_is_none_is_refused(tmp_path, text):
    with pytest.raises(ConfigError, match="is not a key"):
        load_config(ConfigSources(codex_home=str(tmp_path), overrides=(split_override(text),)))


def test_a_broken_file_is_told_with_line_and_column(tmp_path):
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, 'model = "x"\nbroken = = 1\n')
    assert caught.value.where == f"{tmp_path}/config.toml:2:10"
    assert "(at line" not in str(caught.value)


def test_a_file_that_is_not_utf8_is_told_with_its_line(tmp_path):
    (tmp_path / "config.toml").write_bytes(b'a = 1\nb = "\xff"\n')
    with pytest.raises(ConfigError, match=r"config\.toml:2: is not UTF-8"):
        _load(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_an_error(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("")
    path.chmod(0)
    with pytest.raises(ConfigError, match="cannot be read"):
        _load(tmp_path)


def test_a_config_that_is_a_folder_is_an_error(tmp_path):
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(ConfigError, match="is a directory"):
        _load(tmp_path)


def test_a_missing_file_and_a_missing_profile_are_fine(tmp_path):
    assert _load(tmp_path, profile="nobody").data == {}


@pytest.mark.parametrize("name", ["a/b", "..", ""])
def test_a_profile_name_that_is_a_path_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match="not a profile name"):
        _load(tmp_path, "", profile=name)


def test_the_user_file_can_be_ignored(tmp_path):
    assert _load(tmp_path, 'model = "x"', ignore_user_config=True).data == {}


@pytest.mark.parametrize(
    ("key", "value", "kind", "words"),
    [
        ("a", 1, str, "must be a string, not 1"),
        ("a", "x", int, "must be an integer, not 'x'"),
        ("a", True, int, "must be an integer, not true"),
        ("a", 1, bool, "must be true or false"),
        ("a", [1], dict, "must be a table, not an array"),
    ],
)
def test_a_value_of_the_wrong_kind_is_an_error(key, value, kind, words):
    config = Config("home")
    config.merge_key(key, value, "-c a")
    with pytest.raises(ConfigError, match=words) as caught:
        config.get(key, kind)
    assert caught.value.where == "-c a"


def test_all_problems_of_the_settings_are_told_at_once(tmp_path):
    text = 'approval_policy = "sometimes"\nsandbox_mode = "loose"\nmax_turns = 0\nmodel = 5\n'
    with pytest.raises(ConfigError) as caught:
        read_settings(_load(tmp_path, text))
    message = str(caught.value)
    assert "4 problems" in message
    for words in ("untrusted, on-failure", "read-only, workspace-write", "more than 0", "`model` must be a string"):
        assert words in message
    assert f"{tmp_path}/config.toml:2" in message


def test_settings_are_read_with_their_defaults(tmp_path):
    settings = read_settings(_load(tmp_path))
    assert settings.approval_policy is ApprovalPolicy.ON_REQUEST
    assert settings.sandbox_policy.mode is SandboxMode.READ_ONLY
    assert settings.provider is None


def test_a_provider_table_becomes_a_provider(tmp_path):
    text = (
        'model_provider = "mine"\n[model_providers.mine]\nname = "Mine"\nbase_url = "http://127.0.0.1:1/v1"\n'
        'wire_api = "chat"\nenv_key = "K"\nstream_max_retries = 0\nextra = 3\n[model_providers.mine.http_headers]\nx = "y"\n'
    )
    info = read_settings(_load(tmp_path, text)).provider
    assert info is not None
    assert (info.name, info.wire_api, info.env_key, info.stream_max_retries) == ("Mine", "chat", "K", 0)
    assert info.http_headers == {"x": "y"}
    assert info.options == {"extra": 3}


def test_a_provider_address_must_be_http(tmp_path):
    text = 'model_provider = "m"\n[model_providers.m]\nbase_url = "ftp://x"\n'
    with pytest.raises(ConfigError, match="http"):
        read_settings(_load(tmp_path, text))


def test_instructions_come_from_a_file_relative_to_the_home(tmp_path):
    (tmp_path / "mine.md").write_text("Be kind.")
    assert read_settings(_load(tmp_path, 'model_instructions_file = "mine.md"')).instructions == "Be kind."
    with pytest.raises(ConfigError, match="cannot be read"):
        read_settings(_load(tmp_path, 'model_instructions_file = "none.md"'))


def test_tools_are_switched_in_both_forms(tmp_path):
    settings = read_settings(_load(tmp_path, "[tools]\na = false\n[tools.b]\nenabled = true\n"))
    assert settings.disabled_tools == {"a"}
    assert settings.enabled_tools == {"b"}


@attrs.frozen
class Section:
    host: str = "localhost"
    port: int = 1


def test_a_plugin_section_is_checked_as_a_whole(tmp_path):
    assert _load(tmp_path).section("mine", Section) == Section()
    config = _load(tmp_path, '[mine]\nhost = "h"\nport = 2\n')
    assert config.section("mine", Section) == Section("h", 2)
    config = _load(tmp_path, '[mine]\nhost = 5\nport = "x"\nnew = 1\n')
    with pytest.raises(ConfigError) as caught:
        config.section("mine", Section)
    for words in ("mine.host", "mine.port", "new"):
        assert words in str(caught.value)


def test_the_home_is_absolute_and_a_folder(tmp_path):
    assert codex_home({"HOME": "/h"}) == "/h/.codex"
    assert codex_home({"CODEX_HOME": str(tmp_path)}) == str(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="not a folder"):
        codex_home({"CODEX_HOME": str(tmp_path / "file")})


def test_a_date_stands_for_a_string(tmp_path):
    assert _load(tmp_path, "model = 2026-01-02\n").get("model", str) == "2026-01-02"
