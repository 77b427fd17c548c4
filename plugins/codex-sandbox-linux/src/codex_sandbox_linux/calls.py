"""System calls that Python has no names for. All act on the calling thread unless they say otherwise, and raise
`OSError` when the kernel refuses."""

from __future__ import annotations

import os
import struct
from functools import cache
from typing import Any

from .syscalls import NUMBERS

CLONE_FS = 0x200

_PR_SET_DUMPABLE = 4
_PR_CAPBSET_DROP = 24
_PR_SET_SECUREBITS = 28
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
# NOROOT, NO_SETUID_FIXUP and NO_CAP_AMBIENT_RAISE, these and KEEP_CAPS locked: root is nobody special for good.
_SECUREBITS = 0b11101111
_CAPABILITY_VERSION = 0x20080522
_SECCOMP_SET_MODE_FILTER, _SECCOMP_GET_ACTION_AVAIL = 1, 2
_LANDLOCK_VERSION = 1
_LANDLOCK_RULE_PATH, _LANDLOCK_RULE_PORT = 1, 2


@cache
def _libc() -> Any:
    import ctypes  # some milliseconds: only where something is confined

    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc


def load() -> None:
    """Get ready, so that nothing has to be read from the disk once the thread is restricted."""
    _libc()


def _call(name: str, *arguments: object) -> int:
    import ctypes

    number = NUMBERS[os.uname().machine][name]
    # Variadic: what is not told to be 64 bits wide would be passed as 32.
    wide = [ctypes.c_ulong(found) if isinstance(found, int) else found for found in arguments]
    return _checked(_libc().syscall(ctypes.c_long(number), *wide), name)


def _prctl(option: int, *arguments: int) -> int:
    import ctypes

    wide = [ctypes.c_ulong(found) for found in (*arguments, 0, 0, 0, 0)[:4]]
    return _checked(_libc().prctl(option, *wide), "prctl")


def _checked(result: int, name: str) -> int:
    import ctypes

    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


# -- privileges ----------------------------------------------------------------------------------------


def unshare(flags: int) -> None:
    """Stop sharing things with the other threads (`CLONE_FS`: cwd and umask)."""
    _checked(_libc().unshare(flags), "unshare")


def make_undumpable() -> None:
    """The whole process: without capabilities nobody may trace it or read its memory, and it dumps no core."""
    _prctl(_PR_SET_DUMPABLE, 0)


def drop_privileges() -> None:
    """No capability, now or after exec, also for root; no gain by set-uid programs."""
    import errno

    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    try:
        _prctl(_PR_SET_SECUREBITS, _SECUREBITS)
        for capability in range(64):
            _prctl(_PR_CAPBSET_DROP, capability)
    except OSError as error:
        # EPERM: not privileged, so there is nothing to lose. EINVAL: the last capability has been dropped.
        if error.errno not in (errno.EPERM, errno.EINVAL):
            raise
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    header, nothing = struct.pack("=Ii", _CAPABILITY_VERSION, 0), bytes(24)
    _checked(_libc().capset(header, nothing), "capset")


# -- seccomp -------------------------------------------------------------------------------------------


def seccomp_can_kill() -> bool:
    """Whether the kernel has seccomp filters that can end a process (Linux 4.14)."""
    try:
        _call("seccomp", _SECCOMP_GET_ACTION_AVAIL, 0, struct.pack("=I", 0x80000000))
    except OSError:
        return False
    return True


def install_filter(program: bytes) -> None:
    """Add a seccomp filter; needs no_new_privs."""
    import ctypes

    code = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: a count, padding, a pointer.
    header = struct.pack("@HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
    _call("seccomp", _SECCOMP_SET_MODE_FILTER, 0, header)


# -- Landlock ------------------------------------------------------------------------------------------


def landlock_abi() -> int:
    """The version of Landlock. Raises `OSError`: ENOSYS where it is not built in, EOPNOTSUPP where it was not
    switched on at boot."""
    return _call("landlock_create_ruleset", 0, 0, _LANDLOCK_VERSION)


def create_ruleset(handled_fs: int, handled_net: int, scoped: int) -> int:
    """A descriptor of an empty ruleset; nothing that it handles is allowed until a rule allows it."""
    # Older kernels take the longer structure as long as what they do not know is zero.
    attributes = struct.pack("=QQQ", handled_fs, handled_net, scoped)
    descriptor = _call("landlock_create_ruleset", attributes, len(attributes), 0)
    os.set_inheritable(descriptor, False)
    return descriptor


def allow_below(ruleset: int, descriptor: int, access: int) -> None:
    """Allow accesses to a file, or to a folder and what lies in it."""
    _call("landlock_add_rule", ruleset, _LANDLOCK_RULE_PATH, struct.pack("=Qi", access, descriptor), 0)


def allow_port(ruleset: int, port: int, access: int) -> None:
    """Allow binding or connecting to a TCP port."""
    _call("landlock_add_rule", ruleset, _LANDLOCK_RULE_PORT, struct.pack("=QQ", access, port), 0)


def restrict(ruleset: int, flags: int = 0) -> None:
    """Enter a new domain; needs no_new_privs. E2BIG after 16 of them."""
    _call("landlock_restrict_self", ruleset, flags)
