"""Recorded turns become the same cells as those that a client saw who was there."""

from __future__ import annotations

import time

import anyio
import pytest

from codex_plugin_sdk import TokenUsage
from codex_plugin_sdk.testing.model import call, freeform, say, think
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer, cut, stalled
from codex_tui.session.load import load_older, load_tail, load_turns
from codex_tui.session.reader import Reader
from codex_tui.session.status import Status
from codex_tui.session.transcript import Transcript

from .session_kit import THREAD, Told, content, serving

pytestmark = pytest.mark.anyio

ADD_AND_CHANGE = """*** Begin Patch
*** Add File: new.txt
+one
*** Update File: old.txt
@@
-before
+after
*** End Patch
"""
ADD_FORBIDDEN = """*** Begin Patch
*** Add File: .git/forbidden
+two
*** End Patch
"""
STEPS = [{"step": "look", "status": "completed"}, {"step": "change", "status": "in_progress"}]
FULL = TokenUsage(input_tokens=90_000, output_tokens=100, total_tokens=90_100)
NOT_RECORDED = {"tokens", "started_at", "typed", "progress"}
"""Members that only who was there can know."""


async def scripted_session(link, model, root):
    """Turns of all sorts; the id of their thread."""
    (root / "work/old.txt").write_text("before\n")
    waiting, stall = stalled(model.answer(say("I wait for you.", "m9")))
    model.play(
        model.answer(
            think("**Look** around", "r1"), say("I look.", "m1"), call("exec_command", "c1", cmd='echo "it\'s" 2')
        ),
        model.answer(call("exec_command", "c2", cmd="echo oops >&2; exit 3")),
        model.answer(call("update_plan", "c3", plan=STEPS, explanation="two steps")),
        model.answer(freeform("apply_patch", ADD_AND_CHANGE, "c4")),
        model.answer(freeform("apply_patch", ADD_FORBIDDEN, "c5")),
        cut(model.answer(say("this is lost on the way", "m0")), 120),
        model.answer(call("no_such_tool", "c6"), usage=FULL),
        model.answer(say("A summary.", "m7")),
        model.answer(say("All is done, 世界.", "m8")),
        waiting,
        model.answer(say("I have heard.", "m1")),
        model.failed("invalid_prompt", "no such thing"),
    )
    opened = await link.request(
        "thread/start", {"cwd": str(root / "work"), "sandbox": "workspace-write", "approvalPolicy": "never"}
    )
    thread = opened["thread"]["id"]
    await link.turn(thread)
    await link.request("thread/shellCommand", {"threadId": thread, "command": "echo by hand"})
    await link.until("turn/completed")
    said = [{"type": "text", "text": "first"}]
    turn = (await link.request("turn/start", {"threadId": thread, "input": said}))["turn"]["id"]
    await anyio.to_thread.run_sync(stall.reached.wait)
    said = [{"type": "text", "text": "and this"}]
    await link.request("turn/steer", {"threadId": thread, "expectedTurnId": turn, "input": said})
    stall.release()
    await link.until("turn/completed")
    await link.turn(thread, "fail")
    return thread


def comparable(cells):
    """What recorded and live cells must have in common. Plans, retries and warnings are not recorded."""
    found = []
    for cell in cells:
        kind, members = content(cell)
        recorded = kind not in ("PlanCell", "DecisionCell") and (kind != "NoticeCell" or cell.level == "error")
        if recorded:
            left = {name: value for name, value in members.items() if name not in NOT_RECORDED}
            if kind in ("ReasoningCell", "PatchCell"):
                left.pop("elapsed_s", None)
                left.pop("output", None)
            found.append((kind, left))
    return found


async def test_a_session_that_is_read_again_has_the_cells_of_the_one_that_was_seen(tmp_path):
    with ScriptedResponsesServer() as model:
        async with serving(tmp_path, model, "model_auto_compact_token_limit = 50000") as link:
            thread = await scripted_session(link, model, tmp_path)
            known, open_again = (
                Transcript(),
                await link.request("thread/read", {"threadId": thread, "includeTurns": True}),
            )
            load_turns(known, open_again["thread"]["turns"])
            live, status = Transcript(), Status()
            reader = Reader(live, status, thread)
            for message in link.heard:
                reader.handle(message)
        async with serving(tmp_path, model) as link:
            read = Transcript()
            assert await load_tail(link, read, thread, 10_000) is None
    seen = comparable(live)
    assert [kind for kind, _ in seen] == [
        *("UserCell", "ReasoningCell", "AgentCell", "CommandCell", "CommandCell", "PatchCell", "PatchCell"),
        *("CompactionCell", "AgentCell", "TurnEndCell", "CommandCell"),
        *("UserCell", "AgentCell", "UserCell", "AgentCell", "TurnEndCell", "UserCell", "NoticeCell", "TurnEndCell"),
    ]
    assert comparable(known) == seen
    assert comparable(read) == seen
    assert all(cell.done for cell in [*live, *read])
    first, by_hand = live.get("c1"), next(cell for cell in live if getattr(cell, "by_user", False))
    assert (first.command, first.exit_code, first.output.text) == ('echo "it\'s" 2', 0, "it's 2\n")
    assert (by_hand.command, by_hand.output.text, by_hand.status) == ("echo by hand", "by hand\n", "completed")
    assert [cell.steered for cell in live if type(cell).__name__ == "UserCell"] == [False, False, True, False]
    assert (live.get("c4").status, live.get("c5").status) == ("completed", "declined")
    assert [cell.retrying for cell in live if type(cell).__name__ == "NoticeCell"] == [True, False]
    assert (status.phase, status.turn_id, status.detail) == ("idle", None, "")
    assert live.cells[-1].status == "failed"
    end = next(cell for cell in live if type(cell).__name__ == "TurnEndCell")
    assert end.tokens > 90_000


