"""`trust/show` and `trust/set` of the app server: what `codex trust` does, for frontends.

    trust/show {"cwd"}                     -> what `codex trust --show --json` prints, `differences` and `seen`
    trust/set {"cwd", "trusted", "seen"?}  -> {"root", "trustLevel"}

To trust is to agree to the files as they were shown: `seen` is what `trust/show` gave for this `cwd`, and where they
have changed since, nothing is agreed to. It counts for threads that are opened afterwards.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import anyio
import orjson

from codex_plugin_sdk import ProtocolError, UserError

from .approve import agree, revoke
from .describe import describe, differences_as_text
from .places import TRUSTED, UNTRUSTED, find_project, trust_level
from .snapshot import Unpinnable
from .store import StoreUnusable, TrustStore
from .verdict import Verdict, examine, tables_of

if TYPE_CHECKING:
    from codex_plugin_sdk import AppMethod, AppMethodSetup, Config

    from .places import Project

INVALID = -32602


def show(setup: AppMethodSetup) -> AppMethod:
    """`trust/show`."""

    async def method(params: Mapping[str, Any]) -> dict[str, Any]:
        cwd = _folder(params)
        return await _in_a_thread(lambda: _shown(cwd, *_opened(setup, cwd)))

    return method


def agree_or_revoke(setup: AppMethodSetup) -> AppMethod:
    """`trust/set`."""

    async def method(params: Mapping[str, Any]) -> dict[str, Any]:
        cwd, trusted, seen = _folder(params), params.get("trusted"), params.get("seen")
        if not isinstance(trusted, bool):
            raise ProtocolError("`trusted` is to be true or false", code=INVALID)
        if trusted and not isinstance(seen, str):
            raise ProtocolError("`seen` is to be what trust/show gave", code=INVALID)
        return await _in_a_thread(lambda: _set(setup, cwd, seen if trusted else None))

    return method


async def _in_a_thread(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return await anyio.to_thread.run_sync(work)
    except (StoreUnusable, OSError) as error:
        raise UserError(f"what is trusted cannot be read or written: {error}") from error


def _folder(params: Mapping[str, Any]) -> str:
    cwd = params.get("cwd")
    if not isinstance(cwd, str) or not os.path.isabs(cwd) or not os.path.isdir(cwd):
        raise ProtocolError("`cwd` is to be the absolute path of a folder", code=INVALID)
    return cwd


def _opened(setup: AppMethodSetup, cwd: str) -> tuple[Config, TrustStore, Project]:
    config = setup.invocation.load_config(cwd=None)
    project = find_project(cwd, config.data, config.codex_home, setup.invocation.environ.get("HOME"))
    return config, TrustStore(config.codex_home), project


def _examined(config: Config, store: TrustStore, project: Project) -> Verdict:
    try:
        return examine(project, store, (os.path.realpath(config.codex_home),))
    except (Unpinnable, StoreUnusable) as error:
        raise UserError(f"{project.root} cannot be trusted: {error}") from error


def _shown(cwd: str, config: Config, store: TrustStore, project: Project) -> dict[str, Any]:
    verdict = _examined(config, store, project)
    tables, broken = tables_of(project, verdict.entries)
    found = {"trustLevel": trust_level(project, config.data)[0], **describe(project, config.data, verdict, tables)}
    found["broken"] = None if broken is None else f"{broken[0]}: {broken[1]}"
    differences = [] if verdict.pin is None else list(differences_as_text(verdict, store.texts(verdict.pin)))
    # Values of TOML may be dates, which JSON has no word for.
    whole = {"cwd": cwd, **found, "differences": differences, "seen": _name_of(project, verdict)}
    shown: dict[str, Any] = orjson.loads(orjson.dumps(whole, default=str))
    return shown


def _set(setup: AppMethodSetup, cwd: str, seen: str | None) -> dict[str, Any]:
    config, store, project = _opened(setup, cwd)
    if seen is None:
        revoke(store, config, project)
        return {"root": project.real, "trustLevel": UNTRUSTED}
    verdict = _examined(config, store, project)
    if seen != _name_of(project, verdict):
        raise UserError(f"the files of {project.real} have changed since they were shown", hint="look at them again")
    _, broken = tables_of(project, verdict.entries)
    if broken:
        raise UserError(f"{broken[0]} cannot be understood: {broken[1]}", hint="mend it")
    agree(store, config, project, verdict)
    return {"root": project.real, "trustLevel": TRUSTED}


def _name_of(project: Project, verdict: Verdict) -> str:
    """What names the state of its files."""
    files = sorted((path, entry.sha) for path, entry in verdict.entries.items())
    return sha256(orjson.dumps([project.real, files])).hexdigest()
