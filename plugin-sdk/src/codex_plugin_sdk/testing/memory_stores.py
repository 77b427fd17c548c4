"""Stores that keep everything in memory: for tests, and the reference of what the contracts mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import attrs
import orjson

from codex_plugin_sdk import MemoryNote, RolloutLine, StoreError, ThreadPage, ThreadQuery, ThreadSummary, UserError
from codex_plugin_sdk.browsing import is_found


@attrs.define
class Rollout:
    """A rollout in memory. `held` is true while a writer is open."""

    thread_id: str
    created_at_ms: int
    lines: list[RolloutLine] = attrs.field(factory=list)
    held: bool = False
    archived: bool = False

    def payloads(self, kind: str) -> list[dict[str, object]]:
        """The decoded payloads of all lines of a type."""
        found = (orjson.loads(line.payload) for line in self.lines if line.type == kind)
        return [payload for payload in found if isinstance(payload, dict)]

    def summary(self, name: str = "") -> ThreadSummary:
        """What a listing shows."""
        meta = next(iter(self.payloads("session_meta")), {})
        stamps = [int(datetime.fromisoformat(line.timestamp).timestamp() * 1000) for line in self.lines[-1:]]
        return ThreadSummary(
            thread_id=self.thread_id,
            path=f"memory:{self.thread_id}",
            created_at_ms=self.created_at_ms,
            updated_at_ms=max([self.created_at_ms, *stamps]),
            cwd=str(meta.get("cwd", "")),
            preview=self.first_message()[:200],
            model_provider=str(meta.get("model_provider", "")),
            source=str(meta.get("source", "")),
            name=name,
            size_bytes=sum(len(line.payload) for line in self.lines),
            model=str(next(iter(self.payloads("turn_context")), {}).get("model", "")),
            archived=self.archived,
            meta={key: found for key, found in meta.items() if key != "base_instructions"},
        )

    def first_message(self) -> str:
        """What the user said first, all of it."""
        for payload in self.payloads("event_msg"):
            item = payload.get("item")
            if isinstance(item, dict) and item.get("type") == "UserMessage":
                return "".join(str(part.get("text", "")) for part in item["content"])
        return ""


class InMemoryRolloutWriter:
    """The `RolloutWriter` contract over a `Rollout`. It is kept in `rollouts` from the first append on."""

    def __init__(self, rollout: Rollout, rollouts: dict[str, Rollout]) -> None:
        self._rollout = rollout
        self._rollouts = rollouts
        self._closed = False
        rollout.held = True

    @property
    def path(self) -> str | None:
        """None: it lies nowhere."""
        return None

    def append(self, lines: Sequence[RolloutLine]) -> None:
        """Keep the lines, all or none."""
        if self._closed:
            raise StoreError("the rollout is closed", operation="append")
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        first = len(self._rollout.lines)
        added = [line.replace(timestamp=stamp, ordinal=first + index) for index, line in enumerate(lines)]
        if added:
            self._rollout.lines.extend(added)
            self._rollouts[self._rollout.thread_id] = self._rollout

    def flush(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Let another writer continue."""
        self._closed = True
        self._rollout.held = False


