"""Shortening: a summary, a fallback without one, what is pinned, and forks from before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_kernel.compaction import shortened, summarised
from codex_kernel.errors import ContextWindowExceeded, ProviderError
from codex_kernel.instructions import FALLBACK_NOTE, SUMMARY_PREFIX
from codex_kernel.protocol.events import ItemCompleted, Notice, TurnCompleted, TurnFailed
from codex_kernel.protocol.ops import Compact
from codex_kernel.protocol.response_items import (
    FunctionCall,
    FunctionCallOutput,
    HistoryEntry,
    Message,
    Reasoning,
    text_message,
)
from codex_kernel.protocol.thread_items import ContextCompactionItem, TodoEntry, TodoListItem
from codex_kernel.protocol.usage import TokenUsage
from codex_plugin_sdk import ModelInfo
from codex_plugin_sdk.testing.harness import open_thread
from codex_plugin_sdk.testing.model import ScriptedModel, say


def entry(item):
    return HistoryEntry.of(item)


def user(text):
    return entry(text_message("user", text))


def call_pair(number, size=10):
    return [
        entry(FunctionCall(call_id=f"c{number}", name="f", arguments="{}")),
        entry(FunctionCallOutput(call_id=f"c{number}", output="x" * size)),
    ]


PLAN = TodoListItem(id="p", items=(TodoEntry(text="test it", status="in_progress"),))


def texts(entries):
    return [e.item.text for e in entries if isinstance(e.item, Message)]


def test_a_summary_keeps_user_messages_plan_and_questions_word_for_word():
    entries = [user("<environment_context>x"), user("first"), *call_pair(1), user("last")]
    found = texts(summarised(entries, "the summary", PLAN, ["may I?"]))
    assert found[:2] == ["first", "last"]
    assert "[in_progress] test it" in found[2]
    assert "may I?" in found[3]
    assert found[4] == SUMMARY_PREFIX + "\nthe summary"


def test_an_older_summary_goes_into_the_new_one():
    entries = [user(SUMMARY_PREFIX + "\nold"), user("last")]
    assert texts(summarised(entries, "new", None)) == ["last", SUMMARY_PREFIX + "\nnew"]


def test_the_last_user_message_stays_even_if_it_is_larger_than_the_budget():
    huge = "y" * 1_000_000
    assert texts(summarised([user("old"), user(huge)], "s", None))[0] == huge
    assert huge in texts(shortened([user("old"), user(huge)], 100, None))


def test_the_fallback_keeps_the_newest_pairs_and_cuts_long_outputs():
    entries = [user("go")]
    for number in range(200):
        entries += call_pair(number, 5000)
    kept = shortened(entries, 20_000, PLAN)
    assert texts(kept)[:2] == ["The current plan:\n- [in_progress] test it", FALLBACK_NOTE]
    assert "go" in texts(kept)
    calls = [e.item.call_id for e in kept if isinstance(e.item, FunctionCall)]
    outputs = [e.item.call_id for e in kept if isinstance(e.item, FunctionCallOutput)]
    assert calls == outputs
    assert calls[-1] == "c199"
    assert 1 <= len(calls) < 200
    assert all(len(e.encoded) < 5000 for e in kept)


@given(
    st.lists(st.sampled_from(["user", "assistant", "call", "output", "reasoning"]), max_size=40),
    st.integers(min_value=1, max_value=5000),
)
def test_no_shortened_history_holds_a_call_without_output_or_the_reverse(kinds, budget):
    entries = []
    for number, kind in enumerate(kinds):
        if kind in ("user", "assistant"):
            entries.append(entry(text_message(kind, f"{kind} {number} " + "z" * 50)))
        elif kind == "reasoning":
            entries.append(entry(Reasoning(id=f"r{number}", summary=("s",))))
        else:
            pair = call_pair(number if kind == "call" else number - 1, 100)
            entries.append(pair[0] if kind == "call" else pair[1])
    kept = shortened(entries, budget, None)
    calls = [e.item.call_id for e in kept if isinstance(e.item, FunctionCall)]
    outputs = [e.item.call_id for e in kept if isinstance(e.item, FunctionCallOutput)]
    assert sorted(calls) == sorted(outputs)
    users = [e for e in entries if isinstance(e.item, Message) and e.item.role == "user"]
    assert not users or users[-1] in kept


@pytest.mark.anyio
async def test_the_history_is_shortened_by_itself_when_the_window_fills(tmp_path):
    full = TokenUsage(input_tokens=950, total_tokens=950)
    model = ScriptedModel([say("one")], [say("SUMMARY")], [say("two")], usage=full, info=ModelInfo(context_window=1000))
    async with open_thread(model, home=str(tmp_path)) as h:
        await h.turn("first question")
        await h.turn("second question")
    assert [request.kind for request in model.requests] == ["turn", "compact", "turn"]
    compact = model.requests[1]
    assert compact.tools == ()
    sent = [e.item.text for e in model.requests[2].input]
    assert "first question" in sent
    assert "second question" in sent
    assert SUMMARY_PREFIX + "\nSUMMARY" in sent
    assert "one" not in sent
    assert any("<environment_context>" in text for text in sent)
    assert [e.msg.item.fallback for e in h.events if _compacted(e)] == [False]


def _compacted(event):
    return isinstance(event.msg, ItemCompleted) and isinstance(event.msg.item, ContextCompactionItem)


@pytest.mark.anyio
async def test_a_failing_summary_falls_back_to_a_cut_and_the_session_goes_on(tmp_path):
    model = ScriptedModel([say("one")], ContextWindowExceeded("too long"), [say("two")])
    async with open_thread(model, home=str(tmp_path)) as h:
        await h.turn("question")
        await h.thread.submit(Compact())
        await h.until(lambda m: isinstance(m, TurnCompleted))
        events = await h.turn("again")
    assert isinstance(events[-1].msg, TurnCompleted)
    assert [e.msg.item.fallback for e in h.events if _compacted(e)] == [True]
    assert any("too long" in n.message for n in h.of(Notice))
    assert FALLBACK_NOTE in [e.item.text for e in model.requests[2].input if isinstance(e.item, Message)]


@pytest.mark.anyio
async def test_a_request_that_overflows_is_shortened_once_and_sent_again(tmp_path):
    model = ScriptedModel(ContextWindowExceeded("full"), [say("SUMMARY")], [say("done")])
    async with open_thread(model, home=str(tmp_path)) as h:
        events = await h.turn("question")
    assert isinstance(events[-1].msg, TurnCompleted)
    assert [request.kind for request in model.requests] == ["turn", "compact", "turn"]


@pytest.mark.anyio
async def test_a_request_that_overflows_again_fails_the_turn(tmp_path):
    model = ScriptedModel(ContextWindowExceeded("full"), ProviderError("no"), ContextWindowExceeded("still full"))
    async with open_thread(model, home=str(tmp_path)) as h:
        events = await h.turn("question")
    assert isinstance(events[-1].msg, TurnFailed)
    assert events[-1].msg.error.message == "still full"


@pytest.mark.anyio
async def test_compaction_by_op_is_a_turn_of_its_own(tmp_path):
    model = ScriptedModel([say("one")], [say("SUMMARY")])
    async with open_thread(model, home=str(tmp_path)) as h:
        await h.turn("question")
        await h.thread.submit(Compact())
        events = await h.until(lambda m: isinstance(m, TurnCompleted))
    assert any(_compacted(e) for e in events)
    assert "question" in [e.item.text for e in h.thread.history.entries()]
