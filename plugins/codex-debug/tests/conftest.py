"""The real program, and shells on a terminal of their own."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("codex")
LIMIT_S = 20
# By name and not by what is installed: whoever asks for these tests learns which shell is missing.
collect_ignore = [] if os.environ.get("CODEX_TEST_OTHER_SHELLS") else ["test_other_shells.py"]


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def environ(home):
    return {
        "PATH": f"{PROGRAM.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "HOME": str(home),
        "CODEX_HOME": str(home),
        "LANG": "C.UTF-8",
    }


@pytest.fixture
def codex(environ):
    """Runs the program: `codex("exec", ..., env={...}, cwd=...)`."""

    def run(*args, env=None, **options):
        return subprocess.run(
            [str(PROGRAM), *args],
            env={**environ, **(env or {})},
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
            **options,
        )

    return run


@pytest.fixture
def folder(tmp_path):
    """A working folder whose entries have spaces in their names."""
    work = tmp_path / "work"
    (work / "sub dir").mkdir(parents=True)
    (work / "my file.txt").touch()
    return work


class Terminal:
    """An interactive program on a pseudo terminal."""

    def __init__(self, command, environ, cwd):
        self._leader, follower = pty.openpty()
        self._process = subprocess.Popen(
            command, stdin=follower, stdout=follower, stderr=follower, env=environ, cwd=cwd, start_new_session=True
        )
        os.close(follower)
        self.text = b""

    def type(self, text):
        os.write(self._leader, text.encode())

    def read_until(self, wanted):
        """What comes up to and including `wanted`; fails with what came instead."""
        end = time.monotonic() + LIMIT_S
        while wanted.encode() not in self.text:
            ready, _, _ = select.select([self._leader], [], [], max(0, end - time.monotonic()))
            if not ready:
                pytest.fail(f"{wanted!r} did not come, but {self.text[-500:]!r}")
            self.text += os.read(self._leader, 65536)
        found, _, self.text = self.text.partition(wanted.encode())
        return found.decode(errors="replace") + wanted

    def close(self):
        self._process.kill()
        self._process.wait()
        os.close(self._leader)


@pytest.fixture
def terminal(environ, tmp_path):
    """Starts a program on a terminal; all are ended with the test."""
    opened = []

    def start(*command, cwd=tmp_path, **more):
        opened.append(Terminal(command, {**environ, "TERM": "dumb", **more}, cwd))
        return opened[-1]

    yield start
    for one in opened:
        one.close()
