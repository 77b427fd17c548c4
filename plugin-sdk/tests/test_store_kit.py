"""The conformance kit of rollout stores: passes on the reference, fails on each planted fault."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

import pytest

from codex_plugin_sdk import MemoryNote, RolloutStore, StoreError, ThreadPage
from codex_plugin_sdk.testing.memory_stores import (
    InMemoryMemoryStore,
    InMemoryRolloutStore,
    InMemoryRolloutWriter,
    InMemoryStateStore,
    Rollout,
)
from codex_plugin_sdk.testing.store_kit import RolloutStoreConformance, begin

StoreType = type[InMemoryRolloutStore]


def opener(kind: StoreType) -> Callable[[str], RolloutStore]:
    """Stores of one home share their rollouts."""
    homes: dict[str, dict[str, Rollout]] = {}
    return lambda codex_home: kind(homes.setdefault(codex_home, {}))


class TestInMemoryRolloutStore(RolloutStoreConformance):
    @pytest.fixture
    def store_factory(self):
        return opener(InMemoryRolloutStore)


# -- planted faults: each says which tests of the kit must notice it ----------------------------------


class Writer(InMemoryRolloutWriter):
    """The reference's writer, where faults are planted."""

    @property
    def lines(self):
        return self._rollout.lines


class Faulty(InMemoryRolloutStore):
    writer: type[InMemoryRolloutWriter] = Writer

    def create(self, thread_id, created_at_ms):
        super().create(thread_id, created_at_ms).close()
        return self.writer(Rollout(thread_id, created_at_ms), self.rollouts)

    def append_to(self, thread_id):
        super().append_to(thread_id)
        return self.writer(self.rollouts[thread_id], self.rollouts)


class LosesLastLine(Faulty):
    notices = ("lines_read_back", "many_lines", "continues_where_it_ended")

    class writer(Writer):
        def close(self):
            if not self._closed and self.lines:
                self.lines.pop()
            super().close()


class LosesLastLineOfACall(Faulty):
    notices = ("lines_read_back", "many_lines", "large_line")

    class writer(Writer):
        def append(self, lines):
            super().append(list(lines)[:-1] or list(lines))


class Reorders(Faulty):
    notices = ("lines_read_back", "many_lines", "laid_out")

    class writer(Writer):
        def append(self, lines):
            super().append(list(lines)[::-1])


class WritesHalves(Faulty):
    notices = ("append_that_fails",)

    class writer(Writer):
        def append(self, lines):
            for entry in lines:
                super().append([entry])


class BuffersUntilClosed(Faulty):
    notices = ("visible_at_once",)

    class writer(Writer):
        waiting: tuple = ()

        def append(self, lines):
            if self._closed:
                raise StoreError("closed")
            self.waiting = (*self.waiting, *lines)

        def close(self):
            if not self._closed:
                super().append(self.waiting)
            super().close()


class StartsCountingAgain(Faulty):
    notices = ("continues_where_it_ended",)

    class writer(Writer):
        def __init__(self, rollout, rollouts):
            super().__init__(rollout, rollouts)
            self.first = len(rollout.lines)

        def append(self, lines):
            super().append(lines)
            self.lines[self.first :] = [
                entry.replace(ordinal=index) for index, entry in enumerate(self.lines[self.first :])
            ]


class WritesAfterClosing(Faulty):
    notices = ("closing_again",)

    class writer(Writer):
        def close(self):
            self._rollout.held = False


class RecordsNothingAsSomething(Faulty):
    notices = ("without_an_append",)

    def create(self, thread_id, created_at_ms):
        writer = super().create(thread_id, created_at_ms)
        self.rollouts[thread_id] = writer._rollout
        return writer


class BeginsAgain(Faulty):
    notices = ("not_begun_again",)

    def create(self, thread_id, created_at_ms):
        self.rollouts.pop(thread_id, None)
        return super().create(thread_id, created_at_ms)


class LetsTwoWrite(Faulty):
    notices = ("second_writer",)

    def append_to(self, thread_id):
        self._rollout(thread_id).held = False
        return super().append_to(thread_id)


class FindsAnything(Faulty):
    notices = ("unknown_thread",)

    def find(self, id_or_name):
        found = super().find(id_or_name)
        page = super().list(limit=1).threads
        return found or (page[0] if page else None)


class FindsTheNewest(Faulty):
    notices = ("found_by_its_id",)

    def find(self, id_or_name):
        return super().list(limit=1).threads[0] if super().find(id_or_name) else None


class ReadsUnknownAsEmpty(Faulty):
    notices = ("unknown_thread",)

    def read(self, thread_id):
        return super().read(thread_id) if thread_id in self.rollouts else iter(())


