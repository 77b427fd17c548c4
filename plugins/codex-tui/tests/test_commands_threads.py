"""Commands that begin, find and change threads, before a real server."""

import pytest

from codex_plugin_sdk import ProtocolError
from codex_plugin_sdk.testing.model import say

pytestmark = pytest.mark.anyio


def texts(place):
    return [cell.text for cell in place.session.transcript if type(cell).__name__ in ("UserCell", "AgentCell")]


async def test_a_new_session_leaves_the_one_before_which_is_resumed_by_name_id_or_the_picker(place):
    first = place.session.thread_id
    await place.turn("hello", say("hi"))
    await place.run("/rename  my work ")
    assert (await place.ask("thread/read", threadId=first))["thread"]["name"] == "my work"
    await place.run("/new")
    second = place.session.thread_id
    assert second != first
    assert first in place.ui.last()
    await place.run("/resume My Work")
    assert place.session.thread_id == first
    assert place.session.status.thread_name == "my work"
    assert texts(place) == ["hello", "hi"]
    await place.run("/resume my work")
    assert "this one" in place.ui.last()
    await place.run("/clear")
    assert place.ui.performed == [("clear", "")]
    place.ui.answers.append(first)
    await place.run("/resume")
    assert place.session.thread_id == first
    await place.run("/new")
    await place.run(f"/resume {first[:20]}")
    assert place.session.thread_id == first


async def test_a_session_that_cannot_be_found_is_said_and_the_one_that_is_open_stays(place):
    await place.turn("first words", say("hi"))
    here = place.session.thread_id
    assert "first words" in await place.fails("/resume nothing-like-it")
    await place.fails("/resume 0199a0b0-0000-7000-8000-000000000000")
    assert place.session.thread_id == here
    place.ui.interactive = False
    assert "/resume ID or NAME" in await place.fails("/resume")
    assert place.ui.cards[-1] == ("Sessions of this folder", [("first words", here)], "")
    await place.turn("again", say("still there"))
    place.ui.interactive = True
    place.ui.answers.append(None)
    await place.run("/resume")
    assert place.session.thread_id == here


async def test_a_fork_is_a_thread_of_its_own_with_what_was_said_and_what_was_chosen(place):
    first = place.session.thread_id
    assert "nothing was said" in await place.fails("/fork")
    await place.turn("hello", say("hi"))
    first = place.session.thread_id
    await place.run("/model gpt-5.6-sol low")
    await place.run("/fork")
    second = place.session.thread_id
    assert second != first
    assert (await place.ask("thread/read", threadId=second))["thread"]["forkedFromId"] == first
    assert texts(place) == ["hello", "hi"]
    assert place.session.status.model == "gpt-5.6-sol"
    await place.turn("go on", say("yes"))
    assert place.sent()["model"] == "gpt-5.6-sol"
    assert [part["content"][0]["text"] for part in place.sent()["input"] if part["role"] == "assistant"] == ["hi"]


async def test_the_tree_shows_forks_below_their_origin_and_leads_there(place):
    first = place.session.thread_id
    await place.turn("top", say("hi"))
    await place.run("/fork")
    await place.run("/rename a copy")
    second = place.session.thread_id
    place.ui.answers.append(lambda options: options[0].value)
    await place.run("/tree")
    options = place.ui.asked[-1][1]
    assert [(one.label, one.current) for one in options] == [("top", False), ("  a copy", True)]
    assert options[1].detail.startswith("fork, ")
    assert place.session.thread_id == first
    place.ui.interactive = False
    await place.run("/tree")
    text = place.ui.cards[-1][2]
    assert f"* top  {first}" in text
    assert f"      a copy  {second}" in text


async def test_a_name_may_be_asked_for(place):
    place.ui.answers.append("  ")
    await place.run("/name")
    assert place.session.status.thread_name == ""
    place.ui.answers.append("asked for")
    await place.run("/rename")
    thread = (await place.ask("thread/read", threadId=place.session.thread_id))["thread"]
    assert thread["name"] == place.session.status.thread_name == "asked for"
    place.ui.interactive = False
    assert "/rename NAME" in await place.fails("/rename")


async def test_an_archived_session_is_put_aside_and_another_one_begins(place):
    assert "nothing was said" in await place.fails("/archive")
    await place.turn("hello", say("hi"))
    first = place.session.thread_id
    await place.run("/archive")
    assert place.session.thread_id != first
    listed = await place.ask("thread/list", archived=True, modelProviders=[])
    assert [thread["id"] for thread in listed["data"]] == [first]
    await place.turn("goes on", say("yes"))


async def test_a_session_is_deleted_only_when_the_user_agrees(place):
    await place.turn("hello", say("hi"))
    first = place.session.thread_id
    place.ui.answers.append(False)
    await place.run("/delete")
    title, detail = place.ui.asked[-1]
    assert title == "Delete this session for good?"
    assert detail.startswith("hello, /")
    assert (await place.ask("thread/read", threadId=first))["thread"]["id"] == first
    place.ui.interactive = False
    assert "`yes`" in await place.fails("/delete")
    await place.run("/new")
    await place.run(f"/delete {first} yes")
    with pytest.raises(ProtocolError):
        await place.ask("thread/read", threadId=first)
    second = place.session.thread_id
    await place.run("/delete this yes")
    assert place.session.thread_id not in (first, second)
