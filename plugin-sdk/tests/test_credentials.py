"""Where keys are found, kept and taken away: real files, a real lock, keyring's own way to another backend."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import subprocess
import sys
import tempfile
import threading
import traceback
from contextlib import contextmanager
from pathlib import Path

import keyring
import pytest

from codex_plugin_sdk import AuthenticationFailed, ConfigError, ProviderInfo, ProviderSetup, _auth_file
from codex_plugin_sdk._auth_keyring import SERVICE, KeyringFailed, account
from codex_plugin_sdk.credentials import (
    Credential,
    credentials_store,
    delete_credential,
    exposed_mode,
    has_chatgpt_tokens,
    load_credential,
    save_credential,
)
from codex_plugin_sdk.http.keys import find_api_key
from codex_plugin_sdk.testing.fake_keyring import FileKeyring

KEY = "sk-proj-QRST5678uvwx9012YZab"
OLDER = "sk-proj-olderolderolder-key0"
SIGNED_IN = {
    "auth_mode": "chatgpt",
    "OPENAI_API_KEY": None,
    "tokens": {"access_token": "a", "refresh_token": "r"},
    "last_refresh": "2026-01-01T00:00:00Z",
    "later": 123456789012345678901234567890,
}


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def entries(tmp_path, monkeypatch):
    """A keyring that works; reads what it holds."""
    path = tmp_path / "keyring.json"
    monkeypatch.setenv("FAKE_KEYRING_FILE", str(path))
    monkeypatch.delenv("FAKE_KEYRING_FAULT", raising=False)
    before = keyring.get_keyring()
    keyring.set_keyring(FileKeyring())
    yield lambda: json.loads(path.read_text()) if path.exists() else {}
    keyring.set_keyring(before)


@contextmanager
def as_nobody(unreadable=None):
    """Without root's right to everything; gives a home that may only be read, perhaps with a file that may not."""
    with tempfile.TemporaryDirectory() as name:
        folder, user = Path(name), os.geteuid()
        if unreadable is not None:
            (folder / "auth.json").write_text(unreadable)
            (folder / "auth.json").chmod(0)
        folder.chmod(0o555)
        if user == 0:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            os.seteuid(user)
            folder.chmod(0o755)
        if unreadable is not None:
            (folder / "auth.json").chmod(0o600)
            assert (folder / "auth.json").read_text() == unreadable


def members(home):
    return json.loads((home / "auth.json").read_text())


def entry(entries, home):
    return json.loads(entries()[f"{SERVICE}/{account(str(home))}"])


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def refused(call, *parts):
    """The error of a call: it has these parts and a cure, and nowhere a key."""
    with pytest.raises(AuthenticationFailed) as caught:
        call()
    text = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert KEY not in text
    assert OLDER not in text
    assert caught.value.hint
    for part in parts:
        assert part in caught.value.message
    return caught.value


# -- places --------------------------------------------------------------------------------------


def test_what_is_saved_is_found_and_what_is_deleted_is_not(home):
    saved = save_credential(str(home), KEY)
    assert saved.credential == Credential(key=KEY, source="file", place=str(home / "auth.json"))
    assert saved.notices == ()
    assert load_credential(str(home)) == saved.credential
    assert members(home) == {"auth_mode": "apikey", "OPENAI_API_KEY": KEY}
    assert mode(home / "auth.json") == 0o600
    assert delete_credential(str(home)).places == (str(home / "auth.json"),)
    assert not (home / "auth.json").exists()
    assert delete_credential(str(home)).places == ()
    assert load_credential(str(home)) is None


def test_the_environment_counts_before_what_is_stored(home):
    save_credential(str(home), OLDER)
    environ = {"OPENAI_API_KEY": f" {KEY}\n", "CODEX_API_KEY": "  "}
    found = load_credential(str(home), environ=environ)
    assert found == Credential(key=KEY, source="environment", place="OPENAI_API_KEY")
    assert found.where == "environment variable OPENAI_API_KEY"


def test_a_home_that_does_not_exist_is_made_for_its_owner_only(tmp_path):
    home = tmp_path / "new"
    assert load_credential(str(home)) is None
    assert delete_credential(str(home)).places == ()
    assert not home.exists()
    save_credential(str(home), KEY)
    assert mode(home) == 0o700


