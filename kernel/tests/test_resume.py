"""A thread that was recorded goes on: from our rollouts, from Codex's, from torn ones."""

import json
import re
from pathlib import Path

import orjson
import pytest

from codex_kernel.contracts.store import RolloutLine, ThreadSummary
from codex_kernel.errors import UserError
from codex_kernel.protocol.events import ThreadStarted, TurnCompleted
from codex_kernel.protocol.response_items import HistoryEntry, Message, item_to_dict
from codex_kernel.resume import read_recorded
from codex_kernel.rollout_lines import line
from codex_plugin_sdk import StoreSpec, ToolDefinition, ToolOutput, ToolSpec
from codex_plugin_sdk.testing.harness import open_thread, plugin
from codex_plugin_sdk.testing.model import ScriptedModel, call, say


class ListStore:
    """Rollouts in a dictionary."""

    def __init__(self):
        self.rollouts = {}

    def create(self, thread_id, created_at_ms):
        self.rollouts[thread_id] = []
        return Writer(self.rollouts[thread_id])

    def append_to(self, thread_id):
        return Writer(self.rollouts[thread_id])

    def read(self, thread_id):
        return iter(self.rollouts[thread_id])

    def find(self, id_or_name):
        if id_or_name not in self.rollouts:
            return None
        return ThreadSummary(thread_id=id_or_name, path="", created_at_ms=0, updated_at_ms=0)


class Writer:
    path = "list"

    def __init__(self, lines):
        self.lines = lines

    def append(self, lines):
        self.lines.extend(lines)

    def flush(self):
        pass

    def close(self):
        pass


class Echo:
    definition = ToolDefinition(name="echo", description="echo")
    parallel_safe = True

    async def run(self, call, ctx):
        return ToolOutput(output="echoed")

    async def aclose(self):
        pass


def parts(store):
    return plugin(
        codex_stores=[StoreSpec(name="list", kind="rollout", factory=lambda setup: store)],
        codex_tools=[ToolSpec(name="echo", factory=lambda setup: Echo())],
    )


@pytest.mark.anyio
async def test_a_resumed_thread_sends_the_same_history_and_does_not_repeat_its_context(tmp_path):
    store = ListStore()
    first = ScriptedModel([call("echo", "c")], [say("one")])
    async with open_thread(first, parts(store), home=str(tmp_path)) as h:
        await h.turn("start")
        before = [entry.encoded for entry in h.thread.history.entries()]
        thread_id = h.thread.id
    second = ScriptedModel([say("two")])
    async with open_thread(second, parts(store), home=str(tmp_path), resume=thread_id) as h:
        assert [entry.encoded for entry in h.thread.history.entries()] == before
        events = await h.turn("more")
        assert h.thread.id == thread_id
    assert isinstance(events[-1].msg, TurnCompleted)
    sent = [entry.encoded for entry in second.requests[0].input]
    assert sent[: len(before)] == before
    assert len(sent) == len(before) + 1
    assert h.of(ThreadStarted)[0].resumed
    kinds = [entry.type for entry in store.rollouts[thread_id]]
    assert kinds.count("session_meta") == 1
    totals = [orjson.loads(e.payload)["info"]["total_token_usage"]["total_tokens"] for e in _counts(store, thread_id)]
    assert totals == [120, 240, 360]


def _counts(store, thread_id):
    return [e for e in store.rollouts[thread_id] if e.type == "event_msg" and b'"token_count"' in e.payload]


@pytest.mark.anyio
async def test_calls_that_were_open_when_the_process_died_get_an_output(tmp_path):
    store = ListStore()
    store.rollouts["t"] = [
        line("session_meta", {"id": "t"}),
        line("response_item", item_to_dict(say("hi"))),
        line("response_item", item_to_dict(call("echo", "lost"))),
    ]
    model = ScriptedModel([say("ok")])
    async with open_thread(model, parts(store), home=str(tmp_path), resume="t") as h:
        await h.turn()
    outputs = [e.item for e in model.requests[0].input if getattr(e.item, "call_id", "") == "lost"]
    assert len(outputs) == 2
    assert outputs[1].output.endswith("aborted by user")


@pytest.mark.anyio
async def test_a_thread_that_is_not_there_is_a_clear_error(tmp_path):
    with pytest.raises(UserError, match="no rollout found for thread id nope"):
        async with open_thread(ScriptedModel(), parts(ListStore()), home=str(tmp_path), resume="nope"):
            pass


