"""Threads as they are stored: the wire's form of a summary, and which of them a client wants listed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from codex_plugin_sdk import ThreadSummary
from codex_plugin_sdk.lineage import spawned

Meta = Mapping[str, Any]
NOT_LOADED = {"type": "notLoaded"}
THREAD_SOURCE = "thread_source"
"""Where the head of a rollout keeps the label that a client gave."""
INTERACTIVE = frozenset({"cli", "vscode", "appServer", "custom"})
"""Kinds that are listed unless others are asked for."""
KINDS = (
    "cli",
    "vscode",
    "exec",
    "appServer",
    "subAgent",
    "subAgentReview",
    "subAgentCompact",
    "subAgentThreadSpawn",
    "subAgentOther",
    "unknown",
)
_PLAIN = frozenset({"cli", "vscode", "exec", "appServer"})
_SUBAGENTS = {"review": "subAgentReview", "compact": "subAgentCompact"}
_ELSEWHERE = ("attachedToThreadId", "projectId", "sectionId")
"""Filters by what threads here never have."""


def stored_thread(found: ThreadSummary, notes: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, Any]:
    """A recorded thread as clients read it, without turns."""
    meta = found.meta
    return {
        "id": found.thread_id,
        "sessionId": _word(meta, "session_id") or found.thread_id,
        "forkedFromId": _word(meta, "forked_from_id") or None,
        "historyMode": "paginated" if meta.get("history_mode") == "paginated" else "legacy",
        "preview": found.preview,
        "ephemeral": False,
        "modelProvider": found.model_provider,
        "model": found.model or None,
        "createdAt": found.created_at_ms // 1000,
        "updatedAt": found.updated_at_ms // 1000,
        "recencyAt": found.updated_at_ms // 1000,
        "status": dict(status),
        "path": found.path,
        "cwd": found.cwd or os.sep,
        "cliVersion": _word(meta, "cli_version"),
        "originator": _word(meta, "originator") or None,
        "threadSource": _word(meta, THREAD_SOURCE) or None,
        "source": wire_source(meta.get("source")),
        **agent_facts(meta),
        "gitInfo": git_info(meta, notes),
        "name": found.name or None,
        "projectId": None,
        "turns": [],
    }


def agent_facts(meta: Meta) -> dict[str, Any]:
    """What a thread that another one started says of itself; each null for all others."""
    spawn = spawned(meta) or {}
    return {
        "parentThreadId": spawn.get("parent_thread_id"),
        "agentNickname": spawn.get("agent_nickname"),
        "agentRole": spawn.get("agent_role"),
    }


def git_info(meta: Meta, notes: Mapping[str, Any]) -> dict[str, Any] | None:
    """Commit, branch and origin, as recorded or corrected since; None if nothing is known."""
    git = meta.get("git")
    git = git if isinstance(git, dict) else {}
    found = {"sha": git.get("commit_hash"), "branch": git.get("branch"), "originUrl": git.get("repository_url")}
    found |= notes.get("git") or {}
    return found if any(found.values()) else None


def wire_source(source: object) -> str | dict[str, Any]:
    """Who began a thread, from the words of rollouts."""
    match source:
        case "mcp":
            return "appServer"
        case str():
            return source if source in _PLAIN else "unknown"
        case {"custom": str() as name}:
            return {"custom": name}
        case {"subagent": str() as kind} if kind in ("review", "compact", "memory_consolidation"):
            return {"subAgent": kind}
        case {"subagent": {"other": str() as name}}:
            return {"subAgent": {"other": name}}
        case {"subagent": {"thread_spawn": {"depth": int(), "parent_thread_id": str()} as spawn}}:
            return {"subAgent": {"thread_spawn": dict(spawn)}}
        case _:
            return "unknown"


def source_kinds(source: object) -> frozenset[str]:
    """The kinds by which a thread of this source is asked for."""
    found = wire_source(source)
    if isinstance(found, str):
        return frozenset({found})
    if "custom" in found:
        return frozenset({"custom"})
    agent = found["subAgent"]
    special = _SUBAGENTS.get(agent, "subAgentOther") if isinstance(agent, str) else "subAgentOther"
    spawned = isinstance(agent, dict) and "thread_spawn" in agent
    return frozenset({"subAgent", "subAgentThreadSpawn" if spawned else special})


def asks_for_nothing(params: Mapping[str, Any]) -> bool:
    """Whether a filter asks for what threads here never have."""
    return any(params.get(name) is not None for name in _ELSEWHERE)


def no_ancestors(meta: Meta) -> frozenset[str]:
    """For stores that do not know what is above a thread."""
    return frozenset()


def wanted(
    params: Mapping[str, Any], provider: str, ancestors: Callable[[Meta], frozenset[str]] = no_ancestors
) -> Callable[[Meta], bool]:
    """Whether a thread, by the head of its rollout, is one that the params of thread/list ask for. Where they name no
    providers, threads of the configured one are meant; where they name an empty list, those of all. `ancestors` gives
    the ids of the threads above one."""
    parent, ancestor = params.get("parentThreadId"), params.get("ancestorThreadId")
    kinds = frozenset(params.get("sourceKinds") or (INTERACTIVE if parent is ancestor is None else {"subAgent"}))
    cwd = params.get("cwd")
    folders = None if cwd is None else {os.path.normpath(path) for path in ([cwd] if isinstance(cwd, str) else cwd)}
    providers = frozenset([provider] if (named := params.get("modelProviders")) is None else named)
    originators = frozenset(params.get("originators") or ())
    excluded = frozenset(params.get("excludedThreadIds") or ())

    def fits(meta: Meta) -> bool:
        return (
            not kinds.isdisjoint(source_kinds(meta.get("source")))
            and (folders is None or os.path.normpath(_word(meta, "cwd")) in folders)
            and (not providers or _word(meta, "model_provider") in providers)
            and (not originators or _word(meta, "originator") in originators)
            and _word(meta, "id") not in excluded
            and (parent is None or agent_facts(meta)["parentThreadId"] == parent)
            and (ancestor is None or ancestor in ancestors(meta))
        )

    return fits


def _word(meta: Meta, name: str) -> str:
    found = meta.get(name)
    return found if isinstance(found, str) else ""
