"""What clients that attach read: from the notifications of the server back to the events they were made of."""

import pytest

from codex_app_server.client import Client
from codex_app_server.translate import Translator
from codex_plugin_sdk import (
    ErrorInfo,
    ErrorItem,
    FileChangeItem,
    ItemCompleted,
    ItemStarted,
    ItemUpdated,
    Notice,
    StreamRetry,
    TodoListItem,
    TokenCount,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
    TurnStarted,
    UnknownThreadItem,
    UserMessageItem,
)
from codex_plugin_sdk.remote.events import DETAIL, EventReader
from codex_plugin_sdk.testing.event_samples import THREAD_ID, TURN_ID, USAGE, events, every_item, every_message


def read_back(*messages, details=True):
    """These messages, translated and read again, and the id of a turn in the middle of which they come."""
    translator, reader = Translator(THREAD_ID), EventReader(THREAD_ID, {"model": "sample-model"})
    found = []
    for event in events([TurnStarted(model="sample-model"), *messages]):
        for method, params, _ in translator.messages(event):
            if details or method != DETAIL:
                found += reader.events(method, params, event.at_ms)
    assert [event.seq for event in found] == list(range(len(found)))
    assert {event.thread_id for event in found} == {THREAD_ID}
    return [event.msg for event in found[1:]]


LOST = (TodoListItem, ErrorItem, UnknownThreadItem, UserMessageItem)
"""A plan and an error have notifications of their own, strange items have none, and what was in an image stays away."""


@pytest.mark.parametrize("item", [i for i in every_item() if not isinstance(i, LOST)], ids=lambda i: i.id)
def test_an_item_comes_back_as_it_was(item):
    if item.id == "call_6":
        item = item.replace(result={"content": item.result["content"], "structuredContent": {"result": 5}})
    assert read_back(ItemCompleted(item=item))[-1] == ItemCompleted(item=item)


def test_what_the_user_sent_comes_back_without_the_content_of_files():
    (item,) = [i for i in every_item() if isinstance(i, UserMessageItem)]
    back = read_back(ItemCompleted(item=item))[-1].item
    assert back.content[:2] == item.content[:2]
    assert (back.content[2].path, back.content[2].url) == ("a.png", "")


def test_a_plan_begins_changes_and_ends_with_the_turn():
    (plan,) = [i for i in every_item() if isinstance(i, TodoListItem)]
    shorter = plan.replace(items=plan.items[:1], explanation="")
    done = TurnCompleted(usage=USAGE)
    back = read_back(ItemStarted(item=plan), ItemUpdated(item=shorter), ItemCompleted(item=shorter), done)
    assert [type(msg) for msg in back[:-1]] == [ItemStarted, ItemUpdated, ItemCompleted]
    ids = {msg.item.id for msg in back[:-1]}
    assert len(ids) == 1
    assert [msg.item.replace(id=plan.id) for msg in back[:-1]] == [plan, shorter, shorter]


def test_an_error_that_ends_nothing_is_a_warning():
    assert read_back(ItemCompleted(item=ErrorItem(id="e", message="odd"))) == [Notice(level="warning", message="odd")]


FAILED = TurnFailed(error=ErrorInfo(message="m", kind="StoreError", hint="h", exit_code=8), duration_ms=7)


@pytest.mark.parametrize(
    "message",
    [
        StreamRetry(attempt=2, max_attempts=5, delay_s=1.25, cause="reset"),
        Notice(level="info", message="i", source="config"),
        Notice(level="warning", message="w", source="x"),
        Notice(level="error", message="e"),
        TokenCount(last=USAGE.replace(cache_write_input_tokens=5), total=USAGE, context_window=9),
        TurnInterrupted(reason="nobody reads", duration_ms=3),
        FAILED,
        *(m for m in every_message() if type(m).__name__ in ("AgentMessageDelta", "ReasoningDelta")),
    ],
    ids=lambda m: type(m).__name__,
)
def test_what_is_told_beside_items_comes_back_whole(message):
    assert read_back(message)[-1] == message


def test_the_end_of_a_turn_sums_up_its_requests_and_has_the_last_message():
    said = [ItemCompleted(item=item) for item in every_item() if item.id == "msg_1"]
    counts = [TokenCount(last=USAGE, total=USAGE), TokenCount(last=USAGE, total=USAGE + USAGE)]
    done = TurnCompleted(usage=USAGE + USAGE, last_agent_message=said[0].item.text, duration_ms=12)
    assert read_back(*counts, *said, done)[-1] == done


def test_a_server_without_details_is_read_as_well():
    (failed_patch,) = [i for i in every_item() if isinstance(i, FileChangeItem) and i.stderr]
    item = read_back(ItemCompleted(item=failed_patch), details=False)[-1].item
    assert item == failed_patch.replace(stderr="")
    error = read_back(FAILED, details=False)[-1].error
    assert (error.message, error.hint, error.exit_code) == ("m", "h", 1)


def test_other_threads_and_turns_of_others_are_passed_over():
    reader = EventReader(THREAD_ID, {})
    assert list(reader.events("warning", {"threadId": "another", "message": "x"})) == []
    assert len(list(reader.events("warning", {"threadId": None, "message": "x"}))) == 1
    reader.turn_id = "mine"
    params = {"threadId": THREAD_ID, "turn": {"id": TURN_ID}}
    assert list(reader.events("turn/started", params)) == []


def test_only_who_asks_is_told_details():
    heard = {}
    for asks in (False, True):
        client = Client("test")
        client.send = lambda message, droppable=False, asks=asks: heard.setdefault(asks, message)
        client.greet({"clientInfo": {"name": "a", "version": "1"}, "capabilities": {"kernelDetails": asks}})
        client.notify(DETAIL, {})
    assert list(heard) == [True]


def test_a_server_that_goes_ends_the_turn_and_the_thread():
    reader = EventReader(THREAD_ID, {})
    list(reader.events("turn/started", {"threadId": THREAD_ID, "turn": {"id": TURN_ID}}))
    failed, closed = (event.msg for event in reader.gone("it went", "resume"))
    assert (failed.error.message, failed.error.hint, failed.error.exit_code) == ("it went", "resume", 1)
    assert type(closed).__name__ == "ThreadClosed"
    assert [type(event.msg).__name__ for event in reader.gone("it went", "")] == ["ThreadClosed"]
