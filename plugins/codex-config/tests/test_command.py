"""`codex config` and `codex features` from outside."""

import concurrent.futures
import json
import os
import tomllib

import pytest

TEXT = """\
# my settings
model = "gpt-5.5"  # a good one

[model_providers.lab]
name = "Lab"
base_url = "http://127.0.0.1:1/v1"
experimental_bearer_token = "s3cret-token"
http_headers = { Authorization = "Bearer s3cret-header" }

[mcp_servers.docs]
command = "docs"
env = { PASSWORD = "s3cret-env" }
"""


def test_setting_keeps_comments_and_order_and_unsetting_removes(codex):
    codex.write(TEXT)
    codex.run("config", "set", "model", "o9")
    codex.run("config", "set", "sandbox_workspace_write.writable_roots", '["/x"]')
    assert codex.file.read_text().startswith(TEXT.replace('"gpt-5.5"', '"o9"'))
    assert tomllib.loads(codex.file.read_text())["sandbox_workspace_write"] == {"writable_roots": ["/x"]}
    codex.run("config", "unset", "sandbox_workspace_write")
    assert codex.file.read_text().rstrip("\n") == TEXT.replace('"gpt-5.5"', '"o9"').rstrip("\n")
    assert "was not set" in codex.run("config", "unset", "max_turns").stderr
    assert "is this already" in codex.run("config", "set", "model", "o9").stderr


def test_profiles_and_projects_have_files_of_their_own(codex):
    codex.run("config", "set", "--profile", "work", "model", "o9")
    codex.run("config", "set", "--project", "max_turns", "7")
    assert tomllib.loads((codex.home / "work.config.toml").read_text()) == {"model": "o9"}
    assert tomllib.loads((codex.work / ".codex/config.toml").read_text()) == {"max_turns": 7}
    assert codex.run("-p", "work", "config", "get", "model").stdout == "o9\n"
    codex.run("config", "set", "--profile", "../x", "model", "o9", code=3)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("sandbox_mdoe", "read-only", "did you mean `sandbox_mode`?"),
        ("sandbox_mode", "loose", "is not one of read-only, workspace-write"),
        ("max_turns", "0", "must be an integer above 0"),
        ("hide_agent_reasoning", "1", "must be true or false, not 1"),
        ("features.no_such_flag_at_all", "true", "Unknown feature flag: no_such_flag_at_all"),
        ("model.x", "1", "there is no key `model.x`"),
        ("a..b", "1", "is not a key"),
        ("profile", "x", "use --profile NAME"),
    ],
)
def test_what_would_be_wrong_is_not_written(codex, key, value, said):
    codex.write(TEXT)
    assert said in codex.run("config", "set", key, value, code=3).stderr
    assert codex.file.read_text() == TEXT


def test_a_broken_file_is_told_and_left_alone(codex):
    codex.write("model = \n")
    assert "config.toml:1:" in codex.run("config", "set", "max_turns", "5", code=3).stderr
    assert codex.file.read_text() == "model = \n"
    assert "error:" in codex.run("config", "check", code=3).stdout


def test_explain_shows_layers_winner_and_default(codex):
    codex.write('sandbox_mode = "read-only"\n')
    (codex.home / "p.config.toml").write_text('\nsandbox_mode = "workspace-write"\n')
    found = codex.run("-p", "p", "-c", "sandbox_mode=danger-full-access", "config", "explain", "sandbox_mode", "--json")
    report = json.loads(found.stdout)
    assert [(layer["kind"], layer["value"]) for layer in report["layers"]] == [
        ("user", "read-only"),
        ("profile", "workspace-write"),
        ("flags", "danger-full-access"),
    ]
    assert report["layers"][1]["where"] == f"{codex.home}/p.config.toml:2:1"
    assert (report["winner"], report["default"]) == ("-c sandbox_mode", "read-only")
    text = codex.run("-p", "p", "config", "explain", "sandbox_mode").stdout
    assert "<- holds" in text.splitlines()[-1]
    assert "did you mean sandbox_mode" in codex.run("config", "explain", "sandbox_mod").stdout


def test_a_stronger_layer_is_told_after_setting(codex):
    done = codex.run("-c", "model=flag", "config", "set", "model", "file")
    assert "-c model (flags) is stronger and holds" in done.stderr


def test_secrets_are_never_shown(codex):
    codex.write(TEXT)
    for args in (
        ("list",),
        ("list", "--json"),
        ("get", "model_providers.lab"),
        ("get", "model_providers.lab.experimental_bearer_token"),
        ("explain", "model_providers.lab.http_headers", "--json"),
        ("explain", "mcp_servers.docs.env"),
    ):
        done = codex.run("config", *args)
        assert "s3cret" not in done.stdout + done.stderr
        assert "***" in done.stdout