@pytest.mark.anyio
async def test_a_fork_is_a_new_thread_with_the_old_history(tmp_path):
    store = ListStore()
    async with open_thread(ScriptedModel([say("one")]), parts(store), home=str(tmp_path)) as h:
        await h.turn("start")
        old = h.thread.id
    size = len(store.rollouts[old])
    async with open_thread(ScriptedModel([say("two")]), parts(store), home=str(tmp_path), fork=old) as h:
        await h.turn("other way")
        assert h.thread.id != old
        texts = [e.item.text for e in h.thread.history.entries() if isinstance(e.item, Message)]
    assert "start" in texts
    assert "other way" in texts
    assert len(store.rollouts[old]) == size
    meta = orjson.loads(store.rollouts[h.thread.id][0].payload)
    assert meta["forked_from_id"] == old
    taken = [found for found in store.rollouts[old] if found.type != "session_meta"]
    found = [(line.type, line.payload) for line in store.rollouts[h.thread.id][1 : len(taken) + 1]]
    assert found == [(line.type, line.payload) for line in taken]


@pytest.mark.anyio
async def test_a_fork_can_begin_before_a_turn(tmp_path):
    store = ListStore()
    async with open_thread(ScriptedModel([say("one")], [say("two")]), parts(store), home=str(tmp_path)) as h:
        await h.turn("first")
        second = await h.turn("second")
        old = h.thread.id
    turn = str(second[-1].turn_id)
    model = ScriptedModel([say("three")])
    async with open_thread(model, parts(store), home=str(tmp_path), fork=old, fork_before_turn=turn) as h:
        texts = [e.item.text for e in h.thread.history.entries() if isinstance(e.item, Message)]
    assert "first" in texts
    assert "second" not in texts
    begun = [line for line in store.rollouts[h.thread.id] if b"task_started" in line.payload]
    assert len(begun) == 1


def test_long_entries_are_decoded_when_they_are_looked_into():
    long = {"type": "function_call_output", "call_id": "c", "output": "x" * 10_000}
    kept, late = read_recorded([line("response_item", {**long, "output": "x"}), line("response_item", long)]).entries
    assert (kept.item.output, late.item.output) == ("x", "x" * 10_000)
    assert orjson.loads(late.encoded) == long
    assert late.item is not late.item


def _item(text):
    return line("response_item", item_to_dict(say(text)))


def test_a_compaction_replaces_what_came_before_and_a_fork_can_start_before_it():
    lines = [
        _item("old"),
        line("compacted", {"message": "s", "replacement_history": [item_to_dict(say("summary"))]}),
        _item("new"),
    ]
    assert [e.item.text for e in read_recorded(lines).entries] == ["summary", "new"]
    assert [e.item.text for e in read_recorded(lines, before_compaction=1).entries] == ["old"]
    assert read_recorded(lines).compactions == 1


def test_lines_that_make_no_sense_are_passed_over():
    lines = [
        RolloutLine(type="response_item", payload=b"{torn"),
        RolloutLine(type="response_item", payload=b"[1]"),
        RolloutLine(type="from_the_future", payload=b"{}"),
        RolloutLine(type="event_msg", payload=b'{"type":"token_count","info":null}'),
        RolloutLine(
            type="event_msg", payload=b'{"type":"token_count","info":{"total_token_usage":{"total_tokens":"x"}}}'
        ),
        RolloutLine(type="compacted", payload=b'{"message":"no history"}'),
        _item("good"),
    ]
    found = read_recorded(lines)
    assert [e.item.text for e in found.entries] == ["good"]
    assert found.total.total_tokens == 0


def test_what_codex_keeps_beside_an_item_for_itself_is_not_sent():
    raw = {**item_to_dict(say("x")), "internal_chat_message_metadata_passthrough": {"turn_id": "t"}}
    (entry,) = read_recorded([line("response_item", raw)]).entries
    assert entry == HistoryEntry.of(say("x"))


@pytest.mark.parametrize("place", ["behind", "in front", "within", "named in a text"])
def test_what_codex_keeps_is_left_out_wherever_it_stands(place):
    name = "internal_chat_message_metadata_passthrough"
    kept = {name: {"turn_id": "t", "deep": [{"metadata": {}}]}}
    item = item_to_dict(say(f'"{name}":{{}}' if place == "named in a text" else "x"))
    raw = {"in front": {**kept, **item}, "within": {**item, "more": kept}}.get(place, {**item, **kept})
    (entry,) = read_recorded([line("response_item", raw)]).entries
    assert orjson.loads(entry.encoded) == ({**item, "more": kept} if place == "within" else item)


def test_the_recorded_lines_of_codex_are_read():
    path = Path(__file__).parents[2].parent / "shared" / "protocol" / "rollout_lines.json"
    if not path.exists():
        pytest.skip("the recorded lines are not beside this checkout")
    recorded = json.loads(path.read_text())
    lines = [RolloutLine(type=r["type"], payload=orjson.dumps(r["payload"])) for r in recorded.values()]
    found = read_recorded(lines)
    assert found.meta["cli_version"]
    assert re.match("gpt", found.turn_context["model"])
    assert found.compactions == 1
    assert found.total.total_tokens > 0
