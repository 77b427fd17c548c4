"""Setting and unsetting keys, with every check that the next start would make."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import Config, ConfigError, ConfigSources, codex_home, load_config, parse_value
from codex_plugin_sdk.config_edit import edit_config, key_parts

from .catalogue import find
from .check import fault_of, nearest
from .source import keys_of

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation


def lock_path(home: str) -> str:
    """The file by which processes that edit configuration take turns."""
    return os.path.join(home, "kernel", "config.lock")


def change(invocation: Invocation, key: str, raw: str | None, profile: str | None, *, project: bool) -> str:
    """Set a key, or unset it (`raw` None); what was done, in words. Raises `ConfigError`; then nothing
    was changed."""
    if profile and project:
        raise ConfigError("--profile and --project name two files: give one of them")
    home = codex_home(invocation.environ)
    path = _target(home, profile, project=project)
    wanted = None if raw is None else parse_value(raw)
    config = _lenient(invocation, home)
    if raw is not None:
        _check(config, key, wanted)
    done = edit_config(path, {key: wanted}, lock=lock_path(home))
    if not done.changed:
        return f"{path}: `{key}` {'was not set' if raw is None else 'is this already'}\n"
    said = f"{path}: {f'removed `{key}`' if raw is None else f'set `{key}`'}\n"
    return said + _overridden(invocation, key, path)


def _lenient(invocation: Invocation, home: str) -> Config:
    """The configuration, or as much as can be read: a broken file is to be mended by this command too."""
    try:
        return invocation.load_config(cwd=os.getcwd())
    except ConfigError:
        return load_config(ConfigSources(codex_home=home, ignore_user_config=True), invocation.plugins)


def _target(home: str, profile: str | None, *, project: bool) -> str:
    if profile:
        if "/" in profile or profile in (".", ".."):
            raise ConfigError(f"{profile!r} is not a profile name", hint="use letters, digits, - and _")
        return os.path.join(home, f"{profile}.config.toml")
    if project:
        from codex_plugin_sdk import git_root

        return os.path.join(git_root(os.getcwd()) or os.getcwd(), ".codex", "config.toml")
    return os.path.join(home, "config.toml")


def _check(config: Config, key: str, wanted: Any) -> None:
    keys, path = keys_of(config), key_parts(key)
    known = find(keys, path)
    if path[0] == "features" and len(path) > 1:
        if config.plugins is not None and path[1] not in config.plugins.features():
            near = nearest(path[1], config.plugins.features())
            raise ConfigError(f"Unknown feature flag: {path[1]}", hint=f"did you mean {near}?" if near else "")
    elif known is None and not _inside_open(keys, path):
        near = nearest(key, keys)
        raise ConfigError(f"there is no key `{key}`", hint=f"did you mean `{near}`?" if near else "codex config schema")
    if known is not None and (fault := fault_of(known, wanted)):
        raise ConfigError(f"`{key}` {fault}; nothing was changed")
    rule = config.requirements.constraints.get(key)
    if rule is not None and not rule.permits(wanted):
        raise ConfigError(f"{rule.refusal(wanted)}; nothing was changed")


def _inside_open(keys: Any, path: list[str]) -> bool:
    from .catalogue import OPEN, pattern

    return any(pattern(keys, path[:length]) in OPEN for length in range(1, len(path)))


def _overridden(invocation: Invocation, key: str, path: str) -> str:
    try:
        explained = invocation.load_config(cwd=os.getcwd()).explain(key)
    except ConfigError as error:
        return f"warning: the configuration does not load: {error}\n"
    if explained and os.path.realpath(explained[-1][0].source) != os.path.realpath(path):
        layer, _, where = explained[-1]
        return f"note: {where} ({layer.kind}) is stronger and holds\n"
    return ""
