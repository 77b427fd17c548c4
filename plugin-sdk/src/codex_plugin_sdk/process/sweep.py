"""Ending what a killed program has left: run by the guard (see `guard`), as a program of its own.

Imports only what every start of Python has loaded, or nearly: it runs without site packages and is to be quick.
"""

from __future__ import annotations

import os
import signal
import sys
import time

MARK_VARIABLE = "CODEX_PROCESS_TREE"
OWNER_DIGITS = 10
"""How many digits of a mark name the program that gave it; the others count its commands."""
RLIMIT_LOCKS = 10  # asm-generic; Python has no name for it
GIVE_UP_S = 10.0
"""How long what cannot be ended (it may sit in a hung file system) is tried again."""

_MARK_FIELD = f"{MARK_VARIABLE}=".encode()
_PAUSE_S = 0.02
_CLEAN_ROUNDS = 2


def marks_of(pid: int) -> list[str]:
    """All marks that a process carries; none for one that has gone or is another user's. Linux."""
    return look_at(pid)[0]


def look_at(pid: int) -> tuple[list[str], bool]:
    """The marks of a process, and whether its environment is empty, as it is for a moment within an exec."""
    marks: list[str] = []
    if sys.platform == "linux":
        import resource

        try:
            limit = resource.prlimit(pid, RLIMIT_LOCKS)[0]
        except OSError:
            limit = resource.RLIM_INFINITY
        if limit != resource.RLIM_INFINITY:
            marks.append(f"{limit:015x}")
    try:
        environ = read(f"/proc/{pid}/environ")
    except OSError:
        return marks, False
    at = environ.find(_MARK_FIELD)
    if at == 0 or (at > 0 and environ[at - 1] == 0):
        end = environ.find(b"\0", at)
        field = environ[at + len(_MARK_FIELD) : end if end >= 0 else None]
        marks.extend(field.decode("ascii", "replace").split(":"))
    return marks, not environ


def read(path: str) -> bytes:
    """The content of a file in /proc. Raises `OSError`."""
    with open(path, "rb", buffering=0) as file:
        parts = []
        while part := file.read(65536):
            parts.append(part)
    return b"".join(parts)


def sweep(owner: str) -> None:
    """Kill every process with a mark of `owner` until none is left, or `GIVE_UP_S` are over.

    One quiet round is not enough: a process may be born behind the one that lists them, and in the middle of an
    exec it has no environment.
    """
    quiet = 0
    give_up = time.monotonic() + GIVE_UP_S
    while quiet < _CLEAN_ROUNDS and time.monotonic() < give_up:
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        killed = [pid for pid in pids if pid != os.getpid() and _end(pid, owner)]
        quiet = 0 if killed else quiet + 1
        time.sleep(_PAUSE_S)


def _end(pid: int, owner: str) -> bool:
    """Kill a process if it is one of the owner's; whether it was, and lived."""
    if sys.platform != "linux":
        return False
    try:
        # Held before it is looked at: should the number change hands meanwhile, nobody is hit.
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if not any(mark[:OWNER_DIGITS] == owner for mark in marks_of(pid)) or _is_zombie(pid):
            return False
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except OSError:  # gone, or become another user's
        return False
    finally:
        os.close(handle)
    return True


def _is_zombie(pid: int) -> bool:
    stat = read(f"/proc/{pid}/stat")
    return stat[stat.rindex(b")") + 2 :][:1] in (b"Z", b"X")


if __name__ == "__main__":
    sweep(sys.argv[1])
