"""What a run depended on: the configuration without its secrets, and the machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

REMOVED = "[REDACTED:config]"
_SECRET_KEYS = ("secret", "token", "passw", "apikey", "bearer", "credential", "private", "authorization", "cookie")
_FIGURES = ("limit", "budget", "max", "count", "tokens", "window")
_SECRET_TABLES = frozenset({"env", "http_headers", "headers", "query_params", "set"})
_ENVIRON = ("SHELL", "LANG", "LC_ALL", "TERM", "TZ", "TMPDIR", "PATH")


def platform_facts(environ: Mapping[str, str]) -> dict[str, Any]:
    """System, interpreter and the variables that change what commands do."""
    system = os.uname() if hasattr(os, "uname") else None
    return {
        "platform": sys.platform,
        "system": None if system is None else f"{system.sysname} {system.release} {system.machine}",
        "python": sys.version.split()[0],
        "environ": {name: environ[name] for name in _ENVIRON if name in environ},
    }


def without_secrets(config: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a configuration: what is secret by its key or its table is replaced, all else is kept."""
    return {key: _clean(key, found, within=False) for key, found in config.items()}


def secrets_in(config: Mapping[str, Any]) -> Iterator[str]:
    """The texts that `without_secrets` takes out."""
    for key, found in config.items():
        yield from _secrets(key, found, within=False)


def _is_secret(key: str, found: object, *, within: bool) -> bool:
    if within or not isinstance(found, str):
        return isinstance(found, str)
    word = key.lower().replace("_", "").replace("-", "")
    return any(part in word for part in _SECRET_KEYS) and not any(part in word for part in _FIGURES)


def _clean(key: str, found: Any, *, within: bool) -> Any:
    if isinstance(found, Mapping):
        inside = within or key in _SECRET_TABLES
        return {name: _clean(name, below, within=inside) for name, below in found.items()}
    if isinstance(found, list | tuple):
        return [_clean(key, below, within=within) for below in found]
    if _is_secret(key, found, within=within):
        return REMOVED
    return found if isinstance(found, str | int | float | bool | None) else str(found)


def _secrets(key: str, found: Any, *, within: bool) -> Iterator[str]:
    if isinstance(found, Mapping):
        for name, below in found.items():
            yield from _secrets(name, below, within=within or key in _SECRET_TABLES)
    elif isinstance(found, list | tuple):
        for below in found:
            yield from _secrets(key, below, within=within)
    elif _is_secret(key, found, within=within):
        yield found