async def interrupted(link, thread):
    """Interrupt the turn that runs, and wait for its end."""
    turn = next(m["params"]["turn"]["id"] for m in reversed(link.heard) if m["method"] == "turn/started")
    await link.request("turn/interrupt", {"threadId": thread, "turnId": turn})
    await link.until("turn/completed")


async def test_turns_that_were_interrupted_are_the_same_when_they_are_read_again(tmp_path):
    with ScriptedResponsesServer() as model:
        async with serving(tmp_path, model) as link:
            half, _ = stalled(model.answer(say("half of a long message", "m2")), 4)
            model.play(
                model.answer(
                    say("I run it.", "m1"), call("exec_command", "c1", cmd="echo begun; sleep 60", yield_time_ms=30_000)
                ),
                half,
            )
            opened = await link.request(
                "thread/start",
                {"cwd": str(tmp_path / "work"), "sandbox": "danger-full-access", "approvalPolicy": "never"},
            )
            thread = opened["thread"]["id"]
            given = {"threadId": thread, "input": [{"type": "text", "text": "go"}]}
            await link.request("turn/start", given)
            await link.until("item/commandExecution/outputDelta")
            await interrupted(link, thread)
            await link.request("turn/start", given)
            await link.until("item/agentMessage/delta")
            await interrupted(link, thread)
        live = Transcript()
        reader = Reader(live, Status(), thread)
        for message in link.heard:
            reader.handle(message)
        async with serving(tmp_path, model) as link:
            read = Transcript()
            await load_tail(link, read, thread, 10_000)
    assert [type(cell).__name__ for cell in live] == [
        "UserCell",
        "AgentCell",
        "CommandCell",
        "TurnEndCell",
        "UserCell",
        "AgentCell",
        "TurnEndCell",
    ]
    assert (live.get("c1").status, live.get("c1").output.text) == ("failed", "begun\n")
    assert live.cells[-1].status == "interrupted"
    half_said = next(place for place, (kind, members) in enumerate(comparable(live)) if members["key"] == "m2")
    seen = comparable(live)
    assert "half of a long message".startswith(seen.pop(half_said)[1]["text"])  # it is recorded when it is whole
    assert comparable(read) == seen


class Recorded:
    """A server that has these turns and nothing else."""

    def __init__(self, turns):
        self.turns, self.asked = turns, []

    async def request(self, method, params):
        assert method == "thread/turns/list"
        self.asked.append(params["limit"])
        end = len(self.turns) if "cursor" not in params else int(params["cursor"])
        begin = max(0, end - params["limit"])
        return {"data": self.turns[begin:end][::-1], "nextCursor": str(begin) if begin else None}


def turn(id, items, status="completed", **more):
    return {"id": id, "items": items, "itemsView": "full", "status": status, "durationMs": 1000, **more}


def said(id, text="hello"):
    return {"type": "userMessage", "id": id, "clientId": None, "content": [{"type": "text", "text": text}]}


def answered(id, text="hi"):
    return {"type": "agentMessage", "id": id, "text": text}


def talk(count):
    return [turn(f"t{n}", [said(f"u{n}"), answered(f"a{n}", f"answer {n}")]) for n in range(count)]


def keys(transcript):
    return [cell.key for cell in transcript]


async def test_a_long_thread_is_read_from_its_end_and_the_rest_when_it_is_wanted():
    server, transcript, whole = Recorded(talk(300)), Transcript(), Transcript()
    load_turns(whole, server.turns)
    older = await load_tail(server, transcript, THREAD, 40)
    assert (len(transcript), server.asked) == (60, [8, 12])
    assert keys(transcript) == keys(whole)[-60:]
    while not older.over:
        before = len(transcript)
        assert load_older(transcript, await older.take(100)) == len(transcript) - before
    assert keys(transcript) == keys(whole)
    assert all(transcript.get(cell.key) is cell for cell in transcript)
    assert await older.take(100) == []


