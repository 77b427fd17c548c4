"""What counts as a request: duplicates, compactions, forks, resumed threads, torn and hostile lines."""

from __future__ import annotations

import json

import pytest

from codex_cost import rollout as reading
from codex_cost.rollout import Troubles, spendings
from codex_cost.spending import Tokens


@pytest.fixture
def read(tmp_path):
    """Writes a rollout and reads it back: the tokens of each request, and the troubles."""

    def run(thread, **options):
        troubles = Troubles()
        found = list(spendings(str(thread.write(tmp_path)), troubles, **options))
        return [spent.tokens for spent in found], troubles

    return run


def test_a_count_that_is_repeated_counts_once(rollout, read):
    thread = rollout().turn().spend(10, 1, 2, 1)
    tokens, _ = read(thread.count(last={**thread.total}).turn().count(last={**thread.total}).spend(5, 0, 1, 0))
    assert tokens == [Tokens(10, 1, 0, 2, 1), Tokens(5, 0, 0, 1, 0)]


def test_a_record_and_its_count_are_one_request(rollout, read):
    tokens, _ = read(rollout().turn().record(10, 1, 2, 1).record(20, 1, 2, 1))
    assert tokens == [Tokens(10, 1, 0, 2, 1), Tokens(20, 1, 0, 2, 1)]


def test_a_compaction_as_codex_records_it_counts_its_request_once(rollout, read):
    # task_started, the old count again, the summary's record and count, `compacted`, a count without a request
    thread = rollout().turn().record(1000, 0, 50, 0)
    thread.event("task_started", turn_id="t2").count(last=thread.total).record(1002, 0, 52, 0)
    thread.line("compacted", {"message": "", "replacement_history": []}).line(
        "turn_context", {"turn_id": "t2", "model": "plain"}
    )
    thread.count(last=dict.fromkeys(thread.total, 0)).record(1003, 0, 53, 0)
    assert [spent.input for spent in read(thread)[0]] == [1000, 1002, 1003]


def test_a_total_that_begins_anew_goes_on_with_what_was_used_last(rollout, read):
    thread = rollout().turn().spend(1000, 0, 50, 0)
    nothing = dict.fromkeys(thread.total, 0)
    thread.count(last=nothing, total={**nothing, "total_tokens": 258_400})
    thread.total = {**nothing, "total_tokens": 258_400}
    assert [spent.input for spent in read(thread.spend(30, 0, 3, 0))[0]] == [1000, 30]


def test_a_thread_that_another_program_goes_on_with_is_counted_through(rollout, read):
    thread = rollout().turn().record(100, 0, 10, 0).turn().spend(200, 0, 20, 0).turn().record(300, 0, 30, 0)
    assert [spent.input for spent in read(thread)[0]] == [100, 200, 300]


def test_a_count_that_was_torn_away_is_found_in_the_next_total(rollout, read):
    thread = rollout().turn().spend(100, 0, 10, 0).spend(200, 0, 20, 0).spend(400, 0, 40, 0)
    thread.lines[-2] = thread.lines[-2][:90]
    tokens, troubles = read(thread)
    assert sum(spent.input for spent in tokens) == 700
    assert troubles.broken_lines == 1


def test_a_fork_with_copied_lines_pays_for_its_own_turns(rollout, read):
    parent = rollout(number=1).turn().spend(100, 0, 10, 0).turn().spend(200, 0, 20, 0)
    fork = rollout(parent.now_ms + 10_000, 2, forked_from_id=parent.id)
    fork.lines += parent.lines[1:]
    fork.total = parent.total
    assert read(fork)[0] == []
    assert [spent.input for spent in read(fork.turn().spend(400, 0, 40, 0))[0]] == [400]
    fork.now_ms = parent.now_ms - 60_000  # a clock that is set back makes no turn another's
    assert [spent.input for spent in read(fork.turn().spend(800, 0, 80, 0))[0]] == [400, 800]


