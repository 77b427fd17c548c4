"""Whole threads of the kernel over this store: recorded, resumed, forked, and crashed."""

from __future__ import annotations

import json

import pytest

from codex_plugin_sdk import ItemCompleted, StoreSpec, encode_item
from codex_plugin_sdk.testing.harness import open_thread, plugin
from codex_plugin_sdk.testing.model import ScriptedModel, call, say
from codex_rollout_jsonl.store import JsonlRolloutStore

STORE = plugin(
    codex_stores=[
        StoreSpec(name="jsonl", kind="rollout", factory=lambda setup: JsonlRolloutStore(setup.codex_home)),
    ]
)


def history(thread) -> list[bytes]:
    return [encode_item(entry.item) for entry in thread.thread.history.entries()]


@pytest.mark.anyio
async def test_thread_resumes_with_the_history_that_it_ended_with(home) -> None:
    home.path.mkdir()
    async with open_thread(ScriptedModel([call("nothing", x=1)], [say("Done")]), STORE, home=str(home.path)) as first:
        await first.turn("Say “hi” 🦀")
        before = history(first)
    (summary,) = home.store.list().threads
    assert summary.preview == "Say “hi” 🦀"
    assert summary.cwd == str(home.path)
    raw = [json.loads(line) for line in home.file_of(summary.thread_id).read_bytes().splitlines()]
    assert [line["ordinal"] for line in raw] == list(range(len(raw)))
    assert raw[0]["type"] == "session_meta"
    model = ScriptedModel([say("Again")])
    async with open_thread(model, STORE, home=str(home.path), resume=summary.thread_id) as second:
        assert history(second) == before
        await second.turn("More")
    assert len(home.store.list().threads) == 1
    lines = list(home.store.read(summary.thread_id))
    assert [line.ordinal for line in lines] == list(range(len(lines)))
    assert len(lines) > len(raw)


@pytest.mark.anyio
async def test_item_shown_complete_is_already_in_the_file(home) -> None:
    home.path.mkdir()
    async with open_thread(ScriptedModel([say("Done")]), STORE, home=str(home.path)) as thread:
        missing = []
        for event in await thread.turn("go"):
            if isinstance(event.msg, ItemCompleted):
                (summary,) = home.store.list().threads
                recorded = [json.loads(line.payload) for line in home.store.read(summary.thread_id)]
                ids = [entry["item"]["id"] for entry in recorded if entry.get("type") == "item_completed"]
                missing += [event.msg.item.id] if event.msg.item.id not in ids else []
        assert missing == []


@pytest.mark.anyio
async def test_thread_whose_rollout_was_torn_resumes_without_the_torn_item(home) -> None:
    home.path.mkdir()
    async with open_thread(ScriptedModel([say("Done")]), STORE, home=str(home.path)) as first:
        await first.turn("go")
        before = history(first)
    (summary,) = home.store.list().threads
    with home.file_of(summary.thread_id).open("ab") as file:
        file.write(
            b'{"timestamp":"2026-11-21T02:54:55.638Z","ordinal":99,"type":"response_item","payload":{"type":"mess'
        )
    async with open_thread(
        ScriptedModel([say("Again")]), STORE, home=str(home.path), resume=summary.thread_id
    ) as second:
        assert history(second) == before
        await second.turn("More")
    assert all(json.loads(line) for line in home.file_of(summary.thread_id).read_bytes().splitlines())


def test_what_plugins_keep_of_a_thread_goes_with_it(home, tmp_path) -> None:
    other, thread_id = home.record(0), home.record(1)
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    for id in (other, thread_id):
        (home.path / "kernel" / "spill" / id / "deep").mkdir(parents=True)
        for folder, name in (("trace", f"{id}.jsonl"), ("reverted", f"rollout-x-{id}.jsonl.1")):
            (home.path / "kernel" / folder).mkdir(exist_ok=True)
            (home.path / "kernel" / folder / name).write_text("kept")
    (home.path / "kernel" / "trace" / f"{thread_id}.link").symlink_to(outside)
    home.store.delete(thread_id)
    assert not list(home.path.rglob(f"*{thread_id}*"))
    assert len(list((home.path / "kernel").glob(f"*/*{other}*"))) == 3
    assert (outside / "deep").is_dir()