async def test_older_cells_may_be_put_behind_a_header():
    server, transcript = Recorded(talk(20)), Transcript()
    older = await load_tail(server, transcript, THREAD, 1)
    generation = transcript.generation
    load_older(transcript, await older.take(1), 1)
    assert keys(transcript)[:3] == ["u12", "u4", "a4"]
    assert transcript.generation > generation


async def test_an_item_id_that_comes_again_in_another_turn_has_a_cell_of_its_own():
    transcript = Transcript()
    load_turns(
        transcript, [turn("t1", [said("u"), answered("a", "one")]), turn("t2", [said("u"), answered("a", "two")])]
    )
    assert keys(transcript) == ["u", "a", "end/t1", "t2/u", "t2/a", "end/t2"]
    load_older(transcript, [turn("t0", [said("u"), answered("a", "none")])])
    assert [cell.text for cell in transcript if type(cell).__name__ == "AgentCell"] == ["none", "one", "two"]


async def test_a_turn_that_runs_while_it_is_read_goes_on_with_the_same_cells():
    told = Told()
    told.begin("t2")
    told.delta("agentMessage/delta", "the en", id="a2", turn="t2")
    running = {
        "type": "commandExecution",
        "id": "c",
        "command": "sleep 9",
        "status": "inProgress",
        "aggregatedOutput": None,
    }
    turns = [*talk(1), turn("t2", [said("u2"), running, answered("a2", "")], "inProgress")]
    load_turns(told.transcript, turns, told.status)
    assert keys(told.transcript) == ["u0", "a0", "end/t0", "u2", "c", "a2"]
    assert [cell.done for cell in told.transcript] == [True, True, True, True, False, False]
    told.delta("agentMessage/delta", "d", id="a2", turn="t2")
    told.item("agentMessage", "a2", "t2", ended=True, text="this is the end")
    told.end(turn="t2")
    assert told.transcript.get("a2").text == "this is the end"
    assert told.transcript.get("c").status == "failed"
    assert told.kinds()[-1] == "TurnEnd"


async def test_who_joins_a_turn_knows_that_it_runs():
    status = Status()
    load_turns(Transcript(), [turn("t1", [said("u")], "inProgress", startedAt=int(time.time()) - 100)], status)
    assert (status.turn_id, status.phase) == ("t1", "working")
    assert 99 <= time.monotonic() - status.turn_started_at <= 130


async def test_a_turn_whose_end_was_told_while_it_was_read_runs_no_more():
    told = Told()
    told.begin("t1")
    told.end(turn="t1")
    load_turns(told.transcript, [turn("t1", [said("u")], "inProgress")], told.status)
    assert (keys(told.transcript), told.status.turn_id) == (["u", "end/t1"], None)


async def test_what_is_read_twice_is_there_once():
    transcript = Transcript()
    load_turns(transcript, talk(3))
    load_turns(transcript, talk(3))
    assert len(transcript) == 9


async def test_what_cannot_be_read_is_passed_over():
    transcript = Transcript()
    odd = [
        None,
        3,
        {"type": "agentMessage"},
        {"id": "x"},
        {"type": [], "id": {}},
        answered("a"),
        {**answered("b"), "text": 7},
    ]
    load_turns(transcript, [turn("t1", odd), {"items": odd}, turn("t2", None)])
    assert keys(transcript) == ["a", "end/t1", "end/t2"]


async def test_ten_thousand_items_are_read_quickly():
    kinds = [
        {"type": "agentMessage", "text": "some words " * 40},
        {"type": "reasoning", "summary": ["**Thinking** about it"], "content": []},
        {
            "type": "commandExecution",
            "command": "/bin/bash -lc \"cat 'foo' | grep bar\"",
            "status": "completed",
            "aggregatedOutput": "line\n" * 400,
        },
        {
            "type": "fileChange",
            "status": "completed",
            "changes": [{"path": "/a", "kind": {"type": "add"}, "diff": "x\n" * 99}],
        },
        {
            "type": "mcpToolCall",
            "server": "s",
            "tool": "t",
            "status": "completed",
            "result": {"content": [{"type": "text", "text": "y" * 500}]},
        },
    ]
    turns = [turn(f"t{n}", [{**kind, "id": f"{n}.{m}"} for m, kind in enumerate(kinds * 10)]) for n in range(200)]
    transcript = Transcript()
    began = time.process_time()
    load_turns(transcript, turns)
    assert time.process_time() - began < 3  # 0.1 to 0.2 where nothing else runs
    assert len(transcript) == 10_200
