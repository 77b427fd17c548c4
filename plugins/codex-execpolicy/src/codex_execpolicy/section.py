"""The table `[execpolicy]` of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codex_plugin_sdk import ConfigError, Value, value


@value
class ExecpolicySection(Value):
    """`managed` are absolute folders of rules that nobody below may loosen; `ignore_rules` leaves out the
    rules of the user and of projects."""

    managed: tuple[str, ...] = ()
    ignore_rules: bool = False


def read_section(options: Mapping[str, object]) -> ExecpolicySection:
    """The section of a whole configuration. Raises `ConfigError`."""
    table = options.get("execpolicy", {})
    if not isinstance(table, Mapping):
        raise ConfigError("`execpolicy` must be a table", hint="[execpolicy] managed = [...]")
    unknown = sorted(set(table) - {"managed", "ignore_rules"})
    if unknown:
        raise ConfigError(f"`execpolicy.{unknown[0]}` is not known", hint="known are managed and ignore_rules")
    return ExecpolicySection(managed=_folders(table.get("managed", [])), ignore_rules=_switch(table))


def _folders(given: Any) -> tuple[str, ...]:
    if not isinstance(given, (list, tuple)) or not all(isinstance(folder, str) for folder in given):
        raise ConfigError("`execpolicy.managed` must be an array of strings")
    for folder in given:
        if not folder.startswith(("/", "~/")):
            raise ConfigError(f"`execpolicy.managed` holds {folder!r}, which is not an absolute path")
    return tuple(given)


def _switch(table: Mapping[str, Any]) -> bool:
    given = table.get("ignore_rules", False)
    if not isinstance(given, bool):
        raise ConfigError("`execpolicy.ignore_rules` must be true or false")
    return given
