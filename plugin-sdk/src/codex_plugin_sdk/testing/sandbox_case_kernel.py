"""Cases of the sandbox kit: settings of the kernel, its wide interfaces, privileges, devices."""

# ruff: noqa: ASYNC240 - what is seen outside is looked at at once, while nothing else runs

from __future__ import annotations

import os
import shutil
from typing import Any

from .sandbox_bench import Bench, expect
from .sandbox_cases import Verdicts, cases, scenario
from .sandbox_victims import Terminal, victim_process

_KNOBS = {
    "kernel.host-name-file": "/proc/sys/kernel/hostname",
    "kernel.core-pattern": "/proc/sys/kernel/core_pattern",
    "kernel.settings": "some more of /proc/sys",
    "kernel.settings-of-init": "/proc/1/root/proc/sys",
    "kernel.new-proc": "another /proc, mounted inside",
    "kernel.sys-files": "/sys",
    "kernel.control-groups": "",
    "kernel.magic-keys": "/proc/sysrq-trigger",
    "kernel.memory-score": "oom_score_adj of a process outside",
    "kernel.host-name-call": "sethostname",
    "kernel.reboot-call": "",
    "kernel.module-call": "init_module",
    "kernel.kexec-call": "",
    "kernel.swap-call": "",
    "kernel.bpf-call": "",
    "kernel.perf-call": "perf_event_open",
    "kernel.page-fault-call": "userfaultfd",
    "kernel.ring-call": "io_uring",
    "kernel.user-namespace": "unshare(CLONE_NEWUSER)",
    "kernel.other-namespaces": "unshare of the network, mounts, processes",
    "kernel.user-namespace-by-clone": "",
    "kernel.user-namespace-by-clone3": "",
    "kernel.enter-namespace": "setns",
    "kernel.x32-calls": "system calls by their x32 numbers",
    "kernel.i386-calls": "int 0x80",
    "kernel.capabilities": "none held, also by a program started anew",
    "kernel.new-privileges": "no_new_privs is set",
}
_BY_ROOT = {"kernel.set-user-id-program": "a program that would run as somebody else"}
_OTHER_USER = 12345


@scenario(cases("kernel-knobs", {**_KNOBS, **_BY_ROOT}))
async def kernel(bench: Bench, say: Verdicts) -> None:
    """Every attack is harmless if it works."""
    bench.made("workspace", "mount-point")
    given: dict[str, Any] = {"other-user": str(_OTHER_USER), "set-user-id": _set_user_id(bench)}
    attacks = {id: id for id in say.wanted}
    if not given["set-user-id"]:
        attacks.pop("kernel.set-user-id-program", None)
        say.skip("kernel.set-user-id-program", "only root can make such a program")
    with victim_process(bench.outside, bench.secret, bench.mark) as victim:
        outcomes = await bench.attack("kernel", attacks, pid=victim.pid, **given)
    bench.judge(say, outcomes)


def _set_user_id(bench: Bench) -> str:
    """A copy of `id` that runs as somebody else; empty if this user cannot make one."""
    found = shutil.which("id")
    if os.geteuid() or not found:
        return ""
    path = shutil.copy(os.path.realpath(found), os.path.join(bench.made("programs"), "id"))
    for folder in (bench.folder, os.path.dirname(path)):
        os.chmod(folder, 0o755)
    os.chown(path, _OTHER_USER, -1)
    os.chmod(path, 0o4755)
    return path


@scenario(cases("ipc", {"ipc.keyrings": "the session's keyring", "ipc.new-key": "add_key"}))
async def keys(bench: Bench, say: Verdicts) -> None:
    """Keys of the kernel are shared by all programs of a session."""
    bench.judge(say, await bench.attack("kernel", {id: id for id in say.wanted}))


_HARMLESS_TO_OPEN = (
    *("/dev/mem", "/dev/port", "/dev/kmsg", "/dev/loop-control", "/dev/loop0", "/dev/fuse", "/dev/net/tun"),
    *("/dev/kvm", "/dev/vsock", "/dev/vda", "/dev/sda", "/dev/nvme0n1", "/dev/userfaultfd", "/dev/hwrng"),
    *("/dev/vhost-net", "/dev/vhost-vsock", "/dev/btrfs-control", "/dev/zram0", "/dev/dri/card0", "/dev/uinput"),
)


@scenario(
    cases(
        "devices",
        {
            "devices.open": "memory, disks, tunnels and the like",
            "devices.kernel-log": "/dev/kmsg, to write",
            "devices.make": "a node made by the command",
            "devices.other-terminal": "a terminal of the same user",
        },
    )
)
async def devices(bench: Bench, say: Verdicts) -> None:
    """Those devices that this machine has."""
    terminal = Terminal()
    try:
        attacks = {id: id for id in say.wanted}
        given: dict[str, Any] = {
            "devices": [path for path in _HARMLESS_TO_OPEN if os.path.exists(path)],
            "terminal": terminal.path,
        }
        outcomes = await bench.attack("kernel", attacks, **given)
        heard = terminal.heard()
    finally:
        terminal.close()
    bench.judge(say, outcomes, outside={"devices.other-terminal": repr(heard) if heard else ""})


@scenario(
    cases(
        "devices",
        {
            "devices.type-ahead": "TIOCSTI: input that its terminal's reader takes for the user's",
            "devices.type-ahead-wide": "the same with more than 32 bits",
        },
    ),
    cases("", {"devices.plain": "null, zero, full, random, urandom, tty, ptmx, fd, stdin and shm work"}),
)
async def terminal(bench: Bench, say: Verdicts) -> None:
    """On a terminal of its own."""
    attacks = {id: id for id in say.wanted if id != "devices.plain"}
    bench.judge(say, await bench.attack("kernel", attacks, options={"tty": True}))
    script = """
import os
assert open("/dev/null", "rb").read() == b""; open("/dev/null", "w").write("x")
assert open("/dev/zero", "rb").read(3) == bytes(3)
for name in ("random", "urandom"): assert len(open("/dev/" + name, "rb").read(8)) == 8
try: open("/dev/full", "wb", buffering=0).write(b"x")
except OSError as error: assert error.errno == 28
open("/dev/tty", "w").write("to the terminal ")
ours, other = os.openpty(); os.write(other, b"x"); assert os.read(ours, 1) == b"x"
os.listdir("/dev/fd"); os.write(os.open("/dev/stdout", os.O_WRONLY), b"by name ")
print("all worked")
"""
    ended = await bench.run(*bench.python(script), tty=True)
    say(
        "devices.plain",
        expect(ended.text.split() == ["to", "the", "terminal", "by", "name", "all", "worked"], ended.text),
    )