class ListsOldestFirst(Faulty):
    notices = ("newest_first",)

    def list(self, **kwargs):
        page = super().list(**{**kwargs, "limit": 1000, "cursor": None})
        return ThreadPage(threads=page.threads[::-1][: kwargs.get("limit", 50)])


class PagesByNumber(Faulty):
    notices = ("shifts_nothing",)

    def list(self, *, cursor=None, limit=50, cwd=None):
        if cursor and not cursor.isdigit():
            raise StoreError("no cursor")
        start = int(cursor or 0)
        every = super().list(limit=1000, cwd=cwd).threads
        rest = len(every) > start + limit
        return ThreadPage(threads=every[start : start + limit], next_cursor=str(start + limit) if rest else None)


class RepeatsTheLastOfAPage(Faulty):
    notices = ("newest_first", "shifts_nothing")

    def list(self, *, cursor=None, limit=50, cwd=None):
        if cursor and cursor[0].isdigit():
            cursor += "~"
        return super().list(cursor=cursor, limit=limit, cwd=cwd)


class PromisesAnotherPage(Faulty):
    notices = ("newest_first",)

    def list(self, **kwargs):
        page = super().list(**kwargs)
        last = page.threads[-1] if page.threads else None
        return page.replace(next_cursor=f"{last.created_at_ms} {last.thread_id}" if last else None)


class IgnoresTheFolder(Faulty):
    notices = ("of_a_folder",)

    def list(self, *, cwd=None, **kwargs):
        return super().list(**kwargs)


class TakesAnyCursor(Faulty):
    notices = ("foreign_cursor",)

    def list(self, *, cursor=None, **kwargs):
        return super().list(cursor=cursor if cursor and cursor[0].isdigit() else None, **kwargs)


FAULTS = [kind for kind in Faulty.__subclasses__() if hasattr(kind, "notices")]


def failed(kind: StoreType, home: Path) -> set[str]:
    """The tests of the kit that fail on stores of this kind."""
    kit, names = RolloutStoreConformance(), set()
    for name, test in inspect.getmembers(kit, inspect.ismethod):
        if not name.startswith("test_"):
            continue
        more = {"limit": 2} if "limit" in inspect.signature(test).parameters else {}
        try:
            test(store_factory=opener(kind), codex_home=str(home / name), **more)
        except (Exception, pytest.fail.Exception):
            names.add(name)
    return names


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.__name__)
def test_planted_fault_is_noticed(kind: StoreType, tmp_path: Path) -> None:
    noticed = failed(kind, tmp_path)
    for part in kind.notices:
        assert any(part in name for name in noticed), f"{part} does not notice; these do: {noticed}"
    assert len(noticed) < 12, f"a fault that nearly every test notices proves little: {noticed}"


def test_scaffold_of_the_faults_has_none_itself(tmp_path: Path) -> None:
    assert failed(Faulty, tmp_path) == set()


def test_kit_without_its_fixture_says_so() -> None:
    with pytest.raises(NotImplementedError, match="store_factory"):
        RolloutStoreConformance.store_factory.__wrapped__(RolloutStoreConformance())


# -- the references that have no kit -------------------------------------------------------------------


def test_state_is_kept_by_namespace_and_key() -> None:
    shared: dict[tuple[str, str], bytes] = {}
    store, other = InMemoryStateStore(shared), InMemoryStateStore(shared)
    store.put("a", "2", b"x")
    store.put("a", "1", b"y")
    store.put("b", "1", b"z")
    assert (other.get("a", "1"), other.get("b", "1"), other.get("c", "1")) == (b"y", b"z", None)
    assert list(other.keys("a")) == ["1", "2"]
    other.delete("a", "1")
    other.delete("a", "1")
    assert list(store.keys("a")) == ["2"]


def test_notes_are_found_by_the_words_they_share() -> None:
    store = InMemoryMemoryStore()
    for text in ("The tests need Docker", "Docker tests run with make", "Ada likes tea"):
        store.add(MemoryNote(text=text))
    assert [note.text for note in store.search("docker make")] == [
        "Docker tests run with make",
        "The tests need Docker",
    ]
    assert store.search("docker", limit=1)[0].text == "Docker tests run with make"
    assert list(store.search("coffee")) == []


def test_newest_thread_of_a_name_is_found() -> None:
    store = InMemoryRolloutStore()
    first, second = begin(store), begin(store)
    store.names.update({second: "release", first: "release"})
    found = store.find("release")
    assert found is not None
    assert (found.thread_id, found.name) == (second, "release")
