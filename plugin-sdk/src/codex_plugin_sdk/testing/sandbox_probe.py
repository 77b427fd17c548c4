"""What runs inside a sandbox under test: attacks, each in a process of its own, each telling how it ended.

The text of this module and of one `sandbox_probe_*` module is handed to the interpreter inside, which needs nothing
but the standard library (3.9 or newer). An attack ends in one of four ways: it is *done*, or *refused* by the system,
or *hung*, or it *crashed* for a reason of its own and has proved nothing.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import sys
from typing import Any, Callable, Dict  # noqa: UP035 - older interpreters run this, too

Given = Dict[str, Any]  # noqa: UP006
Attack = Callable[[Given], object]
ATTACKS: Dict[str, Attack] = {}  # noqa: UP006

BEGINS = "\x1e"
"""Marks a line of ours among what programs print."""

PATIENCE_S = 5

REFUSALS = frozenset(
    getattr(errno, name)
    for name in (
        *("EPERM", "EACCES", "EROFS", "ENOSYS", "ENOENT", "ESRCH", "EXDEV", "ENXIO", "ENODEV", "ENOTTY", "EBUSY"),
        *("EAFNOSUPPORT", "ESOCKTNOSUPPORT", "EPROTONOSUPPORT", "EOPNOTSUPP", "EADDRNOTAVAIL", "ECONNREFUSED"),
        *("EIO", "ENETUNREACH", "EHOSTUNREACH", "ENETDOWN", "ETIMEDOUT", "ELOOP", "ESTALE"),
    )
)
"""How a system says no. Anything else (EFAULT, EINVAL, EBADF, ...) means that the attack itself was wrong, or that
the call was served and only its arguments were refused."""


class Refused(Exception):
    """What was tried did not work, without an error of the system."""


def attack(name: str) -> Callable[[Attack], Attack]:
    """Offer a function as the attack of the case `name`."""

    def keep(function: Attack) -> Attack:
        ATTACKS[name] = function
        return function

    return keep


libc = ctypes.CDLL(None, use_errno=True)

_NUMBERS = {
    "x86_64": {"tgkill": 234, "keyctl": 250, "init_module": 175, "finit_module": 313, "kexec_load": 246}
    | {"perf_event_open": 298, "bpf": 321, "userfaultfd": 323, "renameat2": 316, "pivot_root": 155, "add_key": 248}
    | {"reboot": 169, "swapon": 167, "quotactl": 179, "acct": 163, "kcmp": 312, "clone": 56, "ioprio_set": 251},
    "aarch64": {"tgkill": 131, "keyctl": 219, "init_module": 105, "finit_module": 273, "kexec_load": 104}
    | {"perf_event_open": 241, "bpf": 280, "userfaultfd": 282, "renameat2": 276, "pivot_root": 41, "add_key": 217}
    | {"reboot": 142, "swapon": 224, "quotactl": 60, "acct": 89, "kcmp": 272, "clone": 220, "ioprio_set": 30},
}
_SHARED = {"pidfd_send_signal": 424, "io_uring_setup": 425, "open_tree": 428, "move_mount": 429, "fsopen": 430}
_SHARED.update({"pidfd_open": 434, "clone3": 435, "pidfd_getfd": 438, "mount_setattr": 442})


def number(name: str) -> int:
    """The number of a system call on this machine."""
    machine = os.uname().machine
    if name in _SHARED:
        return _SHARED[name]
    return _NUMBERS["aarch64" if machine in ("aarch64", "arm64") else "x86_64"][name]


def checked(result: int) -> int:
    """The result of a libc call. Raises `OSError` for -1."""
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def syscall(name: str, *arguments: Any) -> int:
    """A system call by name. Raises `OSError`."""
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    return checked(libc.syscall(ctypes.c_long(number(name)), *words))


def reached(name: str, *arguments: Any) -> str:
    """Call with arguments that do no harm; done if the kernel served it, whatever it said of the arguments."""
    try:
        return f"{name} gave {syscall(name, *arguments)}"
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EACCES, errno.ENOSYS):
            raise
        return f"{name} was served: {error}"


def _outcome(name: str, function: str, given: Given) -> Any:
    try:
        victim = given.get("victims", {}).get(name, "")
        return ["done", str(ATTACKS[function]({**given, "name": name, "victim": victim}))]
    except Refused as error:
        return ["refused", str(error)]
    except OSError as error:
        return ["refused" if error.errno in REFUSALS else "crashed", repr(error)]
    except BaseException as error:  # noqa: BLE001 - told, whatever it is
        return ["crashed", repr(error)]


def _alone(name: str, function: str, given: Given) -> Any:
    """Run one attack in a process of its own, so that what it does to itself harms no other."""
    mine, its = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(mine)
        os.setpgid(0, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(PATIENCE_S)
        text = json.dumps(_outcome(name, function, given)).encode()
        os.write(its, text[:60000])
        os._exit(0)
    os.close(its)
    said = b""
    while True:
        more = os.read(mine, 65536)
        if not more:
            break
        said += more
    os.close(mine)
    status = os.waitpid(pid, 0)[1]
    if said:
        return json.loads(said)
    if os.WIFSIGNALED(status):
        fate = {int(signal.SIGSYS): "refused", int(signal.SIGALRM): "hung"}.get(os.WTERMSIG(status), "crashed")
        return [fate, f"signal {os.WTERMSIG(status)}"]
    return ["crashed", f"status {status}"]


def tell(name: str, outcome: Any) -> None:
    """Print how an attack ended."""
    sys.stdout.write(BEGINS + json.dumps([name, *outcome]) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run the attacks that are named, one after another: pairs of a case and a function."""
    given = json.loads(sys.argv[1])
    for name, function in given["attacks"]:
        tell(name, _alone(name, function, given))
    tell("", ["done", "all"])
