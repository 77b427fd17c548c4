"""The recorded threads of a server's home: what method modules share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast
from weakref import WeakKeyDictionary

import anyio

from codex_plugin_sdk import Engine, RolloutLibrary, RolloutStore, ThreadSummary

from .history import read_turns, seen_items
from .notes import Notes
from .server import check_thread_id
from .stored import NOT_LOADED, stored_thread
from .translate import TurnRecord
from .wire import RpcError

if TYPE_CHECKING:
    from .loaded import LoadedThread
    from .server import Server

T = TypeVar("T")


class Shelf:
    """The rollout store of the home, and the notes beside it. Its methods wait for the disk: see `on_shelf`."""

    def __init__(self, server: Server) -> None:
        invocation = server.invocation
        config = invocation.load_config(cwd=os.getcwd())
        engine = Engine(config=config, plugins=invocation.plugins, environ=invocation.environ)
        self.store: RolloutStore = engine.rollout_store()
        self.provider = engine.settings.provider_id
        self.notes = Notes(config.codex_home)
        self._threads = server.threads

    @property
    def library(self) -> RolloutLibrary:
        """The store, for looking through it. Raises `RpcError` where it is not made for that."""
        if not isinstance(self.store, RolloutLibrary):
            raise RpcError("the rollout store that is installed does not list, archive, name or delete threads")
        return cast("RolloutLibrary", self.store)

    def find(self, thread_id: str) -> ThreadSummary | None:
        """A recorded thread."""
        found = self.store.find(thread_id)
        return found if found is not None and found.thread_id == thread_id.lower() else None

    def require(self, thread_id: str, *, archived: bool | None = None) -> ThreadSummary:
        """A recorded thread; with `archived`, only one that is so. Raises `RpcError`."""
        found = self.find(thread_id)
        if found is None or archived not in (None, found.archived):
            kind = "archived rollout" if archived else "rollout"
            raise RpcError(f"no {kind} found for thread id {thread_id}")
        return found

    def wire(self, found: ThreadSummary) -> dict[str, Any]:
        """A recorded thread as clients read it; with its status where it is open."""
        loaded = self._threads.get(found.thread_id)
        status: Mapping[str, Any] = NOT_LOADED if loaded is None else loaded.translator.status
        return stored_thread(found, self.notes.read(found.thread_id), status)

    def turns(self, thread_id: str, view: str = "full", live: Sequence[TurnRecord] = ()) -> Iterator[TurnRecord]:
        """All turns: those of the rollout, then those that this server has seen itself (`live`)."""
        seen = {turn.id for turn in live}
        if self.find(thread_id) is not None:
            yield from (turn for turn in read_turns(self.store.read(thread_id), view) if turn.id not in seen)
        yield from live


_SHELVES: WeakKeyDictionary[Server, Shelf] = WeakKeyDictionary()


def shelf(server: Server) -> Shelf:
    """The shelf of a server."""
    found = _SHELVES.get(server)
    if found is None:
        found = _SHELVES[server] = Shelf(server)
    return found


async def on_shelf(work: Callable[[], T]) -> T:
    """Do in a thread what waits for the disk."""
    return await anyio.to_thread.run_sync(work)


def turn_entry(turn: TurnRecord, view: str) -> dict[str, Any]:
    """A turn in a view of `turns/list`."""
    found = turn.wire("full")
    return {**found, "items": seen_items(found["items"], view), "itemsView": view}


def live_turns(loaded: LoadedThread | None) -> Sequence[TurnRecord]:
    """The turns that an open thread has had since it was opened."""
    return () if loaded is None else tuple(loaded.translator.turns)


async def require_turns(server: Server, thread_id: str) -> LoadedThread | None:
    """The open thread, or None for a recorded one. Raises `RpcError` for one that is neither."""
    check_thread_id(thread_id)
    loaded = server.threads.get(thread_id)
    if loaded is None and await on_shelf(lambda: shelf(server).find(thread_id)) is None:
        raise RpcError(f"thread not loaded: {thread_id}")
    return loaded
