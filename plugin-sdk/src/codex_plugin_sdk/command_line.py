"""What commands of several plugins make of their options in the same way."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codex_kernel.errors import UserError

if TYPE_CHECKING:
    from codex_kernel.config import Config

DEFAULT_LOCAL = "ollama"
"""What `--oss` uses where nothing else is named."""


def working_folder(chosen: str | None, *, must_exist: bool = True) -> str:
    """The folder of `-C`, absolute, else the present one. Raises `UserError` for one that is not there."""
    if chosen is None:
        try:
            return os.getcwd()
        except OSError as error:
            raise UserError(
                "the working directory is gone", hint="cd to a folder that exists, or name one with -C"
            ) from error
    path = os.path.abspath(os.path.expanduser(chosen))
    if must_exist and not os.path.isdir(path):
        raise UserError(f"{path} is not a folder", hint="name one that exists with -C DIR")
    return path


def session_flags(flags: Mapping[str, Any], config: Config, cwd: str) -> dict[str, Any]:
    """The root options (`Invocation.flags`) as configuration, by the keys that a session takes them by."""
    named = {"model": "model", "sandbox": "sandbox_mode", "approval": "approval_policy"}
    found = {key: flags[name] for name, key in named.items() if name in flags}
    if flags.get("bypass"):
        found |= {"sandbox_mode": "danger-full-access", "approval_policy": "never"}
    if flags.get("oss") or flags.get("local_provider"):
        found["model_provider"] = flags.get("local_provider") or config.get("oss_provider", str) or DEFAULT_LOCAL
    if folders := flags.get("add_dir", ()):
        key = "sandbox_workspace_write.writable_roots"
        more = (os.path.abspath(os.path.join(cwd, os.path.expanduser(path))) for path in folders)
        found[key] = [*config.strings(key), *more]
    return found
