"""The real program: `codex managed`, the check of `codex doctor`, and a start under a real /etc."""

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from codex_managed.check import ManagedCheck
from codex_plugin_sdk import CheckSetup, Health


@pytest.fixture
def today(org):
    """The organisation at the real time, which is the program's."""
    org.now_s = datetime.now(UTC).timestamp()
    org.issued = datetime.now(UTC).strftime("%Y-%m-%dT00:00:00Z")
    made = org.bundle
    org.bundle = lambda version=1, **more: made(version, **{"issued": org.issued, **more})
    return org


def managed(org, *args):
    return org.codex("managed", *args)


def status(org, *args):
    done = managed(org, "status", "--json", "--system-dir", str(org.etc), *args)
    return done.returncode, json.loads(done.stdout)


def test_a_bundle_can_be_made_and_signed_with_our_own_tools(today):
    org = today
    key, file = org.folder / "bundle.key", org.folder / "bundle.toml"
    made = managed(org, "keygen", str(key))
    assert made.returncode == 0
    assert key.stat().st_mode & 0o777 == 0o600
    assert "PRIVATE KEY" not in made.stdout + made.stderr
    file.write_bytes(org.bundle(7))
    signed = managed(org, "sign", str(file), "--key", str(key))
    assert (signed.returncode, signed.stderr) == (0, "")
    assert "version 7" in signed.stdout
    settings = org.etc / "managed.toml"
    settings.write_text(f'[bundle]\nfile = "{file}"\n{made.stdout}')
    code, whole = status(org)
    assert code == 0
    assert made.stdout == f'public_key = "{whole["public_key"]}"\n'
    assert {**whole, "fetched_at": "", "public_key": "", "issued_at": ""} == {
        "schema_version": 1,
        "state": "in use",
        "settings_file": str(settings),
        "source": str(file),
        "version": 7,
        "issued_at": "",
        "expires_at": None,
        "fetched_at": "",
        "signature": "valid",
        "public_key": "",
        "config": {"model": 6, "features.multi_agent": 9},
        "requirements": {"allowed_sandbox_modes": 12},
        "problem": None,
        "notices": [],
    }
    again = managed(org, "keygen", str(key))
    assert again.returncode == 1
    assert "keys are not overwritten" in again.stderr


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("version = {version}\n", "must have `issued_at`"),
        ("version = {version}\nissued_at = {issued}\nexpires_at = 2020-01-01T00:00:00Z\n", "expired"),
        (
            'version = {version}\nissued_at = {issued}\n\n[requirements]\nallowed_sandbox_modes = ["none"]\n',
            "bundle.toml:5:1: `none` is no sandbox_mode",
        ),
    ],
)
def test_a_bundle_that_could_not_be_used_is_not_signed(today, body, words):
    org = today
    key, file = org.folder / "bundle.key", org.folder / "bundle.toml"
    managed(org, "keygen", str(key))
    file.write_bytes(org.bundle(body=body))
    done = managed(org, "sign", str(file), "--key", str(key))
    assert done.returncode == 3
    assert words in done.stderr
    assert not (org.folder / "bundle.toml.sig").exists()


def test_a_key_that_is_none_or_that_others_can_read_is_refused(today):
    org = today
    key, file = org.folder / "bundle.key", org.folder / "bundle.toml"
    file.write_bytes(org.bundle())
    assert "cannot be read" in managed(org, "sign", str(file), "--key", str(key)).stderr
    key.write_text("nonsense")
    key.chmod(0o600)
    assert "holds no private key" in managed(org, "sign", str(file), "--key", str(key)).stderr
    key.chmod(0o644)
    assert f"chmod 600 {key}" in managed(org, "sign", str(file), "--key", str(key)).stderr


