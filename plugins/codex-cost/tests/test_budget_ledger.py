"""The ledger: what is spent and reserved never passes a cap, whoever dies when."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codex_cost.amounts import Amount
from codex_cost.caps import Cap
from codex_cost.ledger import Ledger, Refused, Who, ledger_path
from codex_cost.processes import is_running, process_name
from codex_plugin_sdk import StoreError

CAPS = (Cap("tree", "usd", 100), Cap("thread", "tokens", 60), Cap("day", "usd", 150))
A, B, OTHER = Who("a", "a", "2026-01-01"), Who("b", "a", "2026-01-01"), Who("c", "c", "2026-01-02")


def ledger_at(folder, **options):
    return Ledger(ledger_path(str(folder)), pid=os.getpid(), process=process_name(os.getpid()), **options)


@pytest.fixture
def ledger(tmp_path):
    made = ledger_at(tmp_path)
    yield made
    made.close()


def sums(ledger, who, caps=CAPS):
    return [(standing.spent, standing.reserved) for standing in ledger.standings(who, caps)]


AMOUNT = st.integers(0, 40)
STEP = st.one_of(
    st.tuples(st.just("reserve"), st.integers(0, 2), st.sampled_from([A, B, OTHER]), AMOUNT, AMOUNT),
    st.tuples(st.just("settle"), st.integers(0, 2), st.integers(0, 9), AMOUNT, AMOUNT),
    st.tuples(st.just("unknown"), st.integers(0, 2), st.integers(0, 9)),
    st.tuples(st.just("kill"), st.integers(0, 2)),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=30), honest=st.booleans())
def test_whatever_happens_in_whatever_order_the_caps_hold(tmp_path_factory, steps, honest):
    folder = tmp_path_factory.mktemp("ledger")
    ledgers = [ledger_at(folder) for _ in range(3)]
    held: list[dict[int, tuple[Who, Amount]]] = [{}, {}, {}]
    lost: list[tuple[Who, Amount]] = []
    spent: list[tuple[Who, Amount]] = []

    def total(entries, cap, who):
        return sum(amount.of(cap.measure) for one, amount in entries if one.name(cap.scope) == who.name(cap.scope))

    def in_flight():
        return [*lost, *(entry for each in held for entry in each.values())]

    for step in steps:
        kind, at = step[0], step[1]
        if kind == "reserve":
            who, need = step[2], Amount(step[3], step[4])
            fits = all(
                need.of(cap.measure) == 0
                or total(spent, cap, who) + total(in_flight(), cap, who) + need.of(cap.measure) <= cap.limit
                for cap in CAPS
            )
            try:
                held[at][ledgers[at].reserve(who, CAPS, need)] = (who, need)
                assert fits
            except Refused:
                assert not fits
        elif kind == "kill":
            ledgers[at].close()
            lost += held[at].values()
            held[at] = {}
        elif held[at]:
            number = sorted(held[at])[step[2] % len(held[at])]
            who, need = held[at].pop(number)
            if kind == "unknown":
                ledgers[at].settle(number, None)
                spent.append((who, need))
            else:
                cost = Amount(min(step[3], need.usd), min(step[4], need.tokens)) if honest else Amount(*step[3:])
                ledgers[at].settle(number, cost)
                ledgers[at].settle(number, cost)  # a second time, nothing
                spent.append((who, cost))
        for who in (A, B, OTHER):
            told = sums(ledgers[at], who)
            assert told == [(total(spent, cap, who), total(in_flight(), cap, who)) for cap in CAPS]
            if honest:  # answers within what was reserved for them
                assert all(done + reserved <= cap.limit for (done, reserved), cap in zip(told, CAPS, strict=True))
    for one in ledgers:
        one.close()


WORKER = """
import sys
from codex_cost.amounts import Amount
from codex_cost.caps import Cap
from codex_cost.ledger import Ledger, Refused, Who
from codex_cost.processes import process_name
import os
path, thread, hang = sys.argv[1], sys.argv[2], sys.argv[3] == "hang"
ledger = Ledger(path, pid=os.getpid(), process=process_name(os.getpid()), busy_s=60)
sent = 0
for turn in range(200):
    try:
        number = ledger.reserve(Who(thread, "root", "2026-01-01"), [Cap("tree", "usd", 1000)], Amount(usd=10))
    except Refused:
        break
    sent += 7
    if hang and turn == 5:
        print("held", flush=True)
        sys.stdin.read()
    ledger.settle(number, Amount(usd=7))
