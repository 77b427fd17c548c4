"""`codex managed status` and `refresh`: which bundle counts and what it says."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from time import time
from typing import TYPE_CHECKING, Any

import orjson

from codex_plugin_sdk import ConfigError, ConfigSources, ExitCode, UserError, codex_home, positions

from .loading import Loaded, Loader
from .settings import read_settings
from .source import SETTINGS_FILE, is_managed
from .words import ago, moment

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

SCHEMA_VERSION = 1


def run_status(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Print what a start gets. Raises `ConfigError` where it would get nothing, after the JSON if that is wanted."""
    path = settings_path(invocation, given)
    if not is_managed(path):
        return _unmanaged(path, given)
    try:
        loaded = _loader(invocation, path).load()
    except ConfigError as error:
        return _refused(path, given, error)
    _print(describe(path, loaded) if given["as_json"] else _as_text(path, loaded))
    return ExitCode.OK


def run_refresh(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Ask the source and say what came of it. Raises `ConfigError` where it cannot be used."""
    path = settings_path(invocation, given)
    if not is_managed(path):
        return _unmanaged(path, given)
    try:
        loader = _loader(invocation, path)
        before = _version(loader)
        loaded = loader.refresh()
    except ConfigError as error:
        return _refused(path, given, error)
    if given["as_json"]:
        _print({**describe(path, loaded), "previous_version": before})
        return ExitCode.OK
    now = loaded.bundle.version
    change = (
        f"version {now}, as before"
        if before == now
        else f"version {now}" + ("" if before is None else f" (before: {before})")
    )
    _print("".join(f"{line}\n" for line in (f"{loaded.settings.source}: {change}", *loaded.notices)))
    return ExitCode.OK


def settings_path(invocation: Invocation, given: Mapping[str, Any]) -> str:
    """Which managed.toml counts. Raises `UserError` for a folder that does not exist."""
    chosen = given.get("system_dir")
    if chosen is None:
        folder = ConfigSources(codex_home=codex_home(invocation.environ)).system_dir
    elif not os.path.isdir(chosen):
        raise UserError(f"{chosen} is not a folder", hint="name the one that holds managed.toml")
    else:
        folder = os.path.abspath(chosen)
    return os.path.join(folder, SETTINGS_FILE)


def describe(path: str, loaded: Loaded) -> dict[str, object]:
    """What counts, as one JSON object. Values are not in it: a configuration may hold secrets."""
    bundle = loaded.bundle
    return {
        "schema_version": SCHEMA_VERSION,
        "state": "last good" if loaded.problem else "in use",
        "settings_file": path,
        "source": loaded.settings.source,
        "version": bundle.version,
        "issued_at": bundle.issued_at.isoformat(),
        "expires_at": bundle.expires_at.isoformat() if bundle.expires_at else None,
        "fetched_at": moment(loaded.confirmed_at) if loaded.confirmed_at else None,
        "signature": "valid" if loaded.signed else "none",
        "public_key": loaded.settings.public_key or None,
        "config": dict(places(bundle.config, bundle.config_text)),
        "requirements": dict(places(bundle.requirements, bundle.requirements_text)),
        "problem": loaded.problem or None,
        "notices": list(loaded.notices),
    }


def places(table: Mapping[str, Any], text: str) -> Iterator[tuple[str, int]]:
    """Each dotted key that a table sets, and its line."""
    found = positions(text)
    for path in _leaves(table, ()):
        at = path
        while at and ".".join(at) not in found:
            at = at[:-1]  # in an inline table: its own line
        yield ".".join(path), found[".".join(at)][0] if at else 1


def _leaves(table: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for key, given in table.items():
        if isinstance(given, Mapping) and given:
            yield from _leaves(given, (*above, key))
        else:
            yield (*above, key)


def _as_text(path: str, loaded: Loaded) -> str:
    bundle = loaded.bundle
    fetched = "at each start"
    if loaded.confirmed_at:
        fetched = f"{moment(loaded.confirmed_at)} ({ago(time() - loaded.confirmed_at)})"
    rows = {
        "source": loaded.settings.source,
        "version": str(bundle.version),
        "issued": bundle.issued_at.isoformat(),
        "expires": bundle.expires_at.isoformat() if bundle.expires_at else "never",
        "fetched": fetched,
        "signature": f"valid, key {loaded.settings.public_key}" if loaded.signed else "none; only root can write it",
        "state": "the last good copy stands in" if loaded.problem else "in use",
        "settings": path,
    }
    lines = [f"{name:<10} {text}" for name, text in rows.items()]
    for title, table, text in (
        ("sets", bundle.config, bundle.config_text),
        ("requires", bundle.requirements, bundle.requirements_text),
    ):
        lines.append(f"{title:<10} " + ("nothing" if not table else ""))
        lines += [f"  {key} (line {line})" for key, line in places(table, text)]
    lines += [f"{notice}" for notice in loaded.notices]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _unmanaged(path: str, given: Mapping[str, Any]) -> int:
    if given["as_json"]:
        _print({"schema_version": SCHEMA_VERSION, "state": "none", "settings_file": path})
    else:
        _print(f"nothing is managed: {path} does not exist\n")
    return ExitCode.OK


def _refused(path: str, given: Mapping[str, Any], error: ConfigError) -> int:
    if not given["as_json"]:
        raise error
    whole = {"schema_version": SCHEMA_VERSION, "state": "refused", "settings_file": path}
    _print({**whole, "problem": error.message, "hint": error.hint})
    return error.exit_code


def _loader(invocation: Invocation, path: str) -> Loader:
    return Loader(read_settings(path), codex_home(invocation.environ), invocation.environ)


def _version(loader: Loader) -> int | None:
    try:
        return loader.look().bundle.version
    except ConfigError:
        return None  # there is nothing to compare with; refreshing tells what is wrong


def _print(whole: Mapping[str, object] | str) -> None:
    if isinstance(whole, str):
        sys.stdout.write(whole)
    else:
        sys.stdout.write(orjson.dumps(whole, option=orjson.OPT_INDENT_2).decode() + "\n")
    sys.stdout.flush()