class InMemoryRolloutStore:
    """The `RolloutStore` contract in memory. Stores that share `rollouts` show the same home; `names` maps
    thread ids to given names."""

    def __init__(self, rollouts: dict[str, Rollout] | None = None) -> None:
        self.rollouts: dict[str, Rollout] = {} if rollouts is None else rollouts
        self.names: dict[str, str] = {}

    def create(self, thread_id: str, created_at_ms: int) -> InMemoryRolloutWriter:
        """Begin a rollout. Raises `StoreError` if there is one."""
        if thread_id in self.rollouts:
            raise StoreError(f"there is a rollout of thread {thread_id} already", operation="create")
        return InMemoryRolloutWriter(Rollout(thread_id, created_at_ms), self.rollouts)

    def append_to(self, thread_id: str) -> InMemoryRolloutWriter:
        """Continue a rollout. Raises `StoreError` if there is none or a writer holds it."""
        rollout = self._rollout(thread_id)
        if rollout.held:
            raise StoreError(f"the rollout of thread {thread_id} has a writer", operation="append")
        return InMemoryRolloutWriter(rollout, self.rollouts)

    def read(self, thread_id: str) -> Iterator[RolloutLine]:
        """The lines as they are now. Raises `StoreError` if there is no such rollout."""
        return iter(tuple(self._rollout(thread_id).lines))

    def find(self, id_or_name: str) -> ThreadSummary | None:
        """The thread of this id or name, or None."""
        if id_or_name not in self.rollouts:
            named = [thread_id for thread_id, name in self.names.items() if name == id_or_name]
            id_or_name = max(named, key=lambda thread_id: self.rollouts[thread_id].created_at_ms, default="")
        rollout = self.rollouts.get(id_or_name)
        return None if rollout is None else rollout.summary(self.names.get(id_or_name, ""))

    def list(self, *, cursor: str | None = None, limit: int = 50, cwd: str | None = None) -> ThreadPage:
        """A page, newest first; the cursor names the last thread shown. Raises `UserError` for another one."""
        order = sorted((found for found in self.rollouts.values() if not found.archived), key=_age, reverse=True)
        if cursor is not None:
            created, _, thread_id = cursor.partition(" ")
            if not created.isdigit():
                raise UserError("this cursor is not one of a listing", hint="list from the start")
            order = [rollout for rollout in order if _age(rollout) < (int(created), thread_id)]
        summaries = [rollout.summary(self.names.get(rollout.thread_id, "")) for rollout in order]
        fitting = [summary for summary in summaries if cwd is None or summary.cwd == cwd]
        page = tuple(fitting[:limit])
        rest = len(fitting) > limit
        return ThreadPage(threads=page, next_cursor=f"{page[-1].created_at_ms} {page[-1].thread_id}" if rest else None)

    def browse(self, query: ThreadQuery) -> ThreadPage:
        """A page; the cursor holds the key of a thread. Raises `UserError` for another one."""
        found = [rollout for rollout in self.rollouts.values() if rollout.archived is query.archived]
        fitting = [self._summary(rollout) for rollout in found if self._fits(rollout, query)]
        fitting.sort(key=lambda summary: _key(summary, query), reverse=query.descending)
        if query.cursor is not None:
            order, stamp, thread_id, inclusive = [*query.cursor.split(" "), "", "", ""][:4]
            if order != query.order or not stamp.isdigit():
                raise UserError(f"invalid cursor: {query.cursor}")
            place = (int(stamp), thread_id)
            fitting = [s for s in fitting if (_key(s, query) == place and inclusive) or _passed(s, place, query)]
        page = fitting[: query.limit]
        return ThreadPage(
            threads=tuple(page),
            next_cursor=_cursor(page[-1], query) if len(fitting) > len(page) else None,
            backwards_cursor=_cursor(page[0], query) + " inclusive" if page else None,
        )

    def archive(self, thread_id: str) -> None:
        """Put it aside. Raises `StoreError`."""
        self._free(thread_id).archived = True

    def unarchive(self, thread_id: str) -> None:
        """Put it back. Raises `StoreError`."""
        self._free(thread_id).archived = False

    def delete(self, thread_id: str) -> None:
        """Forget it. Raises `StoreError`."""
        self._free(thread_id)
        del self.rollouts[thread_id]
        self.names.pop(thread_id, None)

    def rename(self, thread_id: str, name: str) -> None:
        """Name it. Raises `StoreError`."""
        self._rollout(thread_id)
        self.names[thread_id] = name

    def revert(self, thread_id: str, before_turn: str) -> bool:
        """Drop the lines from the beginning of a turn on. Raises `StoreError`."""
        rollout = self._free(thread_id)
        for index, line in enumerate(rollout.lines):
            payload = orjson.loads(line.payload) if line.type == "event_msg" else None
            found = payload if isinstance(payload, dict) else {}
            if (found.get("type"), found.get("turn_id")) == ("task_started", before_turn):
                del rollout.lines[index:]
                return True
        return False

    def _summary(self, rollout: Rollout) -> ThreadSummary:
        return rollout.summary(self.names.get(rollout.thread_id, ""))

    def _fits(self, rollout: Rollout, query: ThreadQuery) -> bool:
        summary = self._summary(rollout).replace(preview=rollout.first_message())
        wanted = query.wanted is None or query.wanted(summary.meta)
        return bool(summary.preview) and wanted and is_found(query, summary)

    def _free(self, thread_id: str) -> Rollout:
        rollout = self._rollout(thread_id)
        if rollout.held:
            raise StoreError(f"the rollout of thread {thread_id} has a writer", operation="change")
        return rollout

    def _rollout(self, thread_id: str) -> Rollout:
        if thread_id not in self.rollouts:
            raise StoreError(f"no rollout of thread {thread_id}", operation="find")
        return self.rollouts[thread_id]


def _age(rollout: Rollout) -> tuple[int, str]:
    return rollout.created_at_ms, rollout.thread_id


def _key(summary: ThreadSummary, query: ThreadQuery) -> tuple[int, str]:
    stamp = summary.created_at_ms if query.order == "created" else summary.updated_at_ms
    return stamp, summary.thread_id


def _passed(summary: ThreadSummary, place: tuple[int, str], query: ThreadQuery) -> bool:
    return _key(summary, query) < place if query.descending else _key(summary, query) > place


def _cursor(summary: ThreadSummary, query: ThreadQuery) -> str:
    stamp, thread_id = _key(summary, query)
    return f"{query.order} {stamp} {thread_id}"


class InMemoryStateStore:
    """The `StateStore` contract in memory. Stores that share `values` show the same home."""

    def __init__(self, values: dict[tuple[str, str], bytes] | None = None) -> None:
        self.values: dict[tuple[str, str], bytes] = {} if values is None else values

    def get(self, namespace: str, key: str) -> bytes | None:
        """The value, or None."""
        return self.values.get((namespace, key))

    def put(self, namespace: str, key: str, data: bytes) -> None:
        """Set a value."""
        self.values[namespace, key] = bytes(data)

    def delete(self, namespace: str, key: str) -> None:
        """Remove a value if it is there."""
        self.values.pop((namespace, key), None)

    def keys(self, namespace: str) -> Sequence[str]:
        """The keys of a namespace, sorted."""
        return sorted(key for found, key in self.values if found == namespace)


class InMemoryMemoryStore:
    """The `MemoryStore` contract in memory; a note fits by the words it shares with the query."""

    def __init__(self) -> None:
        self.notes: list[MemoryNote] = []

    def add(self, note: MemoryNote) -> None:
        """Keep a note."""
        self.notes.append(note)

    def search(self, query: str, limit: int = 10) -> Sequence[MemoryNote]:
        """The notes that share most words with the query, the newest first among equals."""
        wanted = set(query.lower().split())
        scored = [(len(wanted & _words(note)), index) for index, note in enumerate(self.notes)]
        best = sorted((entry for entry in scored if entry[0]), reverse=True)
        return [self.notes[index] for _, index in best[:limit]]


def _words(note: MemoryNote) -> set[str]:
    return {*note.text.lower().split(), *(tag.lower() for tag in note.tags)}
