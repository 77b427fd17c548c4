"""The plugin that forks the program: what comes of it is a process like one that was executed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from codex_plugin_sdk.testing import warm_start
from codex_plugin_sdk.testing.warm_start import PROGRAM, in_terminal

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or bool(os.environ.get("CODEX_TESTS_COLD")), reason="nothing is forked here"
)

SHOWS = """
import os, sys
print("a process")
sys.stdout.flush()
print(os.getcwd(), os.getppid(), os.getsid(0) == os.getpid(), sys.path[1:3], sys.stdout.errors, sorted(os.environ))
print(sorted(os.listdir("/proc/self/fd")), file=sys.stderr)
print(repr(sys.stdin.read()))
sys.exit(7)
"""


@pytest.fixture
def environ(tmp_path):
    """A home, and a plugin with a command that shows what kind of process it runs in."""
    site = tmp_path / "site"
    info = site / "shows-0.1.dist-info"
    info.mkdir(parents=True)
    (site / "shows.py").write_text(
        "import click\nfrom codex_plugin_sdk import CommandSpec, hookimpl\n\n\n"
        f"def load():\n    return click.Command('shows', callback=lambda: exec({SHOWS!r}))\n\n\n"
        "@hookimpl\ndef codex_commands():\n    yield CommandSpec(name='shows', help='Shows.', load=load)\n"
    )
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shows\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[codex]\nshows = shows\n")
    return {"PATH": os.defpath, "HOME": str(tmp_path), "CODEX_HOME": str(tmp_path), "PYTHONPATH": str(site)}


def shown(environ, cwd, **options):
    options = {"input": "said\n", "capture_output": True, "text": True, "timeout": 60, **options}
    done = subprocess.run([PROGRAM, "shows"], env=environ, cwd=cwd, check=False, **options)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def forks(monkeypatch):
    """What was asked to be forked."""
    asked, start = [], warm_start.WarmStart.start

    def counted(self, request, streams):
        asked.append(request["args"])
        return start(self, request, streams)

    monkeypatch.setattr(warm_start.WarmStart, "start", counted)
    return asked


@pytest.mark.parametrize("session", [False, True])
def test_a_fork_is_as_a_process_that_was_executed(environ, tmp_path, forks, request, session):
    warm = shown(environ, tmp_path, start_new_session=session)
    assert forks == [["shows"]]
    code, out, _ = warm
    assert code == 7
    assert out.startswith(f"a process\n{tmp_path} {os.getpid()} {session} ")
    assert out.endswith("\n'said\\n'\n")
    # An interpreter of one's own, through the same `subprocess`: a variable that is not understood is enough.
    cold = shown({**environ, "PYTHONHASHSEED": "random"}, tmp_path, start_new_session=session)
    assert len(forks) == 1
    assert cold == (code, out.replace("'PYTHONPATH'", "'PYTHONHASHSEED', 'PYTHONPATH'"), warm[2])


def in_own_terminal(environ, cwd, argv):
    """What is written to a terminal that is the program's own, and the exit code."""
    ours, theirs = os.openpty()
    flags = termios.tcgetattr(theirs)
    flags[3] &= ~termios.ECHO
    termios.tcsetattr(theirs, termios.TCSANOW, flags)
    with open(ours, "rb", buffering=0) as screen:
        process = subprocess.Popen(
            in_terminal(os.ttyname(theirs), argv),
            env=environ,
            cwd=cwd,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
        )
        os.write(ours, b"said\n\x04")
        code = process.wait(60)
        os.close(theirs)
        written = b""
        try:
            while some := screen.read(4096):
                written += some
        except OSError:  # the end of a terminal that nobody has any more
            pass
    return code, written.decode().replace("\r\n", "\n")


def test_a_fork_has_a_terminal_of_its_own(environ, tmp_path, forks):
    warm = in_own_terminal(environ, tmp_path, [PROGRAM, "shows"])
    assert forks == [["shows"]]
    assert warm[0] == 7
    assert f"a process\n{tmp_path} {os.getpid()} True " in warm[1]
    assert warm[1].endswith("\n'said\\n'\n")
    cold = in_own_terminal({**environ, "PYTHONHASHSEED": "random"}, tmp_path, [PROGRAM, "shows"])
    assert len(forks) == 1
    assert cold == (warm[0], warm[1].replace("'PYTHONPATH'", "'PYTHONHASHSEED', 'PYTHONPATH'"))


def test_a_script_in_a_terminal_is_forked_too(environ, tmp_path, forks):
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys\nprint(__name__, sys.argv, sys.path[0], os.tcgetpgrp(1) == os.getpid())\nsys.exit(3)"
    )
    code, written = in_own_terminal(environ, tmp_path, [sys.executable, str(script), "a"])
    assert forks == [["a"]]
    assert code == 3
    assert written.endswith(f"__main__ {[str(script), 'a']} {tmp_path} True\n")


@pytest.mark.parametrize(
    "options",
    [
        {"preexec_fn": os.getpid},
        {"close_fds": False},
        {"restore_signals": False},
        {"env": {"LC_ALL": "en_US.UTF-8"}},
        {"env": {"PYTHONPATH": str(Path(subprocess.__file__).parent)}},
    ],
    ids=lambda options: next(iter(options)),
)
def test_what_a_fork_cannot_give_is_executed(forks, options):
    assert subprocess.check_output([PROGRAM, "--version"], **{"env": {}, **options}).startswith(b"codex-cli")
    assert forks == []


def test_what_has_changed_about_us_is_inherited(forks):
    old = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert subprocess.check_output([PROGRAM, "--version"]).startswith(b"codex-cli")
    finally:
        signal.signal(signal.SIGHUP, old)
    assert forks == []


@pytest.mark.cold_start
def test_a_test_of_the_start_gets_one(forks):
    assert subprocess.check_output([PROGRAM, "--version"]).startswith(b"codex-cli")
    assert forks == []


def test_a_folder_that_is_not_there_is_told_as_ever(tmp_path):
    with pytest.raises(FileNotFoundError):
        subprocess.run([PROGRAM, "--version"], cwd=tmp_path / "none", check=False)


@pytest.mark.anyio
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_it_obeys_signals_and_asyncio_sees_its_end(environ, tmp_path, forks, number):
    process = await asyncio.create_subprocess_exec(
        PROGRAM, "shows", env=environ, cwd=tmp_path, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert forks == [["shows"]]
    assert await asyncio.wait_for(process.stdout.readline(), 60)  # it waits for the end of its input
    process.send_signal(number)
    assert await asyncio.wait_for(process.wait(), 60) == -number
    process._transport.close()
