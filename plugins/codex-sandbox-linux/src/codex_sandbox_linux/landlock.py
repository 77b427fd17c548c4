"""What Landlock is told for a policy: planned without touching the kernel, then turned into a ruleset.

Landlock is a list of what is allowed, and what is allowed on a folder is allowed below it. So what is to be kept
out (devices, denied reads) is kept out by allowing its neighbours one by one along the way down to it. What such
a folder gets later is not readable until the plan is made anew: `stamp` tells.

That does not do for folders in which commands create files. A denied read below a writable root is refused, and
`.git`, `.codex` and `.agents` there are not protected: see `guarantees`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Protocol

from codex_plugin_sdk import Guarantee, NetworkMode, SandboxPolicy, SandboxUnavailable, Value, value

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REMOVE_DIR, REMOVE_FILE, MAKE_CHAR, MAKE_DIR, MAKE_REG = 1 << 4, 1 << 5, 1 << 6, 1 << 7, 1 << 8
MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK, MAKE_SYM = 1 << 9, 1 << 10, 1 << 11, 1 << 12
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
BIND_TCP, CONNECT_TCP = 1 << 0, 1 << 1
SCOPE_ABSTRACT_SOCKETS, SCOPE_SIGNALS = 1 << 0, 1 << 1
LOG_SAME_EXEC_OFF = 1 << 0

NEWEST_ABI = 7
TRUNCATE_ABI, NETWORK_ABI, SCOPE_ABI, LOG_ABI = 3, 4, 6, 7

FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
READ = EXECUTE | READ_FILE | READ_DIR
# Devices cannot be made without capabilities anyway; in a writable folder there is none to talk to.
WRITE = (
    WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SOCK | MAKE_FIFO | MAKE_SYM | REFER | TRUNCATE
)
USE_DEVICE = READ_FILE | WRITE_FILE | TRUNCATE | IOCTL_DEV

SYSTEM_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/proc")
"""What programs need to start, where not everything is readable."""
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")
TERMINALS = ("/dev/ptmx", "/dev/pts")
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - semaphores of multiprocessing live there
PROTECTED = (".git", ".codex", ".agents")

MAX_RULES = 8192


@value
class PathRule(Value):
    """What is allowed on a file, or on a folder and all below it. `path` is absolute and resolved."""

    path: str
    access: int


@value
class LandlockPlan(Value):
    """A ruleset to be. `watched` are the folders whose neighbours were allowed one by one."""

    handled_fs: int
    handled_net: int
    scoped: int
    rules: tuple[PathRule, ...]
    watched: tuple[str, ...] = ()


class Tree(Protocol):
    """A file system, as far as a plan looks at it."""

    def children(self, path: str) -> Sequence[tuple[str, bool]] | None:
        """Name and whether it is a folder, of all but symlinks; None for what is no folder or is closed to us."""
        ...


class Disk:
    """The real one."""

    def children(self, path: str) -> Sequence[tuple[str, bool]] | None:
        """See `Tree`."""
        try:
            with os.scandir(path) as entries:
                return [(e.name, e.is_dir(follow_symlinks=False)) for e in entries if not e.is_symlink()]
        except (NotADirectoryError, PermissionError, FileNotFoundError):
            return None


def rights_for(abi: int) -> tuple[int, int, int]:
    """What this version can handle: accesses to files, to TCP ports, and scopes."""
    files = (1 << 13) - 1
    files |= REFER if abi >= 2 else 0
    files |= TRUNCATE if abi >= TRUNCATE_ABI else 0
    files |= IOCTL_DEV if abi >= 5 else 0
    network = BIND_TCP | CONNECT_TCP if abi >= NETWORK_ABI else 0
    return files, network, SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS if abi >= SCOPE_ABI else 0


def guarantees(abi: int) -> tuple[Guarantee, ...]:
    """What Landlock and the seccomp filter enforce together, and why not the rest."""
    scoped = abi >= SCOPE_ABI
    signals = "" if scoped else ", and signalled (Landlock ABI 6, Linux 6.12, prevents that)"
    not_enforced = {
        "metadata-outside": "Landlock has no rule for modes, owners, times and attributes",
        "protected-folders": f"Landlock allows whole folders: {', '.join(PROTECTED)} in a writable root can be changed",
        "processes": f"other programs' processes can be seen{signals}; not traced or read",
        "devices": "a command on a terminal can open the other terminals of the same user",
        "ipc": f"{SHARED_MEMORY} and System V objects are shared with other programs of the same user",
    }
    if not scoped:
        not_enforced["dies-with-us"] = "needs the signal scope of Landlock ABI 6 (Linux 6.12)"
    enforced = ("write-outside", "denied-reads", "network-ip", "network-unix-sockets", "kernel-knobs", "dies-with-us")
    return (
        *(Guarantee(name=name, enforced=True) for name in enforced if name not in not_enforced),
        *(Guarantee(name=name, enforced=False, why=why) for name, why in not_enforced.items()),
    )


def plan(
    policy: SandboxPolicy, roots: Sequence[str], abi: int, *, terminal: bool = False, tree: Tree | None = None
) -> LandlockPlan:
    """The ruleset for a policy. `roots` are the folders to be writable, absolute, resolved and existing;
    `terminal` allows pseudo-terminals.

    Raises `SandboxUnavailable` for what Landlock cannot enforce: a proxied network, denied reads or other
    read-only paths below a writable root, more neighbours than `MAX_RULES`.
    """
    if policy.network is NetworkMode.PROXIED:
        raise SandboxUnavailable("Landlock knows ports but no addresses: it cannot leave a proxy as the only way out")
    for path in policy.read_only_paths:
        if os.path.basename(path) not in PROTECTED and any(_lies_in(path, root) for root in roots):
            raise SandboxUnavailable(f"Landlock cannot keep {path} read-only in a writable folder")
    denied = _Denied(policy.denied_reads)
    for root in roots:
        if pattern := denied.touching(root):
            raise SandboxUnavailable(f"Landlock cannot deny reads ({pattern}) in the writable folder {root}")
    files, network, scoped = rights_for(abi)
    rules = _Rules(files, denied, tree or Disk())
    if "/" in policy.readable_roots:
        rules.allow("/", READ)
    else:
        for path in (*SYSTEM_FOLDERS, *policy.readable_roots, os.path.realpath("/etc/resolv.conf")):
            rules.allow(os.path.realpath(path), READ)
    for root in roots:
        rules.add(root, READ | WRITE)
    for device in (*DEVICES, *(TERMINALS if terminal else ())):
        rules.add(device, USE_DEVICE | READ_DIR)
    rules.add(os.path.realpath(SHARED_MEMORY), READ | WRITE)
    return LandlockPlan(
        handled_fs=files,
        handled_net=0 if policy.network is NetworkMode.ON else network,
        scoped=scoped,
        rules=tuple(PathRule(path=path, access=access) for path, access in rules.found.items()),
        watched=tuple(rules.watched),
    )


class _Denied:
    """Denied reads. A pattern's fixed part tells where its matches can lie at all."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self.literal = {found for path in patterns if not _wild(path) for found in (path, os.path.realpath(path))}
        self.wild = {pattern: _fixed_part(pattern) for pattern in patterns if _wild(pattern)}

    def matches(self, path: str) -> bool:
        """Whether this very path is denied."""
        return path in self.literal or any(fnmatchcase(path, pattern) for pattern in self.wild)

    def touching(self, root: str) -> str:
        """A pattern that may match something in a folder, or a folder that it lies in; empty if none."""
        for path in self.literal:
            if _lies_in(path, root) or _lies_in(root, path):
                return path
        for pattern, place in self.wild.items():
            if _lies_in(place, root) or _lies_in(root, place):
                return pattern
        return ""

    def below(self, folder: str) -> tuple[set[str], bool]:
        """Fixed paths that lie in a folder, and whether patterns may match in it."""
        return {path for path in self.literal if _lies_in(path, folder)}, any(
            _lies_in(place, folder) or _lies_in(folder, place) for place in self.wild.values()
        )


