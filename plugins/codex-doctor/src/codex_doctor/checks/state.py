"""The check `state`: databases, recorded sessions, and locks that someone holds or left behind."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

import anyio

from codex_plugin_sdk import CheckSetup, Finding, Health

from .databases import Verdict, examine

MOST_FILES = 20_000
"""Of a folder, no more entries than this are looked at."""
MOST_S = 2.0
"""How long the databases together, the sessions, and the locks may take to look at."""

LEFT_BEHIND_S = 3600.0
HELD_S = 1.0
"""Locks are taken for milliseconds: who holds one for so long hangs."""

_DATABASES = (".sqlite", ".sqlite3", ".db")


class StateCheck:
    """Reads what is kept in the home, as much of it as there is time for. Opens nothing for writing."""

    def __init__(self, setup: CheckSetup, held_s: float = HELD_S) -> None:
        self._home = setup.codex_home
        self._held_s = held_s

    async def run(self) -> tuple[Finding, ...]:
        """One finding each for databases, sessions and locks; one more for each that is not right."""
        return (*self._databases(), *self._sessions(), *await self._locks())  # on a thread of our own

    def _databases(self) -> Iterator[Finding]:
        root, until = os.path.join(self._home, "kernel"), time.monotonic() + MOST_S
        walk = Walk(root, until)
        paths = sorted(path for path in walk.files() if path.endswith(_DATABASES))
        yield from _unreadable(walk, "state databases")
        verdicts = [examine(path, until) for path in paths]
        yield from (_database(verdict) for verdict in verdicts if not verdict.sound)
        sound = [verdict for verdict in verdicts if verdict.sound]
        partly = sum(not verdict.whole for verdict in sound)
        message = f"{len(sound)} databases are sound" if sound else f"no databases in {root}"
        if sound and partly:
            message += f"; of {partly} only a part, there was no time for more"
        if sound or not verdicts:
            details = {os.path.relpath(verdict.path, root): verdict.words for verdict in verdicts}
            yield Finding(name="state databases", health=Health.OK, message=message, details=details)

    def _sessions(self) -> Iterator[Finding]:
        root, until = os.path.join(self._home, "sessions"), time.monotonic() + MOST_S
        if os.path.lexists(root) and not os.path.isdir(root):
            message = f"{root} is not a folder: no session can be recorded"
            yield _finding(Health.FAILED, "state sessions", message, f"move it away: mv {root} {root}.old")
            return
        walk = Walk(root, until)
        count = sum(path.endswith(".jsonl") for path in walk.files())
        yield from _unreadable(walk, "state sessions")
        if os.path.isdir(root) and not os.access(root, os.W_OK | os.X_OK):
            message = f"{root} cannot be written: no session can be recorded"
            yield _finding(Health.FAILED, "state sessions", message, f"chown or chmod u+rwx {root}")
        elif not walk.refused:
            few = "at least " if walk.cut_short else ""
            yield _finding(Health.OK, "state sessions", f"{few}{count:,} recorded sessions in {root}")

    async def _locks(self) -> list[Finding]:
        locks, leftovers = self._lock_files()
        findings = [_leftover(path) for path in leftovers]
        held = _held(locks)
        if held:
            await anyio.sleep(self._held_s)
            again = _held(locks)
            held = {path: process for path, process in held.items() if again.get(path) == process}
        findings += [_hung(path, process) for path, process in held.items()]
        free = len(locks) - len(held)
        message = f"{free} lock files, which nobody holds" if free else "no lock files, or all are held"
        return [*findings, _finding(Health.OK, "state locks", message if locks else "no lock files")]

    def _lock_files(self) -> tuple[list[str], list[str]]:
        """Files that locks are taken on, and drafts of writes that never ended."""
        until, now = time.monotonic() + MOST_S, time.time()
        locks: list[str] = []
        leftovers: list[str] = []
        for folder, depth in (("", 1), ("rules", 1), ("kernel", None)):
            for path in Walk(os.path.join(self._home, folder), until, depth).files():
                name = os.path.basename(path)
                if name == "lock" or name.endswith(".lock"):
                    locks.append(path)
                elif name.startswith(".codex-") and name.endswith(".tmp") and _age_s(path, now) > LEFT_BEHIND_S:
                    leftovers.append(path)
        return locks, leftovers


class Walk:
    """The files below a folder, links not followed, until an entry too many or a moment of `time.monotonic`.
    `refused` are folders that cannot be listed; `cut_short` says that there is more."""

    def __init__(self, root: str, until: float, depth: int | None = None) -> None:
        self._todo, self._until = [(root, 1)], until
        self._depth = depth
        self._left = MOST_FILES
        self.refused: list[OSError] = []
        self.cut_short = False

    def files(self) -> Iterator[str]:
        """Their paths, in no order."""
        while self._todo and not self.cut_short:
            folder, level = self._todo.pop()
            try:
                with os.scandir(folder) as entries:
                    yield from self._of_folder(entries, level)
            except (FileNotFoundError, NotADirectoryError):
                continue  # nothing kept yet, or gone while we looked
            except OSError as error:
                self.refused.append(error)

    def _of_folder(self, entries: Iterator[os.DirEntry[str]], level: int) -> Iterator[str]:
        for entry in entries:
            self._left -= 1
            if self._left < 0 or time.monotonic() > self._until:
                self.cut_short = True
                return
            if not entry.is_dir(follow_symlinks=False):
                yield entry.path
            elif self._depth is None or level < self._depth:
                self._todo.append((entry.path, level + 1))


def lock_holders() -> dict[tuple[int, int, int], int]:
    """Major, minor and inode of every file that is locked -> process, as the system tells without a lock being
    tried. Empty where it does not tell."""
    found: dict[tuple[int, int, int], int] = {}
    try:
        with open("/proc/locks", encoding="ascii") as table:
            for row in table:
                fields = [field for field in row.split() if field != "->"]
                major, minor, inode = fields[5].split(":")
                if "->" not in row:
                    found[(int(major, 16), int(minor, 16), int(inode))] = int(fields[4])
    except (OSError, ValueError, IndexError):
        return found  # not Linux, or a form of the table that is not known
    return found


def _held(paths: Sequence[str]) -> dict[str, int]:
    """Path -> process, of those that are locked now."""
    holders = lock_holders()
    found: dict[str, int] = {}
    for path in paths if holders else ():
        with suppress(OSError):  # it has just been removed
            status = os.stat(path)
            process = holders.get((os.major(status.st_dev), os.minor(status.st_dev), status.st_ino))
            if process is not None:
                found[path] = process
    return found


def _hung(path: str, process: int) -> Finding:
    if process > 0:
        message = f"{path} is held by process {process}, and others wait for it"
        return _finding(Health.WARNING, "state lock", message, f"if that process hangs, end it: kill {process}")
    message = f"{path} is held by a process that cannot be seen from here, and others wait for it"
    return _finding(Health.WARNING, "state lock", message, "is a session of another container hung? End that")


def _leftover(path: str) -> Finding:
    message = f"{path} was left behind by a write that did not end"
    return _finding(Health.WARNING, "state leftover", message, f"rm {path}")


def _age_s(path: str, now: float) -> float:
    try:
        found = os.lstat(path)
    except OSError:
        return 0.0
    return now - found.st_mtime if stat.S_ISREG(found.st_mode) else 0.0


def _database(verdict: Verdict) -> Finding:
    health = Health.FAILED if verdict.damaged else Health.WARNING
    return _finding(health, "state database", f"{verdict.path}: {verdict.words}", verdict.cure)


def _unreadable(walk: Walk, name: str) -> Iterator[Finding]:
    for error in walk.refused:
        message = f"{error.filename} cannot be listed: {error.strerror}"
        yield _finding(Health.FAILED, name, message, f"chown or chmod u+rwx {error.filename}")


def _finding(health: Health, name: str, message: str, cure: str = "") -> Finding:
    return Finding(name=name, health=health, message=message, cure=cure)
