"""The table `[undo]` of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codex_plugin_sdk import ConfigError, Value, value


@value
class UndoSection(Value):
    """What the journal keeps. `required`: a journal that cannot be written refuses the change. `exclude` are names of
    files and folders that are left out, anywhere. A file above `max_file_mb`, and what lies beyond `max_files` in a
    root, cannot be undone. The journal holds `keep_turns` turns in `max_mb` at most, half of it for one root. With
    `quarantine`, one `rm` of more than `quarantine_files` files or `quarantine_mb` becomes a move; `codex quarantine
    gc` keeps what is younger than `quarantine_days`."""

    enabled: bool = True
    required: bool = True
    exclude: tuple[str, ...] = ()
    max_file_mb: int = 20
    max_files: int = 50_000
    max_mb: int = 500
    keep_turns: int = 200
    quarantine: bool = True
    quarantine_files: int = 50
    quarantine_mb: int = 100
    quarantine_days: int = 30


def section_of(config: Mapping[str, Any]) -> UndoSection:
    """The table of an effective configuration. Raises `ConfigError` for a value that cannot be used."""
    table = config.get("undo") or {}
    if not isinstance(table, Mapping):
        raise ConfigError("`undo` must be a table", hint="[undo] enabled = true")
    found: dict[str, Any] = {}
    for name, given in table.items():
        default = _DEFAULTS.get(name)
        if default is None:
            continue  # the configuration itself warns of keys that nobody knows
        found[name] = _checked(name, given, default)
    return UndoSection(**found)


_DEFAULTS: dict[str, Any] = {
    name: getattr(UndoSection(), name)
    for name in (
        *("enabled", "required", "exclude", "max_file_mb", "max_files", "max_mb", "keep_turns"),
        *("quarantine", "quarantine_files", "quarantine_mb", "quarantine_days"),
    )
}


def _checked(name: str, given: object, default: object) -> object:
    if isinstance(default, bool):
        if not isinstance(given, bool):
            raise ConfigError(f"`undo.{name}` must be true or false, not {given!r}")
        return given
    if isinstance(default, tuple):
        if not isinstance(given, list | tuple) or not all(isinstance(one, str) and "/" not in one for one in given):
            raise ConfigError(f"`undo.{name}` must be an array of names", hint='undo.exclude = ["node_modules"]')
        return tuple(given)
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise ConfigError(f"`undo.{name}` must be a whole number from 0 on, not {given!r}")
    return given
