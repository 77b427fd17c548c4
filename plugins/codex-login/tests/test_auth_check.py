"""The check `auth`, with the installed plugins; and in the real program `codex doctor`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import anyio
import keyring
import pytest

from codex_kernel.plugins import PluginManager
from codex_login.check import AuthCheck
from codex_plugin_sdk import CheckSetup, ConfigSources, load_config, split_override
from codex_plugin_sdk.testing.fake_keyring import FileKeyring

PROGRAM = Path(sys.executable).with_name("codex")
KEY = "sk-proj-QRST5678uvwx9012YZab"


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def use_keyring():
    """Sets the keyring for one test."""
    before = keyring.get_keyring()
    yield keyring.set_keyring
    keyring.set_keyring(before)


@pytest.fixture(scope="module")
def plugins():
    manager = PluginManager.from_environment({})
    yield manager
    manager.close()


@pytest.fixture
def findings(home, plugins):
    """Runs the check; findings by name, none of which holds the key."""

    def run(*overrides, **environ):
        pairs = tuple(split_override(text) for text in overrides)
        config = load_config(ConfigSources(codex_home=str(home), overrides=pairs, environ=environ))
        setup = CheckSetup(codex_home=str(home), cwd=str(home), environ=environ, options=config.data, plugins=plugins)
        found = anyio.run(AuthCheck(setup).run)
        assert KEY not in repr(found)
        return {finding.name: finding for finding in found}

    return run


def store(home, content, mode=0o600):
    path = home / "auth.json"
    path.write_text(content)
    path.chmod(mode)
    return path


def test_a_key_of_the_file_is_fine(home, findings):
    path = store(home, json.dumps({"OPENAI_API_KEY": KEY}))
    found = findings()
    assert list(found) == ["auth"]
    assert found["auth"].health == "ok"
    assert found["auth"].details == {
        "provider": "openai",
        "cli_auth_credentials_store": "file",
        "source": "file",
        "place": str(path),
    }


def test_a_key_of_the_environment_is_fine(home, findings):
    assert findings(OPENAI_API_KEY=KEY)["auth"].health == "ok"


def test_no_key_is_a_warning_with_the_cure(home, findings):
    finding = findings()["auth"]
    assert (finding.health, finding.cure) == ("warning", "codex login, or set OPENAI_API_KEY")
    assert not (home / "auth.json.lock").exists()


def test_a_file_that_is_no_json_fails(home, findings):
    store(home, "{oops")
    finding = findings()["auth"]
    assert finding.health == "failed"
    assert "is not JSON" in finding.message
    assert finding.cure


def test_a_file_that_is_open_to_others_is_a_warning(home, findings):
    path = store(home, json.dumps({"OPENAI_API_KEY": KEY}), 0o644)
    found = findings()
    assert found["auth"].health == "ok"
    assert (found["auth file"].health, found["auth file"].cure) == ("warning", f"chmod 600 {path}")


def test_a_keyring_that_does_not_work_fails_or_is_a_warning_for_auto(home, findings, use_keyring):
    store(home, json.dumps({"OPENAI_API_KEY": KEY}))
    use_keyring(keyring.backends.fail.Keyring())
    finding = findings("cli_auth_credentials_store=keyring")["auth"]
    assert finding.health == "failed"
    assert "No keyring can be used" in finding.message
    found = findings("cli_auth_credentials_store=auto")
    assert (found["auth"].health, found["auth keyring"].health) == ("ok", "warning")
    assert found["auth keyring"].cure


def test_a_keyring_that_works_is_fine(findings, use_keyring, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_KEYRING_FILE", str(tmp_path / "keyring.json"))
    use_keyring(FileKeyring())
    found = findings("cli_auth_credentials_store=auto", OPENAI_API_KEY=KEY)
    assert {name: f.health for name, f in found.items()} == {"auth": "ok"}


def test_a_login_method_that_rules_the_key_out_fails(home, findings):
    finding = findings("forced_login_method=chatgpt", OPENAI_API_KEY=KEY)["auth"]
    assert finding.health == "failed"
    assert "forced_login_method" in finding.message


def test_other_providers_have_keys_of_their_own_or_none(home, findings):
    custom = ("model_provider=x", 'model_providers.x={name="x", base_url="http://127.0.0.1:1/v1", env_key="X_KEY"}')
    assert findings(*custom, X_KEY=KEY)["auth"].health == "ok"
    finding = findings(*custom)["auth"]
    assert (finding.health, finding.cure) == ("failed", "set X_KEY")
    plain = ("model_provider=x", 'model_providers.x={name="x", base_url="http://127.0.0.1:1/v1"}')
    assert findings(*plain)["auth"].message == "x wants no key"
    token = (plain[0], plain[1][:-1] + f', experimental_bearer_token="{KEY}"}}')
    assert findings(*token)["auth"].health == "warning"


def test_a_store_that_there_is_not_fails(home, findings):
    finding = findings("cli_auth_credentials_store=vault")["auth"]
    assert finding.health == "failed"
    assert "vault" in finding.message


def test_doctor_shows_the_check(home):
    path = store(home, json.dumps({"OPENAI_API_KEY": KEY}))
    done = subprocess.run(
        [str(PROGRAM), "doctor", "--json"],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "CODEX_HOME": str(home), "LANG": "C.UTF-8"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    (finding,) = [found for found in json.loads(done.stdout)["findings"] if found["check"] == "auth"]
    assert finding["health"] == "ok"
    assert "codex-login" in finding["plugin"]
    assert str(path) in finding["message"]
    assert KEY.encode() not in done.stdout + done.stderr