def test_a_fork_that_goes_on_from_a_total_pays_for_its_own_requests(rollout, read):
    parent = rollout(number=1).turn().record(100, 0, 10, 0)
    base = {"thread_id": parent.id, "end_ordinal_exclusive": 3, "end_byte_offset": 900}
    for spend in ("record", "spend"):
        fork = rollout(parent.now_ms + 10_000, 2, forked_from_id=parent.id, history_base=base)
        fork.total = parent.total
        fork.count(last=parent.total)
        tokens, troubles = read(getattr(fork.turn(), spend)(400, 0, 40, 0))
        assert [spent.input for spent in tokens] == [400]
        assert troubles.doubtful_forks == 0


def test_a_fork_of_a_version_that_did_not_name_turns_is_told_of(rollout, read):
    fork = rollout(forked_from_id="x").turn(turn_id=None).spend(100, 0, 10, 0)
    tokens, troubles = read(fork)
    assert [spent.input for spent in tokens] == [100]
    assert troubles.doubtful_forks == 1


def test_a_thread_of_an_old_version_counts_without_doubt(rollout, read):
    tokens, troubles = read(rollout().turn(turn_id=None).spend(100, 0, 10, 0))
    assert ([spent.input for spent in tokens], troubles.doubtful_forks) == ([100], 0)


def test_a_model_is_told_by_the_turn_and_missing_where_none_tells(rollout, tmp_path):
    path = rollout().spend(1, 0, 0, 0).turn("one").spend(1, 0, 0, 0).turn("two").spend(1, 0, 0, 0).write(tmp_path)
    assert [spent.model for spent in spendings(str(path), Troubles())] == ["", "one", "two"]


@pytest.mark.parametrize("bad", [-1, 1.5, True, "7", None, 2**70])
def test_numbers_that_are_none_are_counted_as_broken(rollout, read, bad):
    thread = rollout().turn().spend(100, 0, 10, 0)
    broken = {**thread.total, "input_tokens": bad}
    tokens, troubles = read(thread.count(last=broken, total=broken).spend(5, 0, 0, 0))
    assert [spent.input for spent in tokens] == [100, 5]
    assert troubles.broken_lines == 1


def test_parts_are_never_larger_than_what_they_are_part_of(rollout, read):
    assert read(rollout().turn().spend(10, 99, 5, 77))[0] == [Tokens(10, 10, 0, 5, 5)]


@pytest.mark.parametrize(
    "line", ["", "[]", "7", '"token_count"', '{"type":"event_msg","payload":"token_count"}', "\x00"]
)
def test_lines_that_are_none_are_passed_over(rollout, read, line):
    thread = rollout().turn()
    thread.lines.append(line)
    assert len(read(thread.spend(1, 0, 0, 0))[0]) == 1


def test_a_last_line_that_is_being_written_is_no_trouble(rollout, tmp_path):
    path = rollout().turn().spend(1, 0, 0, 0).write(tmp_path)
    with path.open("a") as file:
        file.write('{"timestamp":"x","type":"event_msg","payload":{"type":"token_count","in')
    troubles = Troubles()
    assert len(list(spendings(str(path), troubles))) == 1
    assert troubles.broken_lines == 0


def test_words_within_texts_are_not_taken_for_lines_about_tokens(rollout, read):
    thread = rollout().turn().spend(10, 0, 1, 0)
    inner = thread.lines[-1]
    thread.line("response_item", {"type": "function_call_output", "call_id": "c", "output": inner + "\n" + inner})
    thread.event("item_completed", item={"type": "CommandExecution", "aggregated_output": inner})
    assert len(read(thread, with_tools=True)[0]) == 1


def test_lines_longer_than_the_limit_are_passed_over(rollout, read, monkeypatch):
    monkeypatch.setattr(reading, "LONGEST_LINE_BYTES", 1000)
    thread = rollout().turn()
    thread.line("response_item", {"type": "function_call_output", "output": "x" * 5000})
    thread.event("token_count", info={}, padding="x" * 5000)
    tokens, troubles = read(thread.spend(10, 0, 1, 0))
    assert ([spent.input for spent in tokens], troubles.broken_lines) == ([10], 1)


def test_members_in_another_order_are_read_too(rollout, tmp_path):
    thread = rollout().turn().spend(10, 0, 1, 0)
    thread.lines = [json.dumps(dict(reversed(json.loads(line).items()))) for line in thread.lines]
    assert len(list(spendings(str(thread.write(tmp_path)), Troubles()))) == 1