def test_status_and_refresh_say_what_a_start_gets(today, server):
    org = today
    assert status(org) == (
        0,
        {"schema_version": 1, "state": "none", "settings_file": str(org.etc / "managed.toml")},
    )
    server.play(*org.replies(org.bundle(1)), *org.replies(org.bundle(2)))
    org.use(server)
    first = managed(org, "status", "--system-dir", str(org.etc))
    assert first.returncode == 0
    assert "version    1" in first.stdout
    assert "  allowed_sandbox_modes (line 12)" in first.stdout
    assert "managed-model" not in first.stdout
    renewed = managed(org, "refresh", "--system-dir", str(org.etc))
    assert renewed.stdout.endswith("/bundle.toml: version 2 (before: 1)\n")
    server.stop()
    failed = managed(org, "refresh", "--system-dir", str(org.etc))
    assert failed.returncode == 3
    assert "cannot be reached" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert status(org)[1]["version"] == 2
    for copy in org.copies:
        copy.unlink()
    code, whole = status(org)
    assert (code, whole["state"]) == (3, "refused")
    assert "there is no earlier copy" in whole["problem"]


async def examined(org):
    setup = CheckSetup(codex_home=str(org.home), cwd="/", environ=org.environ, options={}, plugins=None)
    (finding,) = await ManagedCheck(setup, str(org.etc)).run()
    return finding


@pytest.mark.anyio
async def test_the_doctor_asks_no_server_and_names_the_cure(today, server):
    org = today
    assert (await examined(org)).health is Health.OK
    soon = (datetime.now(UTC) + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    server.play(*org.replies(org.bundle(1)), *org.replies(org.bundle(2, more=f"expires_at = {soon}")))
    org.use(server, refresh_s=0)
    missing = await examined(org)
    assert (missing.health, server.requests) == (Health.FAILED, [])
    assert "codex managed refresh" in missing.cure
    org.load()
    good = await examined(org)
    assert (good.health, good.details["version"]) == (Health.OK, 1)
    org.load()
    expiring = await examined(org)
    assert (expiring.health, "expires at" in expiring.message) == (Health.WARNING, True)
    server.stop()
    org.load()
    down = await examined(org)
    assert (down.health, "cannot be reached" in down.message) == (Health.WARNING, True)
    assert down.cure == "codex managed refresh"
    (org.etc / "managed.toml").chmod(0o666)
    assert (await examined(org)).cure.startswith("as root: chmod")


def test_the_doctor_of_the_program_has_the_check(org):
    done = org.codex("doctor", "--json")
    (finding,) = [entry for entry in json.loads(done.stdout)["findings"] if entry["name"] == "managed"]
    assert finding["check"] == "managed"
    assert finding["health"] in ("ok", "warning", "failed")


def _own_etc():
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run(
        ["unshare", "-rm", "mount", "--bind", "/tmp", "/etc"], capture_output=True, timeout=20, check=False
    )
    return tried.returncode == 0


@pytest.mark.skipif(not _own_etc(), reason="needs a mount namespace, to give the program an /etc of its own")
def test_a_start_under_the_real_etc_obeys_the_bundle_or_does_not_happen(today):
    org = today
    (org.folder / "root").mkdir()
    org.etc = org.etc.rename(org.folder / "root" / "codex")
    (org.home / "config.toml").write_text('model_provider = "openai"\nmodel = "m"\n')
    body = 'version = {version}\nissued_at = {issued}\n\n[requirements]\nallowed_model_providers = ["inhouse"]\n'

    def start(*args):
        own = ("unshare", "-rm", "sh", "-c", f'mount --bind {org.etc.parent} /etc && exec "$@"', "sh")
        return org.codex(*args, before=own, stdin=subprocess.DEVNULL)

    file = org.publish(org.bundle(body=body))
    obeyed = start("exec", "--skip-git-repo-check", "hi")
    assert obeyed.returncode == 3
    assert f"`model_provider` may not be openai: {file}:5:1 allows inhouse" in obeyed.stderr
    file.write_bytes(b"changed")
    for copy in org.copies:
        copy.unlink()
    stopped = start("exec", "--skip-git-repo-check", "hi")
    assert stopped.returncode == 3
    assert "the managed configuration cannot be used: its signature does not fit" in stopped.stderr
    assert stopped.stdout == ""
    assert start("managed", "status").returncode == 3
