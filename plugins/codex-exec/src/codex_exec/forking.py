"""Where a fork leaves the session that it begins with: after a turn, before a compaction, or at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_plugin_sdk import UserError

if TYPE_CHECKING:
    from codex_plugin_sdk import RolloutStore


def turn_after(store: RolloutStore, thread_id: str, number: int) -> str | None:
    """The id of the turn that follows the one of this number (from 1), before which a fork is to end; None where that
    is the last. Raises `UserError` for a turn that is not there, `StoreError`."""
    count = 0
    for entry in store.read(thread_id):
        if entry.type != "event_msg" or b'"task_started"' not in entry.payload[:200]:
            continue
        payload = entry.members() or {}
        if payload.get("type") != "task_started" or not isinstance(payload.get("turn_id"), str):
            continue
        count += 1
        if count == number + 1:
            return str(payload["turn_id"])
    if count < number:
        raise UserError(
            f"the session has no turn {number}: {count} are recorded",
            hint=f"codex sessions show {thread_id} numbers them",
        )
    return None


def check_compaction(store: RolloutStore, thread_id: str, number: int) -> None:
    """Raise `UserError` unless the session was compacted so often, `StoreError`."""
    count = sum(entry.type == "compacted" for entry in store.read(thread_id))
    if count < number:
        raise UserError(
            f"the session has no compaction {number}: it was compacted {count} times",
            hint="fork it whole, or at a --turn",
        )
