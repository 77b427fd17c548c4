"""The command line for those who start it without an event loop."""

import os
import subprocess

import pytest

from codex_plugin_sdk import ExecRequest, SandboxMode, SandboxPolicy, SandboxSetup, SandboxUnavailable
from codex_sandbox_linux.bwrap import BwrapBackend

READ = SandboxPolicy()
WRITE = SandboxPolicy(mode=SandboxMode.WORKSPACE_WRITE, exclude_slash_tmp=True)


@pytest.fixture
def backend(tmp_path):
    made = BwrapBackend(SandboxSetup(codex_home=str(tmp_path / "h"), state_dir=str(tmp_path / "h" / "s"), environ={}))
    if not made.probe().available:
        pytest.skip(f"bubblewrap cannot work here: {made.probe().reason}")
    return made


@pytest.fixture
def ws(tmp_path):
    (tmp_path / "ws").mkdir()
    return tmp_path / "ws"


def command(backend, ws, script, policy, **options):
    request = ExecRequest(argv=("/bin/sh", "-c", script), cwd=str(ws), env=dict(os.environ), inherit=True)
    return backend.command(request, policy, **options)


def finish(confined):
    try:
        return subprocess.run(
            confined.argv, env=confined.env, cwd=confined.cwd, pass_fds=confined.fds, capture_output=True, check=False
        )
    finally:
        for fd in confined.fds:
            os.close(fd)


def test_it_confines_tells_its_status_and_puts_right_what_appeared(backend, ws):
    status, status_end = os.pipe()
    confined = command(backend, ws, "touch made ../outside; mkdir .git; exit 3", WRITE, status_fd=status_end)
    done = finish(confined)
    said = confined.done()
    assert done.returncode == 3
    assert [path.name for path in ws.iterdir()] == ["made"]
    assert not (ws.parent / "outside").exists()
    assert ".git appeared" in said[0]
    with open(status) as file:
        assert '"exit-code": 3' in file.read()


def test_what_depends_on_the_disk_is_not_static(backend, ws):
    cases = [(READ, True), (WRITE, False), (READ.replace(denied_reads=("/nowhere/*",)), False)]
    for policy, static in cases:
        confined = command(backend, ws, "true", policy)
        assert (confined.static, finish(confined).returncode, confined.done()) == (static, 0, [])


def test_what_cannot_be_confined_leaves_no_descriptor_and_no_journal(backend, ws, tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(SandboxUnavailable):
        command(backend, ws, "true", SandboxPolicy(mode=SandboxMode.DANGER_FULL_ACCESS))
    with pytest.raises(ValueError, match="null"):
        command(backend, ws.parent / "a\0b", "true", READ)
    roots = [tmp_path / "many" / str(number) for number in range(1001)]
    for root in roots:
        root.mkdir(parents=True)
    with pytest.raises(SandboxUnavailable, match="writable roots"):
        command(backend, ws, "true", WRITE.replace(writable_roots=tuple(map(str, roots))))
    assert len(os.listdir("/proc/self/fd")) == before
    assert not list((tmp_path / "h" / "s").glob("journal/*"))
