"""The files: who may read them, how large they become, and many writers at once."""

import json
import os
import stat
import subprocess
import sys

import pytest

from codex_analytics.plugin import codex_config_sections, codex_telemetry_sinks
from codex_analytics.section import Off
from codex_plugin_sdk import StoreError, TelemetrySetup, ThreadClosed, TurnCompleted, TurnStarted
from codex_plugin_sdk.testing.event_samples import USAGE, events, every_message, thread_started

WRITER = """
import sys
from codex_analytics.sink import AnalyticsSink
from codex_plugin_sdk import TelemetrySetup, TurnCompleted, TurnStarted
from codex_plugin_sdk.testing.event_samples import USAGE, events
home, name, turns, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
options = {"enabled": True, "max_bytes": size, "max_files": 1000}
sink = AnalyticsSink(TelemetrySetup(thread_id=name, codex_home=home, environ={}, options=options))
sys.stdin.readline()
for number in range(turns):
    started, ended = events([TurnStarted(model="m"), TurnCompleted(usage=USAGE, duration_ms=number)])
    sink.emit(started.replace(thread_id=name))
    sink.emit(ended.replace(thread_id=name))
sink.close()
"""


def open_sink(home, **options):
    (spec,) = codex_telemetry_sinks()
    return spec.factory(TelemetrySetup(thread_id="t", codex_home=str(home), environ={}, options=options))


def feed(sink, messages):
    for event in events(messages):
        sink.emit(event)


def records(home):
    folder = home / "kernel" / "analytics"
    lines = [line for path in sorted(folder.iterdir()) for line in path.read_text().splitlines()]
    return [json.loads(line) for line in lines if line]  # blank where two writers saw the same torn end


@pytest.mark.parametrize("options", [{}, {"enabled": False}, {"enabled": "yes"}])
def test_nothing_is_written_unless_it_is_switched_on(tmp_path, options):
    sink = open_sink(tmp_path, **options)
    assert isinstance(sink, Off)
    feed(sink, every_message())
    sink.close()
    assert list(tmp_path.iterdir()) == []


def test_the_table_is_a_section_that_is_off(tmp_path):
    (spec,) = codex_config_sections()
    assert (spec.name, spec.section().enabled) == ("local_analytics", False)


def test_a_turn_is_in_the_file_when_it_ends_and_only_the_owner_may_read_it(tmp_path):
    sink = open_sink(tmp_path, enabled=True)
    feed(sink, [thread_started(), TurnStarted(model="m"), TurnCompleted(usage=USAGE, duration_ms=7)])
    found = records(tmp_path)
    assert [record["kind"] for record in found] == ["thread_started", "turn_started", "turn_completed"]
    assert (found[2]["input_tokens"], found[2]["duration_ms"]) == (USAGE.input_tokens, 7)
    feed(sink, [ThreadClosed()])
    sink.close()
    assert [record["kind"] for record in records(tmp_path)][3:] == ["thread_closed"]
    folder = tmp_path / "kernel" / "analytics"
    assert stat.S_IMODE((folder / "events.jsonl").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_files_are_put_aside_when_full_and_the_oldest_removed(tmp_path):
    sink = open_sink(tmp_path, enabled=True, max_bytes=1000, max_files=3)
    for _ in range(40):
        feed(sink, [TurnCompleted(usage=USAGE)])
    folder = tmp_path / "kernel" / "analytics"
    names = sorted(path.name for path in folder.iterdir())
    assert len(names) <= 4
    assert len([name for name in names if name.startswith("events-")]) == 3
    assert sum(path.stat().st_size for path in folder.iterdir()) < 4 * 1300
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.iterdir())


def test_many_processes_lose_no_line_and_mix_none(tmp_path):
    turns, writers = 200, 6
    argv = [sys.executable, "-c", WRITER, str(tmp_path)]
    running = [
        subprocess.Popen([*argv, f"thread-{number}", str(turns), "20000"], stdin=subprocess.PIPE)
        for number in range(writers)
    ]
    for process in running:
        process.stdin.write(b"\n")
        process.stdin.close()
    assert [process.wait(60) for process in running] == [0] * writers
    found = records(tmp_path)
    for number in range(writers):
        own = [record for record in found if record["thread_id"] == f"thread-{number}"]
        assert len(own) == 2 * turns
        assert sorted(record["duration_ms"] for record in own if record["kind"] == "turn_completed") == list(
            range(turns)
        )
    assert len(os.listdir(tmp_path / "kernel" / "analytics")) > 3  # they were put aside meanwhile


def test_a_line_that_was_cut_off_spoils_no_other(tmp_path):
    folder = tmp_path / "kernel" / "analytics"
    folder.mkdir(parents=True)
    (folder / "events.jsonl").write_text('{"v":1,"kind":"turn_')
    sink = open_sink(tmp_path, enabled=True)
    feed(sink, [TurnCompleted(usage=USAGE)])
    torn, whole = (folder / "events.jsonl").read_text().splitlines()
    assert torn == '{"v":1,"kind":"turn_'
    assert json.loads(whole)["kind"] == "turn_completed"


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "kernel").write_text("a file where a folder should be")
    sink = open_sink(tmp_path, enabled=True)
    with pytest.raises(StoreError, match=r"events\.jsonl.*cannot be written"):
        feed(sink, [TurnCompleted(usage=USAGE)])


def test_a_link_is_not_followed(tmp_path):
    folder = tmp_path / "kernel" / "analytics"
    folder.mkdir(parents=True)
    target = tmp_path / "target"
    target.write_text("mine\n")
    (folder / "events.jsonl").symlink_to(target)
    sink = open_sink(tmp_path, enabled=True)
    with pytest.raises(StoreError):
        feed(sink, [TurnCompleted(usage=USAGE)])
    assert target.read_text() == "mine\n"