print(sent, flush=True)
"""


def test_processes_that_spend_at_once_and_are_killed_stay_within_the_cap(tmp_path, ledger):
    path = ledger_path(str(tmp_path))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}

    def start(thread, kind):
        return subprocess.Popen([sys.executable, "-c", WORKER, path, thread, kind], **pipes)

    doomed = [start("t0", "hang"), start("t1", "hang")]
    assert [worker.stdout.readline() for worker in doomed] == ["held\n", "held\n"]
    workers = [start("t2", "go"), start("t3", "go")]
    for worker in doomed:
        worker.send_signal(signal.SIGKILL)
        worker.communicate(timeout=60)
    told = [worker.communicate(timeout=60) for worker in workers]
    assert [error for _, error in told] == ["", ""]
    sent = sum(int(out) for out, _ in told)
    spent, reserved = sums(ledger, Who("t0", "root", "2026-01-01"), [Cap("tree", "usd", 1000)])[0]
    assert reserved == 20  # the two that nobody settled go on being counted
    assert spent == sent + 2 * 5 * 7
    assert 1000 - 10 < spent + reserved <= 1000  # all the others wanted more
    left = ledger.reservations()
    assert not any(is_running(one.pid, one.process) for one in left)
    assert {one.pid for one in left} == {worker.pid for worker in doomed}


def test_a_request_belongs_to_the_day_on_which_it_was_reserved(ledger):
    before, after = A, A._replace(day="2026-01-02")
    day = [Cap("day", "usd", 100)]
    number = ledger.reserve(before, day, Amount(usd=60))
    ledger.reserve(after, day, Amount(usd=60))  # midnight has passed: another day's budget
    ledger.settle(number, Amount(usd=55))
    assert (sums(ledger, before, day), sums(ledger, after, day)) == ([(55, 0)], [(0, 60)])
    with pytest.raises(Refused):  # a clock that steps back finds what was spent
        ledger.reserve(before, day, Amount(usd=46))


def test_a_sub_agent_counts_once_for_its_tree_and_for_who_started_it(ledger):
    caps = (Cap("tree", "agents", 2), Cap("thread", "agents", 1))
    ledger.add_agent(Who("b", "a", "d"), "a", caps)
    ledger.add_agent(Who("b", "a", "e"), "a", caps)  # resumed
    with pytest.raises(Refused) as caught:
        ledger.add_agent(Who("c", "a", "d"), "a", caps)
    assert caught.value.standing.cap == caps[1]
    ledger.add_agent(Who("c", "a", "d"), "b", caps)
    with pytest.raises(Refused) as caught:
        ledger.add_agent(Who("x", "a", "d"), "c", caps)
    assert caught.value.standing.cap == caps[0]
    assert ledger.threads() == {"a": "a", "b": "a", "c": "a"}


def test_a_cap_that_comes_close_is_told_once_until_it_is_changed(ledger):
    def spend(limit):
        caps = (Cap("tree", "usd", limit),)
        number = ledger.reserve(A, caps, Amount(usd=10))
        return [(one.cap.limit, one.spent) for one in ledger.settle(number, Amount(usd=10), caps=caps, soft=500)]

    assert [spend(40), spend(40), spend(40), spend(60), spend(100)] == [[], [(40, 20)], [], [(60, 40)], [(100, 50)]]


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_home_that_cannot_be_written_is_told(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StoreError, match="so nothing may be spent: Permission denied"):
            ledger_at(tmp_path).reserve(A, CAPS, Amount(usd=1))
    finally:
        tmp_path.chmod(0o700)


def test_a_folder_that_is_a_file_a_database_that_is_none_and_one_of_the_future_are_told(tmp_path):
    path = Path(ledger_path(str(tmp_path)))
    path.parent.write_text("")
    with pytest.raises(StoreError, match="so nothing may be spent"):
        ledger_at(tmp_path).reserve(A, CAPS, Amount(usd=1))
    path.parent.unlink()
    path.parent.mkdir()
    path.write_bytes(b"no database at all, but long enough to be read as one" * 100)
    with pytest.raises(StoreError, match="nothing may be spent") as caught:
        ledger_at(tmp_path).reserve(A, CAPS, Amount(usd=1))
    assert "move" in caught.value.hint
    path.unlink()
    with sqlite3.connect(path) as made:
        made.execute("PRAGMA user_version = 99")
    made.close()
    with pytest.raises(StoreError, match="newer version"):
        ledger_at(tmp_path).reserve(A, CAPS, Amount(usd=1))


def test_a_lock_that_stays_taken_refuses_and_the_next_step_works(tmp_path, ledger):
    ledger.reserve(A, CAPS, Amount(usd=1))
    holder = sqlite3.connect(ledger.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    impatient = ledger_at(tmp_path, busy_s=0.01)
    with pytest.raises(StoreError) as caught:
        impatient.reserve(A, CAPS, Amount(usd=1))
    assert caught.value.hint == "another program holds it; try again"
    holder.execute("ROLLBACK")
    holder.close()
    impatient.reserve(A, CAPS, Amount(usd=1))
    impatient.close()
    assert len(ledger.reservations()) == 2


def test_nobody_else_may_read_it(ledger):
    ledger.reserve(A, CAPS, Amount(usd=1))
    folder = Path(ledger.path).parent
    assert {path.name: path.stat().st_mode & 0o77 for path in [folder, *folder.iterdir()]} == {
        "kernel": 0, "budget.sqlite": 0, "budget.sqlite-wal": 0, "budget.sqlite-shm": 0,
    }  # fmt: skip


def test_a_full_disk_refuses_and_keeps_what_was_there(ledger):
    ledger.reserve(A, CAPS, Amount(usd=1))
    ledger._db.execute("PRAGMA max_page_count = 1")  # as full as it can be made here
    fill = (ledger.reserve(A, (), Amount(usd=1), model="m" * 500) for _ in range(1000))
    with pytest.raises(StoreError, match="full"):
        list(fill)
    ledger._db.execute("PRAGMA max_page_count = 100000")
    before = len(ledger.reservations())
    ledger.reserve(A, CAPS, Amount(usd=0))
    assert len(ledger.reservations()) == before + 1
