"""Options of `codex resume` and `codex fork` that are options of `codex`, too: as if they stood in front."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

ON_ROOT = ("approval", "search", "alt_screen", "no_alt_screen", "screen_reader")
"""Those that `codex exec` does not have itself."""
_FLAGS = {
    **{name: name for name in ("model", "sandbox", "cwd", "profile", "oss", "local_provider", "strict_config")},
    **{name: name for name in ("remote", "remote_auth_token_env", "approval")},
    **{name: name for name in ("alt_screen", "no_alt_screen", "screen_reader")},
    "dangerously_bypass_approvals_and_sandbox": "bypass",
}
_LISTS = {"add_dir": "add_dir", "image": "images"}


def with_root_options(invocation: Invocation, given: Mapping[str, Any]) -> Invocation:
    """The command line with those that only the root has."""
    return all_options(invocation, {name: given.get(name) for name in ON_ROOT})


def all_options(invocation: Invocation, given: Mapping[str, Any]) -> Invocation:
    """The command line with all of these."""
    flags = {root: given[name] for name, root in _FLAGS.items() if given.get(name)}
    lists = {root: (*invocation.flags.get(root, ()), *given[name]) for name, root in _LISTS.items() if given.get(name)}
    overrides = list(given.get("config") or ())
    overrides += [f"features.{name}=true" for name in given.get("enable") or ()]
    overrides += [f"features.{name}=false" for name in given.get("disable") or ()]
    overrides += ['web_search="live"'] if given.get("search") else []
    return invocation.replace(
        flags={**invocation.flags, **flags, **lists}, overrides=(*invocation.overrides, *overrides)
    )
