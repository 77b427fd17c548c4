"""Questions of a real server, and what comes of the answers."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import anyio
import pytest

from codex_plugin_sdk.testing.model import call, freeform, say
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer
from codex_tui.screen.approval import HUNKS, ApprovalDialog
from codex_tui.screen.put_ask import put_ask
from codex_tui.session.asks import Fact, read_ask
from codex_tui.session.asks_trust import read_trust
from codex_tui.session.controller import Draft, Session

from . import session_kit
from .asks_kit import QUESTION
from .session_kit import serving

pytestmark = pytest.mark.anyio
ASK_PERMISSIONS = "[tools.request_permissions]\nenabled = true"


@asynccontextmanager
async def asking(root, *answers, lines=()):
    """A turn that has come to its first question: link, model, thread and the question."""
    with ScriptedResponsesServer() as model:
        async with serving(root, model, *lines) as link:
            model.play(*(model.answer(item) for item in answers))
            settings = {"cwd": str(root / "work"), "sandbox": "workspace-write", "approvalPolicy": "untrusted"}
            thread = (await link.request("thread/start", settings))["thread"]["id"]
            await link.request("turn/start", {"threadId": thread, "input": [{"type": "text", "text": "go"}]})
            yield link, model, thread, read_ask(await asked(link))


async def asked(link):
    """The next request of the server."""
    while True:
        message = await link._connection.next_message()
        if "id" in message:
            return message


def pick(ask, key):
    """The choice of a key."""
    return next(choice for choice in ask.choices if choice.key == key)


def outputs(model):
    """What the model reads of its calls."""
    return [item["output"] for item in model.requests[-1].json["input"] if item["type"].endswith("_call_output")]


async def test_an_answer_for_good_writes_the_rule_that_was_shown(tmp_path, monkeypatch):
    monkeypatch.setitem(session_kit.HELLO, "capabilities", {"experimentalApi": True, "approvalDetails": True})
    command = call("exec_command", "c1", cmd="touch made", prefix_rule=["touch"])
    async with asking(tmp_path, command, say("done")) as (link, _model, _thread, ask):
        always = pick(ask, "a")
        rules = tmp_path / "codex-home" / "rules" / "default.rules"
        assert ask.source
        _, _, line = always.detail.partition(f"writes to {rules}: ")
        assert line
        assert not rules.exists()
        await link._connection.answer(ask.id, ask.reply(always).result)
        await link.until("turn/completed")
        assert line in rules.read_text()
        assert (tmp_path / "work" / "made").exists()


async def test_no_and_why_reaches_the_model_with_its_next_request(tmp_path):
    command = call("exec_command", "c1", cmd="touch made")
    async with asking(tmp_path, command, say("done")) as (link, model, thread, ask):
        reply = ask.reply(pick(ask, "t"), "write it in Python")
        turn = ask.params["turnId"]
        text = [{"type": "text", "text": reply.follow_up}]
        # the text first: once the question is answered, the turn goes on at once
        await link.request("turn/steer", {"threadId": thread, "expectedTurnId": turn, "input": text})
        await link._connection.answer(ask.id, reply.result)
        await link.until("turn/completed")
        assert not (tmp_path / "work" / "made").exists()
        assert outputs(model) == ["rejected by user"]
        assert model.requests[-1].json["input"][-1]["content"][0]["text"] == "write it in Python"


async def test_permissions_are_granted_for_the_turn(tmp_path):
    extra = tmp_path / "extra"
    extra.mkdir()
    wanted = {"file_system": {"write": [str(extra)]}}
    request = call("request_permissions", "p1", permissions=wanted, reason="to build")
    async with asking(tmp_path, request, say("done"), lines=(ASK_PERMISSIONS,)) as (link, model, _thread, ask):
        assert ask.facts[0] == Fact(name="may write", text=str(extra))
        await link._connection.answer(ask.id, ask.reply(pick(ask, "y")).result)
        await link.until("turn/completed")
        granted = json.loads(outputs(model)[0])
        assert granted == {"permissions": {"file_system": {"write": [str(extra)]}}, "scope": "turn"}


async def test_questions_are_answered(tmp_path):
    question = {key: QUESTION[key] for key in ("id", "header", "question", "options")}
    request = call("request_user_input", "u1", questions=[question])
    async with asking(tmp_path, request, say("done")) as (link, model, _thread, ask):
        await link._connection.answer(ask.id, ask.accept({"q": ("red", "but dark")}))
        await link.until("turn/completed")
        assert json.loads(outputs(model)[0]) == {"answers": {"q": {"answers": ["red", "but dark"]}}}


async def test_a_project_is_trusted_as_it_was_shown(tmp_path):
    with ScriptedResponsesServer() as model:
        async with serving(tmp_path, model) as link:
            work = tmp_path / "work"
            (work / ".codex").mkdir()
            (work / ".codex" / "config.toml").write_text('model = "other"\n')
            ask = read_trust(await link.request("trust/show", {"cwd": str(work)}))
            assert ask.needed
            done = await link.request("trust/set", ask.result(ask.choices[0]))
            assert done["trustLevel"] == "trusted"
            assert not read_trust(await link.request("trust/show", {"cwd": str(work)})).needed
            started = await link.request("thread/start", {"cwd": str(work)})
            assert started["model"] == "other"


PATCH = "*** Begin Patch\n*** Update File: a.txt\n@@\n-one\n+ONE\n*** Add File: b.txt\n+new\n*** End Patch\n"


async def test_a_session_puts_a_change_with_its_hunks_and_tells_how_it_was_answered(tmp_path, monkeypatch):
    monkeypatch.setitem(session_kit.HELLO, "capabilities", {"experimentalApi": True, "approvalDetails": True})
    with ScriptedResponsesServer() as model:
        async with serving(tmp_path, model) as link, anyio.create_task_group() as tasks:
            (tmp_path / "work" / "a.txt").write_text("one\n")
            model.play(model.answer(freeform("apply_patch", PATCH, "f1")), model.answer(say("done")))
            settings = {"cwd": str(tmp_path / "work"), "sandbox": "workspace-write", "approvalPolicy": "untrusted"}
            session = Session(link._connection, settings)
            asked, ended = anyio.Event(), anyio.Event()
            session.on_ask = lambda: asked.set() if session.asks else None
            session.on_turn_end = lambda status: ended.set()
            tasks.start_soon(session.listen)
            await session.start()
            await session.submit(Draft(text="go"))
            await asked.wait()
            (ask,) = session.asks

            async def show(make):
                dialog = make()
                if isinstance(dialog, ApprovalDialog):
                    return HUNKS
                dialog.review.pieces[0].taken = True
                dialog.review.decide_all(taken=False)
                return dialog.review

            await session.reply(ask, await put_ask(ask, show))
            await ended.wait()
            assert (tmp_path / "work" / "a.txt").read_text() == "ONE\n"
            assert not (tmp_path / "work" / "b.txt").exists()
            assert "Took 1 of 2 parts of the patch" in [getattr(cell, "text", "") for cell in session.transcript]
            assert "b.txt (adding it)" in outputs(model)[0]
            tasks.cancel_scope.cancel()
