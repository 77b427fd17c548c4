"""What an administrator's requirements permit a key to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .check import at

if TYPE_CHECKING:
    from codex_plugin_sdk import Config

_PROFILES = {
    ":read-only": "read-only",
    ":workspace": "workspace-write",
    ":danger-full-access": "danger-full-access",
}
_SINGLE = ("approval_policy", "sandbox_mode", "model_provider")


def constraint(config: Config, path: Sequence[str]) -> tuple[tuple[Any, ...], str] | None:
    """What a key may be, and where that is said; None where requirements say nothing of it."""
    required = config.requirements
    if len(path) == 2 and path[0] == "features" and path[1] in required.features:
        key = ".".join(path)
        where = [config.place(layer, key) for layer in required.layers if at(layer.table, path) is not None]
        return (required.features[path[1]],), ", ".join(where)
    rule = required.constraints.get(_rule(path))
    return None if rule is None else (rule.allowed, rule.where)


def refusal(config: Config, path: Sequence[str], wanted: Any) -> str:
    """Why a key may not be set to a value; empty if it may. A table is permitted if all of it is."""
    if isinstance(wanted, Mapping) and _rule(path) not in ("approval_policy", "mcp_servers"):
        return next((text for name, entry in wanted.items() if (text := refusal(config, (*path, name), entry))), "")
    found = constraint(config, path)
    if found is None:
        return ""
    for value in _values(path, wanted):
        if value not in found[0]:
            allowed = ", ".join(_word(entry) for entry in found[0]) or "nothing"
            return f"`{'.'.join(path)}` may not be {_word(value)}: {found[1]} allows {allowed}"
    return ""


def _rule(path: Sequence[str]) -> str:
    """The name of the rule that a key falls under; empty if under none."""
    if path[0] == "mcp_servers" or path[0] in _SINGLE:
        return path[0]
    if tuple(path) == ("default_permissions",):
        return "sandbox_mode"
    return "domains" if path[0] == "permissions" and tuple(path[2:4]) == ("network", "domains") else ""


def _values(path: Sequence[str], wanted: Any) -> tuple[Any, ...]:
    """What is held against the rule: the value, or the names that it brings in."""
    if path[0] == "mcp_servers":
        return (path[1],) if len(path) > 1 else tuple(wanted) if isinstance(wanted, Mapping) else ()
    if path[0] == "permissions":
        return (path[4],) if len(path) == 5 and wanted == "allow" else ()
    if path[0] == "default_permissions":
        return (_PROFILES[wanted],) if wanted in _PROFILES else ()
    if path[0] == "approval_policy" and (len(path) > 1 or isinstance(wanted, Mapping)):
        return ("granular",)
    return (wanted,)


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
