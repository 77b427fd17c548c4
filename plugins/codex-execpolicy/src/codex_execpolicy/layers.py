"""Which rules files hold here, kept up to date while a session runs.

Layers: managed (folders of the administrator), user (`$CODEX_HOME/rules`), project (`.codex/rules` from the
project's root down to the working directory, if the project is trusted; as they are when the session begins). The
managed layer is a rule set of its own, so that nothing that others declare changes what its rules match.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from codex_plugin_sdk import Value, value

from .rules import Match, NetworkRule, RuleFile, RuleSet
from .section import read_section

SYSTEM_FOLDER = "/etc/codex/rules"

_SUFFIX = ".rules"


@value
class Setting(Value):
    """Where to look for rules: of which user, for which folder, under which configuration, and whether the project
    of the folder is trusted."""

    codex_home: str
    cwd: str
    options: Mapping[str, object]
    home: str = ""
    system_folder: str = SYSTEM_FOLDER
    trusted: bool = False


class _Stamp(NamedTuple):
    mtime_ns: int
    ctime_ns: int
    size: int
    inode: int


_Seen = tuple[tuple[str, _Stamp | None], ...]


class _Kept(NamedTuple):
    stamp: _Stamp
    rules: RuleFile | None
    problem: str


class Layers:
    """All rules that hold. Raises `ConfigError` for a configuration that does not make sense."""

    def __init__(self, setting: Setting) -> None:
        section = read_section(setting.options)
        self._setting = setting
        self._managed = [_expanded(folder, setting.home) for folder in section.managed]
        self.ignores_own = section.ignore_rules
        self._own = [] if section.ignore_rules else _own_folders(setting)
        self._kept: dict[str, _Kept] = {}
        self._seen: _Seen | None = None
        self.sets: tuple[RuleSet, ...] = ()
        self.problems: tuple[str, ...] = ()
        self.closed = ""
        """Why nothing may be done at all: a managed file that cannot be used. Empty if there is none."""

    def refresh(self) -> None:
        """Look for files that are new, gone or changed. Never raises: see `problems` and `closed`."""
        managed, managed_problems = self._managed_files()
        own, own_problems = _files(self._own)
        if self._seen is not None:
            own, later = self._as_agreed(own)
            own_problems += later
        seen: _Seen = (*managed, *own, *((text, None) for text in (*managed_problems, *own_problems)))
        if seen == self._seen:
            return
        self._kept = {path: self._load(path, stamp) for path, stamp in (*managed, *own)}
        closed = [*managed_problems, *(self._kept[path].problem for path, _ in managed)]
        self.closed = next((problem for problem in closed if problem), "")
        found = [*own_problems, *(self._kept[path].problem for path, _ in own)]
        self.problems = tuple(f"{problem}; its rules are left out" for problem in found if problem)
        self.sets = tuple(rules for rules in (self._set(managed), self._set(own)) if rules)
        self._seen = seen

    def matches(self, tokens: Sequence[str], cwd: str) -> list[Match]:
        """The matching rules of all layers, as `refresh` last found them."""
        return [match for rules in self.sets for match in rules.matches(tokens, resolve=True, cwd=cwd)]

    def network(self, host: str, protocol: str) -> list[NetworkRule]:
        """The network rules of all layers about a normalised host."""
        return [rule for rules in self.sets for rule in rules.network(host, protocol)]

    def _set(self, files: Sequence[tuple[str, _Stamp]]) -> RuleSet:
        return RuleSet(rules for path, _ in files if (rules := self._kept[path].rules) is not None)

    def _as_agreed(self, own: list[tuple[str, _Stamp]]) -> tuple[list[tuple[str, _Stamp]], list[str]]:
        """The user trusts a project as it was when the session began: its files stay as they were read then."""
        found: list[tuple[str, _Stamp]] = []
        problems = []
        for path, stamp in own:
            kept = self._kept.get(path)
            if os.path.dirname(path) == self._own[0] or (kept is not None and kept.stamp == stamp):
                found.append((path, stamp))
            elif kept is None:
                problems.append(f"{path} is new since the session began")
            else:
                found.append((path, kept.stamp))
        return found, problems

    def _load(self, path: str, stamp: _Stamp) -> _Kept:
        kept = self._kept.get(path)
        if kept is not None and kept.stamp == stamp:
            return kept
        from .load import RulesError, load_rules

        try:
            return _Kept(stamp, load_rules(path, self._setting.home), "")
        except RulesError as error:
            return _Kept(stamp, None, error.message)

    def _managed_files(self) -> tuple[list[tuple[str, _Stamp]], list[str]]:
        missing = [
            f"the managed folder of rules {folder} is not there"
            for folder in self._managed
            if not os.path.isdir(folder)
        ]
        files, problems = _files([*self._managed, self._setting.system_folder])
        return files, [*missing, *problems]


def _files(folders: Sequence[str]) -> tuple[list[tuple[str, _Stamp]], list[str]]:
    """The rules files of folders, by name within each, and what stands in the way of reading a folder."""
    found: dict[str, _Stamp] = {}
    problems = []
    for folder in folders:
        try:
            names = sorted(name for name in os.listdir(folder) if name.endswith(_SUFFIX))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            problems.append(f"failed to read policies in {folder}: {error.strerror}")
            continue
        for name in names:
            path = os.path.join(folder, name)
            try:
                status = os.stat(path)
            except OSError as error:
                problems.append(f"failed to read policy at {path}: {error.strerror}")
                continue
            found[path] = _Stamp(status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
    return list(found.items()), problems


def _own_folders(setting: Setting) -> list[str]:
    """The folders of the user and of a trusted project, the strongest claim to be specific last."""
    folders = [os.path.join(setting.codex_home, "rules")]
    if setting.trusted:
        cwd = os.path.abspath(setting.cwd)
        root = _project_root(cwd, setting.options)
        steps = [""] if cwd == root else ["", *_steps(os.path.relpath(cwd, root))]
        folders += [os.path.join(root, step, ".codex", "rules") for step in steps]
    by_place = {os.path.realpath(folder): folder for folder in reversed(folders)}
    return [folder for folder in folders if by_place.get(os.path.realpath(folder)) == folder]


def _project_root(cwd: str, options: Mapping[str, object]) -> str:
    """Where the project begins, by the same markers as everything else that is its own."""
    from codex_plugin_sdk.context.agents_md import DEFAULT_MARKERS, project_root

    given = options.get("project_root_markers")
    return project_root(cwd, tuple(map(str, given)) if isinstance(given, list) else DEFAULT_MARKERS)


def _steps(relative: str) -> list[str]:
    parts = relative.split(os.sep)
    return [os.path.join(*parts[: end + 1]) for end in range(len(parts))]


def _expanded(folder: str, home: str) -> str:
    return os.path.join(home, folder[2:]) if folder.startswith("~/") else folder
