"""Threads and turns through real servers: ours, and the one that CODEX_PEER names."""

import base64
import threading

import anyio
import pytest

from codex_plugin_sdk.testing.model import call, say
from codex_plugin_sdk.testing.servers import stalled
from codex_sdk import (
    AsyncCodex,
    Codex,
    Decision,
    Handlers,
    ImageInput,
    InvalidRequestError,
    LocalImageInput,
    MentionInput,
    Sandbox,
    SkillInput,
    TextInput,
    TurnFailedError,
    events,
    items,
)

LIMIT_S = 30


def test_quick_start_in_plain_code(either):
    either.script([say("three bullets", "m1")])
    with Codex(either.config) as codex:
        assert "codex_python_sdk/" in codex.metadata.user_agent
        thread = codex.thread_start()
        result = thread.run("Explain this repository in three bullets.")
    assert (result.status, result.final_response) == ("completed", "three bullets")
    assert [type(item) for item in result.items] == [items.UserMessageItem, items.AgentMessageItem]
    assert result.items[0].text == "Explain this repository in three bullets."
    assert result.usage.last.total_tokens == 120
    assert result.declined == ()


@pytest.mark.anyio
async def test_quick_start_in_async_code(either):
    either.script([say("three bullets", "m1")])
    with anyio.fail_after(LIMIT_S):
        async with AsyncCodex(either.config) as codex:
            thread = await codex.thread_start()
            result = await thread.run("Explain this repository in three bullets.")
    assert (result.status, result.final_response) == ("completed", "three bullets")


@pytest.mark.anyio
async def test_events_come_in_order_and_each_once_and_the_result_stays(either):
    either.script([call("exec_command", "c1", cmd="echo hi")], [say("it said hi", "m2")])
    with anyio.fail_after(LIMIT_S):
        async with AsyncCodex(either.config) as codex:
            thread = await codex.thread_start(sandbox=Sandbox.workspace_write)
            turn = await thread.turn("say hi")
            assert not turn.done
            heard = [event async for event in turn.events()]
            assert [event async for event in turn.events()] == []
            assert turn.done
            assert (await turn.result()).final_response == "it said hi"
            assert await turn.result() == await turn.result()
    assert {event.turn_id for event in heard} == {turn.id}
    assert type(heard[0]) is events.TurnStarted
    assert type(heard[-1]) is events.TurnCompleted
    of_command = [e for e in heard if getattr(e, "item_id", getattr(getattr(e, "item", None), "id", None)) == "c1"]
    assert (type(of_command[0]), type(of_command[-1])) == (events.ItemStarted, events.ItemCompleted)
    command = of_command[-1].item
    assert (command.status, command.exit_code, command.aggregated_output) == ("completed", 0, "hi\n")
    said = "".join(e.delta for e in heard if isinstance(e, events.AgentMessageDelta))
    assert said == "it said hi"
    assert [e for e in heard if isinstance(e, events.UnknownEvent | events.EventsDropped)] == []


@pytest.mark.parametrize(
    ("decision", "status", "turn_status"),
    [
        (Decision.accept, "completed", "completed"),
        ("decline", "declined", "completed"),
        (Decision.cancel, "declined", "interrupted"),
    ],
)
def test_a_command_is_asked_about_and_the_answer_holds(either, decision, status, turn_status):
    either.script([call("exec_command", "c1", cmd="touch made")], [say("done", "m2")])
    asked = []

    def decide(request):
        asked.append(request)
        return decision

    with Codex(either.config, handlers=Handlers(command=decide)) as codex:
        thread = codex.thread_start(approval_mode="untrusted", sandbox="workspace-write")
        result = thread.run("go")
    assert [(request.item_id, request.thread_id) for request in asked] == [("c1", thread.id)]
    assert "touch made" in asked[0].command
    assert result.status == turn_status
    assert [item.status for item in result.items if isinstance(item, items.CommandExecutionItem)] == [status]
    assert (either.work / "made").exists() == (status == "completed")
    assert result.declined == ()


