"""Where skills live: folders of the project, the user, plugins and the system."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from codex_kernel.protocol.value import Value, value

ADMIN_FOLDER = "/etc/codex/skills"
PROJECT_FOLDERS = (os.path.join(".codex", "skills"), os.path.join(".agents", "skills"))


@value
class Root(Value):
    """A folder of skills.

    `scope` is repo, user, plugin, system (those that come with a Codex installation) or admin. In a `confined`
    one no symbolic link may lead out; the folder itself must lie in `base`, unless that is empty.
    """

    path: str
    scope: str
    plugin: str = ""
    confined: bool = False
    base: str = ""


def skill_roots(
    *,
    cwd: str,
    codex_home: str,
    environ: Mapping[str, str],
    config: Mapping[str, object],
    trusted: bool,
    plugin_folders: Mapping[str, str],
) -> tuple[Root, ...]:
    """The folders that exist, the strongest first. Nothing of a project that is not `trusted` is looked at.

    A project's folder that is also the user's (a session in the home) counts as the user's.
    """
    rest = [*_user(codex_home, environ), *_shared(codex_home, config, plugin_folders)]
    known = {place for root in rest if (place := _place(root.path)) is not None}
    project = list(_project(cwd, config)) if trusted else []
    found: list[Root] = [root for root in project if _place(root.path) not in known]
    seen: set[tuple[int, int]] = set()
    kept: list[Root] = []
    for root in (*found, *rest):
        place = _place(root.path)
        if place is not None and place not in seen:
            seen.add(place)
            kept.append(root)
    return tuple(kept)


def project_folders(cwd: str, config: Mapping[str, object]) -> tuple[str, ...]:
    """The project's root, then the folders from cwd up to it."""
    from ..context.agents_md import DEFAULT_MARKERS, project_root

    given = config.get("project_root_markers")
    markers = tuple(str(name) for name in given) if isinstance(given, list | tuple) else DEFAULT_MARKERS
    root = project_root(cwd, markers)
    folders = [cwd]
    while folders[-1] != root:
        folders.append(os.path.dirname(folders[-1]))
    return (root, *folders)


def _project(cwd: str, config: Mapping[str, object]) -> Iterator[Root]:
    base, *folders = project_folders(cwd, config)
    for folder in folders:
        for name in PROJECT_FOLDERS:
            yield Root(path=os.path.join(folder, name), scope="repo", confined=True, base=base)


def _user(codex_home: str, environ: Mapping[str, str]) -> Iterator[Root]:
    yield Root(path=os.path.join(codex_home, "skills"), scope="user")
    home = environ.get("HOME")
    if home:
        yield Root(path=os.path.join(home, ".agents", "skills"), scope="user")


def _shared(codex_home: str, config: Mapping[str, object], plugin_folders: Mapping[str, str]) -> Iterator[Root]:
    for name, path in plugin_folders.items():
        yield Root(path=path, scope="plugin", plugin=name, confined=True)
    skills = config.get("skills")
    bundled = skills.get("bundled") if isinstance(skills, Mapping) else None
    if not (isinstance(bundled, Mapping) and bundled.get("enabled") is False):
        yield Root(path=os.path.join(codex_home, "skills", ".system"), scope="system")
    yield Root(path=ADMIN_FOLDER, scope="admin")


def _place(path: str) -> tuple[int, int] | None:
    if not path.isprintable():
        return None  # not a text that a model can be told
    try:
        found = os.stat(path)
    except OSError:
        return None  # absent, or beyond our reach: there are no skills for us
    return found.st_dev, found.st_ino
