"""What bubblewrap is to start: the command, and where a terminal is concerned, what comes before it."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from typing import TypeVar

from codex_plugin_sdk import ExecRequest

from .bwrap_binary import Binary

SHIELDED = frozenset(
    {
        *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGALRM, signal.SIGUSR1),
        *(signal.SIGUSR2, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU),
    }
)
"""What a shared terminal may send: the command is to have it, and bubblewrap outside must not die of it."""

_Started = TypeVar("_Started")


def prefix(request: ExecRequest, binary: Binary) -> list[str]:
    """What the command is started by, where a terminal is concerned: programs that make one call and become it."""
    if request.inherit:
        names = ",".join(sorted(one.name.removeprefix("SIG") for one in SHIELDED))
        if binary.unblocks and "=" not in request.argv[0]:
            return ["/usr/bin/env", f"--default-signal={names}"]
        return [_interpreter(), "-I", "-S", "-c", _UNBLOCK]
    if request.tty:
        for path in ("/usr/bin/setsid", "/bin/setsid"):
            if os.access(path, os.X_OK):
                return [path, "-c"]
        return [_interpreter(), "-I", "-S", "-c", _TAKE_TERMINAL]
    return []


_EXECUTE = """
try:
    os.execvp(sys.argv[1], [os.fsencode(word) for word in sys.argv[1:]])
except OSError as error:
    print(sys.argv[1] + ": " + error.strerror, file=sys.stderr)
    sys.exit(126 if isinstance(error, PermissionError) else 127)
"""
_UNBLOCK = "import os, signal, sys\nsignal.pthread_sigmask(signal.SIG_SETMASK, ())\n" + _EXECUTE
_TAKE_TERMINAL = "import fcntl, os, sys, termios\nos.setsid()\nfcntl.ioctl(0, termios.TIOCSCTTY, 0)\n" + _EXECUTE


def _interpreter() -> str:
    import sys

    return sys.executable


def shielded(start: Callable[[], _Started]) -> _Started:
    """Start bubblewrap with signals blocked that are meant for the command. A mask belongs to this thread alone."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SHIELDED)
    try:
        return start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def check_program(request: ExecRequest) -> None:
    """Raise what exec would: in bubblewrap it would be one failure among many."""
    if not request.argv or not request.argv[0]:
        raise ValueError("a command needs at least one word")
    if any("\0" in word for word in (*request.argv, request.cwd)):
        raise ValueError("embedded null byte")
    if not os.path.isdir(request.cwd):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), request.cwd)
    program = request.argv[0]
    folders = [""] if "/" in program else os.get_exec_path(dict(request.env))
    refused = False
    for folder in folders:
        path = os.path.join(request.cwd, folder, program)
        if os.path.isfile(path):
            if os.access(path, os.X_OK):
                return
            refused = True
        elif "/" in program and os.path.exists(path):
            refused = True
    if refused:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), program)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), program)
