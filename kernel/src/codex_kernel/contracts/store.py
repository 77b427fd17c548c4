"""The contracts of stores: rollouts, state, memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import orjson

from ..protocol.value import Value, field, value

if TYPE_CHECKING:
    import re


@value
class RolloutLine(Value):
    """One line of a rollout: `type` as Codex names it (`session_meta`, `response_item`, `event_msg`,
    `turn_context`, `compacted`, …) and the payload as encoded JSON. When reading, `timestamp` (UTC,
    ISO 8601 with milliseconds) and `ordinal` are filled; when writing, the store sets them. `decoded` is the payload
    where the store has decoded it anyway, else None: `members` gives what is in it."""

    type: str
    payload: bytes
    timestamp: str = ""
    ordinal: int | None = None
    decoded: Any = field(default=None, repr=False, eq=False)

    def members(self) -> dict[str, Any] | None:
        """The payload decoded; None if it is no object, or does not decode."""
        found = self.decoded
        if found is None:
            try:
                found = orjson.loads(self.payload)
            except orjson.JSONDecodeError:
                return None
        return found if isinstance(found, dict) else None


@value
class StoreSetup(Value):
    """What a store's factory gets. `environ` names secrets that must not reach the disk."""

    codex_home: str
    environ: Mapping[str, str] = field(factory=dict, repr=False)
    options: Mapping[str, Any] = field(factory=dict)


@value
class ThreadSummary(Value):
    """A recorded thread, from the head of its rollout alone. Times in Unix milliseconds; `cwd`, `preview`
    (start of the first user message), `model_provider`, `source` and `model` are empty when not recorded.
    `meta` is the payload of `session_meta` without the long instructions, where the store gives it."""

    thread_id: str
    path: str
    created_at_ms: int
    updated_at_ms: int
    cwd: str = ""
    preview: str = ""
    model_provider: str = ""
    source: str = ""
    name: str = ""
    size_bytes: int = 0
    model: str = ""
    archived: bool = False
    meta: Mapping[str, Any] = field(factory=dict)


@value
class ThreadPage(Value):
    """A page of a listing, newest first; `next_cursor` is opaque and None on the last page. `backwards_cursor`,
    of `RolloutLibrary.browse` alone, begins at the page's first thread and goes the other way."""

    threads: tuple[ThreadSummary, ...]
    next_cursor: str | None = None
    backwards_cursor: str | None = None


@value
class ThreadQuery(Value):
    """Which threads `RolloutLibrary.browse` gives, and in which order.

    `wanted` is asked for each thread with the members of its `session_meta` that stand before the long
    instructions (`cwd`, `source`, `originator`, `model_provider`, …), before more of it is read. `search` is a
    part of the name, of the first message, the folder or the git branch, in upper or lower case. Threads in which the
    user has said nothing are left out.
    """

    order: Literal["created", "updated"] = "created"
    descending: bool = True
    archived: bool = False
    limit: int = 25
    cursor: str | None = None
    search: str = ""
    wanted: Callable[[Mapping[str, Any]], bool] | None = None


class RolloutWriter(Protocol):
    """Appends to one rollout. Whatever was appended is visible to a reader at once."""

    @property
    def path(self) -> str | None:
        """Where the rollout lies; None if it is kept nowhere."""
        ...

    def append(self, lines: Sequence[RolloutLine]) -> None:
        """Write the lines in order, as a whole or not at all. Raises `StoreError`."""
        ...

    def flush(self) -> None:
        """Make durable what was appended (fsync). Raises `StoreError`."""
        ...

    def close(self) -> None:
        """Flush and release the file."""
        ...


class RolloutStore(Protocol):
    """Keeps the rollouts of a home."""

    def create(self, thread_id: str, created_at_ms: int) -> RolloutWriter:
        """Begin a rollout. The file appears with the first append. Raises `StoreError`."""
        ...

    def append_to(self, thread_id: str) -> RolloutWriter:
        """Continue a rollout; a torn last line is repaired first. Raises `StoreError` if there is none."""
        ...

    def read(self, thread_id: str) -> Iterator[RolloutLine]:
        """All lines of a rollout in order; unreadable ones are skipped. Raises `StoreError` if there is none."""
        ...

    def find(self, id_or_name: str) -> ThreadSummary | None:
        """The thread of this id, of a unique beginning of one, or of this name (the newest wins), or None.
        Raises `UserError` for a beginning that fits several."""
        ...

    def list(self, *, cursor: str | None = None, limit: int = 50, cwd: str | None = None) -> ThreadPage:
        """Recorded threads, newest first, without reading whole files."""
        ...


@runtime_checkable
class RolloutLibrary(Protocol):
    """What a rollout store may offer besides: looking through its threads and putting them in order. Optional; a
    caller asks with `isinstance`. All raise `StoreError`; those that change a thread raise it too when there is none
    or while a writer holds it."""

    def browse(self, query: ThreadQuery) -> ThreadPage:
        """A page of threads. Raises `UserError` for a cursor that is none of ours."""
        ...

    def archive(self, thread_id: str) -> None:
        """Put a thread aside: it can be read and is not listed with the others."""
        ...

    def unarchive(self, thread_id: str) -> None:
        """Put it back."""
        ...

    def delete(self, thread_id: str) -> None:
        """Remove a thread and its name."""
        ...

    def rename(self, thread_id: str, name: str) -> None:
        """Give a thread a name, by which `find` finds it."""
        ...

    def revert(self, thread_id: str, before_turn: str) -> bool:
        """Take back a turn and all that came after it; whether there was such a turn."""
        ...


@runtime_checkable
class RolloutTurns(Protocol):
    """What a rollout store may offer besides: finding turns without reading those before them. Optional; a caller asks
    with `isinstance`. Both raise `StoreError`."""

    def turn_places(self, thread_id: str) -> Sequence[tuple[str, int]]:
        """Id of each turn that has a line of its own for its beginning, and the place of that line, in order. Turns of
        a rollout that this one goes on from are not among them."""
        ...

    def read_part(
        self,
        thread_id: str,
        begin: int,
        end: int | None = None,
        *,
        types: Collection[str] | None = None,
        events: re.Pattern[bytes] | None = None,
    ) -> Iterator[RolloutLine]:
        """The lines from one place, or 0, up to another one, or to the end; with `types`, only lines of these. With
        `events`, of `event_msg` lines those that begin their payload so, and perhaps others. Lines of a rollout that
        this one goes on from are not among them."""
        ...


class StateStore(Protocol):
    """Small durable values by namespace and key, shared by processes of one home."""

    def get(self, namespace: str, key: str) -> bytes | None:
        """The value, or None."""
        ...

    def put(self, namespace: str, key: str, data: bytes) -> None:
        """Set a value. Raises `StoreError`."""
        ...

    def delete(self, namespace: str, key: str) -> None:
        """Remove a value if it is there."""
        ...

    def keys(self, namespace: str) -> Sequence[str]:
        """The keys of a namespace, sorted."""
        ...


@value
class MemoryNote(Value):
    """Something remembered across threads."""

    text: str
    source_thread_id: str = ""
    created_at_ms: int = 0
    tags: tuple[str, ...] = field(default=())


class MemoryStore(Protocol):
    """Remembers across threads."""

    def add(self, note: MemoryNote) -> None:
        """Keep a note. Raises `StoreError`."""
        ...

    def search(self, query: str, limit: int = 10) -> Sequence[MemoryNote]:
        """The notes that fit best, best first."""
        ...
