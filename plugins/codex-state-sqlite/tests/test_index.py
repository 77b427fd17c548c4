"""The index catches up with files, and says which of them may hold a text."""

from __future__ import annotations

import os
import threading

import pytest

from codex_plugin_sdk import new_thread_id
from codex_plugin_sdk.state import LeasedByAnother
from codex_state_sqlite import plugin, reading
from codex_state_sqlite.background import JOB, IndexGuard, keep_index
from codex_state_sqlite.store import SqliteState

from .conftest import row, thread_id


def said(state, text):
    found = state.threads(text)
    names = [one.path for one in found.threads if one.path in found.said]
    return [os.path.basename(path)[-18:-6].lstrip("0") for path in names], len(found.unread), len(found.threads)


def test_words_and_parts_of_words_are_found_in_what_both_said(rollouts, state):
    rollouts.put(1, "find the Zebra", "Here it is: grün")
    rollouts.put(2, "nothing", "of “日本語” it")
    assert said(state, "zebra") == ([], 2, 0)
    assert state.refresh(60)
    assert said(state, "zebra") == (["1"], 0, 2)
    assert said(state, "ebr") == (["1"], 0, 2)
    assert said(state, "GRÜN")[0] == ["1"]
    assert said(state, "日本語")[0] == ["2"]
    assert said(state, "the zebra")[0] == ["1"]
    assert said(state, 'no "such" thing')[0] == []
    assert state.threads("ze").said is None
    assert state.threads(" ").said is None


def test_instructions_and_context_are_not_what_was_said(rollouts, state):
    path = rollouts.put(1, "hello")
    context = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "<environment> yak"}]}
    with path.open("a") as file:
        file.write(row("response_item", context))
    assert state.refresh(60)
    assert said(state, "yak") == said(state, "Be an agent") == ([], 0, 1)