def test_ephemeral_keys_leave_no_trace(home):
    assert save_credential(str(home), KEY, "ephemeral").credential.source == "memory"
    assert load_credential(str(home), "ephemeral").key == KEY
    assert load_credential(str(home), "file") is None
    assert delete_credential(str(home), "ephemeral").places == ("this process",)
    assert load_credential(str(home), "ephemeral") is None
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("key", ["", "two words", "a\nb", "schlüssel-schlüssel", "sk\0"])
def test_what_cannot_be_a_key_is_not_stored(home, key):
    with pytest.raises(AuthenticationFailed):
        save_credential(str(home), key)
    assert list(home.iterdir()) == []


def test_a_store_that_there_is_not_is_a_configuration_error():
    assert credentials_store({}) == "file"
    assert credentials_store({"cli_auth_credentials_store": "auto"}) == "auto"
    with pytest.raises(ConfigError, match="vault"):
        credentials_store({"cli_auth_credentials_store": "vault"})


@pytest.mark.parametrize(("key", "shown"), [(KEY, "***YZab"), ("sk-12345678", "***")])
def test_of_a_key_four_characters_are_shown_at_most(key, shown):
    made = Credential(key=key, source="file", place="p")
    assert made.masked == shown
    assert key not in repr(made)
    assert key not in f"{made}"


# -- the file ------------------------------------------------------------------------------------


def test_other_members_survive_and_keep_their_order_and_digits(home):
    (home / "auth.json").write_text(json.dumps(SIGNED_IN))
    assert has_chatgpt_tokens(str(home))
    assert load_credential(str(home)) is None
    assert save_credential(str(home), KEY).notices == ()
    assert list(members(home).items()) == list((SIGNED_IN | {"auth_mode": "apikey", "OPENAI_API_KEY": KEY}).items())


def test_permissions_are_told_and_tightened_on_write(home):
    path = home / "auth.json"
    path.write_text(json.dumps({"OPENAI_API_KEY": OLDER}))
    path.chmod(0o644)
    assert load_credential(str(home)).key == OLDER
    assert exposed_mode(str(home)) == 0o644
    save_credential(str(home), KEY)
    assert mode(path) == 0o600
    assert exposed_mode(str(home)) is None


def test_a_symlink_is_written_and_removed_at_its_target(home, tmp_path):
    target = tmp_path / "elsewhere.json"
    (home / "auth.json").symlink_to(target)
    assert load_credential(str(home)) is None
    save_credential(str(home), KEY)
    assert (home / "auth.json").is_symlink()
    assert mode(target) == 0o600
    assert load_credential(str(home)).key == KEY
    delete_credential(str(home))
    assert not target.exists()
    assert (home / "auth.json").is_symlink()


@pytest.mark.parametrize("content", [b"{oops", b"[1]", b"\xff\xfe", b"[" * 100_000, b'{"a": NaN}'])
def test_what_is_no_json_object_is_moved_aside_and_told(home, content):
    path, first, second = home / "auth.json", home / "auth.json.broken-1", home / "auth.json.broken-2"
    path.write_bytes(content)
    path.chmod(0o644)
    (notice,) = save_credential(str(home), KEY).notices
    assert str(first) in notice
    assert (first.read_bytes(), mode(first)) == (content, 0o600)
    assert load_credential(str(home)).key == KEY
    path.write_bytes(content)
    removed = delete_credential(str(home))
    assert removed.places == ()
    assert str(second) in removed.notices[0]
    assert second.read_bytes() == content
    assert not path.exists()


