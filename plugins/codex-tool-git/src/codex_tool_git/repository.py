"""The one repository that is brokered: the thread's own, as it stood when the thread began."""

from __future__ import annotations

import os

from codex_plugin_sdk import Value, git_root, value


@value
class Repository(Value):
    """A repository with a work tree. Real paths; `marks` are device and inode of the folders, so that one put
    in their place is not taken for them."""

    toplevel: str
    gitdir: str
    common: str
    marks: tuple[tuple[int, int], ...]


def find_repository(folder: str) -> Repository | None:
    """The repository that a folder lies in; None if there is none, or git would not be sure of it: a pointer
    that leads nowhere, a folder that another user owns."""
    toplevel = git_root(os.path.realpath(folder))
    if toplevel is None:
        return None
    gitdir = os.path.realpath(os.path.join(toplevel, ".git"))
    try:
        if os.path.isfile(gitdir):
            pointer = _first_line(gitdir)
            if not pointer.startswith("gitdir:"):
                return None
            gitdir = os.path.realpath(os.path.join(toplevel, pointer.removeprefix("gitdir:").strip()))
        common = os.path.realpath(os.path.join(gitdir, _optional_line(os.path.join(gitdir, "commondir")) or "."))
        found = [os.stat(path) for path in (toplevel, gitdir, common)]
    except OSError:
        return None
    if not os.path.isfile(os.path.join(common, "config")) or found[1].st_uid != os.geteuid():
        return None
    marks = tuple((entry.st_dev, entry.st_ino) for entry in found)
    return Repository(toplevel=toplevel, gitdir=gitdir, common=common, marks=marks)


def is_older(repository: Repository, moment_s: float) -> bool:
    """Whether the repository's configuration was last changed before a moment (Unix seconds), which nobody
    but the kernel can make look so."""
    try:
        return os.stat(os.path.join(repository.common, "config")).st_ctime <= moment_s
    except OSError:
        return False


def within(path: str, folders: tuple[str, ...]) -> bool:
    """Whether a real path is one of the folders, or lies below one."""
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)


def _first_line(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.readline().rstrip("\n")


def _optional_line(path: str) -> str:
    try:
        return _first_line(path)
    except FileNotFoundError:
        return ""
