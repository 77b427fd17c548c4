"""Attacks on the kernel's settings, its wide interfaces, privileges and devices. Runs inside the sandbox.

Each is harmless if it works: settings are written as they are, calls get arguments that are refused.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import platform
import stat
import subprocess
import termios

from codex_plugin_sdk.testing.sandbox_probe import Given, Refused, attack, checked, libc, reached, syscall

_NEWUSER, _NEWNET, _NEWNS, _NEWPID = 0x10000000, 0x40000000, 0x00020000, 0x20000000


def _same_again(path: str) -> str:
    with open(path, "rb") as file:
        found = file.read()
    fd = os.open(path, os.O_WRONLY)
    os.write(fd, found)
    return f"wrote {found!r} to {path}"


def _any_of(paths: list[str]) -> str:
    """Write the first that lets us. Raises the last refusal."""
    last: OSError = FileNotFoundError(2, "none of them is there")
    for path in paths:
        try:
            return _same_again(path)
        except OSError as error:
            last = error
    raise last


@attack("kernel.host-name-file")
def host_name_file(given: Given) -> object:
    return _same_again("/proc/sys/kernel/hostname")


@attack("kernel.core-pattern")
def core_pattern(given: Given) -> object:
    return _same_again("/proc/sys/kernel/core_pattern")


@attack("kernel.settings")
def settings(given: Given) -> object:
    names = ("vm/overcommit_memory", "vm/swappiness", "kernel/randomize_va_space", "fs/file-max", "kernel/panic")
    return _any_of([f"/proc/sys/{name}" for name in (*names, "kernel/modprobe", "net/ipv4/ip_forward")])


@attack("kernel.settings-of-init")
def settings_of_init(given: Given) -> object:
    return _same_again("/proc/1/root/proc/sys/kernel/core_pattern")


@attack("kernel.new-proc")
def new_proc(given: Given) -> object:
    place = os.path.join(given["workspace"], "mount-point")
    checked(libc.mount(b"proc", os.fsencode(place), b"proc", 0, None))
    try:
        return _same_again(os.path.join(place, "sys/kernel/core_pattern"))
    finally:
        libc.umount2(os.fsencode(place), 2)


@attack("kernel.sys-files")
def sys_files(given: Given) -> object:
    return _any_of([f"/sys/kernel/{name}" for name in ("rcu_expedited", "mm/ksm/run", "mm/ksm/sleep_millisecs")])


@attack("kernel.control-groups")
def control_groups(given: Given) -> object:
    os.mkdir(f"/sys/fs/cgroup/{given['mark']}")
    os.rmdir(f"/sys/fs/cgroup/{given['mark']}")
    return "made a control group"


@attack("kernel.magic-keys")
def magic_keys(given: Given) -> object:
    os.close(os.open("/proc/sysrq-trigger", os.O_WRONLY))  # nothing is written
    return "could be pressed"


@attack("kernel.memory-score")
def memory_score(given: Given) -> object:
    return _same_again(f"/proc/{given['pid']}/oom_score_adj")


@attack("kernel.host-name-call")
def host_name_call(given: Given) -> object:
    name = os.uname().nodename.encode()
    return checked(libc.sethostname(name, len(name)))


@attack("kernel.reboot-call")
def reboot(given: Given) -> object:
    return reached("reboot", 1, 2, 3, 0)


@attack("kernel.module-call")
def module(given: Given) -> object:
    return reached("init_module", 0, 0, ctypes.c_char_p(b""))


@attack("kernel.kexec-call")
def kexec(given: Given) -> object:
    return reached("kexec_load", 0, 0, 0, 0xFFFF)


@attack("kernel.swap-call")
def swap(given: Given) -> object:
    return reached("swapon", 0, 0)


@attack("kernel.bpf-call")
def bpf(given: Given) -> object:
    return reached("bpf", 9999, 0, 0)


@attack("kernel.perf-call")
def perf(given: Given) -> object:
    return reached("perf_event_open", 0, 0, -1, -1, 0)


@attack("kernel.page-fault-call")
def page_faults(given: Given) -> object:
    return reached("userfaultfd", 1)


@attack("kernel.ring-call")
def ring(given: Given) -> object:
    return reached("io_uring_setup", 1, 0)


@attack("ipc.keyrings")
def keyrings(given: Given) -> object:
    return reached("keyctl", 0, -3, 0)


@attack("ipc.new-key")
def new_key(given: Given) -> object:
    return reached("add_key", ctypes.c_char_p(b"user"), ctypes.c_char_p(b"kit"), 0, 9999999, -3)


def _unshare(flags: int) -> str:
    checked(libc.unshare(ctypes.c_int(flags)))
    return "has a namespace of its own"


@attack("kernel.user-namespace")
def user_namespace(given: Given) -> object:
    return _unshare(_NEWUSER)


@attack("kernel.other-namespaces")
def other_namespaces(given: Given) -> object:
    last: OSError = OSError(1, "")
    for flags in (_NEWNET, _NEWNS, _NEWPID):
        try:
            return _unshare(flags)
        except OSError as error:
            last = error
    raise last


@attack("kernel.user-namespace-by-clone")
def clone(given: Given) -> object:
    pid = syscall("clone", _NEWUSER | 17, 0, 0, 0, 0)
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    return "a child has a namespace of its own"


@attack("kernel.user-namespace-by-clone3")
def clone3(given: Given) -> object:
    arguments = (ctypes.c_uint64 * 11)()
    arguments[0], arguments[4] = _NEWUSER, 17
    pid = syscall("clone3", ctypes.byref(arguments), 88)
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    return "a child has a namespace of its own"


@attack("kernel.enter-namespace")
def enter(given: Given) -> object:
    last: OSError = OSError(1, "")
    for path in (f"/proc/{given['pid']}/ns/net", "/proc/1/ns/net", "/proc/self/ns/net", "/proc/self/ns/uts"):
        try:
            checked(libc.setns(os.open(path, os.O_RDONLY), 0))
            return f"entered {path}"
        except OSError as error:
            last = error
    raise last


@attack("kernel.x32-calls")
def x32(given: Given) -> object:
    if platform.machine() != "x86_64":
        raise Refused("there is no such interface here")
    return checked(libc.syscall(ctypes.c_long(0x40000000 + 39)))


@attack("kernel.i386-calls")
def i386(given: Given) -> object:
    if platform.machine() != "x86_64":
        raise Refused("there is no such interface here")
    with mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as page:
        page.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # eax = getpid; int 0x80; ret
        view = (ctypes.c_char * 1).from_buffer(page)
        found = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(view))()
        del view
    if found != os.getpid():
        raise Refused(f"it gave {found}")
    return "served"


# -- privileges ------------------------------------------------------------------------------------------


def _status() -> dict[str, str]:
    lines = subprocess.run(["cat", "/proc/self/status"], stdout=-1, check=True).stdout.decode().splitlines()
    return {name: found.strip() for name, _, found in (line.partition(":") for line in lines)}


@attack("kernel.capabilities")
def capabilities(given: Given) -> object:
    found = _status()
    held = {name: found[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb") if int(found[name], 16)}
    if not held:
        raise Refused("none, also of a program that was started anew")
    return held


@attack("kernel.new-privileges")
def new_privileges(given: Given) -> object:
    if _status()["NoNewPrivs"] == "1":
        raise Refused("there will be none")
    return "set-user-id programs would be obeyed"


@attack("kernel.set-user-id-program")
def set_user_id(given: Given) -> object:
    said = subprocess.run([given["set-user-id"], "-u"], stdout=-1, stderr=-2, check=False).stdout.decode().strip()
    if said != given["other-user"]:
        raise Refused(f"it ran as {said}")
    return f"became {said}"


# -- devices ---------------------------------------------------------------------------------------------


@attack("devices.open")
def devices(given: Given) -> object:
    opened = []
    for path in given["devices"]:
        try:
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY))
            opened.append(path)
        except OSError:
            continue
    if not opened:
        raise Refused("none")
    return opened


@attack("devices.kernel-log")
def kernel_log(given: Given) -> None:
    os.close(os.open("/dev/kmsg", os.O_WRONLY))


@attack("devices.make")
def make(given: Given) -> object:
    path = os.path.join(given["workspace"], "made")
    os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    try:
        return os.open(path, os.O_RDWR)
    finally:
        os.unlink(path)


@attack("devices.other-terminal")
def other_terminal(given: Given) -> object:
    fd = os.open(given["terminal"], os.O_WRONLY | os.O_NOCTTY)
    return os.write(fd, given["mark"].encode())


@attack("devices.type-ahead")
def type_ahead(given: Given) -> object:
    fd = os.open("/dev/tty", os.O_RDWR)
    return fcntl.ioctl(fd, termios.TIOCSTI, b"x")


@attack("devices.type-ahead-wide")
def type_ahead_wide(given: Given) -> object:
    """The kernel takes 32 bits of the request: more must not slip by a filter."""
    fd = os.open("/dev/tty", os.O_RDWR)
    return checked(libc.ioctl(fd, ctypes.c_ulong(termios.TIOCSTI | 1 << 32), b"x"))
