"""The second run goes the quick way, confines as the first did, and obeys whatever has changed since."""

import os
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.cold_start


@pytest.fixture
def warmed(sandbox):
    """A sandbox in which a command has run before."""
    if sandbox.engine != "bwrap":
        pytest.skip("only bubblewrap gives a command line that can be remembered")
    assert sandbox.run("true").returncode == 0
    assert sandbox.home.joinpath("kernel/sandbox/plan").exists()
    return sandbox


def quick(sandbox, *words, **options):
    """Run it and see that the ordinary way was not gone: no module of the kernel's command line was loaded."""
    loud = {"PYTHONVERBOSE": "1"}
    assert sandbox.run("true", env=loud).returncode == 0  # the environment is part of what is remembered
    done = sandbox.run(*words, env=loud, **options)
    return done, b"codex_kernel.cli" not in done.stderr


def test_it_is_quick_exact_and_confined(warmed):
    script = 'touch "$1" 2>/dev/null && echo wrote; test -z "$(ls /proc/net/tcp 2>/dev/null)"; exit 7'
    done, was_quick = quick(warmed, "/bin/sh", "-c", script, "sh", str(warmed.work / "made"))
    assert was_quick
    assert (done.returncode, done.stdout) == (7, b"")
    assert os.listdir(warmed.work) == []


def test_bytes_and_signals_are_those_of_the_command(warmed):
    odd = b"\xff\n'"
    done, was_quick = quick(warmed, "printf", "%s", os.fsdecode(odd))
    assert (was_quick, done.stdout) == (True, odd)
    done, was_quick = quick(warmed, "/bin/sh", "-c", "kill -TERM $$")
    assert (was_quick, done.returncode) == (True, 143)


def test_a_denied_read_that_is_configured_meanwhile_holds(warmed):
    secret = warmed.work / "secret"
    secret.write_text("s3cret")
    assert quick(warmed, "cat", str(secret))[0].stdout == b"s3cret"
    with open(warmed.home / "config.toml", "w") as file:
        file.write(f'[sandbox]\ndenied_reads = ["{secret}"]\n')
    done = warmed.run("cat", str(secret), env={"PYTHONVERBOSE": "1"})
    assert (done.returncode, done.stdout) == (1, b"")


def test_a_missing_program_and_options_are_told_as_ever(warmed):
    assert quick(warmed, "no-such-program")[0].returncode == 127
    assert warmed.run("true", options=["-s", "nonsense"]).returncode == 3


def test_the_other_name_is_quick_too(warmed):
    done = warmed.run("/bin/sh", "-c", "exit 9", program=Path(sys.executable).with_name("codex-linux-sandbox"))
    assert done.returncode == 9
