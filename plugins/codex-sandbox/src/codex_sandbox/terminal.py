"""What a shared terminal asks for: Ctrl-C belongs to the command, and to nobody between it and us."""

from __future__ import annotations

import os
import signal

from .child import KEYS

_ENV = "/usr/bin/env"


def has_terminal() -> bool:
    """Whether we have a controlling terminal, whatever our streams are."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def default_signals(program: str) -> tuple[str, ...]:
    """Words before a command that give it back the signals of `KEYS`, with which what stands between it and us (a
    sandbox's own process) is started ignored, so that it does not end before the command that handles them. Empty
    where they were ignored already, or where no `env` of this machine can do it."""
    if any(signal.getsignal(number) is signal.SIG_IGN for number in KEYS) or "=" in program:
        return ()
    words = (_ENV, "--default-signal=INT,QUIT")
    return words if _works((*words, "true")) else ()


def gives_keys_back(argv: tuple[str, ...]) -> bool:
    """Whether a command starts with the words of `default_signals`."""
    return argv[:2] == (_ENV, "--default-signal=INT,QUIT")


def _works(words: tuple[str, ...]) -> bool:
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        actions = [(os.POSIX_SPAWN_DUP2, null, fd) for fd in range(3)]
        pid = os.posix_spawn(words[0], words, {"PATH": os.defpath}, file_actions=actions)
    except OSError:
        return False
    finally:
        os.close(null)
    return os.waitpid(pid, 0)[1] == 0
