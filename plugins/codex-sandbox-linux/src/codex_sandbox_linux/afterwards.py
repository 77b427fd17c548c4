"""Protected entries that did not exist: looked for when a command has ended, and taken away.

No stub is ever put where they would be. What appears is moved into the quarantine, with a record of where it came
from, so that nothing is lost and nothing of it is run or obeyed. A journal tells the next process what to look for
when this one was killed.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterable, Iterator

import orjson

from codex_plugin_sdk import replace_file

from .layout import Layout


class Afterwards:
    """What one backend looks after."""

    def __init__(self, state_dir: str) -> None:
        self._folder = os.path.join(state_dir, "quarantine")
        self._journals = os.path.join(state_dir, "journal")
        self._journal = os.path.join(self._journals, f"{os.getpid()}-{os.urandom(4).hex()}.json")
        self._watched: set[str] = set()

    def before(self, layout: Layout) -> None:
        """Note down what must not appear. Raises `OSError` when it cannot be noted."""
        new = set(layout.absent) - self._watched
        if not new:
            return
        self._watched |= new
        os.makedirs(self._journals, mode=0o700, exist_ok=True)
        record = {"pid": os.getpid(), "started": _started(os.getpid()), "paths": [*map(_plain, sorted(self._watched))]}
        replace_file(self._journal, orjson.dumps(record), mode=0o600)

    def after(self, layout: Layout) -> list[str]:
        """Put right what a command left; says what was done."""
        said = [text for path in layout.absent if (text := self._aside(path))]
        for path, target in layout.links:
            if not (os.path.islink(path) and os.readlink(path) == target):
                said += filter(None, [self._aside(path)])
                os.symlink(target, path)
                said.append(f"the link {path} was put back")
        return said

    def _aside(self, path: str) -> str:
        try:
            return self._quarantine(path)
        except OSError as error:
            return f"{path} appeared while a confined command ran and cannot be moved away: {error}"

    def recover(self) -> list[str]:
        """Do for processes that were killed what they could not do."""
        said: list[str] = []
        for journal, pid, started, paths in self._left_behind():
            if _started(pid) != started:
                said += [text for path in paths if (text := self._aside(path))]
                os.unlink(journal)
        return said

    def close(self) -> None:
        """Nothing runs any more."""
        if self._watched:
            self._watched.clear()
            os.unlink(self._journal)

    def _left_behind(self) -> Iterator[tuple[str, int, str, Iterable[str]]]:
        try:
            names = os.listdir(self._journals)
        except OSError:
            return
        for name in names:
            path = os.path.join(self._journals, name)
            try:
                with open(path, "rb") as file:
                    found = orjson.loads(file.read())
                yield (
                    path,
                    int(found["pid"]),
                    str(found["started"]),
                    [os.fsdecode(bytes.fromhex(p)) for p in found["paths"]],
                )
            except (OSError, ValueError, KeyError, TypeError):
                continue  # being written, or not ours

    def _quarantine(self, path: str) -> str:
        if not os.path.lexists(path):
            return ""
        place = os.path.join(self._folder, f"{time.strftime('%Y%m%dT%H%M%S')}-{os.urandom(3).hex()}")
        os.makedirs(place, mode=0o700)
        target = os.path.join(place, os.path.basename(path))
        try:
            os.rename(path, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            import shutil

            shutil.move(path, target)
        replace_file(os.path.join(place, "origin.txt"), os.fsencode(path) + b"\n", mode=0o600)
        return f"{path} appeared while a confined command ran and was moved to {target}: it could have been obeyed"


def _plain(path: str) -> str:
    return os.fsencode(path).hex()


def _started(pid: int) -> str:
    """When a process started, in ticks since boot, which tells it from a later one of its number; empty if gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[19].decode()
    except (OSError, IndexError):
        return ""
