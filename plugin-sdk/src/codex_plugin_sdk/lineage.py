"""Which threads a user began, and which belong to another thread, by the heads of their rollouts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def is_subagent(meta: Mapping[str, Any]) -> bool:
    """Whether a `session_meta` is that of a sub-agent, whichever made it: such threads are no sessions of the user."""
    source = meta.get("source")
    return isinstance(source, Mapping) and "subagent" in source


def spawned(meta: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What a `session_meta` says of how a thread below another was started: `parent_thread_id`, `depth`,
    `agent_nickname`, `agent_role`. None for any other thread."""
    match meta.get("source"):
        case {"subagent": {"thread_spawn": {"parent_thread_id": str(), "depth": int()} as spawn}}:
            return dict(spawn)
        case _:
            return None