def test_what_was_moved_aside_is_back_when_the_new_file_cannot_be_written(home, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    (home / "auth.json").write_text("{oops")
    monkeypatch.setattr("codex_kernel.files.replace_file", full)
    refused(lambda: save_credential(str(home), KEY), "No space left")
    assert (home / "auth.json").read_text() == "{oops"
    assert not (home / "auth.json.broken-1").exists()


def test_broken_json_is_told_by_its_line_without_its_text(home):
    (home / "auth.json").write_text('{\n"OPENAI_API_KEY": "' + KEY + '",,}')
    refused(lambda: load_credential(str(home)), "is not JSON", "line 2")


def test_an_empty_file_holds_no_key_and_nothing_to_keep(home):
    (home / "auth.json").write_bytes(b" \n")
    assert load_credential(str(home)) is None
    assert save_credential(str(home), KEY).notices == ()


def test_a_file_of_100_mb_is_not_read(home):
    with (home / "auth.json").open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    refused(lambda: load_credential(str(home)), "larger than 1 MiB")
    (notice,) = save_credential(str(home), KEY).notices
    assert "broken-1" in notice
    assert (home / "auth.json.broken-1").stat().st_size == 100 * 1024 * 1024


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_what_is_no_file_is_told_at_once_and_left_alone(home, make):
    path = home / "auth.json"
    make(path)
    before = path.stat().st_ino
    for call in (load_credential, delete_credential, lambda where: save_credential(where, KEY)):
        refused(lambda call=call: call(str(home)), str(path))
    assert path.stat().st_ino == before


def test_a_file_that_cannot_be_read_is_told_and_left_alone():
    with as_nobody(unreadable=OLDER) as home:
        for call in (load_credential, delete_credential, lambda where: save_credential(where, KEY)):
            refused(lambda call=call: call(str(home)), "auth.json", "Permission denied")


def test_a_home_that_cannot_be_written_is_told():
    with as_nobody() as home:
        refused(lambda: save_credential(str(home), KEY), "cannot be", "Permission denied", str(home))
        assert list(home.iterdir()) == []


def test_many_at_once_lose_nothing(home):
    def count():
        for _ in range(10):
            _auth_file.edit_members(str(home / "auth.json"), lambda old: old | {"count": old.get("count", 0) + 1})

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert members(home) == {"count": 80}
    assert sorted(path.name for path in home.iterdir()) == ["auth.json", "auth.json.lock"]


def test_a_lock_that_another_program_keeps_is_told(home, monkeypatch):
    save_credential(str(home), OLDER)
    monkeypatch.setattr(_auth_file, "LOCK_TIMEOUT_S", 0.05)
    with (home / "auth.json.lock").open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        refused(lambda: save_credential(str(home), KEY), "held by another program")
        refused(lambda: delete_credential(str(home)), "held by another program")
    assert load_credential(str(home)).key == OLDER
    save_credential(str(home), KEY)


# -- the keyring ---------------------------------------------------------------------------------


@pytest.mark.parametrize("store", ["keyring", "auto"])
def test_a_keyring_keeps_the_key_and_the_file_keeps_none(home, entries, store):
    (home / "auth.json").write_text(json.dumps(SIGNED_IN | {"OPENAI_API_KEY": OLDER}))
    saved = save_credential(str(home), KEY, store)
    assert (saved.credential.source, saved.credential.place, saved.notices) == ("keyring", "Fake", ())
    assert entry(entries, home) == {"auth_mode": "apikey", "OPENAI_API_KEY": KEY}
    assert members(home) == {name: found for name, found in SIGNED_IN.items() if name != "OPENAI_API_KEY"}
    assert load_credential(str(home), store).key == KEY
    assert load_credential(str(home), "file") is None
    assert delete_credential(str(home), store).places == ("keyring Fake", str(home / "auth.json"))
    assert entries() == {}
    assert load_credential(str(home), store) is None


def test_a_file_with_nothing_but_the_older_key_goes_when_a_keyring_keeps_the_new_one(home, entries):
    save_credential(str(home), OLDER)
    assert save_credential(str(home), KEY, "auto").notices == ()
    assert not (home / "auth.json").exists()
    assert entry(entries, home)["OPENAI_API_KEY"] == KEY


def test_a_file_that_cannot_be_cleaned_is_told_and_the_key_is_safe(home, entries):
    (home / "auth.json").mkdir()
    (notice,) = save_credential(str(home), KEY, "keyring").notices
    assert str(home / "auth.json") in notice
    assert load_credential(str(home), "keyring").key == KEY


def test_a_key_of_no_known_form_is_not_in_what_a_keyring_complains_of(home, entries, monkeypatch):
    monkeypatch.setenv("FAKE_KEYRING_FAULT", "leaks")
    key = "plain0word1of2nobodys3form"
    with pytest.raises(KeyringFailed, match=r"PasswordSetError: cannot store .*\*\*\*") as caught:
        save_credential(str(home), key, "keyring")
    assert key not in "".join(traceback.format_exception(caught.value))


def test_without_the_package_the_cure_is_to_install_it(home, monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    error = refused(lambda: load_credential(str(home), "keyring"), "No keyring can be used")
    assert "pip install keyring" in error.hint
    assert save_credential(str(home), KEY, "auto").credential.source == "file"


def test_other_members_of_the_entry_survive(home, entries):
    keyring.set_password(SERVICE, account(str(home)), json.dumps(SIGNED_IN))
    save_credential(str(home), KEY, "keyring")
    assert entry(entries, home) == SIGNED_IN | {"auth_mode": "apikey", "OPENAI_API_KEY": KEY}


def test_each_home_has_an_entry_of_its_own_whatever_it_is_called_by(home, tmp_path):
    (tmp_path / "link").symlink_to(home)
    assert account(str(tmp_path / "link")) == account(str(home))
    assert account(str(tmp_path)) != account(str(home))
    assert account("/") == "cli|8a5edab282632443"  # the first digits of the SHA-256 of "/"


def test_an_entry_that_is_no_json_is_told_and_kept_until_logout(home, entries):
    keyring.set_password(SERVICE, account(str(home)), KEY)
    for store in ("keyring", "auto"):
        refused(lambda store=store: load_credential(str(home), store), "is no JSON object")
        refused(lambda store=store: save_credential(str(home), OLDER, store), "is no JSON object")
    assert delete_credential(str(home), "keyring").places == ("keyring Fake",)
    assert entries() == {}


@pytest.mark.parametrize("fault", ["locked", "leaks", "forgets"])
def test_a_keyring_that_fails_is_an_error_or_for_auto_a_reason_to_use_the_file(home, entries, monkeypatch, fault):
    monkeypatch.setenv("FAKE_KEYRING_FAULT", fault)
    error = refused(lambda: save_credential(str(home), KEY, "keyring"), "keyring")
    assert isinstance(error, KeyringFailed)
    assert 'cli_auth_credentials_store = "file"' in error.hint
    assert not (home / "auth.json").exists()
    saved = save_credential(str(home), KEY, "auto")
    assert saved.credential.source == "file"
    assert "instead" in saved.notices[0]
    assert KEY not in saved.notices[0]
    assert mode(home / "auth.json") == 0o600
    assert load_credential(str(home), "auto").source == "file"
    assert delete_credential(str(home), "auto").places == (str(home / "auth.json"),)


def test_without_a_keyring_only_the_file_is_left(home):
    before = keyring.get_keyring()
    keyring.set_keyring(keyring.backends.fail.Keyring())
    try:
        for call in (load_credential, delete_credential):
            refused(lambda call=call: call(str(home), "keyring"), "No keyring can be used")
        assert save_credential(str(home), KEY, "auto").credential.source == "file"
        assert load_credential(str(home), "auto").key == KEY
    finally:
        keyring.set_keyring(before)


# -- providers -----------------------------------------------------------------------------------


def setup(home, environ=None, **options):
    info = ProviderInfo(id="p", requires_openai_auth=True)
    options = {"codex_home": str(home), **options}
    return ProviderSetup(info=info, environ=environ or {}, thread_id="t", options=options)


def test_providers_find_the_key_where_the_configuration_says(home, entries):
    save_credential(str(home), KEY, "keyring")
    assert find_api_key(setup(home, cli_auth_credentials_store="keyring")) == KEY
    assert find_api_key(setup(home, cli_auth_credentials_store="auto")) == KEY
    refused(lambda: find_api_key(setup(home)), "No API key")
    save_credential(str(home), OLDER, "file")
    assert find_api_key(setup(home)) == OLDER


@pytest.mark.parametrize("environ", [{}, {"CODEX_API_KEY": KEY}])
def test_a_configuration_that_wants_chatgpt_rules_keys_out(home, environ):
    save_credential(str(home), KEY)
    refused(lambda: find_api_key(setup(home, environ, forced_login_method="chatgpt")), "forced_login_method")
    assert find_api_key(setup(home, environ, forced_login_method="api")) == KEY
    assert load_credential(str(home)).key == KEY


def test_a_key_of_the_file_costs_no_keyring_and_no_writing_code(home):
    save_credential(str(home), KEY)
    code = """
import sys
from codex_plugin_sdk import ProviderInfo, ProviderSetup
from codex_plugin_sdk.http.keys import find_api_key
info = ProviderInfo(id="p", requires_openai_auth=True)
setup = ProviderSetup(info=info, environ={"CODEX_HOME": sys.argv[1]}, thread_id="t")
assert find_api_key(setup).startswith("sk-")
for name in ("keyring", "hashlib", "fcntl", "codex_kernel.files", "codex_plugin_sdk._auth_keyring"):
    assert name not in sys.modules, name
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _with_path(code), str(home)], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def _with_path(code):
    """Without `site`, whose hooks import things of their own."""
    return f"import sys\nsys.path[:0] = {sys.path!r}\n{code}"
