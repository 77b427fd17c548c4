"""The seccomp filter of confined commands, for both engines: what they never need and could do harm with.

A denylist over numbers and register arguments. Pointers cannot be followed, so what depends on memory (a path, an
address) is left to the mount namespace or to Landlock, or the whole call is refused.

Not refused, on purpose: adjtimex (reading the clock's state is common; changing it needs a capability that
commands do not have), seccomp and Landlock (nested sandboxes only narrow), personality's harmless values.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

from .bpf import Assembler
from .syscalls import AUDIT_ARCH, NUMBERS, X32_BIT

Network = Literal["off", "proxied", "on"]

KILL = 0x80000000
ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_EPERM, _EACCES, _ENOSYS = 1, 13, 38

_OFFSET_NR, _OFFSET_ARCH, _OFFSET_ARGS = 0, 4, 16

# Numbers 512-547 are x32's too; kernels before 5.4 also take them without the bit.
_X32_FIRST, _X32_LAST = 512, 547

_NAMESPACES = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_NEWTIME = 0x80  # unshare only: in clone these bits are the signal of the child's end

_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_STREAM, _DGRAM, _SEQPACKET = 1, 2, 5
_TYPE_BITS = 0xFFFFFFFF & ~0o2004000  # all but SOCK_CLOEXEC and SOCK_NONBLOCK
_NETLINK_ROUTE = 0

_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C

# Plain, LINUX32, UNAME26, both, no address randomisation (debuggers, sanitizers), and the question.
_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0x40000, 0xFFFFFFFF)

_RLIMIT_LOCKS = 10  # carries the mark by which a command's processes are found
_PRIO_USER, _IOPRIO_WHO_USER = 2, 3
_O_TRUNC, _O_ACCMODE, _O_WRONLY, _O_RDWR = 0o1000, 3, 1, 2

DENIED = (
    # namespaces and mounts
    *("setns", "mount", "umount2", "pivot_root", "chroot", "open_tree", "open_tree_attr", "move_mount"),
    *("fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr"),
    # wide and young kernel interfaces
    *("io_uring_setup", "io_uring_enter", "io_uring_register", "bpf", "perf_event_open", "userfaultfd"),
    *("add_key", "request_key", "keyctl", "fanotify_init", "process_madvise", "open_by_handle_at"),
    # the machine
    *("kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "create_module"),
    *("query_module", "get_kernel_syms", "swapon", "swapoff", "reboot", "acct", "quotactl", "quotactl_fd"),
    *("settimeofday", "clock_settime", "sethostname", "setdomainname", "vhangup", "syslog"),
    *("lookup_dcookie", "nfsservctl", "iopl", "ioperm", "uselib", "_sysctl"),
)
"""Refused with EPERM, whatever the arguments."""

TRACING = ("ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp")
"""Refused unless `ptrace`."""


@cache
def program(
    arch: str,
    network: Network,
    *,
    allow_unix: bool = False,
    ptrace: bool = True,
    private_network: bool = True,
    host_pid: int = 0,
    scoped_signals: bool = True,
    guard_truncation: bool = False,
) -> bytes:
    """The filter as an array of `struct sock_filter`, as seccomp(2) and bwrap's `--seccomp FD` take it.

    `arch` is `x86_64` or `aarch64`. `private_network` says that the command is in a network namespace of its
    own, where every socket is harmless. `ptrace` allows tracing where something else confines it to the
    command's own processes. `host_pid` is given where commands share our process namespace, as the process
    not to be signalled; then limits and priorities of other processes cannot be set either, for which the
    kernel asks no security module. `scoped_signals` false adds that `kill(-1)` is refused,
    `guard_truncation` that files cannot be truncated but through a descriptor open for writing (Landlock
    before ABI 3 does not see it).

    Raises `ValueError` for another architecture, or `proxied` without a private network.
    """
    if arch not in NUMBERS:
        raise ValueError(f"no filter for the architecture {arch!r} (there are {', '.join(NUMBERS)})")
    if network == "proxied" and not private_network:
        raise ValueError("a proxied network needs a private network namespace")
    inet = private_network or network == "on"
    builder = _Filter(arch)
    builder.begin()
    builder.checks["clone"] = lambda: builder.refuse_bits(0, _NAMESPACES)
    builder.checks["unshare"] = lambda: builder.refuse_bits(0, _NAMESPACES | _NEWTIME)
    builder.checks["ioctl"] = lambda: builder.refuse_values(1, (_TIOCSTI, _TIOCLINUX))
    builder.checks["personality"] = lambda: builder.allow_values(0, _PERSONALITIES)
    builder.checks["socket"] = lambda: builder.socket(inet=inet, unix=allow_unix)
    builder.checks["socketpair"] = builder.socketpair
    if host_pid:
        builder.guard_processes(host_pid, everybody=not scoped_signals)
    denied = DENIED if ptrace else (*DENIED, *TRACING)
    if guard_truncation:
        builder.guard_truncation()
    return builder.finish(denied)


class _Filter:
    """Dispatches on the number, then runs the check of that call; each check ends in a jump or a return."""

    def __init__(self, arch: str) -> None:
        self.arch = arch
        self.numbers = NUMBERS[arch]
        self.asm = Assembler()
        self.checks: dict[str, object] = {}
        self.missing = ["clone3"]  # glibc and others fall back to clone, whose flags can be seen
        self.inaccessible: list[str] = []
        self._count = 0

    def begin(self) -> None:
        """Kill foreign ABIs, refuse x32, leave the call's number in A."""
        asm = self.asm
        asm.load(_OFFSET_ARCH)
        asm.if_equal(AUDIT_ARCH[self.arch], otherwise="kill")
        asm.load(_OFFSET_NR)
        if self.arch == "x86_64":
            asm.if_at_least(X32_BIT, then="missing")
            asm.if_at_least(_X32_LAST + 1, then="allow")
            asm.if_at_least(_X32_FIRST, then="missing")

    def finish(self, denied: tuple[str, ...]) -> bytes:
        """Emit the dispatch, the checks and the answers."""
        asm = self.asm
        for names, target in ((denied, "deny"), (self.missing, "missing"), (self.inaccessible, "inaccessible")):
            for name in names:
                if name in self.numbers:
                    asm.if_equal(self.numbers[name], then=target)
        known = [name for name in self.checks if name in self.numbers]
        for name in known:
            asm.if_equal(self.numbers[name], then=f"check-{name}")
        asm.jump("allow")
        for name in known:
            asm.label(f"check-{name}")
            check = self.checks[name]
            assert callable(check)
            check()
        for label, action in (
            ("kill", KILL),
            ("missing", _ERRNO | _ENOSYS),
            ("inaccessible", _ERRNO | _EACCES),
            ("deny", _ERRNO | _EPERM),
            ("allow", ALLOW),
        ):
            asm.label(label)
            asm.ret(action)
        return asm.assemble()

    def load(self, argument: int, *, high: bool = False) -> None:
        """A = one half of an argument; the kernel looks at the low half only of those that are 32 bits wide."""
        self.asm.load(_OFFSET_ARGS + 8 * argument + 4 * high)

    def fresh(self) -> str:
        """A label that nobody else uses."""
        self._count += 1
        return f"place-{self._count}"

    def refuse_bits(self, argument: int, bits: int) -> None:
        """EPERM if one of the bits is set."""
        self.load(argument)
        self.asm.if_any_bit(bits, then="deny", otherwise="allow")

    def refuse_values(self, argument: int, values: tuple[int, ...]) -> None:
        """EPERM for these values."""
        self.load(argument)
        for found in values:
            self.asm.if_equal(found, then="deny")
        self.asm.jump("allow")

    def allow_values(self, argument: int, values: tuple[int, ...]) -> None:
        """EPERM for all but these values."""
        self.load(argument)
        for found in values:
            self.asm.if_equal(found, then="allow")
        self.asm.jump("deny")

    def socket(self, *, inet: bool, unix: bool) -> None:
        """Families and types of socket(2). Netlink shows interfaces and routes, for getifaddrs; changing them
        needs a capability."""
        asm = self.asm
        self.load(0)
        types, netlink = self.fresh(), self.fresh()
        if inet:
            for family in (_AF_INET, _AF_INET6):
                asm.if_equal(family, then=types)
            asm.if_equal(_AF_NETLINK, then=netlink)
        # Local sockets of every type, where they were granted.
        asm.if_equal(_AF_UNIX, then="allow" if unix else "deny", otherwise="deny")
        if inet:
            asm.label(types)
            self.socket_types((_STREAM, _DGRAM))
            asm.label(netlink)
            self.load(2)
            asm.if_equal(_NETLINK_ROUTE, then="allow", otherwise="deny")

    def socketpair(self) -> None:
        """No datagrams: they can be sent to any other program's socket by its path."""
        self.load(0)
        self.asm.if_equal(_AF_UNIX, otherwise="deny")
        self.socket_types((_STREAM, _SEQPACKET))

    def socket_types(self, types: tuple[int, ...]) -> None:
        """EPERM for all but these types."""
        self.load(1)
        self.asm.mask(_TYPE_BITS)
        for found in types:
            self.asm.if_equal(found, then="allow")
        self.asm.jump("deny")

    def guard_processes(self, host_pid: int, *, everybody: bool) -> None:
        """Keep hands off processes outside, where the numbers of processes are shared."""
        outside = (host_pid, -host_pid & 0xFFFFFFFF, *((0xFFFFFFFF,) if everybody else ()))
        for name in ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"):
            self.checks[name] = lambda: self.refuse_values(0, outside)
        self.checks["setpriority"] = lambda: self.refuse_values(0, (_PRIO_USER,))
        self.checks["ioprio_set"] = lambda: self.refuse_values(0, (_IOPRIO_WHO_USER,))
        self.checks["setrlimit"] = lambda: self.refuse_values(0, (_RLIMIT_LOCKS,))
        self.checks["prlimit64"] = self.prlimit

    def prlimit(self) -> None:
        """Reading is free; setting is for the caller itself, and not the limit that marks it."""
        asm, setting = self.asm, self.fresh()
        for high in (False, True):
            self.load(2, high=high)
            asm.if_equal(0, otherwise=setting)
        asm.jump("allow")
        asm.label(setting)
        self.load(0)
        asm.if_equal(0, otherwise="deny")
        self.load(1)
        asm.if_equal(_RLIMIT_LOCKS, then="deny", otherwise="allow")

    def guard_truncation(self) -> None:
        """Truncate only what is opened for writing as well."""
        self.inaccessible.append("truncate")
        self.missing.append("openat2")  # its flags are in memory; everybody falls back to openat
        self.checks["open"] = lambda: self.open_flags(1)
        self.checks["openat"] = lambda: self.open_flags(2)

    def open_flags(self, argument: int) -> None:
        """EACCES for O_TRUNC without O_WRONLY or O_RDWR."""
        asm = self.asm
        self.load(argument)
        asm.if_any_bit(_O_TRUNC, otherwise="allow")
        asm.mask(_O_ACCMODE)
        asm.if_equal(_O_WRONLY, then="allow")
        asm.if_equal(_O_RDWR, then="allow", otherwise="inaccessible")
