"""Starting a program on a pseudo-terminal that controls it.

The program must be a session leader that opens the terminal itself; `subprocess` cannot do that without running
Python between fork and exec, which is not safe beside threads. posix_spawn can, in the right order (session,
folder, then opening), but Python's own binding cannot change the folder: so the C library's is called.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
import sys
import termios
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

_SETSIGDEF = 0x04
_SETSID = 0x400 if sys.platform == "darwin" else 0x80
_CLOEXEC_DEFAULT = 0x4000  # macOS only: everything but what the actions open is closed
_OPAQUE_BYTES = 512  # more than posix_spawnattr_t, posix_spawn_file_actions_t and sigset_t take anywhere
_PYTHON_IGNORES = ("SIGPIPE", "SIGXFZ", "SIGXFSZ")  # as subprocess: ignored by Python, not meant for children


def set_size(terminal_fd: int, rows: int, cols: int) -> None:
    """Set the size of a terminal, by either of its ends; the programs on it get SIGWINCH."""
    fcntl.ioctl(terminal_fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))


def end_of_file_character(terminal_fd: int) -> bytes:
    """What the terminal takes as the end of input at the moment, usually Ctrl-D."""
    control_characters = termios.tcgetattr(terminal_fd)[6]
    character = control_characters[termios.VEOF]
    return character if isinstance(character, bytes) else bytes([character])


def start_on_terminal(
    argv: Sequence[str],
    *,
    cwd: str,
    env: Mapping[str, str],
    rows: int,
    cols: int,
    pass_fds: Sequence[int] = (),
    controlling: bool = True,
) -> tuple[int, int]:
    """Start a program; returns its pid and the terminal's master end, for reading and writing. With
    `controlling` the terminal is that of the program's session, so that Ctrl-C reaches the whole group.

    Raises `FileNotFoundError` naming the program or the folder, another `OSError` for other causes.
    """
    if not os.path.isdir(cwd):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), cwd)
    master, slave = os.openpty()
    try:
        set_size(slave, rows, cols)
        pid = _spawn(argv, cwd=cwd, env=env, terminal=os.ttyname(slave), pass_fds=pass_fds, controlling=controlling)
    except BaseException:
        os.close(master)
        raise
    finally:
        os.close(slave)
    return pid, master


def _spawn(
    argv: Sequence[str],
    *,
    cwd: str,
    env: Mapping[str, str],
    terminal: str,
    pass_fds: Sequence[int],
    controlling: bool,
) -> int:
    program = _find_program(argv[0], cwd, env)
    libc = _libc()
    attributes = _Spawner(libc, "posix_spawnattr")
    actions = _Spawner(libc, "posix_spawn_file_actions")
    with attributes, actions:
        _default_signals(libc, attributes)
        attributes.call("setflags", ctypes.c_short(_SETSIGDEF | _SETSID | _closing_flag()))
        if hasattr(libc, "posix_spawn_file_actions_addchdir_np"):
            actions.call("addchdir_np", os.fsencode(cwd))
        else:  # glibc before 2.29
            program, argv = "/usr/bin/env", ("env", "-C", cwd, program, *argv[1:])
        # Opened by a session leader without one, a terminal becomes the controlling terminal.
        flags = os.O_RDWR | (0 if controlling else os.O_NOCTTY)
        actions.call("addopen", 0, os.fsencode(terminal), flags, 0)
        actions.call("adddup2", 0, 1)
        actions.call("adddup2", 0, 2)
        for fd in pass_fds:
            actions.call("adddup2", fd, fd)  # onto itself: clears close-on-exec
        for fd in _stray_descriptors(pass_fds):
            actions.call("addclose", fd)
        pid = ctypes.c_int()
        words, variables = _strings(argv), _strings(f"{name}={text}" for name, text in env.items())
        code = libc.posix_spawn(
            ctypes.byref(pid), os.fsencode(program), actions.buffer, attributes.buffer, words, variables
        )
    if code:
        raise OSError(code, os.strerror(code), program)
    return pid.value


class _Spawner:
    """One of the two opaque objects that posix_spawn takes, with its functions by their short names."""

    def __init__(self, libc: Any, prefix: str) -> None:
        self.buffer = ctypes.create_string_buffer(_OPAQUE_BYTES)
        self._libc = libc
        self._prefix = prefix

    def call(self, name: str, *args: object) -> None:
        """Call a function on the object; raises `OSError` for its error number."""
        code = getattr(self._libc, f"{self._prefix}_{name}")(self.buffer, *args)
        if code:
            raise OSError(code, os.strerror(code))

    def __enter__(self) -> None:
        self.call("init")

    def __exit__(self, *exc: object) -> None:
        self.call("destroy")


@cache
def _libc() -> Any:
    return ctypes.CDLL(None)


def _default_signals(libc: Any, attributes: _Spawner) -> None:
    import signal

    signals = ctypes.create_string_buffer(_OPAQUE_BYTES)
    libc.sigemptyset(signals)
    for name in _PYTHON_IGNORES:
        if hasattr(signal, name):
            libc.sigaddset(signals, int(getattr(signal, name)))
    attributes.call("setsigdefault", signals)


def _closing_flag() -> int:
    return _CLOEXEC_DEFAULT if sys.platform == "darwin" else 0


def _stray_descriptors(pass_fds: Sequence[int]) -> list[int]:
    """Descriptors that would be inherited against our will: those that this process got from its own parent,
    or a C library opened carelessly. What Python opens is close-on-exec by itself."""
    if sys.platform == "darwin":
        return []
    strays = []
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        try:
            if fd > 2 and fd not in pass_fds and os.get_inheritable(fd):
                strays.append(fd)
        except OSError:  # the listing's own descriptor
            continue
    return strays


def _strings(words: Any) -> Any:
    encoded = [os.fsencode(word) for word in words]
    if any(b"\0" in word for word in encoded):
        raise ValueError("embedded null byte")
    return (ctypes.c_char_p * (len(encoded) + 1))(*encoded, None)


def _find_program(program: str, cwd: str, env: Mapping[str, str]) -> str:
    """The program's path, as `subprocess` finds it: by the PATH it will have, relative to where it will run."""
    if os.sep in program:
        candidates = [program]
    else:
        candidates = [os.path.join(folder, program) for folder in os.get_exec_path(dict(env))]
    for candidate in candidates:
        if os.path.isfile(path := os.path.join(cwd, candidate)) and os.access(path, os.X_OK):
            return path
    if os.sep in program and os.path.exists(os.path.join(cwd, program)):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), program)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), program)
