"""From the command line to the params of thread/start."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import UserError, split_override

if TYPE_CHECKING:
    from codex_plugin_sdk import Config, Invocation

_WORDS = {
    "model": "model",
    "model_provider": "modelProvider",
    "approval_policy": "approvalPolicy",
    "approvals_reviewer": "approvalsReviewer",
    "sandbox_mode": "sandbox",
}
DEFAULT_LOCAL = "ollama"


def folder(invocation: Invocation) -> str:
    """Where to work. Raises `UserError` if that is no folder."""
    cwd = os.path.abspath(os.path.expanduser(invocation.flags.get("cwd") or os.getcwd()))
    if not os.path.isdir(cwd):
        raise UserError(f"{cwd} is not a folder", hint="choose an existing working directory with -C DIR")
    return cwd


def thread_settings(invocation: Invocation, config: Config, cwd: str) -> dict[str, Any]:
    """Params of thread/start. A server of our own reads the same configuration; one elsewhere has to be told what was
    given with `-c`. Raises `UserError` for what only a server of our own can obey."""
    flags = invocation.flags
    found: dict[str, Any] = {}
    if flags.get("remote"):
        if flags.get("profile"):
            raise UserError("--profile is for the server to be started with, not for --remote")
        found = dict(split_override(text) for text in invocation.overrides)
    found |= _flag_values(invocation, config, cwd)
    settings: dict[str, Any] = {name: found.pop(key) for key, name in _WORDS.items() if key in found}
    settings["cwd"] = cwd
    return {**settings, "config": found} if found else settings


def _flag_values(invocation: Invocation, config: Config, cwd: str) -> dict[str, Any]:
    flags = invocation.flags
    values: dict[str, Any] = {}
    for flag, key in (("model", "model"), ("sandbox", "sandbox_mode"), ("approval", "approval_policy")):
        if flags.get(flag):
            values[key] = flags[flag]
    if flags.get("bypass"):
        values |= {"sandbox_mode": "danger-full-access", "approval_policy": "never"}
    if flags.get("oss") or flags.get("local_provider"):
        values["model_provider"] = flags.get("local_provider") or config.get("oss_provider", str) or DEFAULT_LOCAL
    if flags.get("add_dir"):
        key = "sandbox_workspace_write.writable_roots"
        more = [os.path.abspath(os.path.join(cwd, os.path.expanduser(path))) for path in flags["add_dir"]]
        values[key] = [*config.strings(key), *more]
    return values
