"""Finding and listing: by folders and heads, never by whole files."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from pathlib import Path

import pytest

from codex_plugin_sdk import StoreError, ThreadQuery, UserError, new_thread_id, uuid7_unix_ms
from codex_rollout_jsonl import head
from codex_rollout_jsonl.layout import day_folder, rollout_name

STAMP = "2025-06-01T10:00:00.000Z"


def jsonl(*lines: tuple[str, object]) -> bytes:
    return b"".join(
        json.dumps({"timestamp": STAMP, "type": kind, "payload": payload}).encode() + b"\n" for kind, payload in lines
    )


def meta(**members: object) -> tuple[str, object]:
    return "session_meta", {"id": "x", "timestamp": STAMP, "cwd": "/w", "originator": "codex_exec", **members}


def said(text: str) -> tuple[str, object]:
    item = {"type": "UserMessage", "id": "u", "content": [{"type": "text", "text": text, "text_elements": []}]}
    return "event_msg", {"type": "item_completed", "item": item}


def message(text: str) -> tuple[str, object]:
    return "response_item", {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


HEADS = {
    "item": [meta(), message("<environment_context>x</environment_context>"), said("Hello"), said("Second")],
    "old event": [meta(), ("event_msg", {"type": "user_message", "message": "Hello", "kind": "plain"})],
    "response items alone": [
        meta(),
        message("# AGENTS.md instructions for /w"),
        message("<user_instructions>x"),
        message("Hello"),
    ],
    "mark within other text": [meta(), message('say "UserMessage" <x'), said("Hello")],
    "long head": [meta(base_instructions={"text": "x" * 100_000}), ("world_state", {"x": "y" * 50_000}), said("Hello")],
}


@pytest.mark.parametrize("name", HEADS)
def test_preview_is_the_first_message_of_the_user(home, name: str) -> None:
    thread_id = home.put(jsonl(*HEADS[name]))
    (found,) = home.store.list().threads
    assert (found.thread_id, found.preview, found.cwd) == (thread_id, "Hello", "/w")


def test_file_that_may_not_be_read_hides_no_other(home, monkeypatch) -> None:
    first, locked, last = (home.put(jsonl(meta(), said("Hello"))) for _ in range(3))
    path, open_file = home.file_of(locked), os.open

    def refuse(name, *args, **options):
        if name == str(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)
        return open_file(name, *args, **options)

    monkeypatch.setattr(head.os, "open", refuse)  # root may read anything
    found = home.store.list().threads
    assert [(one.thread_id, one.preview) for one in found] == [(last, "Hello"), (locked, ""), (first, "Hello")]
    assert found[1].path == str(path)
    assert [one.thread_id for one in home.store.list(cwd="/w").threads] == [last, first]
    assert [one.thread_id for one in home.store.browse(ThreadQuery()).threads] == [last, first]
    with pytest.raises(StoreError, match="Permission denied"):
        home.store.find(locked)


def test_preview_is_cut_and_only_the_head_is_read(home, monkeypatch) -> None:
    home.put(jsonl(meta(), said("long " * 1000), *[message("x" * 1000)] * 500))
    read: list[int] = []
    pread = os.pread

    def counted(fd, count, offset):
        data = pread(fd, count, offset)
        read.append(len(data))
        return data

    monkeypatch.setattr(head.os, "pread", counted)
    (found,) = home.store.list().threads
    assert found.preview == ("long " * 1000)[:200]
    assert sum(read) == 64 * 1024


def test_file_without_a_readable_head_is_listed_by_its_name(home) -> None:
    thread_id = home.put(b"rubbish\n")
    (found,) = home.store.list().threads
    assert (found.thread_id, found.cwd, found.preview) == (thread_id, "", "")
    assert found.created_at_ms == uuid7_unix_ms(thread_id)


def test_thread_of_an_older_version_takes_its_time_from_its_head(home) -> None:
    old = "5973b6c0-94b8-487b-a530-2aeb6098ae0e"
    name = f"rollout-2025-06-01T10-00-00-{old}.jsonl"
    folder = home.path / "sessions/2025/06/01"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(jsonl(meta(source="cli", model_provider="openai"), said("Hi")))
    found = home.store.find(old)
    assert found is not None
    assert found.created_at_ms == 1748772000000
    assert (found.source, found.model_provider) == ("cli", "openai")
    assert found.size_bytes == (folder / name).stat().st_size


def test_what_is_no_rollout_is_not_listed(home) -> None:
    thread_id = home.record({"a": 1})
    day = home.file_of(thread_id).parent
    (day / "notes.txt").write_text("x")
    (day / "rollout-2026.jsonl.tmp").write_text("x")
    (day / rollout_name(new_thread_id(), 0)).touch()  # empty
    (home.path / "sessions/stray.jsonl").write_text("x")
    (home.path / "sessions/20xx/01/01").mkdir(parents=True)
    (day.parent / "1").mkdir()
    assert [found.thread_id for found in home.store.list().threads] == [thread_id]


def test_order_is_that_of_days_then_of_names(home) -> None:
    now = int(time.time() * 1000)
    ids = []
    for days in (400, 31, 30, 2, 1, 0):
        thread_id, at = new_thread_id(), now - days * 86_400_000
        folder = home.path / "sessions" / day_folder(at)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / rollout_name(thread_id, at)).write_bytes(jsonl(meta()))
        ids.append(thread_id)
    shown, cursor = [], None
    while True:
        page = home.store.list(limit=4, cursor=cursor)
        shown += [found.thread_id for found in page.threads]
        if (cursor := page.next_cursor) is None:
            break
    assert shown == ids[::-1]


def test_page_reads_only_the_folders_that_it_needs(home, monkeypatch) -> None:
    now = int(time.time() * 1000)
    for days in range(50):
        thread_id, at = new_thread_id(), now - days * 86_400_000
        folder = home.path / "sessions" / day_folder(at)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / rollout_name(thread_id, at)).write_bytes(jsonl(meta()))
    listed: list[str] = []
    listdir = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: listed.append(path) or listdir(path))
    home.store.list(limit=3)
    assert len(listed) < 10


def test_thread_begun_within_the_clock_tick_of_a_listing_is_seen(home) -> None:
    first = home.record(1)
    folder = home.file_of(first).parent
    before = folder.stat().st_mtime_ns
    assert len(home.store.list().threads) == 1
    second = home.record(2)
    os.utime(folder, ns=(before, before))  # as a coarse clock leaves it
    assert [found.thread_id for found in home.store.list().threads] == [second, first]


def test_order_of_a_settled_folder_is_remembered_until_it_changes(home, monkeypatch) -> None:
    first = home.record(1)
    folder = home.file_of(first).parent
    long_ago = time.time_ns() - 60_000_000_000
    os.utime(folder, ns=(long_ago, long_ago))
    listed: list[str] = []
    listdir = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: listed.append(str(path)) or listdir(path))
    for _ in range(3):
        assert [found.thread_id for found in home.store.list().threads] == [first]
    assert listed.count(str(folder)) == 1
    second = home.record(2)
    assert [found.thread_id for found in home.store.list().threads] == [second, first]


def test_folder_is_compared_as_a_path(home) -> None:
    home.put(jsonl(meta(cwd="/w/project/")))
    home.put(jsonl(meta(cwd="/w")))
    assert [found.cwd for found in home.store.list(cwd="/w/x/../project").threads] == ["/w/project/"]


@pytest.mark.parametrize("limit", [0, -1])
def test_page_of_nothing_is_refused(home, limit: int) -> None:
    with pytest.raises(UserError, match="at least 1"):
        home.store.list(limit=limit)


@pytest.mark.parametrize("cursor", ["", "x", "é", "Li4vLi4vZXRj", "!!!!"])
def test_cursor_of_another_listing_is_refused(home, cursor: str) -> None:
    home.record(1)
    with pytest.raises(UserError, match="cursor"):
        home.store.list(cursor=cursor)


# -- finding ----------------------------------------------------------------------------------------------


def archive(home, thread_id: str) -> Path:
    folder = home.path / "archived_sessions"
    folder.mkdir(exist_ok=True)
    file = home.file_of(thread_id)
    return Path(shutil.move(file, folder / file.name))


def test_archived_thread_is_found_read_and_continued_but_not_listed(home) -> None:
    thread_id = home.record({"a": 1})
    kept = home.record({"b": 1})
    file = archive(home, thread_id)
    assert [found.thread_id for found in home.store.list().threads] == [kept]
    found = home.store.find(thread_id)
    assert found is not None
    assert found.path == str(file)
    assert home.payloads(thread_id) == [{"a": 1}]
    home.store.append_to(thread_id).close()


def name(home, thread_id: str, given: str) -> None:
    entry = {"id": thread_id, "thread_name": given, "updated_at": "2026-11-21T02:54:58.962568296Z"}
    with (home.path / "session_index.jsonl").open("a") as file:
        file.write(json.dumps(entry) + "\n")


def test_thread_is_found_by_the_name_it_has_now(home) -> None:
    first, second = home.record(1), home.record(2)
    name(home, first, "release")
    found = home.store.find("release")
    assert found is not None
    assert (found.thread_id, found.name) == (first, "release")
    name(home, second, "release")  # the newest wins
    name(home, "01a1fc07-0000-7000-8000-000000000000", "release")  # its file is gone
    found = home.store.find("release")
    assert found is not None
    assert found.thread_id == second
    name(home, second, "renamed")
    found = home.store.find("release")
    assert found is not None
    assert found.thread_id == first
    assert {entry.name for entry in home.store.list().threads} == {"release", "renamed"}


def test_index_with_rubbish_gives_the_names_it_can(home) -> None:
    thread_id = home.record(1)
    (home.path / "session_index.jsonl").write_bytes(b'{torn\n[]\n{"id":1,"thread_name":2}\n\xff\n')
    name(home, thread_id, "ok")
    found = home.store.find("ok")
    assert found is not None
    assert found.thread_id == thread_id


def test_thread_is_found_by_the_path_of_its_file_wherever_it_lies(home, tmp_path: Path) -> None:
    thread_id = home.record({"a": 1})
    copy = tmp_path / "copy.jsonl"
    shutil.move(home.file_of(thread_id), copy)
    copy.write_bytes(jsonl(meta(id=thread_id)))
    found = home.store.find(str(copy))
    assert found is not None
    assert (found.thread_id, found.path) == (thread_id, str(copy))
    assert len(list(home.store.read(found.thread_id))) == 1
    assert home.store.find(str(tmp_path / "gone.jsonl")) is None


def test_thread_is_found_by_an_unambiguous_beginning_of_its_id(home) -> None:
    home.put(jsonl(meta()), "01a1fc07-3cc3-7e61-9487-c0547b532157")
    home.put(jsonl(meta()), "01a1fc08-3cc3-7e61-9487-c0547b532157")
    found = home.store.find("01A1FC07")
    assert found is not None
    assert found.thread_id == "01a1fc07-3cc3-7e61-9487-c0547b532157"
    assert home.store.find("01a1f") is None  # too short to mean one thread
    assert home.store.find("01a1fc09") is None
    with pytest.raises(UserError, match=r"2 threads begin with 01a1fc0: 01a1fc08-.*, 01a1fc07-.*give more"):
        home.store.find("01a1fc0")


def test_id_in_capitals_is_the_same_id(home) -> None:
    thread_id = home.record(1)
    found = home.store.find(thread_id.upper())
    assert found is not None
    assert found.thread_id == thread_id


def test_thread_recorded_in_another_time_zone_is_found(home) -> None:
    thread_id = new_thread_id()
    at = uuid7_unix_ms(thread_id)
    for days in (-1, 1, 300):
        folder = home.path / "sessions" / day_folder(at + days * 86_400_000)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / rollout_name(thread_id, at)
        file.write_bytes(jsonl(meta()))
        found = home.store.find(thread_id)
        assert found is not None
        assert found.path == str(file)
        file.unlink()


def test_store_sees_what_another_store_recorded_since(home) -> None:
    from codex_rollout_jsonl.store import JsonlRolloutStore

    other = JsonlRolloutStore(str(home.path))
    thread_id = new_thread_id()
    assert home.store.find(thread_id) is None
    writer = other.create(thread_id, uuid7_unix_ms(thread_id))
    from codex_plugin_sdk import RolloutLine

    writer.append([RolloutLine(type="session_meta", payload=b"{}")])
    assert home.store.find(thread_id) is not None
    assert len(home.store.list().threads) == 1
    writer.close()
