"""From the command line to an engine, a folder and a policy."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from codex_plugin_sdk import (
    Config,
    Engine,
    SandboxPolicy,
    Value,
    value,
)
from codex_plugin_sdk.command_line import working_folder

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation


@value
class Task(Value):
    """What a command line asks for. `cwd` exists and is absolute; the policy's paths are absolute."""

    engine: Any
    cwd: str
    policy: SandboxPolicy
    profile: str | None


def task_of(invocation: Invocation, given: Mapping[str, Any]) -> Task:
    """The options of `codex sandbox` over those of `codex`, over the configuration.

    Raises `ConfigError` (unknown mode or profile, bad setting), `UserError` (no such folder), `UsageError`.
    """
    if given.get("sandbox") and given.get("permissions"):
        raise click.UsageError("-s and -P both say what the command may do: give one of them")
    cwd = working_folder(given.get("cwd") or invocation.flags.get("cwd"))
    config = _config(invocation, given, cwd)
    engine = Engine(config=config, plugins=invocation.plugins, environ=invocation.environ)
    policy = engine.settings.sandbox_policy.anchored(cwd)
    return Task(engine=engine, cwd=cwd, policy=policy, profile=config.get("default_permissions", str))


def _config(invocation: Invocation, given: Mapping[str, Any], cwd: str) -> Config:
    config = invocation.load_config(
        cwd=cwd,
        overrides=given.get("overrides", ()),
        profile=given.get("profile"),
        enable=given.get("enable", ()),
        disable=given.get("disable", ()),
    )
    for key, found in _flags(invocation, given, config, cwd).items():
        config.merge_key(key, found, "the command line")
    return config


def _flags(invocation: Invocation, given: Mapping[str, Any], config: Config, cwd: str) -> dict[str, Any]:
    flags: dict[str, Any] = {}
    if given.get("permissions"):
        flags["default_permissions"] = given["permissions"]
    elif mode := given.get("sandbox") or invocation.flags.get("sandbox"):
        flags["sandbox_mode"] = mode
    elif invocation.flags.get("bypass"):
        flags["sandbox_mode"] = "danger-full-access"
    if folders := [*invocation.flags.get("add_dir", ()), *given.get("add_dir", ())]:
        key = "sandbox_workspace_write.writable_roots"
        more = (os.path.abspath(os.path.join(cwd, os.path.expanduser(path))) for path in folders)
        flags[key] = [*config.strings(key), *more]
    return flags