@pytest.mark.parametrize(
    "line",
    [
        ("event_msg", {"type": "user_message", "message": "a yak"}),
        ("event_msg", {"type": "agent_message", "message": "a yak"}),
        ("response_item", {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a yak"}]}),
        (
            "response_item",
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a yak"}]},
        ),
    ],
)
def test_older_ways_of_writing_are_read_too(line, rollouts, state):
    path = rollouts.put(1)
    with path.open("a") as file:
        file.write(row(*line))
    assert state.refresh(60)
    assert said(state, "yak") == (["1"], 0, 1)


def test_only_what_was_appended_is_read(rollouts, state, monkeypatch):
    path = rollouts.put(1, "zebra")
    assert state.refresh(60)
    begins = []
    real = reading.read_lines
    monkeypatch.setattr("codex_state_sqlite.index.read_lines", lambda *args: begins.append(args[1]) or real(*args))
    assert state.refresh(60)
    assert begins == []
    size = path.stat().st_size
    rollouts.more(path, "yak")
    assert said(state, "yak") == ([], 1, 0)
    assert state.refresh(60)
    assert begins[0] == size
    assert said(state, "yak") == said(state, "zebra") == (["1"], 0, 1)


def test_line_that_is_not_ended_yet_is_read_when_it_is(rollouts, state):
    path = rollouts.put(1, "zebra")
    line = rollouts.talk("yak")
    with path.open("a") as file:
        file.write(line[:-20])
    assert state.refresh(60)
    assert said(state, "yak")[0] == []
    with path.open("a") as file:
        file.write(line[-20:])
    assert state.refresh(60)
    assert said(state, "yak")[0] == ["1"]


def test_file_that_was_changed_in_its_midst_is_read_anew(rollouts, state):
    path = rollouts.put(1, "zebra one", "and two", "three")
    assert state.refresh(60)
    path.write_text(path.read_text().replace("zebra", "horse"))
    assert state.refresh(60)
    assert said(state, "zebra")[0] == []
    assert said(state, "horse")[0] == ["1"]
    path.write_text(path.read_text()[:-60] + "\n")
    rollouts.more(path, "a much longer tale of a yak " * 20)
    assert state.refresh(60)
    assert said(state, "tale of a yak")[0] == ["1"]
    assert said(state, "horse")[0] == ["1"]


def test_files_that_moved_or_are_gone_are_forgotten(rollouts, state):
    first, second = rollouts.put(1, "zebra"), rollouts.put(2, "zebra")
    rollouts.put(3, "zebra")
    assert state.refresh(60)
    moved = rollouts.path(1, archived=True)
    moved.parent.mkdir()
    first.rename(moved)
    second.unlink()
    second.parent.rmdir()
    assert state.refresh(60)
    assert said(state, "zebra") == (["3", "1"], 0, 2)
    assert [one.archived for one in state.threads().threads] == [False, True]


def test_threads_are_as_a_listing_has_them(home, rollouts, state):
    parent, child = rollouts.put(1, "zebra"), None
    spawn = {"parent_thread_id": thread_id(1), "depth": 1, "agent_nickname": "Ada", "agent_role": "explorer"}
    child = rollouts.put(2, "look", source={"subagent": {"thread_spawn": spawn}})
    rollouts.put(3, "on", history_base={"thread_id": thread_id(1)})
    rollouts.put(4, "on", history_base={"thread_id": thread_id(99)})
    rollouts.put(5, "on", history_base={"thread_id": thread_id(5)})
    (home / "session_index.jsonl").write_text(f'{{"id":"{thread_id(1)}","thread_name":"the blue one"}}\nrubbish\n')
    assert state.refresh(60)
    found = state.threads()
    assert [(one.thread_id[9:13], one.name, one.preview, one.model, one.cwd, one.path) for one in found.threads] == [
        ("0003", "", "zebra", "gpt-5.5", "/workspace", str(rollouts.path(3))),  # goes on from the first
        ("0002", "", "look", "gpt-5.5", "/workspace", str(child)),
        ("0001", "the blue one", "zebra", "gpt-5.5", "/workspace", str(parent)),
    ]
    assert found.threads[1].meta["source"]["subagent"]["thread_spawn"] == spawn
    assert "base_instructions" not in found.threads[0].meta
    assert set(found.unread) == {str(rollouts.path(4)), str(rollouts.path(5))}  # how they begin is not known
    assert found.threads[2].updated_at_ms == parent.stat().st_mtime_ns // 1_000_000


def test_catching_up_goes_on_where_its_time_was_over(rollouts, state):
    for number in range(1, 8):
        rollouts.put(number, f"zebra {number}")
    steps = 1
    while not state.refresh(0):
        steps += 1
        assert steps < 1000
    assert steps > 7
    assert said(state, "zebra") == (["7", "6", "5", "4", "3", "2", "1"], 0, 7)


def test_long_file_is_read_in_parts(rollouts, state, monkeypatch):
    monkeypatch.setattr("codex_state_sqlite.index.STEP_BYTES", 4096)
    path = rollouts.put(1, "zebra at the beginning", *("filler " * 300 for _ in range(30)), "yak at the end")
    assert not state.refresh(0)
    while said(state, "filler")[2] == 0:
        state.refresh(0)
    assert said(state, "zebra at") == said(state, "yak at") == (["1"], 0, 1)
    assert state.threads().threads[0].size_bytes == path.stat().st_size


def test_several_catch_up_at_once_and_nothing_is_there_twice(home, rollouts):
    for number in range(1, 30):
        rollouts.put(number, f"zebra {number}")
    states = [SqliteState(str(home)) for _ in range(4)]
    threads = [threading.Thread(target=one.refresh, args=(60,)) for one in states]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    (count,) = states[0].database.read(lambda c: c.execute("SELECT count(*) FROM texts").fetchone())
    assert count == 29
    assert said(states[0], "zebra 7")[0] == ["7"]
    for one in states:
        one.close()


def test_index_of_mostly_forgotten_texts_begins_anew(rollouts, state):
    path = rollouts.put(1, "zebra")
    assert state.refresh(60)
    assert not state.index.compact()
    state.database.write(lambda c: c.execute("UPDATE sqlite_sequence SET seq = 5000 WHERE name = 'texts'"))
    rollouts.more(path, "yak")
    assert state.refresh(60)
    state.database.write(lambda c: c.execute("DELETE FROM texts WHERE id < 100"))
    assert state.index.compact()
    assert said(state, "zebra") == ([], 1, 0)
    assert state.refresh(60)
    assert said(state, "zebra") == (["1"], 0, 1)


def test_index_that_is_switched_off_knows_nothing(home, rollouts):
    rollouts.put(1, "zebra")
    state = SqliteState(str(home), index=False)
    assert state.refresh(1)
    assert (state.threads("zebra"), state.notices()) == (None, [])
    assert not (home / "kernel").exists()


# -- in the background ------------------------------------------------------------------------------------


class Setup:
    """What a guard's factory is asked with."""

    def __init__(self, home, told=None, **more):
        self.codex_home, self.rollout_path, self.config = str(home), "r.jsonl", {}
        self.tell = (told if told is not None else []).append
        self.__dict__.update(more)


def guard(home, **more) -> IndexGuard | None:
    (spec,) = plugin.codex_turn_guards()
    assert spec.observes
    return spec.factory(Setup(home, **more))


def test_nothing_is_done_for_a_thread_without_a_record_or_an_index(home):
    assert guard(home, rollout_path=None) is None
    assert guard(home, config={"state": {"index": False}}) is None


@pytest.mark.anyio
async def test_index_is_made_while_a_model_is_waited_for(home, rollouts, state, monkeypatch):
    monkeypatch.setattr("codex_state_sqlite.background.QUIET_S", 0)
    rollouts.put(1, "zebra")
    one = guard(home)
    one.request_begins(None)
    one._worker.join(30)
    assert not one._worker.is_alive()
    await one.turn_ends("t", "completed")
    await one.aclose()
    assert said(state, "zebra") == (["1"], 0, 1)


@pytest.mark.anyio
async def test_turn_that_is_done_at_once_opens_no_database(home, rollouts, monkeypatch):
    monkeypatch.setattr("codex_state_sqlite.background.QUIET_S", 60)
    rollouts.put(1, "zebra")
    one = guard(home)
    one.request_begins(None)
    await one.aclose()
    assert not one._worker.is_alive()
    assert not (home / "kernel").exists()


@pytest.mark.anyio
async def test_home_that_cannot_be_written_does_not_disturb_a_turn(home, monkeypatch):
    monkeypatch.setattr("codex_state_sqlite.background.QUIET_S", 0)
    (home / "kernel").write_text("in the way")
    told = []
    one = guard(home, told=told)
    one.request_begins(None)
    one._worker.join(30)
    await one.turn_ends("t", "completed")
    await one.aclose()
    assert told == []


@pytest.mark.anyio
async def test_damage_that_is_met_in_the_background_is_told(home, path, rollouts, state, monkeypatch):
    monkeypatch.setattr("codex_state_sqlite.background.QUIET_S", 0)
    state.put("n", "k", b"v")
    state.close()
    path.write_bytes(b"no database" * 1000)
    told = []
    one = guard(home, told=told)
    one.request_begins(None)
    one._worker.join(30)
    await one.turn_ends("t", "completed")
    await one.turn_ends("t", "completed")
    await one.aclose()
    (notice,) = told
    assert "was damaged" in notice.message


def test_only_one_process_of_a_home_makes_the_index(home, rollouts, state):
    rollouts.put(1, "zebra")
    state.add_job(*JOB)
    state.claim_job(*JOB)
    other = SqliteState(str(home))
    keep_index(other, threading.Event())
    assert isinstance(other.claim_job(*JOB), LeasedByAnother)
    assert said(other, "zebra")[2] == 0
    other.close()


def test_index_is_left_in_the_midst_when_the_thread_ends(rollouts, state):
    for number in range(1, 4):
        rollouts.put(number, "zebra")
    stop = threading.Event()
    stop.set()
    keep_index(state, stop)
    keep_index(state, threading.Event())
    assert said(state, "zebra")[2] == 3


def test_name_of_a_rollout_gives_its_thread():
    from codex_state_sqlite.files import thread_id_of

    id, part = new_thread_id(), new_thread_id()
    assert thread_id_of(f"rollout-2026-11-21T03-00-00-{id}.jsonl") == id
    assert thread_id_of(f"rollout-2026-11-21T03-00-00-{id}_{part}.jsonl") == id
    assert thread_id_of("notes.jsonl") == thread_id_of(f"rollout-2026-11-21T03-00-00-{id}.txt") == ""


def test_file_without_a_whole_line_is_left_to_whoever_reads_it(rollouts, state):
    path = rollouts.put(1, "a yak")
    whole = path.read_bytes()
    path.write_bytes(whole[:40])
    assert state.refresh(60)
    assert said(state, "yak") == ([], 1, 0)
    path.write_bytes(whole)
    assert state.refresh(60)
    assert said(state, "yak") == (["1"], 0, 1)
