"""A process that dies while it writes loses at most the line it was writing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codex_plugin_sdk import RolloutLine, StoreError
from codex_rollout_jsonl import tail

CHILD = """
    import os, sys
    import orjson
    from codex_plugin_sdk import RolloutLine, uuid7_unix_ms
    from codex_rollout_jsonl.store import JsonlRolloutStore

    home, thread_id, first = sys.argv[1], sys.argv[2], int(sys.argv[3])
    store = JsonlRolloutStore(home)
    writer = store.append_to(thread_id) if first else store.create(thread_id, uuid7_unix_ms(thread_id))
    number = first
    while True:
        size = (number % 7) * 3000 if number % 50 else 400_000
        writer.append([RolloutLine(type="event_msg", payload=orjson.dumps([number, "x" * size]))])
        os.write(1, b"%d\\n" % number)
        number += 1
"""


def test_killed_writer_loses_nothing_that_it_acknowledged(home) -> None:
    from codex_plugin_sdk import new_thread_id

    thread_id, first = new_thread_id(), 0
    for round_number in range(8):
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(CHILD), str(home.path), thread_id, str(first)],
            stdout=subprocess.PIPE,
        ) as child:
            assert child.stdout is not None
            acknowledged = -1
            for _ in range(20 + 31 * round_number):
                acknowledged = int(child.stdout.readline())
            child.send_signal(signal.SIGKILL)
            rest = child.stdout.read().split()  # what it still said before it died
        assert child.returncode == -signal.SIGKILL
        acknowledged = int(rest[-1]) if rest else acknowledged
        home.store.append_to(thread_id).close()
        assert home.file_of(thread_id).read_bytes().endswith(b"}\n")
        found = [(entry.ordinal, json.loads(entry.payload)[0]) for entry in home.store.read(thread_id)]
        first = len(found)
        assert found == [(number, number) for number in range(first)]
        # The child is killed between a write and its acknowledgement at most.
        assert acknowledged + 1 <= first <= acknowledged + 2


def test_file_cut_anywhere_in_its_last_line_continues_with_the_line_before(home) -> None:
    thread_id = home.record(0, {"text": "é}\\n"}, ["last"])
    file = home.file_of(thread_id)
    whole = file.read_bytes()
    start = whole.rindex(b"\n", 0, len(whole) - 1) + 1
    for cut in range(start, len(whole) + 1):
        file.write_bytes(whole[:cut])
        before = home.payloads(thread_id)
        complete = cut >= len(whole) - 1
        assert before == [0, {"text": "é}\\n"}, ["last"]][: 3 if complete else 2]
        writer = home.store.append_to(thread_id)
        writer.append([RolloutLine(type="event_msg", payload=b'"next"')])
        writer.close()
        found = list(home.store.read(thread_id))
        assert [json.loads(entry.payload) for entry in found] == [*before, "next"]
        assert [entry.ordinal for entry in found] == list(range(len(before) + 1))
        assert all(json.loads(entry) for entry in file.read_bytes().splitlines())


def test_rollout_torn_within_its_first_line_begins_anew(home) -> None:
    thread_id = home.put(b'{"timestamp":"2026-11-21T02:54:55.638Z","ord')
    assert home.payloads(thread_id) == []
    writer = home.store.append_to(thread_id)
    writer.append([RolloutLine(type="session_meta", payload=b"{}")])
    writer.close()
    assert [(entry.ordinal, entry.type) for entry in home.store.read(thread_id)] == [(0, "session_meta")]


@pytest.mark.parametrize("content", [b"", b'{"timestamp":"2026-11-21T02:54:55.638Z","ord', bytes(500)])
def test_thread_that_died_within_its_first_line_is_no_thread(home, content) -> None:
    thread_id = home.put(content)
    assert home.store.find(thread_id) is None
    assert home.store.list().threads == ()
    begun = home.put(b'{"timestamp":"2026-11-21T02:54:55.638Z","type":"session_meta","payload":{"cwd":"/w"}}')
    assert home.store.list().threads[0].thread_id == begun  # whole, but for its line feed


def test_zeros_that_a_power_cut_leaves_are_cut_off(home) -> None:
    thread_id = home.record(0, 1)
    with home.file_of(thread_id).open("ab") as file:
        file.write(bytes(200_000))
    writer = home.store.append_to(thread_id)
    writer.append([RolloutLine(type="event_msg", payload=b"2")])
    writer.close()
    assert home.payloads(thread_id) == [0, 1, 2]
    assert b"\0" not in home.file_of(thread_id).read_bytes()


def test_ordinal_continues_behind_huge_and_foreign_lines(home) -> None:
    thread_id = home.record(*range(5), "x" * 1_000_000)
    with home.file_of(thread_id).open("ab") as file:
        file.write(b"not json\n\n" + b'{"type":"other","payload":"' + b"y" * 300_000 + b'"}\r\n')
    writer = home.store.append_to(thread_id)
    writer.append([RolloutLine(type="event_msg", payload=b"7")])
    writer.close()
    assert list(home.store.read(thread_id))[-1].ordinal == 6


def test_ordinal_is_found_without_reading_the_file(home, monkeypatch) -> None:
    thread_id = home.record(*(["x" * 1000] for _ in range(2000)))
    read: list[int] = []
    pread = os.pread

    def counted(fd, count, offset):
        read.append(count)
        return pread(fd, count, offset)

    monkeypatch.setattr(tail.os, "pread", counted)
    writer = home.store.append_to(thread_id)
    writer.append([RolloutLine(type="event_msg", payload=b"1")])
    writer.close()
    assert sum(read) < 200_000 < home.file_of(thread_id).stat().st_size
    monkeypatch.undo()
    assert list(home.store.read(thread_id))[-1].ordinal == 2000


def test_file_of_an_older_version_keeps_its_form(home) -> None:
    old = (
        b'{"timestamp":"2025-09-01T00:00:00.000Z","type":"event_msg","payload":{"type":"user_message","message":"a"}}\n'
    )
    thread_id = home.put(old * 3)
    writer = home.store.append_to(thread_id)
    writer.append([RolloutLine(type="event_msg", payload=b"1")])
    writer.close()
    assert [entry.ordinal for entry in home.store.read(thread_id)] == [None] * 4
    assert b"ordinal" not in home.file_of(thread_id).read_bytes()


def test_rollout_that_vanished_is_told(home) -> None:
    thread_id = home.record(0)
    home.file_of(thread_id).unlink()
    with pytest.raises(StoreError, match="no rollout of thread"):
        home.store.append_to(thread_id)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(0, 200), min_size=1, max_size=12), block=st.integers(1, 64), ended=st.booleans())
def test_lines_backwards_are_lines_forwards(tmp_path, sizes: list[int], block: int, ended: bool) -> None:
    content = b"".join(b"x" * size + b"\n" for size in sizes) + (b"" if ended else b"y")
    file = tmp_path / "file"
    file.write_bytes(content)
    fd = os.open(file, os.O_RDONLY)
    kept, tail._BLOCK = tail._BLOCK, block
    try:
        found = [content[start:end] for start, end in tail.lines_backwards(fd, len(content))]
    finally:
        tail._BLOCK = kept
        os.close(fd)
    assert found[::-1] == content.splitlines(keepends=True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    payloads=st.lists(
        st.recursive(
            st.none() | st.text(st.characters(exclude_categories=["Cs"])) | st.integers(-(2**63), 2**64 - 1),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["metadata", "payload"]), inner)
            ),
            max_leaves=5,
        ),
        min_size=1,
        max_size=5,
    )
)
def test_whatever_is_written_reads_back(home, payloads: list) -> None:
    thread_id = home.record(*payloads)
    assert home.payloads(thread_id) == payloads
    assert [entry.payload for entry in home.store.read(thread_id)] == [orjson.dumps(payload) for payload in payloads]
