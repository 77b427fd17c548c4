"""What a project would have the agent do, by source, as plain data."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from typing import Any

from .limits import fit
from .places import FOLDERS, Project
from .snapshot import Entry
from .verdict import CONFIG, HOOKS, Verdict

_KINDS = {
    CONFIG: "config",
    HOOKS: "hooks",
    "hooks": "hooks",
    "rules": "rules",
    "skills": "skill",
    "prompts": "prompt",
    "agents": "agent",
    "plugins": "plugin",
}
MAX_DIFF_LINES = 400


def kind_of(path: str) -> str:
    """What a file is, by its place: config, hooks, rules, skill, prompt, agent, plugin, other, or `named` for one
    that the configuration names."""
    parts = path.split("/")
    for at, part in enumerate(parts[:-1]):
        if part in FOLDERS:
            return _KINDS.get(parts[at + 1], "other")
    return "named"


def describe(
    project: Project, base: Mapping[str, Any], verdict: Verdict, tables: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Files with their kind and state, and what the configuration among them sets and runs."""
    states = {change.path: change.what for change in verdict.changes}
    names = sorted({*verdict.entries, *states})
    found: dict[str, Any] = {
        "root": project.real,
        "state": verdict.state,
        "files": [
            {
                "path": name,
                "kind": kind_of(name),
                "state": states.get(name, "same"),
                "sha256": verdict.entries[name].sha if name in verdict.entries else None,
            }
            for name in names
        ],
        "settings": [],
        "leftOut": [],
        "hooks": [],
        "mcpServers": [],
    }
    for path, table in tables.items():
        source = os.path.relpath(path, project.real)
        if os.path.basename(path) == CONFIG:
            fitted = fit(table, base, os.path.dirname(path), project.real)
            found["settings"] += [{"source": source, **row} for row in _settings(table, fitted.table)]
            found["leftOut"] += [{"source": source, "key": key, "reason": why} for key, why in fitted.dropped]
            servers = fitted.table.get("mcp_servers")
            found["mcpServers"] += [{"source": source, **row} for row in _servers(servers)]
        found["hooks"] += [{"source": source, **row} for row in _hooks(table.get("hooks"))]
    return found


def _settings(table: Mapping[str, Any], kept: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for key in table:
        if key in kept and key not in ("hooks", "mcp_servers"):
            yield {"key": key, "value": kept[key]}


def _servers(servers: object) -> Iterator[dict[str, Any]]:
    for name, server in servers.items() if isinstance(servers, Mapping) else ():
        if isinstance(server, Mapping):
            yield {"name": name, **{key: server[key] for key in ("command", "args", "url", "cwd") if key in server}}


def _hooks(table: object) -> Iterator[dict[str, Any]]:
    for event, groups in table.items() if isinstance(table, Mapping) else ():
        for group in groups if isinstance(groups, list) else ():
            handlers = group.get("hooks") if isinstance(group, Mapping) else None
            for handler in handlers if isinstance(handlers, list) else ():
                if isinstance(handler, Mapping):
                    yield {"event": event, "matcher": group.get("matcher"), "command": handler.get("command")}


def differences_as_text(verdict: Verdict, texts: Mapping[str, str]) -> Iterator[str]:
    """Unified differences of what changed since it was agreed to, file by file."""
    for change in verdict.changes:
        old = texts.get(verdict.pinned.get(change.path, ""))
        new = _text(verdict.entries.get(change.path))
        if (old is None and change.path in verdict.pinned) or (new is None and change.what != "gone"):
            yield f"{change.path} is {change.what}; its content cannot be compared (not text, or too large to keep)\n"
            continue
        lines = list(
            difflib.unified_diff(
                (old or "").splitlines(), (new or "").splitlines(), f"a/{change.path}", f"b/{change.path}", lineterm=""
            )
        )
        yield from (f"{line}\n" for line in lines[:MAX_DIFF_LINES])
        if len(lines) > MAX_DIFF_LINES:
            yield f"… {len(lines) - MAX_DIFF_LINES} more lines: read {change.path}\n"


def _text(entry: Entry | None) -> str | None:
    if entry is None or entry.data is None:
        return None
    try:
        return entry.data.decode()
    except UnicodeDecodeError:
        return None
