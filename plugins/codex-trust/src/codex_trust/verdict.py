"""Whether a project may be obeyed, as it is at this moment."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import orjson

from codex_plugin_sdk import Value, field, value

from .named import named_paths
from .places import Project, main_repository
from .snapshot import Entry, Snapshot, Unpinnable
from .store import Pin, StoreUnusable, TrustStore

CONFIG, HOOKS = "config.toml", "hooks.json"


@value
class Change(Value):
    """A file that is not as it was agreed to. `what` is changed, new or gone."""

    path: str
    what: str


@value
class Verdict(Value):
    """`state` is trusted, first-use (trusted by the user, not met before), changed or refused (there is no
    agreeing to it). `reason` says why it is not trusted; `entries` are the files, if they were looked at."""

    state: str
    reason: str = ""
    changes: tuple[Change, ...] = ()
    entries: Mapping[str, Entry] = field(factory=dict, repr=False)
    pinned: Mapping[str, str] = field(factory=dict, repr=False)
    pin: Pin | None = None

    @property
    def obeyed(self) -> bool:
        """Whether the project's files count."""
        return self.state in ("trusted", "first-use")


def judge(project: Project, store: TrustStore, skip: Sequence[str], *, seen: bool) -> Verdict:
    """For a start in a project whose level is trusted: stops at the first reason not to, and understands no file
    that is not known. `seen` says that the project was trusted before with nothing in it."""
    try:
        pin = known_pin(project, store)
        pinned = store.files(pin) if pin else {}
        if pin is None and (seen or not store.first_use):
            return Verdict(state="changed", reason="nobody has agreed to what is in it now")
        stamps = store.stamps(project.real) if pin else {}
        snapshot = Snapshot(project.real, stamps, skip=skip, keep=pin is None)
        _add_folders(snapshot, project)
        changes = () if pin is None else differences(snapshot.entries, pinned)
        if not changes:
            _add_named(snapshot, project, tables_of(project, snapshot.entries)[0])
            changes = () if pin is None else differences(snapshot.entries, pinned)
    except (StoreUnusable, Unpinnable, OSError) as error:
        return Verdict(state="refused", reason=str(error))
    if changes:
        return Verdict(state="changed", reason=_changes_reason(changes), changes=changes)
    settled = ((name, entry) for name, entry in snapshot.entries.items() if entry.stamp)
    if pin is not None and any(stamps.get(name) != (entry.sha, entry.stamp) for name, entry in settled):
        _keep_stamps(store, project.real, snapshot)
    return Verdict(state="trusted" if pin else "first-use", entries=snapshot.entries, pin=pin, pinned=pinned)


def examine(project: Project, store: TrustStore, skip: Sequence[str]) -> Verdict:
    """For showing it to a person: everything is read and taken apart, whether it is trusted or not. `state` says
    only whether it is as it was agreed to; first-use where it never was. Raises `Unpinnable`, `StoreUnusable`."""
    pin = known_pin(project, store)
    pinned: dict[str, str] = {}
    if pin is not None:
        with suppress(StoreUnusable):  # a lost pin: everything is new
            pinned = store.files(pin)
    snapshot = Snapshot(project.real, {}, skip=skip, keep=True)
    _add_folders(snapshot, project)
    _add_named(snapshot, project, tables_of(project, snapshot.entries)[0])
    changes = differences(snapshot.entries, pinned)
    gone = (Change(path=path, what="gone") for path in pinned if not os.path.lexists(os.path.join(project.real, path)))
    state = "first-use" if pin is None else "changed" if changes else "trusted"
    return Verdict(
        state=state, changes=(*changes, *gone), entries=snapshot.entries, pin=pin, pinned=pinned,
    )  # fmt: skip


def known_pin(project: Project, store: TrustStore) -> Pin | None:
    """The agreement for a project; a linked worktree may hold what was agreed to for its repository."""
    pins = store.pins()
    if project.real in pins:
        return pins[project.real]
    main = main_repository(project.root)
    return pins.get(os.path.realpath(main)) if main else None


def differences(entries: Mapping[str, Entry], pinned: Mapping[str, str]) -> tuple[Change, ...]:
    """What nobody has agreed to. Less than was agreed to is no difference: all of it has been seen."""
    found = [
        Change(path=path, what="changed" if path in pinned else "new")
        for path, entry in entries.items()
        if pinned.get(path) != entry.sha
    ]
    return tuple(sorted(found, key=lambda change: change.path))


def tables_of(
    project: Project, entries: Mapping[str, Entry]
) -> tuple[dict[str, Mapping[str, Any]], tuple[str, str] | None]:
    """The tables of the files that may name others, by path, and the first that cannot be understood, with the
    reason. Only for content that is known, or to be shown."""
    import tomllib

    found: dict[str, Mapping[str, Any]] = {}
    broken: tuple[str, str] | None = None
    for folder in real_folders(project):
        for name in (CONFIG, HOOKS):
            path = os.path.realpath(os.path.join(folder, name))
            entry = entries.get(os.path.relpath(path, project.real).replace(os.sep, "/"))
            if entry is None or entry.data is None:
                continue
            try:
                parsed = tomllib.loads(entry.data.decode()) if name == CONFIG else orjson.loads(entry.data)
            except (ValueError, RecursionError) as error:
                broken = broken or (path, str(error))
                continue
            if isinstance(parsed, dict):
                found[os.path.join(folder, name)] = parsed
    return found, broken


def _add_folders(snapshot: Snapshot, project: Project) -> None:
    for folder in real_folders(project):
        snapshot.add_tree(folder, always=(CONFIG, HOOKS))


def _add_named(snapshot: Snapshot, project: Project, tables: Mapping[str, Mapping[str, Any]]) -> None:
    here = os.path.realpath(project.folders[-1])
    for path, table in tables.items():
        folder = os.path.dirname(path)
        for found in named_paths(table, project.real, (folder, os.path.dirname(folder), project.real, here)):
            snapshot.add_file(found)


def real_folders(project: Project) -> list[str]:
    """The folders below the root's real path, so that names do not depend on how one got there."""
    found = []
    for path in project.held:
        real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        if not real.startswith(project.real.rstrip(os.sep) + os.sep):
            raise Unpinnable(f"{path} lies outside the project")
        found.append(real)
    return list(dict.fromkeys(found))


def _keep_stamps(store: TrustStore, root: str, snapshot: Snapshot) -> None:
    with suppress(OSError):  # a cache: without it the files are read again
        store.keep_stamps(root, snapshot.entries)


def _changes_reason(changes: Sequence[Change]) -> str:
    shown = [f"{change.path} is {change.what}" for change in changes[:3]]
    more = [f"{len(changes) - 3} more"] if len(changes) > 3 else []
    return f"it is not what was agreed to ({', '.join([*shown, *more])})"