class _Rules:
    """Collects rules; goes around what is kept out."""

    def __init__(self, handled: int, denied: _Denied, tree: Tree) -> None:
        self.found: dict[str, int] = {}
        self.watched: list[str] = []
        self._handled = handled
        self._denied = denied
        self._tree = tree

    def add(self, path: str, access: int) -> None:
        """Allow as it is."""
        self.found[path] = self.found.get(path, 0) | (access & self._handled)
        if len(self.found) > MAX_RULES:
            raise SandboxUnavailable(
                f"Landlock would need more than {MAX_RULES} rules to leave out what is denied",
                hint="name denied reads by longer paths, without wildcards high up",
            )

    def allow(self, path: str, access: int) -> None:
        """Allow reading but for devices and what is denied."""
        place = path
        while place != os.path.dirname(place):
            if self._denied.matches(place):
                return
            place = os.path.dirname(place)
        if not _lies_in(path, "/dev"):
            self._allow(path, access, folder=True)

    def _allow(self, path: str, access: int, *, folder: bool) -> None:
        if path == "/dev":
            self.add(path, READ_DIR)
            return
        if self._denied.matches(path):
            return
        literal, wild = self._denied.below(path)
        if not folder or not (literal or wild or path == "/"):
            self.add(path, access)
            return
        children = self._tree.children(path)
        if children is None:
            return
        self.watched.append(path)
        # Listing a folder allows listing what lies in it: not where that would show a denied folder's names.
        if not wild and not any(self._is_folder(found) for found in literal):
            self.add(path, READ_DIR)
        for name, is_folder in children:
            self._allow(os.path.join(path, name), access, folder=is_folder)

    def _is_folder(self, path: str) -> bool:
        """Whether it is a folder, or may become one."""
        siblings = self._tree.children(os.path.dirname(path)) or ()
        return (os.path.basename(path), False) not in siblings


