"""What was typed, kept across sessions."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest

from codex_plugin_sdk import Config, StoreError
from codex_tui import history as module
from codex_tui.history import History


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(path: Path, texts: list[str]) -> None:
    path.write_text("".join(json.dumps({"session_id": "old", "ts": 1, "text": text}) + "\n" for text in texts))


def test_what_is_sent_is_written_in_the_format_of_codex(tmp_path: Path):
    path = tmp_path / "home" / "history.jsonl"
    history = History(str(path), "abc")
    history.add("first\nline two")
    history.add("日本 👍")
    assert not path.exists()
    history.save()
    assert [(line["session_id"], line["text"]) for line in lines(path)] == [
        ("abc", "first\nline two"),
        ("abc", "日本 👍"),
    ]
    assert all(isinstance(line["ts"], int) and set(line) == {"session_id", "ts", "text"} for line in lines(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    history.save()
    assert len(lines(path)) == 2


def test_secrets_are_not_written_and_still_come_back_in_the_session(tmp_path: Path):
    path = tmp_path / "history.jsonl"
    history = History(str(path))
    secret = "ghp_" + "a1B2" * 9
    history.add(f"use {secret}")
    history.save()
    assert secret not in path.read_text()
    assert "REDACTED" in path.read_text()
    assert history.entry(0) == f"use {secret}"


def test_nothing_is_written_without_persistence_and_drafts_never_are(tmp_path: Path):
    path = tmp_path / "history.jsonl"
    quiet = History(str(path), persistence="none")
    quiet.add("hello")
    quiet.save()
    kept = History(str(path))
    kept.keep("a draft")
    kept.save()
    assert not path.exists()
    assert quiet.entry(0) == "hello"
    assert kept.entry(0) == "a draft"


def test_the_table_of_the_configuration_is_honoured(tmp_path: Path):
    config = Config(str(tmp_path))
    config.merge_key("history.persistence", "none", "here")
    quiet = History.from_config(config, "id")
    quiet.add("hello")
    quiet.save()
    assert not (tmp_path / "history.jsonl").exists()
    config = Config(str(tmp_path))
    config.merge_key("history.max_bytes", 150, "here")
    thread = ["first"]
    history = History.from_config(config, lambda: thread[0])
    history.add("one")
    thread[0] = "second"
    history.add("two")
    history.save()
    assert [line["session_id"] for line in lines(tmp_path / "history.jsonl")] == ["first", "second"]
    history.add("three")
    history.save()
    assert [line["text"] for line in lines(tmp_path / "history.jsonl")] == ["two", "three"]


def test_own_entries_come_first_then_earlier_ones_and_each_only_once_in_a_row(tmp_path: Path):
    path = tmp_path / "history.jsonl"
    write(path, ["one", "two", "two"])
    history = History(str(path), "me")
    history.add("mine")
    history.add("mine")
    history.add("   ")
    history.save()
    assert [history.entry(place) for place in range(4)] == ["mine", "two", "one", None]


@pytest.mark.parametrize("block_bytes", [1, 7, 50, 1000])
def test_the_file_is_read_the_same_whatever_the_size_of_a_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int
):
    monkeypatch.setattr(module, "BLOCK_BYTES", block_bytes)
    path = tmp_path / "history.jsonl"
    texts = [f"entry {number} é" for number in range(12)]
    write(path, texts)
    with path.open("a") as file:
        file.write('{"session_id": "x", "ts": 1, "te')  # killed while writing
    history = History(str(path))
    assert [history.entry(place) for place in range(13)] == [*reversed(texts), None]


def test_a_long_history_is_read_only_as_far_as_it_is_asked_for(tmp_path: Path):
    path = tmp_path / "history.jsonl"
    write(path, [f"number {number} of a long history" for number in range(10_000)])
    history = History(str(path))
    assert history.recent(0) is None
    assert history.entry(0) == "number 9999 of a long history"
    assert len(history._earlier.entries) < 2_000
    assert history.find("NUMBER 17 of") == (9_982, "number 17 of a long history")
    assert history.find("number 17 of", 9_983) is None


def test_a_search_goes_back_through_own_and_earlier_entries(tmp_path: Path):
    path = tmp_path / "history.jsonl"
    write(path, ["fix the Parser", "other"])
    history = History(str(path))
    history.add("parser again")
    first = history.find("parser")
    assert first == (0, "parser again")
    assert history.find("parser", first[0] + 1) == (2, "fix the Parser")
    assert history.find("nothing") is None


def test_a_file_over_its_limit_loses_its_oldest_lines(tmp_path: Path):
    path = tmp_path / "history.jsonl"
    write(path, [f"old {number}" for number in range(30)])
    history = History(str(path), max_bytes=500)
    history.add("the newest")
    history.save()
    kept = [line["text"] for line in lines(path)]
    assert path.stat().st_size <= 400
    assert kept[-2:] == ["old 29", "the newest"]
    history.add("x" * 2_000)
    history.save()
    assert [line["text"] for line in lines(path)] == ["x" * 2_000]


def test_lines_of_many_writers_do_not_mix(tmp_path: Path):
    path = tmp_path / "history.jsonl"

    def one(number: int) -> None:
        history = History(str(path), str(number), redact=str)
        for count in range(5):
            history.add(f"{number} {count} " + "x" * 3_000)
            history.save()

    with ThreadPool(8) as pool:
        pool.map(one, range(8))
    assert sorted(str(line["text"]).split(" x")[0] for line in lines(path)) == sorted(
        f"{number} {count}" for number in range(8) for count in range(5)
    )


def test_a_lock_that_somebody_keeps_is_an_error_and_the_line_is_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "LOCK_PAUSE_S", 0)
    path = tmp_path / "history.jsonl"
    path.touch()
    history = History(str(path))
    history.add("patience")
    fd = os.open(path, os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    with pytest.raises(StoreError, match=r"history\.jsonl"):
        history.save()
    os.close(fd)
    history.save()
    assert [line["text"] for line in lines(path)] == ["patience"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
