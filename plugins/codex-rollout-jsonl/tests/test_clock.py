"""A clock that is set back: lines keep their order and numbers, and every thread is listed once."""

from __future__ import annotations

import json

import pytest

from codex_plugin_sdk import RolloutLine, uuid7_unix_ms
from codex_rollout_jsonl import writer

NOON_MS = 1_763_726_400_000  # 2025-11-21T12:00:00Z
HOUR_MS = 3_600_000


@pytest.fixture
def clock(monkeypatch):
    """What the store takes for the time, in milliseconds; `clock(ms)` sets it."""
    now = [NOON_MS]
    monkeypatch.setattr(writer.time, "time_ns", lambda: now[0] * 1_000_000)
    return lambda ms: now.__setitem__(0, ms)


def id_at(ms: int, number: int = 0) -> str:
    text = f"{ms:012x}"
    return f"{text[:8]}-{text[8:]}-7000-8000-{number:012x}"


def append(found, *payloads: int) -> None:
    for payload in payloads:
        found.append([RolloutLine(type="event_msg", payload=b"%d" % payload)])


def test_lines_keep_their_order_and_numbers_and_tell_what_the_clock_said(home, clock) -> None:
    thread_id = id_at(NOON_MS)
    began = home.store.create(thread_id, NOON_MS)
    append(began, 0)
    clock(NOON_MS - HOUR_MS)
    append(began, 1)
    began.close()
    clock(NOON_MS - 2 * HOUR_MS)
    resumed = home.store.append_to(thread_id)
    append(resumed, 2)
    resumed.close()
    lines = [json.loads(line) for line in home.file_of(thread_id).read_bytes().splitlines()]
    assert [(line["ordinal"], line["payload"]) for line in lines] == [(0, 0), (1, 1), (2, 2)]
    assert [line["timestamp"][11:19] for line in lines] == ["12:00:00", "11:00:00", "10:00:00"]
    assert home.payloads(thread_id) == [0, 1, 2]


@pytest.mark.parametrize("limit", [1, 2, 10])
def test_threads_that_began_before_the_last_one_are_listed_in_their_place_and_once(home, limit) -> None:
    """Other processes had the clock when it was right: ids and file names are what listing goes by, not when it was."""
    moments = [NOON_MS, NOON_MS + HOUR_MS, NOON_MS - HOUR_MS, NOON_MS - 25 * HOUR_MS, NOON_MS]
    ids = [home.record(0, thread_id=id_at(ms, number)) for number, ms in enumerate(moments)]
    found, cursor = [], None
    while True:
        page = home.store.list(limit=limit, cursor=cursor)
        found += [(one.thread_id, one.created_at_ms) for one in page.threads]
        cursor = page.next_cursor
        if cursor is None:
            break
        if len(found) == limit:  # one more begins meanwhile, in the past: it shows in what is still to come
            ids.append(home.record(0, thread_id=id_at(NOON_MS - 2 * HOUR_MS, 9)))
    assert sorted(id for id, _ in found) == sorted(ids)
    assert [ms for _, ms in found] == sorted((uuid7_unix_ms(id) for id in ids), reverse=True)
