"""The goal of a thread: what it is to reach, and what that has cost so far."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import Value, value

from .wire import RpcError

if TYPE_CHECKING:
    from .loaded import LoadedThread
    from .server import Server
    from .shelf import Shelf

STATUSES = ("active", "paused", "blocked", "usageLimited", "budgetLimited", "complete")


def goal_of(shelf: Shelf, thread_id: str) -> dict[str, Any] | None:
    """The goal as clients read it."""
    found = shelf.notes.read(thread_id).get("goal")
    return found if isinstance(found, dict) else None


def changed_goal(thread_id: str, old: Mapping[str, Any] | None, params: Mapping[str, Any]) -> dict[str, Any]:
    """The goal after thread/goal/set; another objective begins a new goal. Raises `RpcError`."""
    objective, budget = params.get("objective"), params.get("tokenBudget")
    if budget is not None and budget <= 0:
        raise RpcError("goal budgets must be positive when provided")
    if objective is not None and not objective.strip():
        raise RpcError("goal objective must not be empty")
    now = int(time.time())
    if objective is not None and (old is None or objective.strip() != old["objective"]):
        old = {
            "threadId": thread_id,
            "objective": objective.strip(),
            "status": "active",
            "tokenBudget": None,
            "tokensUsed": 0,
            "timeUsedSeconds": 0,
            "createdAt": now,
        }
    if old is None:
        raise RpcError(f"cannot update goal for thread {thread_id}: no goal exists")
    new = {**old, "updatedAt": now, "status": params.get("status") or old["status"]}
    if "tokenBudget" in params:
        new["tokenBudget"] = budget
    return new


@value
class Spent(Value):
    """What a turn used."""

    tokens: int
    seconds: int


def charged(goal: Mapping[str, Any], spent: Spent) -> dict[str, Any]:
    """The goal after a turn; one whose budget is used up is no longer active."""
    used = goal["tokensUsed"] + spent.tokens
    over = goal["tokenBudget"] is not None and used >= goal["tokenBudget"]
    return {
        **goal,
        "tokensUsed": used,
        "timeUsedSeconds": goal["timeUsedSeconds"] + spent.seconds,
        "status": "budgetLimited" if over else goal["status"],
        "updatedAt": int(time.time()),
    }


async def charge(server: Server, loaded: LoadedThread, turn_id: str, spent: Spent) -> None:
    """Charge a turn to the thread's goal, if it is active, and tell of it."""
    from .shelf import on_shelf, shelf

    def put() -> dict[str, Any] | None:
        found = shelf(server)
        goal = goal_of(found, loaded.id)
        if goal is None or goal["status"] != "active":
            return None
        goal = charged(goal, spent)
        found.notes.write(loaded.id, {**found.notes.read(loaded.id), "goal": goal})
        return goal

    goal = await on_shelf(put)
    if goal is not None:
        loaded.has_active_goal = goal["status"] == "active"
        server.tell_all("thread/goal/updated", {"threadId": loaded.id, "turnId": turn_id, "goal": goal})
