"""What `codex trust` does."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click
import orjson

from codex_plugin_sdk import ExitCode, StoreError, UserError

from .describe import describe, differences_as_text
from .edit import set_trust_levels
from .places import TRUSTED, UNTRUSTED, Project, find_project, spellings, trust_level
from .show import as_text, clean
from .snapshot import Unpinnable
from .store import StoreUnusable, TrustStore
from .verdict import Verdict, examine, tables_of

if TYPE_CHECKING:
    from codex_plugin_sdk import Config, Invocation


def run_trust(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Carry out the command; returns the exit code. Raises `UserError`, `StoreError`."""
    config = invocation.load_config(cwd=None)
    store = TrustStore(config.codex_home)
    try:
        if given["folder"] == "list":
            return _list(store, config, as_json=given["as_json"])
        project = _project(invocation, given, config)
        if given["revoke"]:
            return _revoke(store, config, project, as_json=given["as_json"])
        return _trust(invocation, given, store, config, project)
    except StoreUnusable as error:
        hint = "nothing is trusted now: run the command again to agree anew"
        raise UserError(str(error), hint=hint, exit_code=ExitCode.CONFIG) from error
    except OSError as error:
        raise StoreError(
            f"{error.filename or store.path}: {error.strerror}", path=store.path, operation="write"
        ) from error


def _project(invocation: Invocation, given: Mapping[str, Any], config: Config) -> Project:
    where = os.path.abspath(os.path.expanduser(given["folder"] or invocation.flags.get("cwd") or os.getcwd()))
    if not os.path.isdir(where):
        raise UserError(f"{where} is not a folder", hint="name an existing folder", exit_code=ExitCode.USAGE)
    return find_project(where, config.data, config.codex_home, invocation.environ.get("HOME"))


def _trust(
    invocation: Invocation, given: Mapping[str, Any], store: TrustStore, config: Config, project: Project
) -> int:
    if given["as_json"] and not (given["show"] or given["yes"]):
        raise click.UsageError("--json needs --show, --yes or --revoke: there is no question in JSON")
    try:
        verdict = examine(project, store, (os.path.realpath(config.codex_home),))
    except Unpinnable as error:
        hint = "nothing of it counts until that is put right"
        raise UserError(f"{project.root} cannot be trusted: {error}", hint=hint, exit_code=ExitCode.CONFIG) from error
    level, _ = trust_level(project, config.data)
    tables, broken = tables_of(project, verdict.entries)
    found = {"trustLevel": level, **describe(project, config.data, verdict, tables)}
    needed = level != TRUSTED or verdict.state != "trusted"
    if not given["as_json"]:
        sys.stdout.write(as_text(found))
        if verdict.pin is not None:
            sys.stdout.writelines(map(clean, differences_as_text(verdict, store.texts(verdict.pin))))
    if needed and not given["show"]:
        if broken:
            raise UserError(f"{broken[0]} cannot be understood: {broken[1]}", hint="mend it", exit_code=ExitCode.CONFIG)
        if not given["yes"] and not _agreed(project):
            return ExitCode.FAILED
        agree(store, config, project, verdict)
        found |= {"trustLevel": TRUSTED, "state": "trusted"}
    if given["as_json"]:
        _print_json(found)
    elif not given["show"]:
        sys.stdout.write(f"{clean(project.real)} is trusted{' now' if needed else ' as it is'}.\n")
    return ExitCode.OK


def _agreed(project: Project) -> bool:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UserError(
            f"{project.real} was not trusted: nobody can be asked here",
            hint="--yes agrees to what was shown",
            exit_code=ExitCode.USAGE,
        )
    return click.confirm("Trust this project, as it is now?", default=False)


def agree(store: TrustStore, config: Config, project: Project, verdict: Verdict) -> None:
    """Pin what was shown, then let the level say so: never the other way round."""
    kept = {path: sha for path, sha in verdict.pinned.items() if os.path.lexists(os.path.join(project.real, path))}
    files = {**kept, **{name: entry.sha for name, entry in verdict.entries.items()}}
    store.pin(project.real, files, verdict.entries, "asked")
    levels = {name: TRUSTED for name, level in spellings(project, config.data).items() if level != TRUSTED}
    if levels or trust_level(project, config.data)[0] != TRUSTED:
        set_trust_levels(config.codex_home, {**levels, project.real: TRUSTED})


def revoke(store: TrustStore, config: Config, project: Project) -> bool:
    """Take it back; whether it was ever agreed to."""
    known = store.forget(project.real)
    names = [name for name, level in spellings(project, config.data).items() if level != UNTRUSTED]
    set_trust_levels(config.codex_home, dict.fromkeys((*names, project.real), UNTRUSTED))
    return known


def _revoke(store: TrustStore, config: Config, project: Project, *, as_json: bool) -> int:
    known = revoke(store, config, project)
    if as_json:
        _print_json({"root": project.real, "trustLevel": UNTRUSTED, "pinRemoved": known})
    else:
        sys.stdout.write(f"{clean(project.real)} is not trusted any more.\n")
    return ExitCode.OK


def _list(store: TrustStore, config: Config, *, as_json: bool) -> int:
    pins = store.pins()
    levels = {name: table.get("trust_level") for name, table in config.table("projects").items()}
    rows: list[dict[str, Any]] = []
    for root in sorted({*pins, *levels}):
        pin = pins.get(root)
        known = {"pinnedAt": pin.at, "how": pin.how} if pin else {"pinnedAt": None, "how": None}
        rows.append({"root": root, "trustLevel": levels.get(root), **known})
    if as_json:
        _print_json({"projects": rows})
        return ExitCode.OK
    for row in rows:
        when = "nothing agreed to yet"
        if row["how"]:
            when = f"{time.strftime('%Y-%m-%d %H:%M', time.localtime(row['pinnedAt']))}, {row['how']}"
        sys.stdout.write(f"{row['trustLevel'] or '-':<10}  {clean(row['root'])}  ({when})\n")
    return ExitCode.OK


def _print_json(found: Mapping[str, Any]) -> None:
    option = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    sys.stdout.write(orjson.dumps(found, default=str, option=option).decode())
