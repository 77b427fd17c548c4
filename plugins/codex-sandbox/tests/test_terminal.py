"""On a terminal, the command has that very terminal: its size, its keys, its jobs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from pathlib import Path

import pytest

JOB = Path(__file__).with_name("job.py")
LIMIT_S = 20


class Terminal:
    """A terminal with a job on it."""

    def __init__(self, argv, env, cwd):
        read, self.keys = os.pipe()
        self.pid, self.leader = pty.fork()
        if self.pid == 0:
            os.dup2(read, 3)
            os.chdir(cwd)
            os.execve(sys.executable, [sys.executable, str(JOB), *argv], env)
        os.close(read)
        self.text = b""

    def until(self, wanted):
        """Read until this text was seen, from after the last one."""
        deadline = time.monotonic() + LIMIT_S
        while wanted not in self.text:
            ready, _, _ = select.select([self.leader], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"{wanted!r} did not come, only {self.text!r}"
            try:
                chunk = os.read(self.leader, 65536)
            except OSError:  # the other end is closed
                chunk = b""
            assert chunk, f"{wanted!r} did not come, only {self.text!r}"
            self.text += chunk
        before, _, self.text = self.text.partition(wanted)
        return before

    def type(self, keys):
        os.write(self.leader, keys)

    def end(self):
        """The exit code of the job."""
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.leader)
        os.close(self.keys)


@pytest.fixture
def on_terminal(sandbox):
    with contextlib.ExitStack() as stack:

        def run(*words, options=()):
            terminal = Terminal(sandbox.argv(*words, options=options), sandbox.env, sandbox.work)
            stack.callback(terminal.close)
            return terminal

        yield run


def test_all_streams_are_the_terminal_and_a_resize_is_seen(on_terminal):
    script = (
        "import os, signal\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])\n"
        "print([os.isatty(fd) for fd in range(3)], os.ttyname(0).startswith('/dev/'), flush=True)\n"
        "signal.sigwait([signal.SIGWINCH])\n"
        "print(tuple(os.get_terminal_size(0)), flush=True)\n"
    )
    terminal = on_terminal(sys.executable, "-c", script)
    terminal.until(b"[True, True, True] True")
    fcntl.ioctl(terminal.leader, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 111, 0, 0))
    terminal.until(b"(111, 33)")
    assert terminal.end() == 0


def test_ctrl_c_reaches_a_command_that_handles_it_once(on_terminal):
    script = (
        "import signal, sys\n"
        "wanted = {signal.SIGINT}\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, wanted)\n"
        "print('ready', flush=True)\n"
        "signal.sigwait(wanted)\n"
        "print('again' if signal.sigtimedwait(wanted, 0.3) else 'once', flush=True)\n"
        "sys.exit(9)\n"
    )
    terminal = on_terminal(sys.executable, "-c", script)
    terminal.until(b"ready")
    terminal.type(b"\x03")
    terminal.until(b"once")
    assert terminal.end() == 9


@pytest.mark.parametrize(("key", "number"), [(b"\x03", signal.SIGINT), (b"\x1c", signal.SIGQUIT)])
def test_keys_end_a_command_that_does_not_handle_them(on_terminal, key, number):
    terminal = on_terminal("sh", "-c", "ulimit -c 0; echo ready; exec sleep 60")
    terminal.until(b"ready")
    terminal.type(key)
    assert terminal.end() == 128 + number


def test_ctrl_z_stops_the_job_and_it_goes_on_afterwards(on_terminal):
    terminal = on_terminal("sh", "-c", "echo ready; read line; echo got $line; exit 4")
    terminal.until(b"ready")
    terminal.type(b"\x1a")
    terminal.until(b"stopped")
    os.write(terminal.keys, b"x")
    terminal.type(b"word\n")
    terminal.until(b"got word")
    assert terminal.end() == 4


def test_an_interactive_shell_has_job_control(on_terminal):
    terminal = on_terminal("bash", "--norc", "--noprofile", "-i")
    terminal.type(b"PS1='$ '; set -m; sleep 60 & jobs %1; kill %1; echo do'ne'\n")
    said = terminal.until(b"done")
    assert b"no job control" not in said
    assert b"Running" in said
    terminal.type(b"exit 6\n")
    assert terminal.end() == 6