@pytest.mark.anyio
async def test_an_async_handler_answers_about_an_edit(either):
    patch = "*** Begin Patch\n*** Add File: new.txt\n+new\n*** End Patch\n"
    either.script([call("exec_command", "c1", cmd=f"apply_patch <<'EOF'\n{patch}EOF")], [say("done", "m2")])
    asked = []

    async def decide(request):
        await anyio.lowlevel.checkpoint()
        asked.append(request.item_id)
        return Decision.accept

    with anyio.fail_after(LIMIT_S):
        async with AsyncCodex(either.config, handlers=Handlers(file_change=decide, command=decide)) as codex:
            thread = await codex.thread_start(approval_mode="untrusted", sandbox=Sandbox.read_only)
            result = await thread.run("go")
    assert asked == ["c1"]
    assert result.final_response == "done"
    assert (either.work / "new.txt").read_text() == "new\n"


def test_without_a_handler_it_is_declined_and_the_result_says_so(either, caplog):
    either.script([call("exec_command", "c1", cmd="touch made")], [say("well then", "m2")])
    with Codex(either.config) as codex:
        result = codex.thread_start(approval_mode="untrusted").run("go")
    assert not (either.work / "made").exists()
    assert result.final_response == "well then"
    (declined,) = result.declined
    assert declined.request.item_id == "c1"
    assert declined.reason == "there is no handler: Handlers(command=…)"
    assert "declined: CommandApproval" in caplog.text


def test_a_handler_that_fails_counts_as_no(place, caplog):
    place.script([call("exec_command", "c1", cmd="touch made")], [say("well then", "m2")])
    with Codex(place.config, handlers=Handlers(command=lambda request: "perhaps")) as codex:
        result = codex.thread_start(approval_mode="untrusted").run("go")
    assert "'perhaps' is not a valid Decision" in result.declined[0].reason
    assert "the handler `command` failed" in caplog.text


def test_steering_reaches_the_model_in_the_same_turn(either):
    reply, stall = stalled(either.model.answer(call("exec_command", "c1", cmd="true")), after_steps=1)
    either.model.play(reply, either.model.answer(say("faster now", "m2")))
    with Codex(either.config) as codex:
        thread = codex.thread_start(sandbox="workspace-write")
        turn = thread.turn("go")
        either.model.wait_until(lambda model: model.requests)
        turn.steer("faster")
        stall.release()
        assert turn.result().final_response == "faster now"
        with pytest.raises(InvalidRequestError, match="no active turn to steer"):
            turn.steer("more")
    assert "faster" in [part.get("text") for part in either.said()]


def test_interrupting_ends_the_turn_and_the_thread_goes_on(either):
    either.script([call("exec_command", "c1", cmd="echo started; sleep 60")], [say("back", "m2")])
    with Codex(either.config) as codex:
        thread = codex.thread_start(sandbox="workspace-write")
        turn = thread.turn("go")
        for event in turn.events():
            if isinstance(event, events.ItemStarted) and isinstance(event.item, items.CommandExecutionItem):
                turn.interrupt()
        assert turn.result().status == "interrupted"
        assert thread.run("again").final_response == "back"


def test_a_thread_is_resumed_in_a_new_process_forked_listed_and_archived(either):
    either.script([say("first", "m1")], [say("second", "m2")], [say("third", "m3")])
    with Codex(either.config) as codex:
        thread = codex.thread_start()
        thread.run("one")
        thread.set_name("my thread")
    with Codex(either.config) as codex:
        again = codex.thread_resume(thread.id)
        assert again.id == thread.id
        assert [turn.items[0].text for turn in again.read(include_turns=True).turns] == ["one"]
        assert again.run("two").final_response == "second"
        assert {"one", "first"} <= {part.get("text") for part in either.said()}
        fork = again.fork()
        assert fork.info.forked_from_id == thread.id
        assert fork.run("three").final_response == "third"
        assert {"first", "second"} <= {part.get("text") for part in either.said()}
        listed = codex.thread_list(limit=10)
        assert {info.id for info in listed} == {thread.id, fork.id}
        assert [info.name for info in listed if info.id == thread.id] == ["my thread"]
        page = codex.thread_list(limit=1)
        assert len(page) == 1
        assert len(codex.thread_list(limit=1, cursor=page.next_cursor)) == 1
        fork.archive()
        assert [info.id for info in codex.thread_list()] == [thread.id]
        assert [info.id for info in codex.thread_list(archived=True)] == [fork.id]
        assert codex.thread_unarchive(fork.id).id == fork.id


PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def test_images_and_other_inputs_reach_the_model(either):
    either.script([say("a pixel", "m1")])
    (either.work / "pixel.png").write_bytes(base64.b64decode(PIXEL))
    given = [
        "look",
        TextInput("at these"),
        ImageInput(f"data:image/png;base64,{PIXEL}"),
        LocalImageInput(either.work / "pixel.png"),
        MentionInput("notes", "app://notes"),
        SkillInput("none", either.work / "SKILL.md"),
    ]
    with Codex(either.config) as codex:
        assert codex.thread_start().run(given).final_response == "a pixel"
    said = either.said()
    assert {"look", "at these"} <= {part.get("text") for part in said}
    assert len([part for part in said if part["type"] == "input_image"]) == 2


def test_an_output_schema_reaches_the_model(either):
    either.script([say('{"n": 1}', "m1")])
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    with Codex(either.config) as codex:
        result = codex.thread_start().run("count", output_schema=schema, effort="low", model="gpt-5.5")
    request = either.model.requests[-1].json
    assert request["text"]["format"]["schema"] == schema
    assert request["reasoning"]["effort"] == "low"
    assert result.final_response == '{"n": 1}'


def test_a_failed_turn_raises_with_what_it_did(either):
    either.model.play(either.model.failed("server_error", "out of order"), either.model.answer(say("better", "m2")))
    with Codex(either.config) as codex:
        thread = codex.thread_start()
        with pytest.raises(TurnFailedError, match="out of order") as caught:
            thread.run("go")
        assert caught.value.result.status == "failed"
        assert "out of order" in caught.value.result.error.message
        assert thread.run("again").final_response == "better"


def test_refusals_models_and_account(either):
    with Codex(either.config) as codex:
        with pytest.raises(InvalidRequestError, match="no rollout found") as caught:
            codex.thread_resume("01a1fe4b-0000-7000-8000-000000000000")
        assert (caught.value.code, caught.value.method) == (-32600, "thread/resume")
        with pytest.raises(InvalidRequestError, match="unknown variant"):
            codex.request("no/such")
        assert len([model for model in codex.models() if model.is_default]) == 1
        assert codex.account().kind is None
        with pytest.raises(ValueError, match="is not a valid Sandbox"):
            codex.thread_start(sandbox="everything")


def test_two_threads_of_one_client_run_side_by_side_and_keep_their_events_apart(either):
    both = threading.Barrier(2, timeout=LIMIT_S)

    def decide(request):
        both.wait()  # neither is answered before both have asked
        return "accept"

    either.script(
        *([call("exec_command", "c1", cmd="touch made")] for _ in range(2)), [say("a", "m2")], [say("b", "m2")]
    )
    with Codex(either.config, handlers=Handlers(command=decide)) as codex:
        turns = [codex.thread_start(approval_mode="untrusted", sandbox="workspace-write").turn("go") for _ in range(2)]
        heard = [list(turn.events()) for turn in turns]
        assert {turn.result().final_response for turn in turns} == {"a", "b"}
    for turn, mine in zip(turns, heard, strict=True):
        assert {(event.thread_id, event.turn_id) for event in mine} == {(turn.thread_id, turn.id)}


def test_events_of_a_thread_tell_of_compaction(place):
    place.script([say("hi", "m1")], [say("all that mattered", "m2")])
    with Codex(place.config) as codex:
        thread = codex.thread_start()
        thread.run("one")
        with thread.events() as heard:
            thread.compact()
            for event in heard:
                if isinstance(event, events.TurnCompleted):
                    break
        assert event.turn.status == "completed"
