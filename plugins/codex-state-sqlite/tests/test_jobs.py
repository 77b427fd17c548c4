"""Jobs: who gets them, how long they keep them, when they are tried again."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter

import pytest

from codex_plugin_sdk.state import AlreadyDone, Claimed, InBackoff, LeasedByAnother, NothingToDo
from codex_state_sqlite.jobs import LONGEST_DELAY_MS, delay_ms
from codex_state_sqlite.store import SqliteState


class Hands:
    """A clock that is moved by hand."""

    def __init__(self, name="here", now=1_000_000_000, mono=5_000_000):
        self.name, self.now, self.mono = name, now, mono

    def now_ms(self):
        return self.now

    def mono_ms(self):
        return self.mono

    def go(self, seconds):
        self.now += int(seconds * 1000)
        self.mono += int(seconds * 1000)


@pytest.fixture
def clock():
    return Hands()


@pytest.fixture
def two(home, clock):
    """Two stores of one home, on one machine."""
    stores = [SqliteState(str(home), clock=clock) for _ in range(2)]
    yield stores
    for one in stores:
        one.close()


def claimed(found) -> Claimed:
    assert isinstance(found, Claimed), found
    return found


def test_job_goes_through_all_five_outcomes(two, clock):
    one, other = two
    assert one.claim_job("k", "a") == NothingToDo()
    assert one.claim_job("k") == NothingToDo()
    assert one.add_job("k", "a", b"payload")
    assert not other.add_job("k", "a", b"another")
    mine = claimed(one.claim_job("k", "a", lease_s=60))
    assert (mine.kind, mine.key, mine.payload, mine.attempt) == ("k", "a", b"payload", 1)
    held = other.claim_job("k", "a")
    assert isinstance(held, LeasedByAnother)
    assert held.until_ms == clock.now + 60_000
    assert other.claim_job("k") == held
    assert one.fail_job(mine, "no luck")
    assert other.claim_job("k", "a") == InBackoff(attempts=1, until_ms=clock.now + delay_ms(1), error="no luck")
    clock.go(delay_ms(1) / 1000)
    again = claimed(other.claim_job("k"))
    assert again.attempt == 2
    assert other.finish_job(again)
    assert one.claim_job("k", "a") == one.claim_job("k") == AlreadyDone()


def test_delay_doubles_up_to_an_hour():
    assert [delay_ms(attempt) for attempt in (1, 2, 3)] == [5_000, 10_000, 20_000]
    assert delay_ms(50) == LONGEST_DELAY_MS


def test_job_that_comes_again_is_done_until_then(two, clock):
    one, other = two
    one.add_job("k", "a")
    assert one.finish_job(claimed(one.claim_job("k")), again_after_s=60)
    assert other.claim_job("k") == AlreadyDone(again_at_ms=clock.now + 60_000)
    clock.go(60)
    assert claimed(other.claim_job("k")).attempt == 1


def test_job_due_longest_comes_first(two, clock):
    for key in ("a", "b", "c"):
        two[0].add_job("k", key)
        clock.go(1)
    assert [claimed(two[number % 2].claim_job("k")).key for number in range(3)] == ["a", "b", "c"]


def test_lease_that_is_not_renewed_goes_to_the_next_and_is_lost(two, clock):
    one, other = two
    one.add_job("k", "a")
    mine = claimed(one.claim_job("k", lease_s=10))
    clock.go(9)
    assert one.heartbeat(mine, lease_s=10)
    clock.go(9)
    assert isinstance(other.claim_job("k"), LeasedByAnother)
    clock.go(2)
    theirs = claimed(other.claim_job("k", lease_s=10))
    assert not one.heartbeat(mine)
    assert not one.finish_job(mine)
    assert not one.fail_job(mine, "late")
    assert other.finish_job(theirs)


def test_lease_that_ended_is_still_renewed_while_nobody_wants_it(two, clock):
    one, other = two
    one.add_job("k", "a")
    mine = claimed(one.claim_job("k", lease_s=10))
    clock.go(11)
    assert one.heartbeat(mine, lease_s=10)
    assert isinstance(other.claim_job("k"), LeasedByAnother)


def test_job_that_kills_whoever_does_it_has_to_wait(two, clock):
    one, other = two
    one.add_job("k", "a")
    for attempt in (1, 2, 3):
        assert claimed(one.claim_job("k", lease_s=10)).attempt == attempt
        clock.go(11)
    waiting = other.claim_job("k")
    assert isinstance(waiting, InBackoff)
    assert "3 leases ended" in waiting.error
    clock.go(5)
    assert claimed(other.claim_job("k")).attempt == 4


@pytest.mark.parametrize("days", [-400, -1, 1, 400])
def test_clock_that_is_put_back_or_forward_neither_ends_a_lease_nor_prolongs_it(two, clock, days):
    one, other = two
    one.add_job("k", "a")
    mine = claimed(one.claim_job("k", lease_s=10))
    clock.now += days * 86_400_000
    assert isinstance(other.claim_job("k"), LeasedByAnother)
    assert one.heartbeat(mine, lease_s=10)
    clock.go(11)
    assert claimed(other.claim_job("k"))


def test_clock_that_is_put_back_keeps_no_job_waiting(two, clock):
    one, other = two
    one.add_job("k", "waits")
    assert one.fail_job(claimed(one.claim_job("k")), "no")
    one.add_job("k", "new")
    one.finish_job(claimed(one.claim_job("k", "new")), again_after_s=60)
    clock.now -= 86_400_000
    assert {claimed(other.claim_job("k")).key for _ in range(2)} == {"waits", "new"}


def test_lease_of_a_machine_that_was_started_anew_ends_by_the_time_of_day(home, clock):
    before = SqliteState(str(home), clock=clock)
    before.add_job("k", "a")
    claimed(before.claim_job("k", lease_s=10))
    before.close()
    after = SqliteState(str(home), clock=Hands(name="later", now=clock.now + 5_000, mono=100))
    assert isinstance(after.claim_job("k"), LeasedByAnother)
    after.close()
    behind = SqliteState(str(home), clock=Hands(name="later", now=clock.now - 86_400_000, mono=100))
    claimed(behind.claim_job("k"))
    behind.close()


WORKER = """
import json, sys, threading
from codex_plugin_sdk.state import Claimed
from codex_state_sqlite.store import SqliteState
home, threads = sys.argv[1], int(sys.argv[2])
done, lock, errors = [], threading.Lock(), []
def work():
    state = SqliteState(home)
    try:
        while isinstance(claim := state.claim_job("k"), Claimed):
            with lock:
                done.append(claim.key)
            state.put("done", f"{claim.key}", b"")
            assert state.finish_job(claim)
    except BaseException as error:
        errors.append(repr(error))
    finally:
        state.close()
