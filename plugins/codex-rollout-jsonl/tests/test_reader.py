"""Reading what others wrote: other versions, other programs, other line ends, rubbish."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_plugin_sdk import StoreError
from codex_rollout_jsonl.reader import parse_line

STAMP = "2026-11-21T02:54:55.638Z"
RECORDED = Path(__file__).resolve().parents[3].parent / "shared" / "protocol" / "rollout_lines.json"

OURS = {"timestamp": STAMP, "ordinal": 3, "type": "event_msg", "payload": {"type": "task_complete", "n": None}}
WITH_METADATA = {
    "timestamp": STAMP,
    "ordinal": 4,
    "type": "response_item",
    "payload": {"type": "message", "metadata": {"in": 1}, "content": [{"text": ',"metadata":{'}]},
    "metadata": {"history_sequence": 1, "deep": {"metadata": {"x": 1}}},
}
FORMS = {
    "as we write it": OURS,
    "with metadata behind the payload": WITH_METADATA,
    "with plain metadata": {**WITH_METADATA, "metadata": {"status": "none"}},
    "with metadata within the payload alone": {**OURS, "payload": {"a": 1, "metadata": {"x": 1}}},
    "without an ordinal": {"timestamp": STAMP, "type": "event_msg", "payload": {"type": "user_message"}},
    "in another order": {"type": "event_msg", "payload": {"a": [1, 2]}, "timestamp": STAMP},
    "with members of a later version": {**OURS, "later": {"payload": 1}},
    "of an unknown type": {**OURS, "type": "hologram"},
    "with a type of another alphabet": {**OURS, "type": "Größe-1"},
    "with a text as payload": {**OURS, "payload": "text } ,"},
    "with nothing as payload": {**OURS, "payload": None},
}
RECORDED_FORMS = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}


@pytest.mark.parametrize("form", [*FORMS.values(), *RECORDED_FORMS.values()], ids=[*FORMS, *RECORDED_FORMS])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["tight", "loose"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""], ids=["lf", "crlf", "none"])
def test_line_reads_as_its_members(form: dict, separators: tuple[str, str], end: bytes) -> None:
    line = parse_line(json.dumps(form, separators=separators, ensure_ascii=False).encode() + end)
    assert line is not None
    assert (line.type, line.timestamp, line.ordinal) == (form["type"], form["timestamp"], form.get("ordinal"))
    assert json.loads(line.payload) == form["payload"]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"null\n",
        b"[]\n",
        b'"text"\n',
        b"not json\n",
        b'{"type":"event_msg"}\n',
        b'{"payload":{}}\n',
        b'{"type":7,"payload":{}}\n',
        b'{"timestamp":"x","type":"event_msg","payload":{}\n',
        b'{"timestamp":"x","type":"event_msg","payload":}\n',
        b'{"timestamp":"x","type":"event_msg","payload":{"a":"\xff"}}\n',
        b'{"timestamp":"x","type":"event_msg","payload":{"a":{"b":1}\n',
        b'{"timestamp":"x","type":"event_msg","pay{"timestamp":"x","type":"event_msg","payload":{}}\n',
        bytes(100) + b"\n",
    ],
)
def test_line_that_is_none_is_passed_over(raw: bytes) -> None:
    assert parse_line(raw) is None


@pytest.mark.parametrize("stamp", [7, None, {"a": 1}])
def test_line_with_an_odd_timestamp_or_ordinal_still_reads(stamp: object) -> None:
    line = parse_line(json.dumps({**OURS, "timestamp": stamp, "ordinal": True}).encode())
    assert line is not None
    assert (line.timestamp, line.ordinal) == ("", None)


@given(cut=st.integers(0, 10_000))
def test_cut_line_never_gives_a_payload_that_was_not_written(cut: int) -> None:
    for form in FORMS.values():
        raw = json.dumps(form, separators=(",", ":")).encode()
        if cut < len(raw):
            assert parse_line(raw[:cut]) is None


def test_lines_between_rubbish_are_read(home) -> None:
    whole = json.dumps(OURS).encode()
    thread_id = home.put(b"\n".join([b"", whole, b"{torn", whole, b"\xff\xfe", b"   ", whole + b"\r", whole]))
    assert home.payloads(thread_id) == [OURS["payload"]] * 4


def test_empty_file_reads_as_no_lines(home) -> None:
    assert home.payloads(home.put(b"")) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_file_that_may_not_be_read_is_told(home) -> None:
    thread_id = home.record(1)
    home.file_of(thread_id).chmod(0)
    with pytest.raises(StoreError, match="cannot read the rollout"):
        list(home.store.read(thread_id))


def test_folder_in_the_place_of_a_file_is_told(home) -> None:
    thread_id = home.record(1)
    lines = home.store.read(thread_id)
    home.file_of(thread_id).unlink()
    with pytest.raises(StoreError, match="cannot read the rollout"):
        next(lines)


def test_unfinished_reading_leaves_no_open_file(home) -> None:
    thread_id = home.record(*range(10))
    lines = home.store.read(thread_id)
    next(lines)
    lines.close()
    descriptors = os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []
    open_files = [os.path.realpath(f"/proc/self/fd/{fd}") for fd in descriptors]
    assert str(home.file_of(thread_id)) not in open_files


def test_memory_for_reading_is_bounded_by_the_largest_line_not_by_the_file(home) -> None:
    line = json.dumps({**OURS, "payload": "x" * 50_000}).encode() + b"\n"
    thread_id = home.put(line * 1200)  # 60 MB
    code = """
        import resource, sys
        from codex_rollout_jsonl.store import JsonlRolloutStore

        store = JsonlRolloutStore(sys.argv[1])
        peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "linux" else 1 << 20)
        before = peak()
        count = sum(1 for _ in store.read(sys.argv[2]))
        print(count, peak() - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(home.path), thread_id],
        capture_output=True,
        text=True,
        check=True,
    )
    count, grown_mb = map(int, done.stdout.split())
    assert count == 1200
    assert grown_mb < 12
