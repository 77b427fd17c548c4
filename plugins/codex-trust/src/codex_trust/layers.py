"""The configuration files of a trusted project as layers."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from codex_plugin_sdk import ConfigError, ConfigLayer, positions

from .limits import fit
from .places import Project
from .snapshot import Entry
from .verdict import CONFIG

_PLACE = re.compile(r" \(at line (\d+), column (\d+)\)")


def project_layers(
    project: Project, base: Mapping[str, Any], entries: Mapping[str, Entry]
) -> tuple[tuple[ConfigLayer, ...], tuple[str, ...]]:
    """One layer for each file, the root's first, made of the very bytes that were agreed to; and a notice for each
    key that a project may not set. Raises `ConfigError` for what is not TOML."""
    layers: list[ConfigLayer] = []
    notices: list[str] = []
    for folder in project.held:
        path = os.path.join(folder, CONFIG)
        entry = entries.get(os.path.relpath(os.path.realpath(path), project.real).replace(os.sep, "/"))
        if os.path.basename(folder) != ".codex" or entry is None or entry.data is None:
            continue
        table, text = _parsed(path, entry.data)
        fitted = fit(table, base, os.path.realpath(folder), project.real)
        places = positions(text)
        for key, reason in fitted.dropped:
            notices.append(f"{path}:{_line(places, key)}: `{key}` is left out: {reason}")
        layers.append(ConfigLayer(kind="project", source=path, table=fitted.table, text=text))
    return tuple(layers), tuple(notices)


def _line(places: Mapping[str, tuple[int, int]], key: str) -> int:
    """Where a key is set: itself, the first below it (`[key.more]`), or the inline table that holds it."""
    below = [place for name, place in places.items() if name == key or name.startswith(f"{key}.")]
    return min(below or [places.get(key.partition(".")[0], (1, 1))])[0]


def _parsed(path: str, data: bytes) -> tuple[dict[str, Any], str]:
    try:
        text = data.decode()
        return tomllib.loads(text), text
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError("is not UTF-8 text", where=f"{path}:{line}", hint="save it as UTF-8") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        place = _PLACE.search(str(error))
        where = f"{path}:{place[1]}:{place[2]}" if place else path
        reason = _PLACE.sub("", str(error)) or "is nested too deeply"
        raise ConfigError(reason, where=where, hint="mend it and run codex trust again") from error