running = [threading.Thread(target=work) for _ in range(threads)]
print("ready", flush=True)
sys.stdin.readline()
for one in running: one.start()
for one in running: one.join()
print(json.dumps([done, errors]))
"""


def test_sixty_four_workers_share_the_jobs_of_a_home_without_a_lock_and_without_doing_one_twice(home):
    count = 120
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(home), "8"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(8)
    ]
    state = SqliteState(str(home))
    for number in range(count):
        state.add_job("k", f"{number}")
    for one in workers:
        assert one.stdout.readline() == "ready\n"
    for one in workers:
        one.stdin.write("go\n")
        one.stdin.flush()
    done: Counter[str] = Counter()
    for one in workers:
        found, errors = json.loads(one.communicate(timeout=100)[0])
        assert errors == []
        done.update(found)
    assert set(done.values()) == {1}
    assert len(done) == len(state.keys("done")) == count
    state.close()


def test_store_may_be_used_by_several_threads(state):
    keys: list[str] = []

    def work() -> None:
        while isinstance(found := state.claim_job("k"), Claimed):
            keys.append(found.key)
            state.finish_job(found)

    for number in range(50):
        state.add_job("k", f"{number}")
    threads = [threading.Thread(target=work) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(keys, key=int) == [f"{number}" for number in range(50)]
