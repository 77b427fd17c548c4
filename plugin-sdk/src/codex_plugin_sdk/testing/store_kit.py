"""Conformance of rollout stores.

A store's test file subclasses the kit and gives one fixture, a callable that opens the store of a home::

    class TestBucketStore(RolloutStoreConformance):
        @pytest.fixture
        def store_factory(self):
            return lambda codex_home: BucketRolloutStore(codex_home)

Called again with the same home, it must open what the first one recorded. To set a single test aside, override
it with an `xfail` that says why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

import orjson
import pytest

from codex_plugin_sdk import (
    CodexError,
    RolloutLine,
    RolloutStore,
    StoreError,
    new_thread_id,
    uuid7_unix_ms,
)

StoreFactory = Callable[[str], RolloutStore]

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_PAYLOADS: tuple[Any, ...] = (
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "naïve “quoted” 🦀\n\t\\ \u2028"}]},
    {"empty": {}, "list": [], "null": None, "float": 0.1, "exponent": 1e-300, "large": 2**63, "negative": -(2**63)},
    {"nested": {"payload": {"type": "inner", "metadata": {"type": "x"}}}, "metadata": {"a": 1}},
    {"text": '{"timestamp":"x","type":"y","payload":{}}\n{"timestamp":'},
    "a text",
    [],
    None,
)


def line(kind: str, payload: object) -> RolloutLine:
    """A line to write."""
    return RolloutLine(type=kind, payload=orjson.dumps(payload))


def begin(store: RolloutStore, *, cwd: str = "/workspace", text: str = "Fix it", thread_id: str | None = None) -> str:
    """Record a small thread, close it, and give its id."""
    thread_id = thread_id or new_thread_id()
    writer = store.create(thread_id, uuid7_unix_ms(thread_id))
    try:
        writer.append([line("session_meta", _meta(thread_id, cwd)), line("event_msg", _user_message(thread_id, text))])
    finally:
        writer.close()
    return thread_id


def _meta(thread_id: str, cwd: str) -> dict[str, object]:
    return {"id": thread_id, "cwd": cwd, "source": "exec", "model_provider": "acme", "cli_version": "1"}


def _user_message(thread_id: str, text: str) -> dict[str, object]:
    item = {"type": "UserMessage", "id": "u", "content": [{"type": "text", "text": text, "text_elements": []}]}
    return {"type": "item_completed", "thread_id": thread_id, "turn_id": "t", "item": item}


def _numbers(store: RolloutStore, thread_id: str) -> list[int]:
    """The payloads of a rollout of numbered lines."""
    return [orjson.loads(found.payload) for found in store.read(thread_id)]


class _Failing(Sequence[RolloutLine]):
    """Lines that cannot all be had: the second raises."""

    def __init__(self, first: RolloutLine) -> None:
        self._first = first

    def __len__(self) -> int:
        return 2

    @overload
    def __getitem__(self, index: int) -> RolloutLine: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[RolloutLine]: ...
    def __getitem__(self, index: int | slice) -> RolloutLine | Sequence[RolloutLine]:
        if index == 0:
            return self._first
        raise RuntimeError("the second line cannot be had")

    def __iter__(self) -> Iterator[RolloutLine]:
        yield self[0]
        yield self[1]


class RolloutStoreConformance:
    """What every rollout store owes the kernel. See the module for how to use it."""

    @pytest.fixture
    def store_factory(self) -> StoreFactory:
        """Opens the store of a home. A subclass overrides it."""
        raise NotImplementedError("give the fixture `store_factory`")

    @pytest.fixture
    def codex_home(self, tmp_path: Any) -> str:
        """A home of its own for each test."""
        return str(tmp_path)

    # -- writing and reading ---------------------------------------------------------------------------

    def test_lines_read_back_as_written(self, store_factory: StoreFactory, codex_home: str) -> None:
        """Types, payloads and order survive; timestamps and ordinals are filled in."""
        store, thread_id = store_factory(codex_home), new_thread_id()
        written = [line(f"kind_{index}", payload) for index, payload in enumerate(_PAYLOADS)]
        writer = store.create(thread_id, uuid7_unix_ms(thread_id))
        writer.append(written)
        writer.close()
        found = list(store_factory(codex_home).read(thread_id))
        assert [entry.type for entry in found] == [entry.type for entry in written]
        assert [orjson.loads(entry.payload) for entry in found] == list(_PAYLOADS)
        assert [entry.ordinal for entry in found] == list(range(len(_PAYLOADS)))
        assert all(_TIMESTAMP.fullmatch(entry.timestamp) for entry in found), found[0].timestamp

    def test_payload_laid_out_over_several_lines_reads_back(self, store_factory: StoreFactory, codex_home: str) -> None:
        """Encoded JSON may hold line breaks between its tokens."""
        store, thread_id = store_factory(codex_home), new_thread_id()
        writer = store.create(thread_id, uuid7_unix_ms(thread_id))
        writer.append([RolloutLine(type="response_item", payload=b'{\r\n  "a": [1,\n 2]\n}'), line("event_msg", 1)])
        writer.close()
        assert _numbers(store, thread_id) == [{"a": [1, 2]}, 1]

    def test_every_append_is_visible_at_once(self, store_factory: StoreFactory, codex_home: str) -> None:
        """A reader, also one of another process, sees what was appended before the writer is flushed or closed."""
        store, thread_id = store_factory(codex_home), new_thread_id()
        writer = store.create(thread_id, uuid7_unix_ms(thread_id))
        try:
            for count in range(1, 20):
                writer.append([line("event_msg", count - 1)])
                assert _numbers(store_factory(codex_home), thread_id) == list(range(count))
        finally:
            writer.close()

    def test_many_lines_keep_their_order(self, store_factory: StoreFactory, codex_home: str) -> None:
        """Over calls of one line and of many."""
        store, thread_id = store_factory(codex_home), new_thread_id()
        writer = store.create(thread_id, uuid7_unix_ms(thread_id))
        written = 0
        for size in (1, 2, 1, 50, 3, 200, 1):
            writer.append([line("event_msg", written + index) for index in range(size)])
            written += size
        writer.flush()
        writer.close()
        found = list(store_factory(codex_home).read(thread_id))
        assert [orjson.loads(entry.payload) for entry in found] == list(range(written))
        assert [entry.ordinal for entry in found] == list(range(written))

    def test_large_line_reads_back(self, store_factory: StoreFactory, codex_home: str) -> None:
        """An image of some megabytes is one line."""
        store, thread_id = store_factory(codex_home), new_thread_id()
        text = "data:image/png;base64," + "QUJDRA" * 500_000
        writer = store.create(thread_id, uuid7_unix_ms(thread_id))
        writer.append([line("response_item", {"image_url": text}), line("event_msg", 1)])
        writer.close()
        assert _numbers(store, thread_id) == [{"image_url": text}, 1]

    def test_append_that_fails_leaves_nothing(self, store_factory: StoreFactory, codex_home: str) -> None:
        """All lines of a call or none, and the next call goes on as if it had not been."""
        store, thread_id = store_factory(codex_home), new_thread_id()
        writer = store.create(thread_id, uuid7_unix_ms(thread_id))
        try:
            writer.append([line("event_msg", 0)])
            with pytest.raises(Exception, match="the second line cannot be had"):
                writer.append(_Failing(line("event_msg", 1)))
            assert _numbers(store, thread_id) == [0]
            writer.append([line("event_msg", 1)])
        finally:
            writer.close()
        found = list(store_factory(codex_home).read(thread_id))
        assert [(entry.ordinal, orjson.loads(entry.payload)) for entry in found] == [(0, 0), (1, 1)]

    # -- lifetimes -------------------------------------------------------------------------------------

    def test_rollout_continues_where_it_ended(self, store_factory: StoreFactory, codex_home: str) -> None:
        """Ordinals go on, and nothing that was there changes."""
        store, thread_id = store_factory(codex_home), new_thread_id()
        for first in (0, 3):
            writer = store.create(thread_id, uuid7_unix_ms(thread_id)) if first == 0 else store.append_to(thread_id)
            writer.append([line("event_msg", first + index) for index in range(3)])
            writer.close()
        found = list(store_factory(codex_home).read(thread_id))
        assert [(entry.ordinal, orjson.loads(entry.payload)) for entry in found] == [(n, n) for n in range(6)]

    def test_rollout_without_an_append_is_not_there(self, store_factory: StoreFactory, codex_home: str) -> None:
        """A thread that ended before its first line leaves no trace."""
        store, thread_id = store_factory(codex_home), new_thread_id()
        writer = store.create(thread_id, uuid7_unix_ms(thread_id))
        writer.append([])
        writer.flush()
        assert store.find(thread_id) is None
        writer.close()
        assert store.list().threads == ()

    def test_closing_again_does_nothing_and_appending_then_is_refused(
        self, store_factory: StoreFactory, codex_home: str
    ) -> None:
        """A writer ends once."""
        store, thread_id = store_factory(codex_home), new_thread_id()
        writer = store.create(thread_id, uuid7_unix_ms(thread_id))
        writer.append([line("event_msg", 0)])
        writer.close()
        writer.close()
        with pytest.raises(StoreError):
            writer.append([line("event_msg", 1)])
        assert _numbers(store, thread_id) == [0]

    def test_second_writer_is_refused_while_the_first_is_open(
        self, store_factory: StoreFactory, codex_home: str
    ) -> None:
        """Two writers would mix two sessions into one."""
        store, thread_id = store_factory(codex_home), new_thread_id()
        writer = store.create(thread_id, uuid7_unix_ms(thread_id))
        writer.append([line("event_msg", 0)])
        with pytest.raises(StoreError):
            store_factory(codex_home).append_to(thread_id)
        writer.close()
        store_factory(codex_home).append_to(thread_id).close()

    def test_rollout_that_exists_is_not_begun_again(self, store_factory: StoreFactory, codex_home: str) -> None:
        """At the latest with the first append."""
        store = store_factory(codex_home)
        thread_id = begin(store)
        before = list(store.read(thread_id))
        with pytest.raises(StoreError):
            store.create(thread_id, uuid7_unix_ms(thread_id)).append([line("event_msg", 0)])
        assert list(store.read(thread_id)) == before

    def test_writer_tells_where_the_rollout_lies(self, store_factory: StoreFactory, codex_home: str) -> None:
        """The path of the writer and of the summary are one, before anything was written."""
        store, thread_id = store_factory(codex_home), new_thread_id()
        writer = store.create(thread_id, uuid7_unix_ms(thread_id))
        path = writer.path
        writer.append([line("session_meta", _meta(thread_id, "/workspace"))])
        assert writer.path == path
        writer.close()
        found = store.find(thread_id)
        assert found is not None
        assert path is None or path == found.path

    # -- finding and listing ---------------------------------------------------------------------------

    def test_unknown_thread_is_told_as_such(self, store_factory: StoreFactory, codex_home: str) -> None:
        """In an empty home and beside other threads."""
        store, unknown = store_factory(codex_home), new_thread_id()
        for _ in range(2):
            assert store.find(unknown) is None
            assert store.find("no such name") is None
            assert store.find("") is None
            with pytest.raises(StoreError):
                list(store.read(unknown))
            with pytest.raises(StoreError):
                store.append_to(unknown)
            begin(store)

    def test_thread_is_found_by_its_id(self, store_factory: StoreFactory, codex_home: str) -> None:
        """With what its first lines say."""
        store = store_factory(codex_home)
        begin(store, cwd="/elsewhere", text="Another")
        thread_id = begin(store, cwd="/workspace/ü", text="Fix the “tests”")
        begin(store)
        found = store_factory(codex_home).find(thread_id)
        assert found is not None
        assert (found.thread_id, found.cwd, found.preview) == (thread_id, "/workspace/ü", "Fix the “tests”")
        assert (found.source, found.model_provider, found.name) == ("exec", "acme", "")
        assert abs(found.created_at_ms - uuid7_unix_ms(thread_id)) < 1000
        assert found.updated_at_ms >= found.created_at_ms - 1000
        assert found.size_bytes > 0

    def test_empty_home_lists_nothing(self, store_factory: StoreFactory, codex_home: str) -> None:
        """And that is no error."""
        page = store_factory(codex_home).list()
        assert (page.threads, page.next_cursor) == ((), None)

    @pytest.mark.parametrize("limit", [1, 2, 7, 50])
    def test_pages_show_every_thread_once_newest_first(
        self, store_factory: StoreFactory, codex_home: str, limit: int
    ) -> None:
        """Whatever the size of a page; the last one says so."""
        store = store_factory(codex_home)
        begun = [begin(store) for _ in range(7)]
        shown: list[str] = []
        cursor = None
        for _ in range(len(begun)):
            page = store.list(cursor=cursor, limit=limit)
            assert 0 < len(page.threads) <= limit
            shown += [summary.thread_id for summary in page.threads]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert shown == begun[::-1]
        assert cursor is None

    def test_thread_that_begins_between_two_pages_shifts_nothing(
        self, store_factory: StoreFactory, codex_home: str
    ) -> None:
        """A cursor stands behind a thread, not at a number."""
        store = store_factory(codex_home)
        begun = [begin(store) for _ in range(4)]
        first = store.list(limit=2)
        begin(store)
        second = store.list(cursor=first.next_cursor, limit=2)
        assert [summary.thread_id for summary in (*first.threads, *second.threads)] == begun[::-1]

    def test_listing_of_a_folder_shows_its_threads_alone(self, store_factory: StoreFactory, codex_home: str) -> None:
        """Over pages too."""
        store = store_factory(codex_home)
        begun = [begin(store, cwd=f"/workspace/{index % 2}") for index in range(6)]
        first = store.list(cwd="/workspace/0", limit=2)
        second = store.list(cwd="/workspace/0", limit=2, cursor=first.next_cursor)
        assert [summary.thread_id for summary in (*first.threads, *second.threads)] == [begun[4], begun[2], begun[0]]
        assert second.next_cursor is None
        assert store.list(cwd="/nowhere").threads == ()

    def test_foreign_cursor_is_refused(self, store_factory: StoreFactory, codex_home: str) -> None:
        """With an error that a client can be told, not with a wrong page."""
        store = store_factory(codex_home)
        begin(store)
        with pytest.raises(CodexError):
            store.list(cursor="no cursor of yours")
