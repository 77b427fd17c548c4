"""Conformance of rollout stores that can also be looked through and put in order (`RolloutLibrary`).

A store's test file subclasses the kit and gives one fixture, as for `store_kit`::

    class TestBucketLibrary(RolloutLibraryConformance):
        @pytest.fixture
        def store_factory(self):
            return lambda codex_home: BucketRolloutStore(codex_home)
"""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from codex_plugin_sdk import RolloutLibrary, StoreError, ThreadQuery, UserError, new_thread_id, uuid7_unix_ms

from .store_kit import StoreFactory, begin, line


def _meta(thread_id: str, cwd: str) -> dict[str, object]:
    return {"id": thread_id, "cwd": cwd, "source": "exec"}


class RolloutLibraryConformance:
    """What a library of rollouts owes its callers."""

    @pytest.fixture
    def store_factory(self) -> StoreFactory:
        """Opens the store of a home. A subclass overrides it."""
        raise NotImplementedError("give the fixture `store_factory`")

    @pytest.fixture
    def codex_home(self, tmp_path: Any) -> str:
        """A home of its own for each test."""
        return str(tmp_path)

    @pytest.fixture
    def library(self, store_factory: StoreFactory, codex_home: str) -> Any:
        """The store."""
        store = store_factory(codex_home)
        assert isinstance(store, RolloutLibrary)
        return store

    @pytest.mark.parametrize("order", ["created", "updated"])
    @pytest.mark.parametrize("descending", [True, False])
    def test_browsing_shows_every_thread_once_in_order(self, library: Any, order: Any, descending: bool) -> None:
        """Page by page; the backwards cursor begins at the first thread of a page and goes the other way."""
        begun = [begin(library) for _ in range(5)]
        begun = begun[::-1] if descending else begun
        shown: list[str] = []
        query = ThreadQuery(order=order, descending=descending, limit=2)
        while True:
            page = library.browse(query)
            shown += [found.thread_id for found in page.threads]
            back = library.browse(query.replace(cursor=page.backwards_cursor, descending=not descending, limit=50))
            first = begun.index(page.threads[0].thread_id)
            assert [found.thread_id for found in back.threads] == begun[first::-1]
            if page.next_cursor is None:
                break
            query = query.replace(cursor=page.next_cursor)
        assert shown == begun
        with pytest.raises(UserError, match="invalid cursor"):
            library.browse(ThreadQuery(cursor="x"))

    def test_browsing_leaves_out_what_is_not_wanted_and_silent_threads(self, library: Any) -> None:
        """By the head, by a part of the name or of the first message."""
        begin(library, cwd="/workspace/other", text="Fix it")
        wanted = begin(library, cwd="/workspace/this", text="Fix it too")
        silent = new_thread_id()
        writer = library.create(silent, uuid7_unix_ms(silent))
        writer.append([line("session_meta", _meta(silent, "/workspace/this"))])
        writer.close()

        def ids(**query: Any) -> list[str]:
            return [found.thread_id for found in library.browse(ThreadQuery(**query)).threads]

        assert ids(wanted=lambda meta: meta["cwd"] == "/workspace/this") == [wanted]
        assert ids(search="too") == [wanted]
        library.rename(wanted, "A name")
        assert ids(search="name") == [wanted]
        assert ids(search="nothing of this") == []
        assert len(ids()) == 2

    def test_search_looks_at_all_that_a_person_would_look_for(self, library: Any) -> None:
        """In upper or lower case: name, folder, git branch, and the first message to its end."""
        begin(library, cwd="/workspace/other", text="Something else")
        wanted = new_thread_id()
        meta = {**_meta(wanted, "/workspace/Parser"), "git": {"branch": "fix/Zebra"}}
        said = {"type": "UserMessage", "id": "u", "content": [{"type": "text", "text": "Word " * 400 + "at its END"}]}
        writer = library.create(wanted, uuid7_unix_ms(wanted))
        item = {"type": "item_completed", "thread_id": wanted, "turn_id": "t", "item": said}
        writer.append([line("session_meta", meta), line("event_msg", item)])
        writer.close()
        library.rename(wanted, "Given Name")
        for search in ("Parser", "parser", "WORKSPACE/PARSER", "zebra", "its end", "its END", "given name"):
            found = library.browse(ThreadQuery(search=search)).threads
            assert [one.thread_id for one in found] == [wanted], search
        assert library.browse(ThreadQuery(search="its end")).threads == library.browse(ThreadQuery(limit=1)).threads

    def test_archived_thread_is_listed_apart_until_it_comes_back(self, library: Any) -> None:
        """It can be read all the while."""
        thread_id = begin(library)
        before = list(library.read(thread_id))
        for archived in (True, False):
            (library.archive if archived else library.unarchive)(thread_id)
            assert library.find(thread_id).archived is archived
            assert list(library.read(thread_id)) == before
            for which in (True, False):
                found = library.browse(ThreadQuery(archived=which)).threads
                assert [entry.thread_id for entry in found] == ([thread_id] if which is archived else [])

    def test_deleted_thread_is_gone_with_its_name(self, library: Any) -> None:
        """Others stay."""
        other, thread_id = begin(library), begin(library)
        library.rename(other, "Other")
        library.rename(thread_id, "A name")
        assert library.find("A name").thread_id == thread_id
        library.delete(thread_id)
        assert library.find(thread_id) is None
        assert library.find("A name") is None
        assert library.find("Other").thread_id == other

    def test_reverted_thread_ends_before_the_turn(self, library: Any) -> None:
        """And goes on from there."""
        thread_id = new_thread_id()
        writer = library.create(thread_id, uuid7_unix_ms(thread_id))
        turns = [line("event_msg", {"type": "task_started", "turn_id": f"turn-{n}"}) for n in range(3)]
        writer.append([line("session_meta", _meta(thread_id, "/workspace")), *turns])
        writer.close()
        assert library.revert(thread_id, "no such turn") is False
        assert library.revert(thread_id, "turn-1") is True
        writer = library.append_to(thread_id)
        writer.append([line("event_msg", {"type": "task_started", "turn_id": "other"})])
        writer.close()
        found = [orjson.loads(entry.payload).get("turn_id") for entry in library.read(thread_id)]
        assert found == [None, "turn-0", "other"]
        assert [entry.ordinal for entry in library.read(thread_id)] == [0, 1, 2]

    @pytest.mark.parametrize("change", ["archive", "delete", "revert"])
    def test_thread_with_a_writer_is_not_changed(
        self, library: Any, store_factory: StoreFactory, codex_home: str, change: str
    ) -> None:
        """Its lines would be lost."""
        thread_id = begin(library)
        writer = library.append_to(thread_id)
        before = list(library.read(thread_id))
        other = store_factory(codex_home)
        with pytest.raises(StoreError):
            getattr(other, change)(*((thread_id, "t") if change == "revert" else (thread_id,)))
        writer.close()
        assert list(library.read(thread_id)) == before
        for method in ("archive", "unarchive", "delete"):
            with pytest.raises(StoreError):
                getattr(library, method)(new_thread_id())
