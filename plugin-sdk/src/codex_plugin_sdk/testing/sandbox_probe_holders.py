"""Processes that hold the lock of a file for as long as they live, in ways that are hard to find. Runs inside."""

from __future__ import annotations

import fcntl
import os
import signal

from codex_plugin_sdk.testing.sandbox_probe import Given, attack

_SLEEPER = ("/bin/sh", "-c", "trap '' HUP INT TERM; while [ -e \"$1\" ]; do sleep 1; done", "sh")
"""Ends when the lock's file is removed, should nobody else end it."""


def _hold(given: Given) -> None:
    fd = os.open(given["lock"], os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    os.set_inheritable(fd, True)
    for stream in (1, 2):
        os.dup2(os.open("/dev/null", os.O_WRONLY), stream)


def _child(given: Given, deep: int) -> None:
    """Hold the lock in a child (or a child of a child), and return once it is held."""
    mine, its = os.pipe()
    if os.fork():
        os.close(its)
        os.read(mine, 1)
        return
    os.close(mine)
    signal.alarm(0)
    for _ in range(deep):
        os.setsid()
        if os.fork():
            os._exit(0)
    _hold(given)
    os.write(its, b"x")
    os.close(its)
    os.execve(_SLEEPER[0], (*_SLEEPER, given["lock"]), {} if deep else dict(os.environ))


@attack("ends.background")
def background(given: Given) -> None:
    _child(given, 0)


@attack("ends.daemon")
def daemon(given: Given) -> None:
    """Two forks, a session of its own, no environment, deaf to all signals."""
    _child(given, 2)


@attack("ends.leader")
def leader(given: Given) -> object:
    """Hold it, tell, and stay."""
    _child(given, 2)
    os.write(1, b"held\n")
    signal.alarm(0)
    while True:
        signal.pause()