def test_get_knows_defaults_and_tells_what_is_unset(codex):
    assert codex.run("config", "get", "sandbox_mode").stdout == "read-only\n"
    assert codex.run("config", "get", "max_turns", code=1).stdout == ""
    codex.write("max_turns = 5\n")
    assert json.loads(codex.run("config", "get", "max_turns", "--json").stdout) == 5


def test_all_that_is_wrong_is_told_at_once_with_its_place(codex):
    codex.write(
        'mdoel = "x"\nmax_turns = 0\nsandbox_mode = "loose"\n[mcp_servers.a]\ncommand = "x"\nurl = "y"\n'
        '[model_providers.openai]\nname = "mine"\n[features]\nno_such = true\n'
    )
    report = json.loads(codex.run("config", "check", "--json", code=3).stdout)
    found = [
        (row["severity"], row["code"], row["where"].rpartition("config.toml:")[2]) for row in report["diagnostics"]
    ]
    assert found == [
        ("warning", "unknown-key", "1:1"),
        ("error", "type", "2:1"),
        ("error", "enum", "3:1"),
        ("warning", "unknown-feature", "10:1"),
        ("error", "contradiction", "4:1"),
        ("error", "contradiction", "7:1"),
    ]
    text = codex.run("config", "check", code=3).stdout
    assert len(text.splitlines()) == len(found)
    assert "(did you mean `model`?)" in text
    refused = codex.run("exec", "--skip-git-repo-check", "hello", code=3)
    assert "4 problems in the configuration" in refused.stderr


def test_unknown_keys_are_warnings_with_the_nearest_and_errors_when_strict(codex):
    codex.write('mdoel = "x"\n[features]\nno_such = true\n')
    rows = json.loads(codex.run("config", "check", "--json").stdout)["diagnostics"]
    assert [(row["severity"], row["code"]) for row in rows] == [
        ("warning", "unknown-key"),
        ("warning", "unknown-feature"),
    ]
    assert rows[0]["hint"] == "did you mean `model`?"
    strict = codex.run("--strict-config", "config", "list", code=3)
    assert f"{codex.file}:1:1" in strict.stderr
    assert "unknown configuration field `mdoel`" in strict.stderr
    assert "Unknown feature flag: nope" in codex.run("--enable", "nope", "config", "list", code=3).stderr


def test_a_wrong_value_that_is_overridden_is_a_warning(codex):
    codex.write("max_turns = 0\n")
    rows = json.loads(codex.run("-c", "max_turns=3", "config", "check", "--json").stdout)["diagnostics"]
    assert [(row["severity"], row["where"]) for row in rows] == [("warning", f"{codex.file}:1:1")]


def test_two_at_once_lose_nothing(codex):
    names = [f"model_providers.p{number}.name" for number in range(8)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: codex.run("config", "set", name, "x"), names))
    assert len(tomllib.loads(codex.file.read_text())["model_providers"]) == 8


def test_a_linked_file_stays_a_link_and_keeps_its_mode(codex, tmp_path):
    target = tmp_path / "dotfiles.toml"
    target.write_text("# mine\n")
    target.chmod(0o640)
    codex.file.symlink_to(target)
    codex.run("config", "set", "model", "x")
    assert codex.file.is_symlink()
    assert target.read_text().startswith("# mine\n")
    assert target.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("kind", ["folder", "pipe", "large", "binary"])
def test_odd_files_are_told_in_one_line_and_do_not_hang(codex, kind):
    if kind == "folder":
        codex.file.mkdir()
    elif kind == "pipe":
        os.mkfifo(codex.file)
    elif kind == "large":
        with open(codex.file, "wb") as file:
            file.truncate(100 * 1024 * 1024)
    else:
        codex.file.write_bytes(b"model = '\xff'\n")
    done = codex.run("config", "set", "model", "x", code=3)
    assert str(codex.file) in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_features_are_listed_switched_and_refused(codex):
    assert "Unknown feature flag: no_such" in codex.run("features", "enable", "no_such", code=3).stderr
    rows = {row["name"]: row for row in json.loads(codex.run("features", "list", "--json").stdout)}
    name = next(name for name, row in rows.items() if row["stage"] == "experimental" and not row["enabled"])
    said = codex.run("features", "enable", name).stderr
    assert f"{name} is on" in said
    assert "experimental" in said
    assert json.loads(codex.run("features", "list", "--json").stdout)[sorted(rows).index(name)]["enabled"]
    codex.run("features", "disable", name)
    assert tomllib.loads(codex.file.read_text())["features"] == {name: False}
    removed = next(name for name, row in rows.items() if row["stage"] == "removed")
    before = codex.file.read_text()
    assert "was removed" in codex.run("features", "enable", removed).stderr
    assert codex.file.read_text() == before
