"""Threads: start, resume, fork, leave."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import Compact, ThreadOptions, ThreadSummary

from .dynamic_tools import META as DYNAMIC_TOOLS
from .dynamic_tools import read_specs
from .goals import goal_of
from .loaded import LoadedThread
from .method_stored import turns_page
from .methods import method
from .scopes import ALONE, SHARED_READ, THREAD
from .server import Reply, check_thread_id
from .settings import engine_for, folder
from .shapes import ANY, BOOLEAN, INTEGER, OBJECT, STRING, array, enum, experimental, record, union
from .shelf import live_turns, on_shelf, shelf
from .stored import THREAD_SOURCE
from .wire import RpcError

if TYPE_CHECKING:
    from .client import Client
    from .server import Server

ORIGINATOR = "codex_app_server"
SOURCE = "vscode"
"""What Codex records for threads that clients begin, and lists by default."""
APPROVAL = union(enum("untrusted", "on-failure", "on-request", "never"), record({"granular": OBJECT}))
SANDBOX_MODE = enum("read-only", "workspace-write", "danger-full-access")
SETTINGS: dict[str, Any] = {
    "model": STRING,
    "modelProvider": STRING,
    "cwd": STRING,
    "approvalPolicy": APPROVAL,
    "approvalsReviewer": enum("user", "auto_review", "guardian_subagent"),
    "sandbox": SANDBOX_MODE,
    "permissions": experimental(STRING),
    "config": OBJECT,
    "baseInstructions": STRING,
    "developerInstructions": STRING,
    "serviceTier": STRING,
}
START = record(ephemeral=BOOLEAN, threadSource=STRING, dynamicTools=experimental(array(OBJECT)), **SETTINGS)
FIRST_PAGE = record(limit=INTEGER, sortDirection=enum("asc", "desc"), itemsView=enum("notLoaded", "summary", "full"))
RESUME = record(
    {"threadId": STRING},
    path=experimental(STRING),
    excludeTurns=BOOLEAN,
    history=experimental(array(ANY)),
    initialTurnsPage=experimental(FIRST_PAGE),
    **SETTINGS,
)
FORK = record(
    {"threadId": STRING},
    path=experimental(STRING),
    ephemeral=BOOLEAN,
    threadSource=STRING,
    excludeTurns=BOOLEAN,
    lastTurnId=STRING,
    beforeTurnId=experimental(STRING),
    **SETTINGS,
)
ONE = record({"threadId": STRING})


@method("thread/start", START, scope=ALONE)
async def start(server: Server, client: Client, params: Mapping[str, Any]) -> Reply:
    """A new thread."""
    cwd = folder(params)
    engine = engine_for(server.invocation, params, cwd)
    brought = params.get("dynamicTools") or ()
    if brought and not client.experimental:
        raise RpcError("thread/start.dynamicTools requires experimentalApi capability")
    specs = read_specs(brought)
    options = ThreadOptions(
        cwd=cwd,
        ephemeral=bool(params.get("ephemeral")),
        source=SOURCE,
        originator=_originator(client),
        want_deltas=True,
        answers_questions=True,
        meta=_meta(params, brought),
    )
    loaded = server.open(engine, options)
    loaded.bring(client, specs)
    loaded.thread_source = params.get("threadSource")
    return _opened(client, loaded, announce=True)


@method("thread/resume", RESUME, scope=THREAD)
async def resume(server: Server, client: Client, params: Mapping[str, Any]) -> Reply:
    """A recorded thread, or one that is open already."""
    thread_id = params["threadId"]
    if not params.get("path"):
        check_thread_id(thread_id)
    loaded = server.threads.get(thread_id)
    if loaded is None:
        summary, recorded = await _recorded(server, params)
        if summary.archived:
            hint = f"Run `codex unarchive {summary.thread_id}` to unarchive it first."
            raise RpcError(f"session {summary.thread_id} is archived. {hint}")
        loaded = server.threads.get(summary.thread_id)
    if loaded is None:
        cwd = folder(params, _still_there(summary.cwd))
        engine = engine_for(server.invocation, params, cwd)
        options = ThreadOptions(
            cwd=cwd,
            resume=summary.thread_id,
            source=SOURCE,
            originator=_originator(client),
            want_deltas=True,
            answers_questions=True,
        )
        loaded = await server.open_recorded(engine, options)
        loaded.recall(recorded)
        loaded.bring(client, read_specs(summary.meta.get(DYNAMIC_TOOLS) or ()))
    page = params.get("initialTurnsPage")
    more: dict[str, Any] = {}
    if page is not None:
        more["initialTurnsPage"] = await turns_page(server, loaded.id, page, page.get("itemsView") or "summary")
    return await _with_history(server, client, loaded, params, more)


@method("thread/fork", FORK, scope=THREAD)
async def fork(server: Server, client: Client, params: Mapping[str, Any]) -> Reply:
    """A new thread that begins with the history of another, or with a part of it."""
    thread_id = params["threadId"]
    if not params.get("path"):
        check_thread_id(thread_id)
    if params.get("lastTurnId") and params.get("beforeTurnId"):
        raise RpcError("`beforeTurnId` cannot be combined with `lastTurnId`")
    summary, recorded = await _recorded(server, params)
    before, spoken = await _fork_before(server, summary.thread_id, params)
    brought = summary.meta.get(DYNAMIC_TOOLS) or ()
    cwd = folder(params, _still_there(summary.cwd))
    engine = engine_for(server.invocation, params, cwd)
    options = ThreadOptions(
        cwd=cwd,
        fork=summary.thread_id,
        fork_before_turn=before,
        ephemeral=bool(params.get("ephemeral")),
        source=SOURCE,
        originator=_originator(client),
        want_deltas=True,
        answers_questions=True,
        meta=_meta(params, brought),
    )
    loaded = await server.open_recorded(engine, options)
    loaded.bring(client, read_specs(brought))
    loaded.forked_from = summary.thread_id
    loaded.thread_source = params.get("threadSource")
    loaded.name = recorded["name"]
    loaded.preview = recorded["preview"] if spoken else ""
    if recorded["name"] and not loaded.ephemeral:
        await on_shelf(lambda: shelf(server).library.rename(loaded.id, recorded["name"]))
    return await _with_history(server, client, loaded, params, {}, announce=True)


@method("thread/unsubscribe", ONE, scope=THREAD)
async def unsubscribe(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, str]:
    """Hear no more of a thread; it goes on."""
    check_thread_id(params["threadId"])
    loaded = server.threads.get(params["threadId"])
    if loaded is None:
        return {"status": "notLoaded"}
    return {"status": "unsubscribed" if loaded.unsubscribe(client) else "notSubscribed"}


@method("thread/loaded/list", record(cursor=STRING, limit=INTEGER), scope=SHARED_READ)
async def loaded_list(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """Ids of the open threads."""
    ids = sorted(server.threads)
    after = params.get("cursor")
    if after is not None:
        ids = [id for id in ids if id > after]
    limit = params.get("limit") or len(ids)
    page = ids[:limit]
    return {"data": page, "nextCursor": page[-1] if len(ids) > len(page) else None}


@method("thread/compact/start", ONE, scope=THREAD)
async def compact(server: Server, client: Client, params: Mapping[str, Any]) -> Reply:
    """Shorten the history now."""
    loaded = server.loaded(params["threadId"])

    async def then() -> None:
        await loaded.submit(Compact())

    return Reply({}, then)


def _opened(client: Client, loaded: LoadedThread, *, announce: bool) -> Reply:
    async def then() -> None:
        if announce:
            client.notify("thread/started", {"thread": loaded.wire()})
        loaded.subscribe(client)

    return Reply({"thread": loaded.wire(), **loaded.wire_settings()}, then)


async def _with_history(
    server: Server,
    client: Client,
    loaded: LoadedThread,
    params: Mapping[str, Any],
    more: Mapping[str, Any],
    *,
    announce: bool = False,
) -> Reply:
    """The answer for a thread that has a past."""
    reply = _opened(client, loaded, announce=announce)
    opened = reply.then
    if not params.get("excludeTurns"):
        turns = shelf(server).turns(loaded.id, live=live_turns(loaded))
        reply.result["thread"]["turns"] = await on_shelf(lambda: [turn.wire() for turn in turns])
    reply.result.update(more)
    goal = await on_shelf(lambda: goal_of(shelf(server), loaded.id))
    loaded.has_active_goal = goal is not None and goal["status"] == "active"

    async def then() -> None:
        assert opened is not None
        await opened()
        if goal is not None:
            client.notify("thread/goal/updated", {"threadId": loaded.id, "turnId": None, "goal": goal})

    reply.then = then
    return reply


async def _recorded(server: Server, params: Mapping[str, Any]) -> tuple[ThreadSummary, dict[str, Any]]:
    """The recorded thread that is meant, also in the wire's form. Raises `RpcError`."""
    thread_id, path = params["threadId"], params.get("path")

    def look() -> tuple[ThreadSummary, dict[str, Any]]:
        found = shelf(server)
        summary = found.store.find(path) if path else found.require(thread_id)
        if summary is None:
            raise RpcError(f"no rollout found at {path}")
        return summary, found.wire(summary)

    return await on_shelf(look)


async def _fork_before(server: Server, thread_id: str, params: Mapping[str, Any]) -> tuple[str | None, bool]:
    """The turn that a fork leaves out with all after it, None to take everything; and whether any turn is left.
    Raises `RpcError`."""
    last, before = params.get("lastTurnId"), params.get("beforeTurnId")
    if not last and not before:
        return None, True
    ids = await on_shelf(lambda: [id for id, _ in shelf(server).listed_turns(thread_id, "notLoaded")])
    wanted = last or before
    if wanted not in ids:
        raise RpcError(f"turn not found: {wanted}")
    place = ids.index(wanted) + (1 if last else 0)
    return ids[place] if place < len(ids) else None, place > 0


def _still_there(path: str) -> str | None:
    """The folder that a thread was recorded in, or None if it is gone."""
    return path if path and os.path.isdir(path) else None


def _meta(params: Mapping[str, Any], tools: object) -> dict[str, Any]:
    """What is recorded of a new thread for later."""
    source = params.get("threadSource")
    return {**({DYNAMIC_TOOLS: tools} if tools else {}), **({THREAD_SOURCE: source} if source else {})}


def _originator(client: Client) -> str:
    return client.name or ORIGINATOR
