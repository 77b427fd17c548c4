"""The configuration source `trust`: the layers of a project that is trusted, or why they are left out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from codex_plugin_sdk import ConfigLayer, ConfigRequest, SourcedConfig

from .places import TRUSTED, Project, find_project, seen_mark, trust_level

if TYPE_CHECKING:
    from codex_plugin_sdk import Config, Diagnostic

    from .verdict import Verdict

OBEYED = ("config.toml", "hooks.json", "hooks", "rules", "skills", "prompts", "agents", "plugins")
"""What counts in the folders of a project."""


class TrustSource:
    """Finds the project of a folder and takes its layers in, if the user trusts it as it is."""

    def read(self, request: ConfigRequest) -> SourcedConfig:
        """The layers of the folders from the project's root down to cwd. Raises `ConfigError` for a file of a
        trusted project that is not TOML."""
        if not request.cwd:
            return SourcedConfig()
        project = find_project(request.cwd, request.base, request.codex_home, request.environ.get("HOME"))
        level, _ = trust_level(project, request.base)
        watched = _watched(project, request.codex_home)
        if project.held:
            found = _with_content(request, project, level, watched)
        else:
            if level == TRUSTED:
                _mark_seen(request.codex_home, project)
            found = SourcedConfig(trusted=level == TRUSTED, watched=watched)
        return found.replace(layers=(*_meant(project, level, found, request), *found.layers))

    def check(self, config: Config) -> Sequence[Diagnostic]:
        """Nothing: what a project may not set has been left out already."""
        return ()


def _meant(
    project: Project, level: str | None, found: SourcedConfig, request: ConfigRequest
) -> tuple[ConfigLayer, ...]:
    """What a decision on a project means where nothing else is said, as with Codex: the agent may write in its folder,
    and asks before most commands where it is not trusted. A project that has changed since counts as undecided."""
    if level is None or found.trusted is not (level == TRUSTED):
        return ()
    table: dict[str, str] = {}
    if not request.base.keys() & {"sandbox_mode", "default_permissions"}:
        table["sandbox_mode"] = "workspace-write"
    if level != TRUSTED and "approval_policy" not in request.base:
        table["approval_policy"] = "untrusted"
    return (ConfigLayer(kind="project", source=f"the trust in {project.root}", table=table),) if table else ()


def _with_content(
    request: ConfigRequest, project: Project, level: str | None, watched: tuple[str, ...]
) -> SourcedConfig:
    if level != TRUSTED:
        reason = "nobody has trusted it yet" if level is None else f'its trust_level is "{level}"'
        return _left_out(project, reason, watched)
    from .store import TrustStore
    from .verdict import judge

    store = TrustStore(request.codex_home)
    skip = (os.path.realpath(request.codex_home),)
    seen = os.path.lexists(seen_mark(request.codex_home, project.real))
    verdict = judge(project, store, skip, seen=seen)
    if not verdict.obeyed:
        return _left_out(project, verdict.reason, watched)
    notices: tuple[str, ...] = ()
    if verdict.state == "first-use":
        try:
            store.pin(project.real, {name: e.sha for name, e in verdict.entries.items()}, verdict.entries, "first-use")
        except OSError as error:
            return _left_out(project, f"its content cannot be remembered: {error}", watched)
        notices = (_first_use(project, verdict),)
    from .layers import project_layers

    layers, dropped = project_layers(project, request.base, verdict.entries)
    named = tuple(os.path.join(project.real, name) for name in verdict.entries if not name.startswith("."))
    return SourcedConfig(layers=layers, trusted=True, watched=watched + named, notices=(*notices, *dropped))


def _left_out(project: Project, reason: str, watched: tuple[str, ...]) -> SourcedConfig:
    paths = [os.path.join(folder, name) for folder in project.held for name in OBEYED]
    ignored = tuple(path for path in paths if os.path.lexists(path))
    notice = (
        f"the project {project.root} is not trusted: {reason}. Left out: "
        f"{', '.join(project.relative(path) for path in ignored)}. "
        f"To see what they would do and to allow it: codex trust {project.folders[-1]}"
    )
    return SourcedConfig(trusted=False, ignored=ignored, watched=watched, notices=(notice,) if ignored else ())


def _first_use(project: Project, verdict: Verdict) -> str:
    return (
        f"the project {project.root} is trusted by config.toml and is used for the first time: its "
        f"{len(verdict.entries)} files are taken as they are, and a change will be asked about "
        f"(codex trust --show {project.folders[-1]})"
    )


def _mark_seen(codex_home: str, project: Project) -> None:
    """Remember that there was nothing in it: what comes later has not been seen when it was trusted."""
    if not os.path.isdir(project.real):
        return  # told by who works there
    path = seen_mark(codex_home, project.real)
    if not os.path.lexists(path):
        with suppress(OSError):  # a home that cannot be written to: later content is then met for the first time
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))


def _watched(project: Project, codex_home: str) -> tuple[str, ...]:
    folders = [os.path.join(folder, ".codex") for folder in project.folders]
    inside = [os.path.join(held, name) for held in project.held for name in ("rules", "skills", "prompts", "hooks")]
    files = [os.path.join(folder, name) for folder in folders for name in ("config.toml", "hooks.json")]
    return (*files, *inside, os.path.join(codex_home, "kernel", "trust.json"))
