"""Entries of writable roots that are run or obeyed outside the sandbox: `.git`, `.codex`, `.agents`.

What exists is laid over with itself, read-only. What does not exist gets no stub on the disk: it is watched, and
whatever appears in its place is quarantined after the command. Only existence is looked at; no tree is searched.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence

from codex_plugin_sdk import SandboxUnavailable, Value, value

NAMES = (".git", ".codex", ".agents")
_POINTER_BYTES = 8192
_GIT_LINKS = ("hooks", "config")


@value
class Watched(Value):
    """An entry that must be, after a command, as it was before: absent (`target` is None) or a symbolic link
    with this target, which no mount can hold in place."""

    path: str
    target: str | None = None


@value
class Protection(Value):
    """`read_only` are real paths; each lies in a writable root."""

    read_only: tuple[str, ...]
    watched: tuple[Watched, ...]


def within(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or below it; by whole components."""
    return folder in ("/", path) or path.startswith(folder + "/")


def within_any(path: str, folders: Iterable[str]) -> bool:
    """Whether `path` lies in one of the folders."""
    return any(within(path, folder) for folder in folders)


def survey(roots: Sequence[str], cwd: str) -> Protection:
    """What of these writable roots is to be kept; all paths are real ones.

    The folders above `cwd` count as well, as far as they are writable: a repository is found from within.
    Raises `SandboxUnavailable` when an entry cannot be examined.
    """
    finder = _Finder(roots)
    for folder in dict.fromkeys((*roots, *_above(cwd, roots))):
        for name in NAMES:
            finder.add(os.path.join(folder, name))
    return Protection(read_only=tuple(finder.kept), watched=tuple(finder.watched.values()))


def _above(cwd: str, roots: Sequence[str]) -> list[str]:
    found = []
    while within_any(cwd, roots):
        found.append(cwd)
        if cwd == "/":
            break
        cwd = os.path.dirname(cwd)
    return found


class _Finder:
    def __init__(self, roots: Sequence[str]) -> None:
        self._roots = roots
        self.kept: dict[str, None] = {}
        self.watched: dict[str, Watched] = {}

    def add(self, path: str) -> None:
        """One protected name of one folder."""
        try:
            mode = os.lstat(path).st_mode
        except FileNotFoundError:
            self.watched[path] = Watched(path=path)
            return
        except NotADirectoryError:
            return  # a root that is a file
        except OSError as error:
            raise SandboxUnavailable(f"{path} cannot be protected: {error.strerror}") from error
        if stat.S_ISLNK(mode):
            self._link(path)
        else:
            self._keep(path)
        if os.path.basename(path) == ".git":
            self._git(os.path.realpath(path), os.path.dirname(path))

    def _link(self, path: str) -> None:
        self.watched[path] = Watched(path=path, target=os.readlink(path))
        real = os.path.realpath(path)
        if os.path.lexists(real):
            self._keep(real, os.path.dirname(path))
        elif within_any(real, self._roots):
            self.watched[real] = Watched(path=real)

    def _keep(self, path: str, pointed_from: str = "") -> None:
        # A pointer to the very folder that it lies in would take the whole root away.
        if within_any(path, self._roots) and not (pointed_from and within(pointed_from, path)):
            self.kept[path] = None

    def _git(self, place: str, holder: str) -> None:
        """All folders that the repository lies in: of a worktree or submodule, `.git` is a file that leads on."""
        for folder in _git_folders(place):
            self._keep(folder, holder)
            for name in _GIT_LINKS:
                entry = os.path.join(folder, name)
                if os.path.islink(entry):
                    self._link(entry)


def _git_folders(place: str) -> list[str]:
    if os.path.isfile(place):
        text = _pointer(place)
        if not text.startswith("gitdir:"):
            return []
        place = os.path.realpath(os.path.join(os.path.dirname(place), text.removeprefix("gitdir:").lstrip(" ")))
    if not os.path.isdir(place):
        return []
    common = _pointer(os.path.join(place, "commondir"))
    return [place, os.path.realpath(os.path.join(place, common))] if common else [place]


def _pointer(path: str) -> str:
    """The place that a file names, which may hold line ends itself; empty if there is none."""
    try:
        # Neither a pipe nor a device may hold us up.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return ""
    try:
        return os.fsdecode(os.read(fd, _POINTER_BYTES).rstrip(b"\r\n")) if _is_file(fd) else ""
    except OSError:
        return ""
    finally:
        os.close(fd)


def _is_file(fd: int) -> bool:
    return stat.S_ISREG(os.fstat(fd).st_mode)
