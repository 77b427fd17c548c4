"""Threads as they are stored: list, read, archive, delete, name, metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import ThreadQuery, UserError

from .anchors import page_of_keys, page_of_stream, read_limit
from .methods import method
from .scopes import SHARED_READ, THREAD
from .server import Reply, check_thread_id
from .shapes import BOOLEAN, INTEGER, OBJECT, STRING, array, enum, experimental, record, union
from .shelf import live_turns, on_shelf, require_turns, shelf, turn_entry
from .stored import KINDS, asks_for_nothing, wanted
from .wire import RpcError

if TYPE_CHECKING:
    from .client import Client
    from .server import Server
    from .translate import TurnRecord

THREADS_A_PAGE, MOST_THREADS = 25, 100
TURNS_A_PAGE, MOST_TURNS = 25, 100
ITEMS_A_PAGE, MOST_ITEMS = 25, 100
DIRECTION = enum("asc", "desc")
VIEW = enum("notLoaded", "summary", "full")
ONE = record({"threadId": STRING})
LIST = record(
    archived=BOOLEAN,
    cwd=union(STRING, array(STRING)),
    cursor=STRING,
    limit=INTEGER,
    modelProviders=array(STRING),
    originators=array(STRING),
    excludedThreadIds=array(STRING),
    parentThreadId=experimental(STRING),
    ancestorThreadId=experimental(STRING),
    attachedToThreadId=experimental(STRING),
    projectId=experimental(STRING),
    sectionId=STRING,
    searchTerm=STRING,
    sourceKinds=array(enum(*KINDS)),
    sortKey=enum("created_at", "updated_at", "recency_at", "section_position"),
    sortDirection=DIRECTION,
    useStateDbOnly=BOOLEAN,
)


# -- reading ---------------------------------------------------------------------------------------


@method("thread/list", LIST, scope=SHARED_READ)
async def list_threads(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """A page of the recorded threads in which the user has said something."""
    key = params.get("sortKey") or "created_at"
    if key == "section_position":
        raise RpcError("threads are in no sections here: sort by created_at or updated_at")
    if asks_for_nothing(params):
        return {"data": [], "nextCursor": None, "backwardsCursor": None}
    limit = read_limit(params, THREADS_A_PAGE, MOST_THREADS)

    def look() -> dict[str, Any]:
        found = shelf(server)
        query = ThreadQuery(
            order="created" if key == "created_at" else "updated",
            descending=params.get("sortDirection") != "asc",
            archived=bool(params.get("archived")),
            limit=limit,
            cursor=params.get("cursor"),
            search=params.get("searchTerm") or "",
            wanted=wanted(params, found.provider, found.above),
        )
        page = found.library.browse(query)
        data = [found.wire(summary) for summary in page.threads]
        return {"data": data, "nextCursor": page.next_cursor, "backwardsCursor": page.backwards_cursor}

    try:
        return await on_shelf(look)
    except UserError as error:
        raise RpcError(error.message) from error


@method("thread/read", record({"threadId": STRING}, includeTurns=BOOLEAN), scope=THREAD)
async def read(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """A thread, open or recorded."""
    thread_id = params["threadId"]
    loaded = await require_turns(server, thread_id)

    def look() -> dict[str, Any]:
        found = shelf(server)
        wire = loaded.wire() if loaded is not None else found.wire(found.require(thread_id))
        if params.get("includeTurns"):
            wire["turns"] = [turn.wire() for turn in found.turns(thread_id, live=live_turns(loaded))]
        return {"thread": wire}

    return await on_shelf(look)


@method(
    "thread/turns/list",
    record({"threadId": STRING}, cursor=STRING, limit=INTEGER, sortDirection=DIRECTION, itemsView=VIEW),
    scope=THREAD,
)
async def list_turns(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """A page of a thread's turns, the newest first."""
    view = params.get("itemsView") or "summary"
    return await turns_page(server, params["threadId"], params, view)


