"""thread/goal: set, get, clear."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .goals import STATUSES, changed_goal, goal_of
from .methods import method
from .scopes import THREAD
from .server import Reply, check_thread_id
from .shapes import INTEGER, STRING, enum, record
from .shelf import on_shelf, shelf
from .wire import RpcError

if TYPE_CHECKING:
    from .client import Client
    from .server import Server

ONE = record({"threadId": STRING})
SET = record(
    {"threadId": STRING},
    objective=STRING,
    status=enum(*STATUSES),
    tokenBudget=INTEGER,
    origin=enum("user", "automatic"),
)


@method("thread/goal/set", SET, scope=THREAD)
async def set_goal(server: Server, client: Client, params: Mapping[str, Any]) -> Reply:
    """Set the goal of a recorded thread, or change it."""
    thread_id = await _recorded(server, params)

    def put() -> dict[str, Any]:
        found = shelf(server)
        goal = changed_goal(thread_id, goal_of(found, thread_id), params)
        found.notes.write(thread_id, {**found.notes.read(thread_id), "goal": goal})
        return goal

    goal = await on_shelf(put)
    _note_active(server, thread_id, goal)

    async def then() -> None:
        server.tell_all("thread/goal/updated", {"threadId": thread_id, "turnId": None, "goal": goal})

    return Reply({"goal": goal}, then)


@method("thread/goal/get", ONE, scope=THREAD)
async def get_goal(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """The goal, or null."""
    thread_id = await _recorded(server, params)
    return {"goal": await on_shelf(lambda: goal_of(shelf(server), thread_id))}


@method("thread/goal/clear", ONE, scope=THREAD)
async def clear_goal(server: Server, client: Client, params: Mapping[str, Any]) -> Reply:
    """Forget the goal; whether there was one."""
    thread_id = await _recorded(server, params)

    def drop() -> bool:
        found = shelf(server)
        notes = found.notes.read(thread_id)
        had = notes.pop("goal", None) is not None
        if had:
            found.notes.write(thread_id, notes)
        return had

    had = await on_shelf(drop)
    _note_active(server, thread_id, None)

    async def then() -> None:
        if had:
            server.tell_all("thread/goal/cleared", {"threadId": thread_id})

    return Reply({"cleared": had}, then)


def _note_active(server: Server, thread_id: str, goal: Mapping[str, Any] | None) -> None:
    loaded = server.threads.get(thread_id)
    if loaded is not None:
        loaded.has_active_goal = goal is not None and goal["status"] == "active"


async def _recorded(server: Server, params: Mapping[str, Any]) -> str:
    """The id, as the rollout has it. Raises `RpcError`."""
    thread_id: str = params["threadId"]
    check_thread_id(thread_id)
    found = await on_shelf(lambda: shelf(server).find(thread_id))
    if found is None or found.archived:
        raise RpcError(f"thread not found: {thread_id}")
    return found.thread_id
