"""The kit of libraries: the store in memory passes, broken ones fail."""

from __future__ import annotations

import pytest

from codex_plugin_sdk import ThreadPage
from codex_plugin_sdk.testing.library_kit import RolloutLibraryConformance
from codex_plugin_sdk.testing.memory_stores import InMemoryRolloutStore


class TestInMemoryLibrary(RolloutLibraryConformance):
    @pytest.fixture
    def store_factory(self):
        homes: dict = {}
        return lambda home: InMemoryRolloutStore(homes.setdefault(home, {}))


class Forgetful(InMemoryRolloutStore):
    def browse(self, query):
        page = super().browse(query)
        return ThreadPage(threads=page.threads[:-1], next_cursor=page.next_cursor, backwards_cursor=None)


class KeepsNames(InMemoryRolloutStore):
    def delete(self, thread_id):
        self._free(thread_id).archived = True


class SearchesTheNameOnly(InMemoryRolloutStore):
    def browse(self, query):
        page = super().browse(query)
        return page.replace(threads=tuple(found for found in page.threads if query.search in found.name))


class RevertsTooLittle(InMemoryRolloutStore):
    def revert(self, thread_id, before_turn):
        lines = list(self._free(thread_id).lines)
        done = super().revert(thread_id, before_turn)
        self.rollouts[thread_id].lines[:] = lines[: len(self.rollouts[thread_id].lines) + 1]
        return done


@pytest.mark.parametrize(
    ("kind", "test", "more"),
    [
        (Forgetful, "test_browsing_shows_every_thread_once_in_order", {"order": "created", "descending": True}),
        (KeepsNames, "test_deleted_thread_is_gone_with_its_name", {}),
        (SearchesTheNameOnly, "test_search_looks_at_all_that_a_person_would_look_for", {}),
        (RevertsTooLittle, "test_reverted_thread_ends_before_the_turn", {}),
    ],
)
def test_planted_fault_is_noticed_by_the_kit(kind, test, more) -> None:
    with pytest.raises((AssertionError, ValueError, IndexError, AttributeError)):
        getattr(RolloutLibraryConformance(), test)(library=kind(), **more)
