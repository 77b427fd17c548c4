"""Permission profiles: `[permissions.NAME]` of the configuration as a sandbox policy."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from .config import Config
from .errors import ConfigError
from .protocol.policy import NetworkRules, SandboxMode, SandboxPolicy

BUILTIN = {
    ":read-only": SandboxPolicy(mode=SandboxMode.READ_ONLY),
    ":workspace": SandboxPolicy(mode=SandboxMode.WORKSPACE_WRITE),
    ":danger-full-access": SandboxPolicy(mode=SandboxMode.DANGER_FULL_ACCESS),
}
_ACCESS = ("read", "write", "deny")
_MAX_DEPTH = 8


def permission_profile(config: Config, name: str, *, depth: int = 0) -> SandboxPolicy:
    """The policy of a profile; paths that are not absolute are meant below the working directory.

    A profile grants what it lists and, beside what programs need to start, nothing else; `extends` starts
    from another profile or a built-in one. Raises `ConfigError`.
    """
    if name in BUILTIN:
        return BUILTIN[name]
    key = f"permissions.{name}"
    table = config.table("permissions").get(name)
    if not isinstance(table, Mapping):
        known = ", ".join([*sorted(config.table("permissions")), *BUILTIN])
        raise ConfigError(
            f"there is no permission profile {name!r}",
            where=config.origin("default_permissions"),
            hint=f"known: {known}",
        )
    base = SandboxPolicy(
        mode=SandboxMode.WORKSPACE_WRITE,
        readable_roots=(),
        cwd_writable=False,
        exclude_slash_tmp=True,
        exclude_tmpdir_env_var=True,
    )
    if "extends" in table:
        if depth >= _MAX_DEPTH:
            raise ConfigError(f"`{key}.extends` leads in a circle", where=config.origin(f"{key}.extends"))
        base = permission_profile(config, config.checked(f"{key}.extends", table["extends"], str), depth=depth + 1)
        if base.unconfined:
            return base
    policy = _with_files(config, key, base, table.get("filesystem", {}))
    for path, wanted in config.checked(f"{key}.workspace_roots", table.get("workspace_roots", {}), dict).items():
        if config.checked(f"{key}.workspace_roots.{path}", wanted, bool):
            policy = _grant(policy, os.path.expanduser(path), "write")
    return _with_network(config, f"{key}.network", policy, table.get("network", {}))


def _with_files(config: Config, key: str, policy: SandboxPolicy, found: Any) -> SandboxPolicy:
    for place, access in config.checked(f"{key}.filesystem", found, dict).items():
        where = f"{key}.filesystem.{place}"
        if isinstance(access, Mapping):
            base = "" if place == ":workspace_roots" else _place(place, where, config)
            for below, inner in access.items():
                policy = _grant(policy, os.path.join(base, below), _access(config, f"{where}.{below}", inner))
        elif place == ":workspace_roots":
            policy = _grant(policy, ".", _access(config, where, access))
        else:
            policy = _grant_place(config, policy, place, _access(config, where, access), where)
    return policy


def _access(config: Config, where: str, found: Any) -> str:
    if found == "none":  # the older word
        return "deny"
    if found not in _ACCESS:
        raise ConfigError(f"`{where}` must be one of {', '.join(_ACCESS)}, not {found!r}", where=config.origin(where))
    return str(found)


def _grant_place(config: Config, policy: SandboxPolicy, place: str, access: str, where: str) -> SandboxPolicy:
    match place:
        case ":minimal":
            return policy  # what programs need to start is always readable
        case ":root" if access == "deny":
            return policy.replace(readable_roots=tuple(root for root in policy.readable_roots if root != "/"))
        case ":tmpdir":
            return policy.replace(exclude_tmpdir_env_var=access != "write")
        case ":slash_tmp":
            return policy.replace(exclude_slash_tmp=access != "write")
        case _:
            return _grant(policy, _place(place, where, config), access)


def _place(place: str, where: str, config: Config) -> str:
    if place == ":root":
        return "/"
    if place.startswith(":"):
        known = ":root, :minimal, :workspace_roots, :tmpdir, :slash_tmp"
        raise ConfigError(f"`{where}` names no place that is known", where=config.origin(where), hint=f"known: {known}")
    return os.path.expanduser(place)


def _grant(policy: SandboxPolicy, path: str, access: str) -> SandboxPolicy:
    path = os.path.normpath(path)
    match access:
        case "deny":
            return policy.replace(denied_reads=(*policy.denied_reads, path))
        case "write" if path == ".":
            return policy.replace(cwd_writable=True)
        case "write":
            return policy.replace(writable_roots=(*policy.writable_roots, path))
        case _:
            # What is to be read only may lie in a writable root: it is kept from being written there.
            kept = () if path in ("/", ".") else (path,)
            return policy.replace(
                readable_roots=(*policy.readable_roots, path), read_only_paths=(*policy.read_only_paths, *kept)
            )


def _with_network(config: Config, key: str, policy: SandboxPolicy, found: Any) -> SandboxPolicy:
    table = config.checked(key, found, dict)
    enabled = config.checked(f"{key}.enabled", table.get("enabled", bool(table)), bool)
    if not enabled:
        return policy
    domains = config.checked(f"{key}.domains", table.get("domains", {}), dict)
    wrong = {host: word for host, word in domains.items() if word not in ("allow", "deny")}
    if wrong:
        host, word = next(iter(wrong.items()))
        raise ConfigError(f"`{key}.domains.{host}` must be allow or deny, not {word!r}", where=config.origin(key))
    mode = table.get("mode", "full")
    if mode not in ("limited", "full"):
        raise ConfigError(f"`{key}.mode` must be limited or full, not {mode!r}", where=config.origin(f"{key}.mode"))
    return policy.replace(
        network_rules=NetworkRules(
            allowed=tuple(host for host, word in domains.items() if word == "allow"),
            denied=tuple(host for host, word in domains.items() if word == "deny"),
            limited=mode == "limited",
            allow_private=config.checked(f"{key}.allow_private", table.get("allow_private", False), bool),
            socks5=config.checked(f"{key}.enable_socks5", table.get("enable_socks5", True), bool),
        )
    )
