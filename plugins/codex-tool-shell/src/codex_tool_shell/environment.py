"""The environment of commands: `shell_environment_policy`, and what keeps programs from waiting for a person."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from codex_plugin_sdk import ConfigError

CORE = frozenset({"HOME", "LOGNAME", "PATH", "SHELL", "TEMP", "TMP", "TMPDIR", "USER"})
"""What `inherit = "core"` keeps."""

SECRETS = ("*KEY*", "*SECRET*", "*TOKEN*")
"""What `ignore_default_excludes = false` leaves out."""

NON_INTERACTIVE = {
    "CODEX_CI": "1",
    "COLORTERM": "",
    "GH_PAGER": "cat",
    "GIT_PAGER": "cat",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "LC_CTYPE": "C.UTF-8",
    "NO_COLOR": "1",
    "PAGER": "cat",
    "TERM": "dumb",
}
"""Set for every command, whatever the policy says: no pagers, no colours, no escape sequences, one language.
The same variables and values as Codex sets, so that a command prints the same under both."""

_KINDS: dict[str, tuple[type, str]] = {
    "inherit": (str, "a string"),
    "ignore_default_excludes": (bool, "true or false"),
    "exclude": (list, "an array of strings"),
    "include_only": (list, "an array of strings"),
    "set": (dict, "a table of strings"),
    "experimental_use_profile": (bool, "true or false"),
}


def apply_policy(environ: Mapping[str, str], policy: Mapping[str, Any]) -> dict[str, str]:
    """What a `shell_environment_policy` table leaves of an environment.

    In this order: `inherit` (all, core, none); the default excludes, if `ignore_default_excludes` is false;
    `exclude`; `set`; `include_only`, which also judges what `set` added. Patterns know `*` and `?`, and upper
    and lower case are the same. `experimental_use_profile` is accepted and changes nothing here: commands run
    in a login shell already. Raises `ConfigError` for a value that does not fit.
    """
    _check(policy)
    chosen = _inherited(environ, policy.get("inherit", "all"))
    if not policy.get("ignore_default_excludes", True):
        chosen = _without(chosen, SECRETS)
    chosen = _without(chosen, policy.get("exclude", ()))
    chosen.update({name: str(text) for name, text in policy.get("set", {}).items()})
    include_only = policy.get("include_only", ())
    if include_only:
        matches = _matcher(include_only)
        chosen = {name: text for name, text in chosen.items() if matches(name)}
    return chosen


def command_environment(
    base: Mapping[str, str], *, thread_id: str, call_id: str, network_disabled: bool
) -> dict[str, str]:
    """The whole environment of one command. `base` comes from `apply_policy`."""
    return {
        **base,
        **NON_INTERACTIVE,
        "CODEX_THREAD_ID": thread_id,
        "CODEX_SESSION_ID": thread_id,
        "CODEX_TOOL_CALL_ID": call_id,
        **({"CODEX_SANDBOX_NETWORK_DISABLED": "1"} if network_disabled else {}),
    }


def _check(policy: Mapping[str, Any]) -> None:
    for name, (kind, wanted) in _KINDS.items():
        if name in policy and not isinstance(policy[name], kind):
            raise ConfigError(f"shell_environment_policy.{name} must be {wanted}, not {policy[name]!r}")
    for name in ("exclude", "include_only"):
        if not all(isinstance(pattern, str) for pattern in policy.get(name, ())):
            raise ConfigError(f"shell_environment_policy.{name} must be an array of strings")


def _inherited(environ: Mapping[str, str], inherit: str) -> dict[str, str]:
    match inherit:
        case "all":
            return dict(environ)
        case "core":
            return {name: text for name, text in environ.items() if name.upper() in CORE}
        case "none":
            return {}
        case _:
            raise ConfigError(f"shell_environment_policy.inherit must be all, core or none, not {inherit!r}")


def _without(environ: Mapping[str, str], patterns: Iterable[str]) -> dict[str, str]:
    matches = _matcher(patterns)
    return {name: text for name, text in environ.items() if not matches(name)}


def _matcher(patterns: Iterable[str]) -> Any:
    parts = [re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".") for pattern in patterns]
    return re.compile("|".join(parts) if parts else r"(?!)", re.IGNORECASE | re.DOTALL).fullmatch
