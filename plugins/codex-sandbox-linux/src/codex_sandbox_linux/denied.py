"""What of the disk a policy's denied reads name at the moment.

A file that comes to be later, and that a pattern names, is covered from the next command on.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterator, Sequence
from fnmatch import translate

from codex_plugin_sdk import SandboxUnavailable, Value, value

MAX_ENTRIES = 200_000
MAX_SECONDS = 3.0
MAX_FOUND = 500
_SIGNS = re.compile(r"[*?\[]")
_NETWORK = ("nfs", "cifs", "smb", "autofs", "fuse.sshfs", "9p", "ceph", "afs")
_KERNEL = ("proc", "sysfs", "cgroup", "devpts", "devtmpfs")


@value
class Denied(Value):
    """A real path that must not be read."""

    path: str
    folder: bool


def find(patterns: Sequence[str]) -> tuple[Denied, ...]:
    """The real paths, outer ones first, nothing below a folder that is itself denied.

    A search stops at network file systems that are mounted below it: they count as denied as a whole, rather
    than that one which does not answer should hold us up. It leaves out /proc, /sys and /dev. Raises
    `SandboxUnavailable` for a pattern that cannot be searched for in time or finds too much: what is to be denied
    must not be readable for that.
    """
    found: dict[str, bool] = {}
    for pattern in patterns:
        for path in _expand(pattern):
            real = os.path.realpath(path)
            try:
                found[real] = stat.S_ISDIR(os.stat(real).st_mode)
            except FileNotFoundError:
                continue
            except OSError:
                found[real] = True  # out of our reach, and a command's
            if len(found) > MAX_FOUND:
                raise SandboxUnavailable(
                    f"the denied read {pattern!r} names more than {MAX_FOUND} files", hint="deny their folder instead"
                )
    outermost: list[Denied] = []
    folders: set[str] = set()
    for path in sorted(found, key=lambda path: path.count("/")):
        if not any(above in folders for above in _ancestors(path)):
            outermost.append(Denied(path=path, folder=found[path]))
            if found[path]:
                folders.add(path)
    return tuple(outermost)


def _ancestors(path: str) -> Iterator[str]:
    while path != "/":
        path = os.path.dirname(path)
        yield path


def _expand(pattern: str) -> Iterator[str]:
    sign = _SIGNS.search(pattern)
    if sign is None:
        if os.path.lexists(pattern):
            yield pattern
        return
    base = pattern[: sign.start()].rpartition("/")[0] or "/"
    matches = re.compile(translate(pattern)).match
    # Without a `*`, which crosses `/`, a pattern has a fixed number of parts.
    deepest = pattern.count("/") if "*" not in pattern else None
    network, kernel = _mounts(_NETWORK), _mounts(_KERNEL)
    deadline, left, waiting = time.monotonic() + MAX_SECONDS, MAX_ENTRIES, [base]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    left -= 1
                    if matches(entry.path) or entry.path in network:
                        yield entry.path
                    elif entry.is_dir(follow_symlinks=False) and _deeper(entry.path, deepest, kernel):
                        waiting.append(entry.path)
                    if left < 0 or time.monotonic() > deadline:
                        raise SandboxUnavailable(
                            f"the denied read {pattern!r} means searching too large a tree below {base}",
                            hint="write down a folder that is nearer to what is to be denied",
                        )
        except OSError:
            continue  # what we may not list, a command of ours may not either


def _deeper(path: str, deepest: int | None, left_out: frozenset[str]) -> bool:
    return (deepest is None or path.count("/") < deepest) and path not in left_out


def _mounts(kinds: tuple[str, ...]) -> frozenset[str]:
    """Where file systems of these kinds are mounted."""
    with open("/proc/self/mountinfo", "rb") as file:
        lines = file.read().splitlines()
    found = set()
    for line in lines:
        head, _, tail = line.partition(b" - ")
        if tail.decode("ascii", "replace").startswith(kinds):
            place = re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), head.split()[4])
            found.add(os.fsdecode(place))
    return frozenset(found)
