"""What lies below a root: a walk that asks for no more than `lstat` of what has not changed, and reads the rest."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from .blobs import Blobs, digest_of
from .states import CONTENT, CTIME, INODE, LINKS, MODE, READ, SIZE, STAT, Mark, State, marked, state_of

HEAVY = frozenset(
    {b"node_modules", b".venv", b"venv", b"target", b"build", b"dist", b"__pycache__", b".tox", b".cache"}
)
"""Folders that can be made again: they come last, so that a limit meets them first."""

QUARANTINE = b".codex-quarantine"
_ALWAYS_OUT = frozenset({b".git", QUARANTINE})
_FINE_NS, _COARSE_NS = 100_000_000, 2_000_000_000
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_SHOWN = 3
_AGAIN, _READ_ONCE = 0, 1
_DIGEST = 64


Differences = dict[bytes, tuple[State | None, State | None]]
"""What changed by path: before and after."""


class Stopped(Exception):
    """A scan was told to end early."""


class Limits:
    """How much of a root is covered."""

    def __init__(self, max_file_bytes: int, max_files: int, max_bytes: int, out: frozenset[bytes]) -> None:
        self.max_file_bytes, self.max_files, self.max_bytes = max_file_bytes, max_files, max_bytes
        self.out = out | _ALWAYS_OUT


class LeftOut:
    """What a scan did not keep, for the user."""

    def __init__(self) -> None:
        self.large: list[bytes] = []
        self.unreadable: list[bytes] = []
        self.full = False
        self.beyond = False

    def words(self, limits: Limits) -> list[str]:
        """A line for each reason."""
        said = []
        if self.large:
            said.append(f"{_some(self.large)} (larger than {limits.max_file_bytes >> 20} MB)")
        if self.unreadable:
            said.append(f"{_some(self.unreadable)} (cannot be read)")
        if self.beyond:
            said.append(f"what lies beyond the first {limits.max_files:,} files")
        if self.full:
            said.append(f"what exceeds {limits.max_bytes >> 20} MB together")
        return said


def _some(paths: list[bytes]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(os.fsdecode(path) for path in paths[:_SHOWN]) + more


class Tree:
    """What is known of one root: `marks` by absolute path, what was left out, when it was looked at last (monotonic)
    and how long that took."""

    def __init__(self, root: bytes) -> None:
        self.root = root
        self.marks: dict[bytes, Mark] = {}
        self.left = LeftOut()
        self.took_s = 0.0
        self.scanned_at = float("-inf")

    def scan(
        self, blobs: Blobs, limits: Limits, hidden: frozenset[bytes], stopped: Callable[[], bool] = lambda: False
    ) -> Differences:
        """Look again; the paths that changed, with what they were and are. Raises `OSError` of the journal's own disk,
        `Stopped`."""
        began = time.monotonic()
        left = LeftOut()
        found, stale = _walk(self.root, self.marks, limits, hidden, left)
        # All that is kept of a root has a limit, however many scans it took.
        spent = sum(mark[SIZE] for mark in found.values() if len(mark[CONTENT]) == _DIGEST) if stale else 0
        for number, path in enumerate(stale):
            if number & 63 == 63 and stopped():
                raise Stopped
            mark = read(path, blobs, limits, left, full=spent >= limits.max_bytes)
            if mark is None:
                del found[path]
                continue
            spent += mark[SIZE] if len(mark[CONTENT]) == _DIGEST else 0
            found[path] = mark
        fresh = set(stale)
        for path in (*self.left.large, *self.left.unreadable):  # what was said of a mark that holds, holds
            if path in found and path not in fresh and not found[path][CONTENT]:
                (left.large if found[path][SIZE] > limits.max_file_bytes else left.unreadable).append(path)
        old, self.marks, self.left = self.marks, found, left
        self.took_s = time.monotonic() - began
        return _differences(old, found, stale)


def _walk(
    root: bytes, known: dict[bytes, Mark], limits: Limits, hidden: frozenset[bytes], left: LeftOut
) -> tuple[dict[bytes, Mark], list[bytes]]:
    """All paths below, and those whose marks do not hold any more or were never read."""
    try:
        device = os.lstat(root).st_dev
    except FileNotFoundError:  # a command has removed it
        return {}, []
    found: dict[bytes, Mark] = {}
    stale: list[bytes] = []
    folders, heavy = deque([root]), deque[bytes]()
    while folders or heavy:
        folder = folders.popleft() if folders else heavy.popleft()
        try:
            with os.scandir(folder) as entries:
                inner = _enter(entries, known, limits.out, found, stale)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                left.unreadable.append(folder)  # what was in it is taken to be there still
                found.update((path, mark) for path, mark in known.items() if path.startswith(folder + b"/"))
            continue
        for path, name, status in inner:
            if path in hidden:
                del found[path]
            elif status.st_dev == device:
                (heavy if name in HEAVY else folders).append(path)
        if len(found) > limits.max_files:
            left.beyond = True
            for path in list(found)[limits.max_files :]:
                del found[path]
            return found, [path for path in stale if path in found]
    return found, stale


def _enter(
    entries: Iterable[os.DirEntry[bytes]],
    known: dict[bytes, Mark],
    out: frozenset[bytes],
    found: dict[bytes, Mark],
    stale: list[bytes],
) -> list[tuple[bytes, bytes, os.stat_result]]:
    """Note the entries of one folder; gives the folders among them. This is where a scan spends its time."""
    inner = []
    for entry in entries:
        name, path = entry.name, entry.path
        if name in out:
            continue
        try:
            now = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        mode = now.st_mode
        if mode & 0o170000 == 0o040000:
            found[path] = marked(now, "", _READ_ONCE)
            inner.append((path, name, now))
            continue
        old = known.get(path)
        # Nothing can be changed without a new ctime, which nobody can set; but for a change within the same tick of the
        # clock: READ does not hold then.
        if (
            old is not None
            and old[READ] > _AGAIN
            and (old[CTIME] == now.st_ctime_ns and old[INODE] == now.st_ino and old[SIZE] == now.st_size)
        ):
            found[path] = old
        else:
            found[path] = marked(now, "", _AGAIN)
            stale.append(path)
    return inner


def _read_at(found: os.stat_result, now_ns: int) -> int:
    """The moment, or `_AGAIN` for a file that may be written once more within the same tick of its clock."""
    tick = _FINE_NS if found.st_ctime_ns % 1_000_000_000 else _COARSE_NS
    return now_ns if found.st_ctime_ns + tick < now_ns else _AGAIN


def read(path: bytes, blobs: Blobs | None, limits: Limits, left: LeftOut, *, full: bool = False) -> Mark | None:
    """The mark of a path with its content kept, or only its digest without `blobs`; None if nothing is there. What
    cannot be read has content ""."""
    now_ns = time.time_ns()
    try:
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode):
            return marked(found, os.readlink(path).decode("latin-1"), now_ns)
        if not stat.S_ISREG(found.st_mode):
            return marked(found, "", now_ns)
        if found.st_size > limits.max_file_bytes:
            left.large.append(path)
            return marked(found, "", now_ns)
        if full:
            left.full = True
            return marked(found, "", _AGAIN)  # when there is room
        return _read_file(path, blobs, now_ns)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise  # that is the journal's own disk
        left.unreadable.append(path)
        return marked(found, "", now_ns)


def _read_file(path: bytes, blobs: Blobs | None, now_ns: int) -> Mark | None:
    fd = os.open(path, _OPEN)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            return marked(found, "", now_ns)
        content = digest_of(fd) if blobs is None else blobs.keep(fd, found.st_size)
        after = os.fstat(fd)
    finally:
        os.close(fd)
    # Where it changed while it was read, the next scan reads it again.
    settled = (found.st_mtime_ns, found.st_size) == (after.st_mtime_ns, after.st_size)
    return marked(found, content, _read_at(found, now_ns) if settled else _AGAIN)


def _differences(old: dict[bytes, Mark], new: dict[bytes, Mark], stale: list[bytes]) -> Differences:
    """Paths whose kind, bytes, permissions or names of the same file changed."""
    changed = {path for path in stale if _differ(old.get(path), new.get(path))}
    for path, before in old.items():
        after = new.get(path)
        if after is None or (after is not before and after[MODE] != before[MODE]):
            changed.add(path)
    changed.update(path for path in new if path not in old)
    if not changed:
        return {}
    linked = any(mark[LINKS] > 1 for path in changed for mark in (old.get(path), new.get(path)) if mark is not None)
    before_peers, after_peers = (peers_in(old), peers_in(new)) if linked else ({}, {})
    return {
        path: (
            state_of(old.get(path), before_peers.get(path, ())),
            state_of(new.get(path), after_peers.get(path, ())),
        )
        for path in changed
    }


def _differ(before: Mark | None, after: Mark | None) -> bool:
    if before is None or after is None:
        return before is not after
    if before[MODE] != after[MODE] or before[CONTENT] != after[CONTENT]:
        return True
    if not after[CONTENT] and stat.S_ISREG(after[MODE]):  # its bytes are not known: the stats have to do
        return before[:STAT] != after[:STAT]
    return before[INODE] != after[INODE] and (before[LINKS] > 1 or after[LINKS] > 1)


def peers_in(marks: Mapping[bytes, Mark]) -> dict[bytes, tuple[bytes, ...]]:
    """The other names of each file that has several."""
    groups: dict[int, list[bytes]] = {}
    for path, mark in marks.items():
        if mark[LINKS] > 1 and stat.S_ISREG(mark[MODE]):
            groups.setdefault(mark[INODE], []).append(path)
    return {path: tuple(sorted(set(group) - {path})) for group in groups.values() if len(group) > 1 for path in group}
