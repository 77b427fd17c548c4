"""Threads: start, resume, fork, read, leave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import Compact, ThreadOptions

from .loaded import LoadedThread
from .methods import method
from .scopes import ALONE, SHARED_READ, THREAD
from .server import Reply, check_thread_id
from .settings import engine_for, folder
from .shapes import ANY, BOOLEAN, INTEGER, OBJECT, STRING, array, enum, record, union
from .wire import RpcError

if TYPE_CHECKING:
    from .client import Client
    from .server import Server

ORIGINATOR = "codex_app_server"
APPROVAL = union(enum("untrusted", "on-failure", "on-request", "never"), record({"granular": OBJECT}))
SANDBOX_MODE = enum("read-only", "workspace-write", "danger-full-access")
SETTINGS: dict[str, Any] = {
    "model": STRING,
    "modelProvider": STRING,
    "cwd": STRING,
    "approvalPolicy": APPROVAL,
    "approvalsReviewer": enum("user", "auto_review", "guardian_subagent"),
    "sandbox": SANDBOX_MODE,
    "permissions": STRING,
    "config": OBJECT,
    "baseInstructions": STRING,
    "developerInstructions": STRING,
    "serviceTier": STRING,
}
START = record(ephemeral=BOOLEAN, **SETTINGS)
RESUME = record({"threadId": STRING}, path=STRING, excludeTurns=BOOLEAN, history=array(ANY), **SETTINGS)
FORK = record({"threadId": STRING}, path=STRING, ephemeral=BOOLEAN, lastTurnId=STRING, **SETTINGS)
ONE = record({"threadId": STRING})


@method("thread/start", START, scope=ALONE)
async def start(server: Server, client: Client, params: Mapping[str, Any]) -> Reply:
    """A new thread."""
    cwd = folder(params)
    engine = engine_for(server.invocation, params, cwd)
    options = ThreadOptions(
        cwd=cwd,
        ephemeral=bool(params.get("ephemeral")),
        source="appServer",
        originator=_originator(client),
        want_deltas=True,
    )
    return _opened(client, server.open(engine, options), announce=True)


@method("thread/resume", RESUME, scope=THREAD)
async def resume(server: Server, client: Client, params: Mapping[str, Any]) -> Reply:
    """A recorded thread, or one that is open already."""
    thread_id = params["threadId"]
    check_thread_id(thread_id)
    loaded = server.threads.get(thread_id)
    if loaded is None:
        cwd = folder(params)
        engine = engine_for(server.invocation, params, cwd)
        options = ThreadOptions(
            cwd=cwd, resume=thread_id, source="appServer", originator=_originator(client), want_deltas=True
        )
        _require_recorded(engine, thread_id)
        loaded = server.open(engine, options)
    return _opened(client, loaded, announce=False, turns=not params.get("excludeTurns"))


@method("thread/fork", FORK, scope=THREAD)
async def fork(server: Server, client: Client, params: Mapping[str, Any]) -> Reply:
    """A new thread that begins with the history of another."""
    thread_id = params["threadId"]
    check_thread_id(thread_id)
    source = server.threads.get(thread_id)
    cwd = folder(params, source.state.cwd if source is not None else None)
    engine = engine_for(server.invocation, params, cwd)
    _require_recorded(engine, thread_id)
    options = ThreadOptions(
        cwd=cwd,
        fork=thread_id,
        ephemeral=bool(params.get("ephemeral")),
        source="appServer",
        originator=_originator(client),
        want_deltas=True,
    )
    return _opened(client, server.open(engine, options), announce=True)


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


@method("thread/read", record({"threadId": STRING}, includeTurns=BOOLEAN), scope=THREAD)
async def read(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """An open thread."""
    thread_id = params["threadId"]
    check_thread_id(thread_id)
    loaded = server.threads.get(thread_id)
    if loaded is None:
        raise RpcError(f"thread not loaded: {thread_id}")
    return {"thread": loaded.wire(turns=bool(params.get("includeTurns")))}


@method("thread/compact/start", ONE, scope=THREAD)
async def compact(server: Server, client: Client, params: Mapping[str, Any]) -> Reply:
    """Shorten the history now."""
    loaded = server.loaded(params["threadId"])

    async def then() -> None:
        await loaded.submit(Compact())

    return Reply({}, then)


def _opened(client: Client, loaded: LoadedThread, *, announce: bool, turns: bool = False) -> Reply:
    async def then() -> None:
        if announce:
            client.notify("thread/started", {"thread": loaded.wire()})
        loaded.subscribe(client)

    return Reply({"thread": loaded.wire(turns=turns), **loaded.wire_settings()}, then)


def _require_recorded(engine: Any, thread_id: str) -> None:
    if engine.rollout_store().find(thread_id) is None:
        raise RpcError(f"no rollout found for thread id {thread_id}")


def _originator(client: Client) -> str:
    return client.name or ORIGINATOR