def _wild(pattern: str) -> bool:
    return any(character in pattern for character in "*?[")


def _fixed_part(pattern: str) -> str:
    """The folder above a pattern's first wildcard."""
    first = min(at for at in map(pattern.find, "*?[") if at >= 0)
    return os.path.dirname(pattern[:first]) or "/"


def _lies_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


# -- on this machine -----------------------------------------------------------------------------------


def build(planned: LandlockPlan) -> int:
    """Make the ruleset; returns its descriptor. What does not exist or is closed to us is left out.

    Raises `SandboxUnavailable` for a writable folder that is not where it was when it was resolved (commands
    may put symlinks in its place), `OSError` for what the kernel refuses.
    """
    from . import calls

    ruleset = calls.create_ruleset(planned.handled_fs, planned.handled_net, planned.scoped)
    try:
        for rule in planned.rules:
            _add(ruleset, rule)
    except BaseException:
        os.close(ruleset)
        raise
    return ruleset


def _add(ruleset: int, rule: PathRule) -> None:
    from . import calls

    try:
        descriptor = os.open(rule.path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    try:
        mode = os.fstat(descriptor).st_mode
        moved = os.readlink(f"/proc/self/fd/{descriptor}") != rule.path
        if rule.access & MAKE_REG and (moved or stat.S_ISLNK(mode)):
            raise SandboxUnavailable(f"{rule.path}, which is to be writable, was moved or replaced")
        access = rule.access if stat.S_ISDIR(mode) else rule.access & FILE_RIGHTS
        if access and not stat.S_ISLNK(mode):
            calls.allow_below(ruleset, descriptor, access)
    finally:
        os.close(descriptor)


def stamp(planned: LandlockPlan) -> tuple[int, ...]:
    """Changes whenever one of the watched folders gets or loses an entry."""
    found = []
    for folder in planned.watched:
        try:
            found.append(os.stat(folder).st_mtime_ns)
        except OSError:
            found.append(-1)
    return tuple(found)
