"""Finding files by some of their characters: at once, and in sessions that keep the paths in memory."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import anyio

from .kept import Kept
from .methods import method
from .scopes import ALONE, FILE_SEARCH
from .server import Reply
from .shapes import STRING, array, record
from .wire import INTERNAL_ERROR, RpcError

if TYPE_CHECKING:
    from .client import Client
    from .search_index import Index, Walk
    from .search_query import Hit
    from .server import Server

KEPT_ROOTS, KEPT_PATHS = 4, 400_000
"""How much is remembered after a search: the last root in any case."""
POLL_S = 0.05
MAX_SESSIONS = 32
"""Of one client: each keeps all paths in memory."""


class Searches:
    """What a client looks for: sessions by id, and searches by their cancellation token."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.tokens: dict[str, threading.Event] = {}


SEARCHES = Kept(Searches)


class Walks:
    """What was found below the roots that were searched last, so that the next search only looks for changes. Used by
    many threads; of those that want the same root one walks, and the others wait for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._walks: dict[str, tuple[threading.Lock, Walk]] = {}

    def indexes(self, roots: Sequence[str], stop: threading.Event) -> list[Index]:
        """An index of each root that is a folder."""
        import os

        from .search_index import roots_of

        found = [self._index(root, stop) for root in roots_of([root for root in roots if os.path.isabs(root)])]
        return [index for index in found if index is not None]

    def _index(self, root: str, stop: threading.Event) -> Index | None:
        lock, walk = self._walk(root)
        while not lock.acquire(timeout=POLL_S):
            if stop.is_set():
                return None
        try:
            return walk.index(stop.is_set)
        finally:
            lock.release()
            self._forget_some()

    def _walk(self, root: str) -> tuple[threading.Lock, Walk]:
        from .search_index import Walk

        with self._lock:
            found = self._walks.pop(root, None) or (threading.Lock(), Walk(root))
            self._walks[root] = found  # the newest last
            return found

    def _forget_some(self) -> None:
        with self._lock:
            while len(self._walks) > 1 and (
                len(self._walks) > KEPT_ROOTS or sum(walk.size for _, walk in self._walks.values()) > KEPT_PATHS
            ):
                del self._walks[next(iter(self._walks))]


WALKS = Kept(Walks)


@method("fuzzyFileSearch", record({"query": STRING, "roots": array(STRING)}, cancellationToken=STRING), scope=ALONE)
async def search_once(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """The best matches now. A search with the same token ends the one before, which then finds nothing."""
    tokens, token = SEARCHES.of(client).tokens, params.get("cancellationToken")
    stop = threading.Event()
    if token is not None:
        if token in tokens:
            tokens[token].set()
        tokens[token] = stop
    try:
        walks = WALKS.of(server)
        indexes = await _in_thread(lambda: walks.indexes(params["roots"], stop), stop)
        return {"files": await _in_thread(lambda: _hits(indexes, params["query"], stop), stop) or []}
    finally:
        if token is not None and tokens.get(token) is stop:
            del tokens[token]


class Session:
    """Paths of some folders, and what is looked for in them: the newest query counts."""

    def __init__(self, id: str, client: Client, roots: Sequence[str], walks: Walks) -> None:
        self._id, self._client, self._roots, self._walks = id, client, roots, walks
        self._query = ""
        self._stop = threading.Event()
        self._asked = anyio.Event()
        self._asked.set()
        self.scope = anyio.CancelScope()

    def ask(self, query: str) -> None:
        """Look for something else."""
        self._query = query
        self._stop.set()
        self._asked.set()

    async def run(self) -> None:
        """Answer queries until cancelled."""
        with self.scope:
            ended = threading.Event()
            indexes = await _in_thread(lambda: self._walks.indexes(self._roots, ended), ended)
            while True:
                await self._asked.wait()
                self._asked = anyio.Event()
                query, self._stop = self._query, threading.Event()
                stop = self._stop
                hits = await _in_thread(lambda query=query, stop=stop: _hits(indexes, query, stop), stop)
                if hits is not None and not self._asked.is_set():
                    found = {"sessionId": self._id, "query": query, "files": hits}
                    self._client.notify("fuzzyFileSearch/sessionUpdated", found)
                    self._client.notify("fuzzyFileSearch/sessionCompleted", {"sessionId": self._id})


# Not in FILE_SEARCH: a request keeps its place until all that follows from it is done, here until the session ends.
@method(
    "fuzzyFileSearch/sessionStart",
    record({"sessionId": STRING, "roots": array(STRING)}),
    scope=ALONE,
    experimental=True,
)
async def start(server: Server, client: Client, params: Mapping[str, Any]) -> Reply:
    """Read the paths; a session of the same id ends."""
    id, roots = params["sessionId"], params["roots"]
    sessions = SEARCHES.of(client).sessions
    if not id:
        raise RpcError("sessionId must not be empty")
    if not roots:
        reason = "at least one search directory is required"
        raise RpcError(f"failed to start fuzzy file search session: {reason}", INTERNAL_ERROR)
    if len(sessions) >= MAX_SESSIONS and id not in sessions:
        raise RpcError(f"too many fuzzy file search sessions: at most {MAX_SESSIONS} for one client")
    if id in sessions:
        sessions[id].scope.cancel()
    session = sessions[id] = Session(id, client, roots, WALKS.of(server))

    async def then() -> None:
        try:
            await session.run()
        finally:
            if sessions.get(id) is session:
                del sessions[id]

    return Reply({}, then)


@method(
    "fuzzyFileSearch/sessionUpdate",
    record({"sessionId": STRING, "query": STRING}),
    scope=FILE_SEARCH,
    experimental=True,
)
async def update(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """Look for something else: what was looked for before is given up."""
    session = SEARCHES.of(client).sessions.get(params["sessionId"])
    if session is None:
        raise RpcError(f"fuzzy file search session not found: {params['sessionId']}")
    session.ask(params["query"])
    return {}


@method("fuzzyFileSearch/sessionStop", record({"sessionId": STRING}), scope=FILE_SEARCH, experimental=True)
async def stop_session(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """Forget the paths; nothing if there is no such session."""
    session = SEARCHES.of(client).sessions.pop(params["sessionId"], None)
    if session is not None:
        session.scope.cancel()
    return {}


async def _in_thread(work: Any, stop: threading.Event) -> Any:
    """Run in a thread; when cancelled, tell it by `stop` to end soon, and do not wait."""
    try:
        return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
    except anyio.get_cancelled_exc_class():
        stop.set()
        raise


def _hits(indexes: Sequence[Index], query: str, stop: threading.Event) -> list[dict[str, Any]] | None:
    """The hits as clients read them; None if they are not wanted any more."""
    from .search_best import Stopped
    from .search_query import search

    try:
        return [_wire(hit) for hit in search(indexes, query, stop.is_set)]
    except Stopped:
        return None


def _wire(hit: Hit) -> dict[str, Any]:
    return {
        "root": hit.root,
        "path": hit.path,
        "match_type": "file" if hit.is_file else "directory",
        "file_name": hit.path.rpartition("/")[2],
        "score": hit.score,
        "indices": list(hit.indices),
    }
