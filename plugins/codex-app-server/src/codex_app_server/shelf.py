"""The recorded threads of a server's home: what method modules share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar, cast
from weakref import WeakKeyDictionary

import anyio

from codex_plugin_sdk import Engine, RolloutLibrary, RolloutLine, RolloutStore, RolloutTurns, ThreadSummary
from codex_plugin_sdk.lineage import spawned

from .history import read_head, read_turns, seen_items, telling
from .notes import Notes
from .server import check_thread_id
from .stored import NOT_LOADED, stored_thread
from .translate import TurnRecord
from .wire import RpcError

if TYPE_CHECKING:
    from .loaded import LoadedThread
    from .server import Server

T = TypeVar("T")
TELLING = frozenset({"session_meta", "event_msg"})
"""Types of the lines that `read_turns` looks at."""


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

    def above(self, meta: Mapping[str, Any]) -> frozenset[str]:
        """The ids of the threads above a sub-agent's, up to the user's own."""
        ids: set[str] = set()
        while (spawn := spawned(meta)) is not None and spawn["parent_thread_id"] not in ids:
            ids.add(spawn["parent_thread_id"])
            parent = self.find(spawn["parent_thread_id"])
            meta = {} if parent is None else parent.meta
        return frozenset(ids)

    def turns(self, thread_id: str, view: str = "full", live: Sequence[TurnRecord] = ()) -> Iterator[TurnRecord]:
        """All turns: those of the rollout, then those that this server has seen itself (`live`)."""
        seen = {turn.id for turn in live}
        if self.find(thread_id) is not None:
            yield from (turn for turn in read_turns(self._told(thread_id, view), view) if turn.id not in seen)
        yield from live

    def _told(self, thread_id: str, view: str) -> Iterator[RolloutLine]:
        """The lines of a rollout that tell its turns."""
        if isinstance(self.store, RolloutTurns):
            head = next(self.store.read_part(thread_id, 0), None)
            if head is not None and b'"history_base"' not in head.payload:
                return self.store.read_part(thread_id, 0, types=TELLING, events=telling(view))
        return self.store.read(thread_id)

    def listed_turns(
        self, thread_id: str, view: str, live: Sequence[TurnRecord] = ()
    ) -> Iterator[tuple[str, Callable[[], TurnRecord]]]:
        """Ids of all turns in order, and how to get each: where the store knows the places of turns, only what is
        asked for is read."""
        placed = self.placed_turns(thread_id, view, live)
        if placed is None:
            yield from ((turn.id, partial(_same, turn)) for turn in self.turns(thread_id, view, live))
            return
        for place, id in enumerate(placed.ids):
            yield id, partial(placed.read, place)

    def placed_turns(self, thread_id: str, view: str, live: Sequence[TurnRecord] = ()) -> PlacedTurns | None:
        """All turns in order, each read when it is asked for; None where the store does not know their places."""
        places = self._places(thread_id)
        if places is None:
            return None
        store = self._turn_store()
        head = read_head(store.read_part(thread_id, 0, places[0][1]))

        def read(begin: int, end: int | None) -> TurnRecord:
            lines = store.read_part(thread_id, begin, end, types=TELLING, events=telling(view))
            return next(read_turns(chain([] if head is None else [head], lines), view))

        return PlacedTurns(places, live, read)

    def _turn_store(self) -> RolloutTurns:
        return cast("RolloutTurns", self.store)

    def _places(self, thread_id: str) -> Sequence[tuple[str, int]] | None:
        """Ids and places of the turns of a rollout; None where they do not tell all: an older version wrote turns
        without a beginning, a fork has turns in another file, a turn was taken up twice."""
        if not isinstance(self.store, RolloutTurns) or self.find(thread_id) is None:
            return None
        store = self._turn_store()
        places = store.turn_places(thread_id)
        if not places or len({id for id, _ in places}) < len(places):
            return None
        front = list(store.read_part(thread_id, 0, places[0][1]))
        forked = bool(front) and b'"history_base"' in front[0].payload
        return None if forked or next(read_turns(front), None) is not None else places


class PlacedTurns:
    """Turns of which the ids are known, in order: those that are recorded, then the live ones."""

    def __init__(
        self,
        places: Sequence[tuple[str, int]],
        live: Sequence[TurnRecord],
        read: Callable[[int, int | None], TurnRecord],
    ) -> None:
        self._live, self._read_part = live, read
        seen = {turn.id for turn in live}
        self._places = places
        self._recorded = [at for at, (id, _) in enumerate(places) if id not in seen] if seen else range(len(places))
        self.ids = [*(places[at][0] for at in self._recorded), *(turn.id for turn in live)]

    def read(self, place: int) -> TurnRecord:
        """The turn at a place of `ids`."""
        if place >= len(self._recorded):
            return self._live[place - len(self._recorded)]
        at = self._recorded[place]
        end = self._places[at + 1][1] if at + 1 < len(self._places) else None
        return self._read_part(self._places[at][1], end)


def _same(turn: TurnRecord) -> TurnRecord:
    return turn


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
