"""Walking a folder of skills: which folders hold a `SKILL.md`, and stamps by which a change shows."""

from __future__ import annotations

import os
import time

from codex_kernel.protocol.value import Value, value

from .files import NAME, within
from .problems import Problem
from .roots import Root

MAX_DEPTH = 4
MAX_FOLDERS = 500
RACY_NS = 2_000_000_000
"""A file system tells times in steps. What changed this short a time ago may change again under the same time."""

Stamp = tuple[int, int]
"""Modification time in nanoseconds (0: not to be trusted), inode."""


@value
class Scan(Value):
    """What a walk found. `stamps` are of the root ("") and of the folders below it that hold no `SKILL.md`
    themselves; `skills` are folders relative to the root, sorted."""

    stamps: dict[str, Stamp]
    skills: list[str]
    problems: list[Problem]


def scan(root: Root) -> Scan:
    """Walk a root: at most `MAX_DEPTH` levels, and `MAX_FOLDERS` folders that hold no skill. Reads no file."""
    walk = _Walk(root)
    walk.run()
    return Scan(stamps=walk.stamps, skills=sorted(walk.skills), problems=walk.problems)


def stamp_of(path: str, now_ns: int) -> Stamp:
    """The stamp of a folder. Raises `OSError`."""
    found = os.stat(path)
    return (found.st_mtime_ns if found.st_mtime_ns < now_ns - RACY_NS else 0), found.st_ino


class _Walk:
    def __init__(self, root: Root) -> None:
        self._root = root
        self._now_ns = time.time_ns()
        self._pending: list[tuple[str, int]] = [("", 0)]
        self._visited: set[str] = set()
        self.stamps: dict[str, Stamp] = {}
        self.skills: list[str] = []
        self.problems: list[Problem] = []

    def run(self) -> None:
        if self._root.base and not within(self._root.path, self._root.base):
            self.stamps[""] = stamp_of(self._root.path, self._now_ns)
            self._report(self._root.path, "leads out of the project and is left out", "put the folder itself there")
            return
        while self._pending:
            if len(self.stamps) >= MAX_FOLDERS:
                message = f"holds more than {MAX_FOLDERS} folders without a {NAME}; the rest is not looked into"
                self._report(self._root.path, message, "keep only skills there")
                return
            relative, depth = self._pending.pop(0)
            self._visit(relative, depth)

    def _visit(self, relative: str, depth: int) -> None:
        folder = os.path.join(self._root.path, relative) if relative else self._root.path
        try:
            self.stamps[relative] = stamp_of(folder, self._now_ns)
            with os.scandir(folder) as entries:
                found = sorted((entry for entry in entries if entry.name[0] != "."), key=lambda entry: entry.name)
        except OSError as error:
            self._report(folder, f"cannot be read: {error.strerror}", "check its permissions")
            return
        for entry in found:
            if entry.is_dir(follow_symlinks=False) or (entry.is_symlink() and self._may_follow(entry)):
                self._judge(f"{relative}/{entry.name}" if relative else entry.name, entry, depth + 1)

    def _may_follow(self, entry: os.DirEntry[str]) -> bool:
        try:
            if not entry.is_dir():
                return False
        except OSError as error:  # a loop of links
            self._report(entry.path, f"cannot be followed: {error.strerror}", "remove the link")
            return False
        if self._root.confined and not within(entry.path, self._root.path):
            self._report(entry.path, "is a symbolic link that leads out of its folder of skills", "copy the skill")
            return False
        real = os.path.realpath(entry.path)
        if real in self._visited:
            return False
        self._visited.add(real)
        return True

    def _judge(self, relative: str, entry: os.DirEntry[str], depth: int) -> None:
        if not entry.name.isprintable():
            shown = entry.path.encode("unicode_escape").decode()
            self._report(shown, "has a name that cannot be printed", "rename it")
            return
        try:
            os.lstat(os.path.join(entry.path, NAME))
        except FileNotFoundError:
            if depth < MAX_DEPTH:
                self._pending.append((relative, depth))
        except OSError as error:
            self._report(entry.path, f"cannot be read: {error.strerror}", "check its permissions")
        else:
            self.skills.append(relative)

    def _report(self, path: str, message: str, cure: str) -> None:
        self.problems.append(Problem(path=path, line=0, message=message, cure=cure))
