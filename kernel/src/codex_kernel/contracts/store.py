"""The contracts of stores: rollouts, state, memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import attrs

from ..protocol.value import Value, value


@value
class RolloutLine(Value):
    """One line of a rollout: `type` as Codex names it (`session_meta`, `response_item`, `event_msg`,
    `turn_context`, `compacted`, …) and the payload as encoded JSON. When reading, `timestamp` (UTC,
    ISO 8601 with milliseconds) and `ordinal` are filled; when writing, the store sets them."""

    type: str
    payload: bytes
    timestamp: str = ""
    ordinal: int | None = None


@value
class StoreSetup(Value):
    """What a store's factory gets. `environ` names secrets that must not reach the disk."""

    codex_home: str
    environ: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    options: Mapping[str, Any] = attrs.field(factory=dict)


@value
class ThreadSummary(Value):
    """A recorded thread, from the head of its rollout alone. Times in Unix milliseconds; `cwd`, `preview`
    (start of the first user message), `model_provider` and `source` are empty when not recorded."""

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


@value
class ThreadPage(Value):
    """A page of a listing, newest first; `next_cursor` is opaque and None on the last page."""

    threads: tuple[ThreadSummary, ...]
    next_cursor: str | None = None


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
    tags: tuple[str, ...] = attrs.field(default=())


class MemoryStore(Protocol):
    """Remembers across threads."""

    def add(self, note: MemoryNote) -> None:
        """Keep a note. Raises `StoreError`."""
        ...

    def search(self, query: str, limit: int = 10) -> Sequence[MemoryNote]:
        """The notes that fit best, best first."""
        ...
