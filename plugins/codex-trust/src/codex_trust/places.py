"""Where a project begins and which of its folders say something. On the way of every start: no heavy import."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from typing import Any

FOLDERS = (".codex", ".agents")
DEFAULT_MARKERS = (".git",)
TRUSTED, UNTRUSTED = "trusted", "untrusted"
_POINTER_BYTES = 4096


class Project:
    """A project as seen from a folder in it. `root` and `folders` (from the root down to the folder) are as they
    were written, `real` is the root's real path; `held` are the folders `.codex` and `.agents` that exist.

    A plain class: every start makes one, and a value class would cost more than all the rest.
    """

    __slots__ = ("folders", "held", "real", "root")

    def __init__(self, folders: tuple[str, ...], held: tuple[str, ...]) -> None:
        self.root, self.folders, self.held = folders[0], folders, held
        self.real = os.path.realpath(folders[0])

    def relative(self, path: str) -> str:
        """A path below the root, from there."""
        return os.path.relpath(path, self.root)


def find_project(cwd: str, base: Mapping[str, Any], codex_home: str, home: str | None) -> Project:
    """The project of a folder: from the nearest folder at or above it that holds one of `project_root_markers`,
    else the folder itself. The user's own folders (the home of codex, `~/.agents`) are no project's."""
    given = base.get("project_root_markers")
    markers = tuple(str(name) for name in given) if isinstance(given, list) else DEFAULT_MARKERS
    folders = _folders(cwd, markers)
    own = {_place(codex_home)}
    if home:
        own.add(_place(os.path.join(home, ".agents")))
    held = [os.path.join(folder, name) for folder in folders for name in FOLDERS]
    return Project(folders, tuple(path for path in held if os.path.lexists(path) and _place(path, path) not in own))


def trust_level(project: Project, base: Mapping[str, Any]) -> tuple[str | None, str]:
    """The level of `[projects."PATH"] trust_level` for the project and the path that set it.

    Every folder that holds something needs it: of its own, else of the root, else of the repository whose linked
    worktree this is. One that is not trusted makes all of it untrusted.
    """
    table = base.get("projects")
    if not isinstance(table, Mapping) or not table:
        return None, ""
    held = dict.fromkeys(os.path.dirname(path) for path in project.held)
    found: tuple[str | None, str] = (None, "")
    for folder in held or project.folders[-1:]:
        found = _level(table, folder)
        if found[0] is None and folder != project.root:
            found = _level(table, project.root)
        if found[0] is None and (main := main_repository(project.root)):
            found = _level(table, main)
        if found[0] != TRUSTED:
            break
    return found


def seen_mark(codex_home: str, root: str) -> str:
    """The file that says: this project was trusted while there was nothing in it to obey. Named so that it costs
    no more than a look; an inode that is used again leads to one question too many."""
    found = os.stat(root)
    return os.path.join(codex_home, "kernel", "trust", "seen", f"{found.st_dev:x}-{found.st_ino:x}")


def spellings(project: Project, base: Mapping[str, Any]) -> dict[str, str]:
    """The entries of `projects` that are about the folders from the root down: path as written -> level."""
    table = base.get("projects")
    places = {_place(folder) for folder in project.folders}
    return {
        name: str(entry.get("trust_level", ""))
        for name, entry in (table.items() if isinstance(table, Mapping) else ())
        if isinstance(entry, Mapping) and os.path.isabs(name) and (name in project.folders or _place(name) in places)
    }


def main_repository(root: str) -> str:
    """The repository of which `root` is a linked worktree; empty if it is none. Anybody can write a `.git` file
    that points into a repository, so the repository has to know of it as well."""
    pointer = os.path.join(root, ".git")
    line = _first_line(pointer)
    if not line.startswith("gitdir:"):
        return ""
    folder = os.path.join(root, line.removeprefix("gitdir:").strip())
    back = _first_line(os.path.join(folder, "gitdir"))
    if not back or os.path.realpath(os.path.join(folder, back)) != os.path.realpath(pointer):
        return ""
    common = os.path.realpath(os.path.join(folder, _first_line(os.path.join(folder, "commondir")) or "."))
    inside = os.path.dirname(os.path.realpath(folder)) == os.path.join(common, "worktrees")
    return os.path.dirname(common) if inside and os.path.basename(common) == ".git" else ""


def _level(table: Mapping[str, Any], folder: str) -> tuple[str | None, str]:
    """The level of one folder; an `untrusted` beats other spellings of the same path."""
    place = _place(folder)
    levels: dict[str, str] = {}
    for name, entry in table.items():
        level = entry.get("trust_level") if isinstance(entry, Mapping) else None
        if level is not None and os.path.isabs(name) and (name == folder or _place(name) == place):
            levels[str(level)] = name
    for level in (UNTRUSTED, TRUSTED):
        if level in levels:
            return level, levels[level]
    return next(iter(levels.items()), (None, ""))


def _folders(cwd: str, markers: tuple[str, ...]) -> tuple[str, ...]:
    found = [cwd]
    while not any(os.path.exists(os.path.join(found[-1], marker)) for marker in markers):
        parent = os.path.dirname(found[-1])
        if parent == found[-1]:
            return (cwd,)
        found.append(parent)
    return tuple(reversed(found))


def _place(path: str, default: object = None) -> object:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return default or path  # what is not there is only itself
    return found.st_dev, found.st_ino


def _first_line(path: str) -> str:
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return ""
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.readline(_POINTER_BYTES).strip()
    except OSError:
        return ""
