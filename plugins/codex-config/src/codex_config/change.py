"""Setting and unsetting keys, with every check that the next start would make."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import Config, ConfigError, ConfigLayer, ConfigSources, codex_home, load_config, parse_value
from codex_plugin_sdk.config_edit import edit_config, key_parts

from .catalogue import OPEN, find, pattern
from .check import Path, fault_of, nearest
from .permitted import refusal
from .show import explained, folder
from .source import checker, checks_held, keys_of

if TYPE_CHECKING:
    from codex_plugin_sdk import Diagnostic, Invocation


def lock_path(home: str) -> str:
    """The file by which processes that edit configuration take turns."""
    return os.path.join(home, "kernel", "config.lock")


def change(
    invocation: Invocation, key: str, raw: str | None, profile: str | None, cwd: str | None = None, *, project: bool
) -> str:
    """Set a key, or unset it (`raw` None); what was done, in words. Raises `ConfigError`; then nothing
    was changed."""
    if profile and project:
        raise ConfigError("--profile and --project name two files: give one of them")
    home, here, parts = codex_home(invocation.environ), folder(invocation, cwd), tuple(key_parts(key))
    path = _target(home, here, profile, project=project)
    wanted = None if raw is None else parse_value(raw)
    said = "" if raw is None else refuse_wrong(readable(invocation, home, here, profile), parts, wanted)
    done = edit_config(path, {key: wanted}, lock=lock_path(home))
    if not done.changed:
        return f"{path}: `{key}` {'was not set' if raw is None else 'is this already'}\n{said}"
    said = f"{path}: {f'removed `{key}`' if raw is None else f'set `{key}`'}\n{said}"
    return said + effect(invocation, parts, path, profile, here, unset=raw is None)


def refuse_wrong(config: Config, path: Path, wanted: Any) -> str:
    """What to tell of a value that may be set. Raises `ConfigError` for one that may not: a key that nobody knows,
    a value that does not fit, one that requirements do not permit or that contradicts the rest."""
    _refuse_unknown(config, path)
    known = find(keys_of(config), path)
    key = ".".join(path)
    if known is not None and (fault := fault_of(known, wanted)):
        raise ConfigError(f"`{key}` {fault}; nothing was changed")
    if why := refusal(config, path, wanted):
        raise ConfigError(f"{why}; nothing was changed")
    table = wanted
    for part in reversed(path):
        table = {part: table}
    layer = ConfigLayer(kind="flags", source="", table=table)
    after = Config(config.codex_home, config.sources)
    after.plugins = config.plugins
    after.add(*config.layers, layer)
    checked = checker(after)
    problems: list[Diagnostic] = list(checked.layer(layer))
    touching = [found for found in checked.contradictions() if _related(found.key, key)]
    problems += [found for found in touching if found.severity == "error"]
    if problems:
        text = "; ".join(f"{found.message}{f' ({found.hint})' if found.hint else ''}" for found in problems)
        raise ConfigError(f"{text}; nothing was changed")
    return "".join(f"note: {found.message}\n" for found in touching)


def _related(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")


def readable(invocation: Invocation, home: str, cwd: str, profile: str | None) -> Config:
    """The configuration, or as much as can be read: a broken file is to be mended by this command too."""
    with checks_held():
        try:
            return invocation.load_config(cwd=cwd, profile=profile)
        except ConfigError:
            return load_config(ConfigSources(codex_home=home, ignore_user_config=True), invocation.plugins)


def _target(home: str, cwd: str, profile: str | None, *, project: bool) -> str:
    if profile:
        if "/" in profile or profile in (".", ".."):
            raise ConfigError(f"{profile!r} is not a profile name", hint="use letters, digits, - and _")
        return os.path.join(home, f"{profile}.config.toml")
    if not project:
        return os.path.join(home, "config.toml")
    from codex_plugin_sdk import git_root

    root = git_root(cwd) or cwd
    path = os.path.join(root, ".codex", "config.toml")
    # A repository may not choose which file of ours is written.
    if not os.path.realpath(path).startswith(os.path.join(os.path.realpath(root), "")):
        raise ConfigError(f"leads out of the project, to {os.path.realpath(path)}", where=path)
    return path


def _refuse_unknown(config: Config, path: Path) -> None:
    keys, key = keys_of(config), ".".join(path)
    if path[0] == "features" and len(path) > 1:
        flags = config.plugins.features() if config.plugins is not None else {}
        if path[1] not in flags:
            near = nearest(path[1], flags)
            raise ConfigError(f"Unknown feature flag: {path[1]}", hint=f"did you mean {near}?" if near else "")
    elif find(keys, path) is None and not _inside_open(keys, path):
        near = nearest(key, keys)
        raise ConfigError(f"there is no key `{key}`", hint=f"did you mean `{near}`?" if near else "codex config schema")


def _inside_open(keys: Any, path: Sequence[str]) -> bool:
    return any(pattern(keys, path[:length]) in OPEN for length in range(1, len(path)))


def effect(invocation: Invocation, path: Path, file: str, profile: str | None, cwd: str, *, unset: bool) -> str:
    """What keeps the change from having an effect, or still sets what was unset."""
    try:
        config = invocation.load_config(cwd=cwd, profile=profile)
    except ConfigError as error:
        return f"warning: the configuration does not load: {error}\n"
    ours = os.path.realpath(file)
    rows = explained(config, path)
    if unset:
        return f"note: {rows[-1][2]} ({rows[-1][0].kind}) still sets it\n" if rows else ""
    if not any(os.path.realpath(layer.source) == ours for layer, _, _ in rows):
        return "note: it does not count here: see codex trust, and codex config list\n"
    layer, _, where = rows[-1]
    return "" if os.path.realpath(layer.source) == ours else f"note: {where} ({layer.kind}) is stronger and holds\n"
