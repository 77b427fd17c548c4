"""One machine: what its administrator wrote, who could have written it, and what the kernel makes of it."""

import os
import subprocess
import sys

import pytest

from codex_managed.source import ManagedSource
from codex_plugin_sdk import ConfigError, ConfigRequest, ConfigSources, ConfigSourceSpec, load_config
from codex_plugin_sdk.testing.harness import manager, plugin

ROOT = os.geteuid() == 0
KEY = "A" * 42 + "E="


def refused(org):
    with pytest.raises(ConfigError) as caught:
        org.read()
    return str(caught.value)


def config(org, user="", **options):
    (org.home / "config.toml").write_text(user)
    spec = ConfigSourceSpec(name="managed", factory=lambda: ManagedSource(lambda: org.now_s), order=5)
    sources = ConfigSources(codex_home=str(org.home), system_dir=str(org.etc), environ=org.environ, **options)
    return load_config(sources, manager(plugin(codex_config_sources=[spec])))


def test_without_managed_toml_one_look_is_all_that_happens(org):
    code = """
import sys
from codex_managed.source import ManagedSource
from codex_plugin_sdk import ConfigRequest, SourcedConfig
request = ConfigRequest(codex_home=sys.argv[2], cwd="/", system_dir=sys.argv[1], environ={}, base={})
SourcedConfig()
source, before, seen = ManagedSource(), set(sys.modules), []
def calls(frame, event, arg):
    if event == "c_call":
        seen.append(arg.__name__)
sys.addaudithook(lambda name, args: seen.append(name) if name in ("open", "socket.connect") else None)
sys.setprofile(calls)
found = source.read(request)
sys.setprofile(None)
print([name for name in seen if name in ("stat", "lstat", "open", "socket.connect")], sorted(set(sys.modules) - before))
assert found == SourcedConfig(watched=(sys.argv[1] + "/managed.toml",))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(org.etc), str(org.home)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("['lstat'] []\n", "")
    assert list(org.home.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no table [bundle]"),
        ("bundle = 1", "has no table [bundle]"),
        ("[bundel]", "unknown key `bundel`"),
        ("[bundle]", "one of `file` and `url`"),
        ('[bundle]\nfile = "/a"\nurl = "https://a/b"', "one of `file` and `url`"),
        ('[bundle]\nfile = "a"', "not an absolute path"),
        ("[bundle]\nfile = 1", "`bundle.file` must be a string"),
        ('[bundle]\nfile = "/a"\nrefresh = 1', "unknown key `bundle.refresh`"),
        ('[bundle]\nurl = "https://a/b"', "`bundle.url` needs `bundle.public_key`"),
        ('[bundle]\nurl = "http://a/b"', "not encrypted"),
        ('[bundle]\nurl = "http://127.evil.example/b"', "not encrypted"),
        ('[bundle]\nurl = "ftp://a/b"', "not an http:// or https:// address"),
        ('[bundle]\nurl = "https://u:p@a/b"', "password in it is not supported"),
        ('[bundle]\nurl = "https://a/b#c"', "leave out the #"),
        ('[bundle]\nurl = "https://a/b"\npublic_key = "abc"', "not an Ed25519 public key"),
        ('[bundle]\nfile = "/a"\npublic_key = ""', "must be a string that says something"),
        ('[bundle]\nfile = "/a"\ntimeout_s = 0', "more than 0"),
        ('[bundle]\nfile = "/a"\ntimeout_s = true', "number of seconds"),
        ('[bundle]\nfile = "/a"\nrefresh_s = -1', "number of seconds"),
        ('[bundle]\nfile = "/a"\nmax_age_s = nan', "number of seconds"),
        ('[bundle]\nfile = "/a"\non_failure = "ignore"', "must be last-good or refuse"),
        ("[bundle\n", "managed.toml:1:8: is not TOML"),
    ],
)
def test_settings_that_are_not_understood_whole_stop_everything(org, text, words):
    (org.etc / "managed.toml").write_text(text)
    said = refused(org)
    assert words in said
    assert str(org.etc / "managed.toml") in said


def test_settings_that_cannot_be_read_stop_everything(org):
    path = org.etc / "managed.toml"
    path.symlink_to(org.etc / "nowhere")
    assert "cannot be read: No such file" in refused(org)
    path.unlink()
    path.mkdir()
    assert "not a regular file" in refused(org)
    path.rmdir()
    os.mkfifo(path)
    assert "not a regular file" in refused(org)


@pytest.mark.parametrize("mode", [0o666, 0o664, 0o646])
def test_settings_that_others_can_write_are_not_obeyed(org, mode):
    path = org.configure(file="/a")
    path.chmod(mode)
    said = refused(org)
    assert f"{path}: is not obeyed: others may write it (mode {mode:04o})" in said
    assert f"as root: chmod go-w {path}" in said


def test_settings_in_a_folder_that_others_can_write_are_not_obeyed(org):
    org.configure(file="/a")
    org.etc.chmod(0o775)
    said = refused(org)
    assert f"others may put another file in its folder {org.etc}" in said
    org.etc.chmod(0o755)
    elsewhere = org.folder / "elsewhere"
    elsewhere.mkdir()
    elsewhere.chmod(0o777)
    (org.etc / "managed.toml").rename(elsewhere / "real.toml")
    (org.etc / "managed.toml").symlink_to(elsewhere / "real.toml")
    assert f"its folder {elsewhere}" in refused(org)


@pytest.mark.skipif(not ROOT, reason="only root can give a file away")
def test_settings_of_another_user_are_not_obeyed(org):
    path = org.configure(file="/a")
    os.chown(path, 12345, 12345)
    said = refused(org)
    assert "it belongs to user 12345, who is neither root nor you" in said
    assert f"as root: chown root {path}" in said


def test_a_file_without_a_signature_counts_only_if_others_cannot_write_it(org):
    file = org.folder / "bundle.toml"
    file.write_bytes(org.bundle())
    file.chmod(0o644)
    org.configure(file=str(file))
    found = org.read()
    assert [layer.kind for layer in (*found.layers, *found.requirements)] == ["managed", "requirements"]
    assert found.watched == (str(org.etc / "managed.toml"), str(file))
    assert list(org.home.iterdir()) == []
    file.chmod(0o666)
    assert "others may write it" in refused(org)
    file.chmod(0o644)
    file.write_bytes(org.bundle(more="expires_at = 2027-01-02T00:00:00Z"))
    assert "it expired" in refused(org)
    file.unlink()
    assert "it cannot be read: No such file" in refused(org)


def test_a_signed_file_may_be_anybodys_and_its_last_good_copy_holds_on(org):
    file = org.publish(org.bundle(3))
    file.chmod(0o666)
    assert org.load().bundle.version == 3
    org.publish(org.bundle(4), signature=org.signature(org.bundle(3)))
    loaded = org.load()
    assert loaded.bundle.version == 3
    assert "its signature does not fit" in loaded.notices[0]
    org.publish(org.bundle(2))
    assert "a step back" in org.load().notices[0]
    org.publish(org.bundle(4))
    assert (org.load().bundle.version, org.load().notices) == (4, ())
    (org.folder / "bundle.toml.sig").unlink()
    assert "bundle.toml.sig cannot be read" in org.load().notices[0]


def test_a_signed_file_that_stays_the_same_keeps_its_copy_young(org):
    file = org.publish(org.bundle())
    org.load()
    for _ in range(3):
        org.later(20 * 86_400)
        assert org.load().notices == ()
    file.unlink()
    assert "confirmed just now, holds on" in org.load().notices[0]


def test_the_layer_is_stronger_than_the_user_and_weaker_than_flags_and_every_value_has_its_line(org):
    file = org.publish(org.bundle())
    user = 'model = "mine"\nsandbox_mode = "danger-full-access"\n[features]\nmulti_agent = false\n'
    loaded = config(org, user)
    assert loaded.get("model", str) == "managed-model"
    assert loaded.get("features.multi_agent", bool) is True
    assert loaded.origin("model") == f"{file}:6"
    assert [(layer.kind, place) for layer, _, place in loaded.explain("features.multi_agent")] == [
        ("user", f"{org.home}/config.toml:4:1"),
        ("managed", f"{file}:9:1"),
    ]
    rule = loaded.requirements.constraints["sandbox_mode"]
    assert rule.refusal("danger-full-access").startswith(
        f"`sandbox_mode` may not be danger-full-access: {file}:12:1 allows read-only"
    )
    assert config(org, user, overrides=(("model", "flagged"),)).get("model", str) == "flagged"


def test_a_running_process_sees_that_another_fetched_a_newer_bundle(org, server):
    server.play(*org.replies(org.bundle(1)), *org.replies(org.bundle(2)))
    org.use(server)
    running = config(org)
    assert not running.changed()
    org.loader.refresh()
    assert running.changed()
    running = config(org)
    server.play(*org.replies(org.bundle(2)))
    org.loader.refresh()
    assert not running.changed()  # only confirmed: nothing to take over
    (org.etc / "managed.toml").unlink()
    assert running.changed()


def test_user_and_project_cannot_say_where_a_bundle_comes_from(org):
    evil = '[bundle]\nfile = "/evil"\n[managed]\nfile = "/evil"\n'
    (org.home / "managed.toml").write_text(evil)
    request = ConfigRequest(
        codex_home=str(org.home), cwd=str(org.home), system_dir=str(org.etc), environ={}, base={"managed": {}}
    )
    assert ManagedSource().read(request).layers == ()


def test_ignoring_the_users_configuration_does_not_ignore_the_bundle(org):
    org.publish(org.bundle())
    assert config(org, 'model = "mine"', ignore_user_config=True).get("model", str) == "managed-model"
