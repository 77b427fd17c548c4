"""Everything that can be wrong with a command line has one clear message, a hint, and its own exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("codex")


@pytest.fixture
def codex(tmp_path):
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()

    def run(*args, **env):
        environ = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(tmp_path), "CODEX_HOME": str(home), **env}
        done = subprocess.run(
            [str(PROGRAM), "sandbox", *args],
            env=environ,
            cwd=work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            check=False,
        )
        assert done.stdout == b""
        assert b"Traceback" not in done.stderr
        return done.returncode, done.stderr.decode()

    run.home, run.work = home, work
    return run


@pytest.mark.parametrize("args", [(), ("--",), ("-s", "workspace-write")])
def test_without_a_command_it_is_a_usage_error(codex, args):
    code, said = codex(*args)
    assert code == 2
    assert "codex sandbox -- ls -l" in said


def test_an_unknown_option_is_a_usage_error(codex):
    assert codex("--no-such", "--", "true")[0] == 2


def test_mode_and_profile_together_are_a_usage_error(codex):
    code, said = codex("-s", "read-only", "-P", ":workspace", "--", "true")
    assert code == 2
    assert "-P" in said


@pytest.mark.parametrize("option", [("-P", "nosuch"), ("-s", "nosuch"), ("-c", "sandbox_mode=nosuch")])
def test_an_unknown_mode_or_profile_lists_the_known_ones(codex, option):
    code, said = codex(*option, "--", "true")
    assert code == 3
    assert "nosuch" in said
    assert "read-only" in said


def test_an_override_without_value_is_a_configuration_error(codex):
    assert codex("-c", "nonsense", "--", "true")[0] == 3


def test_a_folder_that_is_missing_is_named(codex):
    code, said = codex("-C", str(codex.work / "gone"), "--", "true")
    assert code == 1
    assert f"{codex.work / 'gone'} is not a folder" in said
    assert "hint: " in said


@pytest.mark.parametrize(
    ("program", "code", "word"),
    [
        ("no-such-program", 127, "not found"),
        ("./gone", 127, "no such file"),
        ("./dangling", 127, "leads to a file that does not exist"),
        ("", 127, "empty name"),
        ("./plain", 126, "may not be executed"),
        ("plain", 126, "may not be executed"),
        ("./folder", 126, "is a folder"),
        ("./lost-interpreter", 126, "/no/such/interpreter"),
    ],
)
def test_a_program_that_cannot_be_run_is_told_as_a_shell_does(codex, program, code, word):
    (codex.work / "plain").write_text("x")
    (codex.work / "folder").mkdir()
    (codex.work / "dangling").symlink_to("nowhere")
    script = codex.work / "lost-interpreter"
    script.write_text("#!/no/such/interpreter -x\n")
    script.chmod(0o755)
    found, said = codex("--", program, PATH=f"{codex.work}:/usr/bin:/bin")
    assert (found, word in said) == (code, True)
    assert said.startswith("error: ")


def test_a_nul_in_the_path_of_a_profile_does_not_crash(codex):
    (codex.home / "config.toml").write_text('[permissions.odd.filesystem]\n"/tmp/\\u0000" = "write"\n')
    code, said = codex("-P", "odd", "--", "true")
    assert code in (3, 7, 126)
    assert said.startswith("error: ")


def test_without_an_engine_it_refuses_and_names_the_cure(codex):
    code, said = codex("--", "true", CODEX_NO_PLUGINS="codex-sandbox-linux")
    assert code == 7
    assert "pip install codex-sandbox-linux" in said


def test_an_unknown_engine_is_named(codex):
    code, said = codex("-c", "sandbox.backend=nosuch", "--", "true")
    assert code == 7
    assert "nosuch" in said


def test_forbid_runs_nothing(codex):
    code, said = codex("-c", "sandbox.preference=forbid", "--", "touch", "made")
    assert code == 7
    assert "forbid" in said
    assert not (codex.work / "made").exists()


def test_danger_full_access_without_its_plugin_names_the_cure(codex):
    code, said = codex("-s", "danger-full-access", "--", "true", CODEX_NO_PLUGINS="codex-sandbox-none")
    assert code == 7
    assert "pip install codex-sandbox-none" in said


def test_danger_full_access_runs_it_unconfined(codex):
    assert codex("-s", "danger-full-access", "--", "touch", "made") == (0, "")
    assert (codex.work / "made").exists()


def test_help_teaches(codex):
    done = subprocess.run([str(PROGRAM), "sandbox", "--help"], capture_output=True, timeout=30, check=False)
    for word in (b"Examples:", b"Exit codes:", b"128 + n", b"--permission-profile", b"codex sandbox status"):
        assert word in done.stdout
