"""Rollouts of Codex that go on from another one's: forks, and threads that were reverted."""

from __future__ import annotations

import json

import pytest

from codex_plugin_sdk import StoreError, ThreadQuery, new_thread_id, uuid7_unix_ms
from codex_rollout_jsonl.layout import day_folder, rollout_name


def encoded(ordinal, kind, **payload):
    stamp = "2026-11-21T02:54:55.638Z"
    found = {"timestamp": stamp, "ordinal": ordinal, "type": kind, "payload": payload}
    return json.dumps(found, separators=(",", ":")).encode() + b"\n"


def head(thread_id, ordinal=0, **more):
    long = {"text": "long instructions"}
    return encoded(ordinal, "session_meta", id=thread_id, cwd="/w", source="vscode", base_instructions=long, **more)


def user(ordinal, text):
    item = {"type": "UserMessage", "id": f"u{ordinal}", "content": [{"type": "text", "text": text}]}
    return encoded(ordinal, "event_msg", type="item_completed", item=item)


def base(thread_id, content, ordinal):
    return {"thread_id": thread_id, "end_ordinal_exclusive": ordinal, "end_byte_offset": len(content)}


def put_part(home, content, thread_id):
    """A further file of a thread, as Codex writes it after a revert."""
    part = new_thread_id()
    at_ms = uuid7_unix_ms(part)
    name = rollout_name(f"{thread_id}_{part}", at_ms)
    file = home.path / "sessions" / day_folder(at_ms) / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def words(home, thread_id):
    found = home.payloads(thread_id)
    return [payload["item"]["content"][0]["text"] for payload in found if "item" in payload]


def test_fork_reads_the_part_that_it_goes_on_from_and_its_own(home) -> None:
    source = new_thread_id()
    kept = head(source) + user(1, "one")
    home.put(kept + user(2, "two"), source)
    fork = new_thread_id()
    home.put(head(fork, 2, history_base=base(source, kept, 2)) + user(3, "three"), fork)
    assert words(home, fork) == ["one", "three"]
    assert words(home, source) == ["one", "two"]
    metas = [line for line in home.store.read(fork) if line.type == "session_meta"]
    assert [json.loads(line.payload)["id"] for line in metas] == [fork]


def test_fork_of_a_fork_reads_all_that_came_before(home) -> None:
    first, second, third = (new_thread_id() for _ in range(3))
    one = head(first) + user(1, "one")
    home.put(one, first)
    two = head(second, 2, history_base=base(first, one, 2)) + user(3, "two")
    home.put(two + user(4, "left out"), second)
    home.put(head(third, 4, history_base=base(second, two, 4)), third)
    assert words(home, third) == ["one", "two"]
    found = home.store.find(third)
    assert found.preview == "one"


def test_reverted_thread_is_its_newest_file_and_listed_once(home) -> None:
    thread_id = new_thread_id()
    kept = head(thread_id) + user(1, "one")
    home.put(kept + user(2, "two"), thread_id)
    for text in ("other", "newest"):
        file = put_part(home, head(thread_id, 2, history_base=base(thread_id, kept, 2)) + user(3, text), thread_id)
    assert words(home, thread_id) == ["one", "newest"]
    assert home.store.find(thread_id).path == str(file)
    for order in ("created", "updated"):
        (found,) = home.store.browse(ThreadQuery(order=order)).threads
        assert (found.thread_id, found.path) == (thread_id, str(file))
    home.store.archive(thread_id)
    assert len(list(home.path.glob("archived_sessions/*"))) == 3
    assert words(home, thread_id) == ["one", "newest"]
    home.store.unarchive(thread_id)
    assert home.store.find(thread_id).path == str(file)
    home.store.delete(thread_id)
    assert list(home.path.rglob("*.jsonl")) == []


def test_rollout_whose_base_is_gone_says_so_and_is_still_listed(home) -> None:
    fork, gone = new_thread_id(), new_thread_id()
    home.put(head(fork, 2, history_base=base(gone, b"x" * 100, 2)) + user(3, "three"), fork)
    with pytest.raises(StoreError, match="which is not there any more"):
        list(home.store.read(fork))
    assert [found.thread_id for found in home.store.browse(ThreadQuery()).threads] == [fork]


def test_rollouts_that_name_each_other_as_base_do_not_loop(home) -> None:
    first, second = new_thread_id(), new_thread_id()
    sizes = {"thread_id": second, "end_ordinal_exclusive": 1, "end_byte_offset": 0}
    one = head(first, 0, history_base=sizes)
    two = head(second, 0, history_base=base(first, one, 1))
    sizes["end_byte_offset"] = len(two)
    one = head(first, 0, history_base=sizes)
    home.put(one, first)
    home.put(head(second, 0, history_base=base(first, one, 1)), second)
    with pytest.raises(StoreError):
        list(home.store.read(first))


def test_head_is_judged_before_the_long_instructions_are_read(home) -> None:
    thread_id = new_thread_id()
    home.put(head(thread_id) + user(1, "one"), thread_id)
    seen = []
    home.store.browse(ThreadQuery(wanted=lambda meta: seen.append(dict(meta)) or True))
    assert seen == [{"id": thread_id, "cwd": "/w", "source": "vscode"}]
    (found,) = home.store.browse(ThreadQuery()).threads
    assert "base_instructions" not in found.meta


def test_what_a_revert_cuts_off_is_kept(home) -> None:
    begun = [{"type": "task_started", "turn_id": turn} for turn in ("a", "b")]
    thread_id = home.record(*begun)
    whole = home.file_of(thread_id).read_bytes()
    assert home.store.revert(thread_id, "b")
    (kept,) = (home.path / "kernel" / "reverted").iterdir()
    assert home.file_of(thread_id).read_bytes() + kept.read_bytes() == whole


def test_name_is_appended_to_an_index_that_ends_in_a_torn_line(home) -> None:
    thread_id = home.record({"x": 1})
    index = home.path / "session_index.jsonl"
    index.write_bytes(b'{"id":"other","thread_na')
    home.store.rename(thread_id, "A name")
    assert home.store.find("A name").thread_id == thread_id