async def turns_page(server: Server, thread_id: str, params: Mapping[str, Any], view: str) -> dict[str, Any]:
    """A page of turns. Raises `RpcError`."""
    loaded = await require_turns(server, thread_id)
    limit = read_limit(params, TURNS_A_PAGE, MOST_TURNS)

    def look() -> dict[str, Any]:
        cursor, descending = params.get("cursor"), params.get("sortDirection") != "asc"
        placed = shelf(server).placed_turns(thread_id, view, live_turns(loaded))
        if placed is not None:
            places, following, back = page_of_keys(placed.ids, "turns", cursor, limit, descending=descending)
            page = [placed.read(place) for place in places]
        else:
            turns = ((turn.id, turn) for turn in shelf(server).turns(thread_id, view, live_turns(loaded)))
            page, following, back = page_of_stream(turns, "turns", cursor, limit, descending=descending)
        return {
            "data": [turn_entry(turn, view) for turn in page],
            "nextCursor": following,
            "backwardsCursor": back,
        }

    return await on_shelf(look)


@method(
    "thread/items/list",
    record(
        {"threadId": STRING},
        cursor=union(STRING, record({"type": enum("item"), "itemId": STRING})),
        limit=INTEGER,
        sortDirection=DIRECTION,
        turnId=STRING,
        deferOutput=record(commandExecution=experimental(BOOLEAN), mcpToolCall=experimental(BOOLEAN)),
    ),
    scope=THREAD,
)
async def list_items(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """A page of a thread's items, or of one turn's, in their order."""
    thread_id, cursor = params["threadId"], params.get("cursor")
    loaded = await require_turns(server, thread_id)
    limit = read_limit(params, ITEMS_A_PAGE, MOST_ITEMS)
    if isinstance(cursor, Mapping):
        cursor = f"items:at:{cursor['itemId']}"

    def look() -> dict[str, Any]:
        turns = shelf(server).listed_turns(thread_id, "full", live_turns(loaded))
        chosen = (read_turn() for id, read_turn in turns if params.get("turnId") in (None, id))
        entries = ((id, (turn, item)) for turn in chosen for id, item in list(turn.items.items()))
        descending = params.get("sortDirection") == "desc"
        page, following, back = page_of_stream(entries, "items", cursor, limit, descending=descending)
        defer = params.get("deferOutput") or {}
        return {
            "data": [item_entry(turn, item, defer) for turn, item in page],
            "nextCursor": following,
            "backwardsCursor": back,
        }

    return await on_shelf(look)


@method(
    "thread/items/read",
    record({"threadId": STRING, "turnId": STRING, "itemIds": array(STRING)}),
    scope=THREAD,
    experimental=True,
)
async def read_items(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """Some items of a turn, whole."""
    thread_id, ids = params["threadId"], params["itemIds"]
    loaded = await require_turns(server, thread_id)

    def look() -> dict[str, Any]:
        for id, read_turn in shelf(server).listed_turns(thread_id, "full", live_turns(loaded)):
            if id == params["turnId"]:
                turn = read_turn()
                return {"data": [item_entry(turn, turn.items[id], {}) for id in ids if id in turn.items]}
        return {"data": []}

    return await on_shelf(look)


def item_entry(turn: TurnRecord, item: Mapping[str, Any], defer: Mapping[str, Any]) -> dict[str, Any]:
    """An item in a list; with its output left out where that is wanted."""
    deferred = bool(defer.get(item["type"]))
    if deferred:
        item = {**item, "aggregatedOutput" if item["type"] == "commandExecution" else "result": None}
    start, end = turn.times.get(item["id"], (None, None))
    return {
        "turnId": turn.id,
        "item": item,
        "startedAtMs": start,
        "completedAtMs": end,
        "outputDeferred": deferred,
    }


# -- order -----------------------------------------------------------------------------------------


@method("thread/archive", ONE, scope=THREAD)
async def archive(server: Server, client: Client, params: Mapping[str, Any]) -> Reply:
    """Put a thread aside; an open one is closed."""
    thread_id = params["threadId"]
    check_thread_id(thread_id)
    await on_shelf(lambda: shelf(server).require(thread_id, archived=False))
    await close(server, thread_id)
    await on_shelf(lambda: shelf(server).library.archive(thread_id))
    return Reply({}, _then(server, "thread/archived", thread_id))


@method("thread/unarchive", ONE, scope=THREAD)
async def unarchive(server: Server, client: Client, params: Mapping[str, Any]) -> Reply:
    """Put it back."""
    thread_id = params["threadId"]
    check_thread_id(thread_id)

    def put_back() -> dict[str, Any]:
        found = shelf(server)
        found.require(thread_id, archived=True)
        found.library.unarchive(thread_id)
        return found.wire(found.require(thread_id))

    return Reply({"thread": await on_shelf(put_back)}, _then(server, "thread/unarchived", thread_id))


@method("thread/delete", ONE, scope=THREAD)
async def delete(server: Server, client: Client, params: Mapping[str, Any]) -> Reply:
    """Remove a thread for good."""
    thread_id = params["threadId"]
    check_thread_id(thread_id)
    await on_shelf(lambda: shelf(server).require(thread_id))
    await close(server, thread_id)

    def remove() -> None:
        found = shelf(server)
        found.library.delete(thread_id)
        found.notes.write(thread_id, {})

    await on_shelf(remove)
    return Reply({}, _then(server, "thread/deleted", thread_id))


@method("thread/name/set", record({"threadId": STRING, "name": STRING}), scope=THREAD)
async def set_name(server: Server, client: Client, params: Mapping[str, Any]) -> Reply:
    """Give a thread a name that both this program and Codex show."""
    thread_id, name = params["threadId"], params["name"].strip()
    check_thread_id(thread_id)
    if not name:
        raise RpcError("thread name must not be empty")
    loaded = server.threads.get(thread_id)

    def put() -> None:
        found = shelf(server)
        if loaded is None or not loaded.ephemeral:
            found.require(thread_id)
            found.library.rename(thread_id, name)

    await on_shelf(put)
    if loaded is not None:
        loaded.name = name
    return Reply({}, _then(server, "thread/name/updated", thread_id, threadName=name))


@method(
    "thread/metadata/update",
    record({"threadId": STRING}, gitInfo=OBJECT, projectId=experimental(STRING)),
    scope=THREAD,
)
async def update_metadata(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """Correct the git facts of a thread: null forgets one, one left out stays."""
    thread_id, given = params["threadId"], params.get("gitInfo")
    check_thread_id(thread_id)
    if params.get("projectId") is not None:
        raise RpcError("threads belong to no projects here")
    if given is None:
        raise RpcError("thread metadata update must include at least one field")
    git = _git_fields(given)

    def put() -> dict[str, Any]:
        found = shelf(server)
        summary = found.require(thread_id)
        notes = found.notes.read(thread_id)
        found.notes.write(thread_id, {**notes, "git": {**(notes.get("git") or {}), **git}})
        return {"thread": found.wire(summary)}

    return await on_shelf(put)


def _git_fields(given: Mapping[str, Any]) -> dict[str, str | None]:
    fields = {name: given[name] for name in ("sha", "branch", "originUrl") if name in given}
    if not fields:
        raise RpcError("gitInfo must include at least one field")
    for name, found in fields.items():
        if found is not None and not isinstance(found, str):
            raise RpcError("Invalid request: data did not match any variant")
        if isinstance(found, str) and not found.strip():
            raise RpcError(f"gitInfo.{name} must not be empty")
    return {name: found.strip() if isinstance(found, str) else None for name, found in fields.items()}


async def close(server: Server, thread_id: str) -> None:
    """Close a thread, if it is open, and wait until its rollout is free."""
    loaded = server.threads.get(thread_id)
    if loaded is None:
        return
    status = {"threadId": thread_id, "status": {"type": "notLoaded"}}
    loaded.tell([("thread/status/changed", status, False)])
    loaded.close()
    await loaded.closed.wait()


def _then(server: Server, name: str, thread_id: str, **more: Any) -> Any:
    async def then() -> None:
        server.tell_all(name, {"threadId": thread_id, **more})

    return then
