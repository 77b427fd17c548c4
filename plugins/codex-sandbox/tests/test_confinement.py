"""The command line's options reach the sandbox."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.cold_start


def test_read_only_is_the_default(sandbox):
    done = sandbox.run("sh", "-c", "echo x > made")
    assert done.returncode != 0
    assert not (sandbox.work / "made").exists()


def test_workspace_write_opens_the_folder_and_nothing_else(sandbox, tmp_path):
    script = f"echo x > made && ! echo x > {tmp_path}/outside"
    done = sandbox.run(
        "sh", "-c", script, options=("-s", "workspace-write", "-c", "sandbox_workspace_write.exclude_slash_tmp=true")
    )
    assert done.returncode == 0, done.stderr
    assert (sandbox.work / "made").read_text() == "x\n"
    assert not (tmp_path / "outside").exists()


def test_another_folder_is_opened_by_add_dir(sandbox, tmp_path):
    more = tmp_path / "more"
    more.mkdir()
    done = sandbox.run("sh", "-c", f"echo x > {more}/made", options=("-s", "workspace-write", "--add-dir", str(more)))
    assert done.returncode == 0, done.stderr
    assert (more / "made").exists()


def test_a_permission_profile_denies_a_read(sandbox, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("s")
    (sandbox.home / "config.toml").write_text(
        f'[permissions.strict]\nextends = ":read-only"\n[permissions.strict.filesystem]\n"{secret}" = "deny"\n'
    )
    assert sandbox.run("cat", str(secret)).stdout == b"s"
    done = sandbox.run("cat", str(secret), options=("-P", "strict"))
    assert (done.stdout, done.returncode) == (b"", 1)


def test_a_configured_profile_yields_to_a_mode_on_the_command_line(sandbox):
    (sandbox.home / "config.toml").write_text('default_permissions = ":workspace"\n')
    assert sandbox.run("touch", "first").returncode == 0
    assert sandbox.run("touch", "second", options=("-s", "read-only")).returncode != 0


def test_a_weaker_engine_is_announced_on_stderr_and_refused_where_that_is_required(sandbox):
    done = sandbox.run("echo", "x")
    weaker = sandbox.engine == "landlock"
    assert done.stdout == b"x\n"
    assert (b"does not enforce" in done.stderr) is weaker
    done = sandbox.run("echo", "x", options=("-c", "sandbox.preference=require"))
    assert done.returncode == (7 if weaker else 0)
    if weaker:
        assert b"weaker than required" in done.stderr
        assert done.stdout == b""


def test_a_protected_folder_that_appears_is_taken_away_and_told(sandbox):
    if sandbox.engine != "bwrap":
        return  # which does not promise it, and says so
    done = sandbox.run("mkdir", ".agents", options=("-s", "workspace-write"))
    assert done.returncode == 0
    assert not (sandbox.work / ".agents").exists()
    assert b"note: " in done.stderr
    assert b"quarantine" in done.stderr
