"""What a project may set. Everything else is left to the user and the administrator."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from codex_plugin_sdk import Value, value

PROJECT_KEYS = frozenset(
    {
        "agents",
        "approval_policy",
        "background_terminal_max_timeout",
        "compact_prompt",
        "developer_instructions",
        "disable_paste_burst",
        "experimental_compact_prompt_file",
        "experimental_use_unified_exec_tool",
        "features",
        "file_opener",
        "ghost_snapshot",
        "goals",
        "hide_agent_reasoning",
        "hooks",
        "include_apps_instructions",
        "include_collaboration_mode_instructions",
        "include_environment_context",
        "include_permissions_instructions",
        "instructions",
        "mcp_optional_startup_grace_ms",
        "mcp_servers",
        "memories",
        "model",
        "model_auto_compact_token_limit",
        "model_auto_compact_token_limit_scope",
        "model_context_window",
        "model_instructions_file",
        "model_post_turn_compact_threshold_percent",
        "model_reasoning_effort",
        "model_reasoning_summary",
        "model_verbosity",
        "orchestrator",
        "personality",
        "plan_mode_reasoning_effort",
        "project_doc_fallback_filenames",
        "project_doc_max_bytes",
        "review_model",
        "sandbox_mode",
        "sandbox_workspace_write",
        "service_tier",
        "shell_environment_policy",
        "show_raw_agent_reasoning",
        "skills",
        "tool_output_token_limit",
        "tool_suggest",
        "tools",
        "tui",
        "web_search",
    }
)
"""Top-level keys that a trusted project may set. A list of what is allowed: tables of plugins, which may decide
where things are sent or what protects whom, are not the project's."""

REFUSED_FEATURES = frozenset(
    {"respect_system_proxy", "system_proxy_fallback", "credential_masking", "network_proxy", "use_xaa"}
)
PATH_KEYS = ("model_instructions_file", "experimental_compact_prompt_file")
"""Keys that name a file, relative to the folder of the configuration."""

_LOOSENESS = {
    "sandbox_mode": ("read-only", "workspace-write"),
    "approval_policy": ("untrusted", "on-request", "on-failure"),
    "web_search": ("disabled", "cached", "indexed", "live"),
}
"""Values that a project may choose, the strictest first. What the user has set may be made stricter only."""


@value
class Fit(Value):
    """A project's table without what it may not set; `dropped` are dotted keys, each with the reason."""

    table: Mapping[str, Any]
    dropped: tuple[tuple[str, str], ...]


def fit(table: Mapping[str, Any], base: Mapping[str, Any], folder: str, root: str) -> Fit:
    """Take out of the table of `folder`/config.toml what is not a project's to say. `base` is what the user has
    set, `root` the project's root."""
    dropped: list[tuple[str, str]] = []
    kept: dict[str, Any] = {}
    for key, found in table.items():
        if key not in PROJECT_KEYS:
            dropped.append((key, "a project may not set it"))
        elif (fitted := _fitted(key, found, base, root, dropped)) is not None:
            kept[key] = fitted
    for key in PATH_KEYS:
        if isinstance(kept.get(key), str):
            kept[key] = os.path.join(folder, os.path.expanduser(kept[key]))
    return Fit(table=kept, dropped=tuple(dropped))


def _fitted(key: str, found: Any, base: Mapping[str, Any], root: str, dropped: list[tuple[str, str]]) -> Any:
    if key in _LOOSENESS:
        reason = _too_loose(key, found, base.get(key))
        if reason:
            dropped.append((key, reason))
            return None
        return found
    if not isinstance(found, Mapping):
        return found  # of the wrong kind, which is told by who reads it
    match key:
        case "sandbox_workspace_write":
            return _without(key, found, lambda name, entry: _write_reason(name, entry, root), dropped)
        case "shell_environment_policy":
            return _without(
                key, found, lambda name, _: "" if name == "set" else "it guards the user's secrets", dropped
            )
        case "features":
            return _without(key, found, lambda name, _: _REFUSED if name in REFUSED_FEATURES else "", dropped)
        case "mcp_servers":
            own = base.get(key)
            taken = frozenset(own) if isinstance(own, Mapping) else frozenset[str]()
            return _without(key, found, lambda name, _: _TAKEN if name in taken else "", dropped)
        case "hooks":
            return _without(key, found, lambda name, _: _REFUSED if name == "state" else "", dropped)
        case _:
            return found


_REFUSED = "a project may not set it"
_TAKEN = "the user has a server of this name, whose keys it would get"


def _without(key: str, found: Mapping[str, Any], reason: Any, dropped: list[tuple[str, str]]) -> dict[str, Any]:
    kept = {}
    for name, entry in found.items():
        why = reason(name, entry)
        if why:
            dropped.append((f"{key}.{name}", why))
        else:
            kept[name] = entry
    return kept


def _write_reason(name: str, entry: Any, root: str) -> str:
    if name == "writable_roots":
        paths = [os.path.realpath(os.path.join(root, str(path))) for path in entry] if isinstance(entry, list) else []
        real = os.path.realpath(root).rstrip(os.sep)
        return "" if all((path + os.sep).startswith(real + os.sep) for path in paths) else "it leads out of the project"
    if name == "network_access" or name.startswith("exclude_"):
        loose = entry if name == "network_access" else not entry
        return "a project may not loosen it" if loose else ""
    return _REFUSED


def _too_loose(key: str, found: Any, own: Any) -> str:
    order = _LOOSENESS[key]
    if isinstance(found, Mapping):
        found = "on-request"  # { granular = … }: some questions are asked
    if found not in order:
        return f"a project may choose {', '.join(order[:-1])} or {order[-1]}"
    if own is None or own not in order or order.index(found) <= order.index(own):
        return ""
    return f"the user has set {own}, and a project may only be stricter"
