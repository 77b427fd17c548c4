"""`undo/preview`, `undo/apply` and `undo/redo` of a real app server, with real commands of a scripted model."""

import json
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from codex_plugin_sdk import FunctionCall, Invocation, ProtocolError, text_message
from codex_plugin_sdk.testing.harness import manager
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer

pytestmark = pytest.mark.anyio
CONFIG = 'model_provider="x"\n[model_providers.x]\nname="x"\nbase_url="{url}"\nwire_api="responses"\n'
HELLO = {"clientInfo": {"name": "tests", "version": "1"}, "capabilities": {"experimentalApi": True}}
LIMIT_S = 60


class App:
    """A client with a workspace; `turn` runs a command as the model's."""

    def __init__(self, client, server, model, work):
        self.client, self.server, self.model, self.work = client, server, model, work
        self.thread = ""

    async def call(self, method, **params):
        return await self.client.request(method, {"threadId": self.thread, **params})

    async def fails(self, method, **params):
        with pytest.raises(ProtocolError) as caught:
            await self.call(method, **params)
        return caught.value.message

    async def begin(self):
        asked = {"cwd": str(self.work), "sandbox": "danger-full-access", "approvalPolicy": "never"}
        self.thread = (await self.client.request("thread/start", asked))["thread"]["id"]

    async def told(self, method):
        while (message := await self.client.next_message())["method"] != method:
            pass
        return message["params"]

    async def turn(self, command, text="go"):
        calls = [] if command is None else [ran(command)]
        self.model.play(*(self.model.answer(one) for one in (*calls, text_message("assistant", "ok", id="m"))))
        await self.call("turn/start", input=[{"type": "text", "text": text}])
        done = (await self.told("turn/completed"))["turn"]
        assert done["status"] == "completed", done
        return done["id"]

    async def turns(self):
        return [turn["id"] for turn in (await self.call("thread/turns/list", sortDirection="asc"))["data"]]


def ran(command):
    return FunctionCall(call_id="c", name="exec_command", arguments=json.dumps({"cmd": command}), id="f")


def actions(body):
    return {Path(one["path"]).name: one["action"] for one in body["files"]}


@pytest.fixture
def app(tmp_path):
    """`async with app() as it` is a client with an open thread; a second one finds the same home."""
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()

    @asynccontextmanager
    async def open_app(*, begin=True):
        environ = {"CODEX_HOME": str(home), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh"}
        plugins = type(manager()).from_environment(environ)
        invocation = Invocation(plugins=plugins, environ=environ)
        with ScriptedResponsesServer() as model, anyio.fail_after(LIMIT_S):
            (home / "config.toml").write_text(CONFIG.format(url=model.base_url))
            async with plugins.app_server().factory(invocation) as server, server.connect() as client:
                await client.request("initialize", HELLO)
                found = App(client, server, model, work)
                if begin:
                    await found.begin()
                yield found
        plugins.close()

    return open_app


async def test_files_are_previewed_taken_back_and_brought_again_while_the_thread_is_open(app):
    async with app() as it:
        await it.turn("echo one > f; mkdir d; echo x > d/g")
        seen = await it.call("undo/preview")
        assert actions(seen) == {"f": "remove", "g": "remove", "d": "remove"}
        assert (seen["applied"], seen["refused"], seen["conflicts"], seen["beforeTurnId"]) == (False, False, 0, None)
        assert (it.work / "f").exists()
        done = await it.call("undo/apply")
        assert (done["applied"], done["conversationCut"]) == (True, False)
        assert list(it.work.iterdir()) == []
        assert "nothing is left to undo" in await it.fails("undo/preview")
        back = await it.call("undo/redo")
        assert actions(back) == {"f": "create", "g": "create", "d": "create"}
        assert (it.work / "d/g").read_text() == "x\n"
        assert len(await it.turns()) == 1
        await it.turn("echo two > f")  # the thread goes on, and is kept
        assert actions(await it.call("undo/preview")) == {"f": "restore"}


async def test_files_and_conversation_go_back_together_to_a_turn(app):
    async with app() as it:
        await it.turn("echo one > f", "first question")
        second = await it.turn("echo two > f; echo new > g", "second question")
        await it.turn(None, "third question")
        seen = await it.call("undo/preview", beforeTurnId=second)
        assert (actions(seen), seen["beforeTurnId"]) == ({"f": "restore", "g": "remove"}, second)
        assert seen == await it.call("undo/preview", turns=2)
        done = await it.call("undo/apply", beforeTurnId=second, conversation=True)
        assert (done["applied"], done["conversationCut"], done["turnIds"]) == (True, True, [second])
        assert (await it.told("thread/reverted"))["threadId"] == it.thread
        assert (it.work / "f").read_text() == "one\n"
        assert not (it.work / "g").exists()
        assert len(await it.turns()) == 1
        await it.turn(None, "another question")
        sent = json.dumps(it.model.requests[-1].json["input"])
        said = [f"{word} question" in sent for word in ("first", "second", "third", "another")]
        assert said == [True, False, False, True]


async def test_conflicts_leave_files_and_conversation_alone_unless_the_rest_is_wanted(app):
    async with app() as it:
        turn = await it.turn("echo one > f; echo two > g")
        (it.work / "f").write_text("mine\n")
        for method in ("undo/preview", "undo/apply"):
            seen = await it.call(method, beforeTurnId=turn, conversation=True)
            assert (seen["applied"], seen["refused"], seen["conflicts"], seen["conversationCut"]) == (
                False,
                True,
                1,
                False,
            )
        (conflict,) = (one for one in seen["files"] if one["conflict"])
        assert (Path(conflict["path"]).name, conflict["why"]) == ("f", "it was changed since")
        assert (it.work / "g").exists()
        assert await it.turns() == [turn]
        done = await it.call("undo/apply", beforeTurnId=turn, conversation=True, partial=True)
        assert (done["applied"], done["conversationCut"]) == (True, True)
        assert (it.work / "f").read_text() == "mine\n"
        assert not (it.work / "g").exists()
        assert await it.turns() == []


async def test_a_conversation_without_changed_files_is_cut_all_the_same(app):
    async with app() as it:
        first = await it.turn(None)
        second = await it.turn(None)
        assert (await it.call("undo/preview", beforeTurnId=second, conversation=True))["files"] == []
        assert (await it.call("undo/apply", conversation=True))["conversationCut"]
        assert await it.turns() == [first]
        assert "no turn has changed files that are kept" in await it.fails("undo/preview")
        assert "nothing was undone" in await it.fails("undo/redo")


async def test_a_recorded_thread_that_is_not_open_can_be_undone(app):
    async with app() as it:
        await it.turn("echo one > f")
        thread = it.thread
    async with app(begin=False) as it:
        it.thread = thread
        assert (await it.call("undo/apply"))["applied"]
        assert not (it.work / "f").exists()
        assert (await it.client.request("thread/loaded/list"))["data"] == []


async def test_what_does_not_fit_is_refused_and_nothing_happens_while_a_turn_runs(app):
    async with app() as it:
        assert "threadId is missing" in await it.fails("undo/preview", threadId=7)
        assert "exclude each other" in await it.fails("undo/preview", turns=1, beforeTurnId="t")
        assert "turns is no number" in await it.fails("undo/preview", turns=0)
        assert "conversation is neither true nor false" in await it.fails("undo/apply", conversation="yes")
        assert "has no turns yet" in await it.fails("undo/apply", conversation=True)
        await it.turn("echo one > f")
        assert "turn not found: nope" in await it.fails("undo/preview", beforeTurnId="nope")
        it.model.play(it.model.answer(ran("mkfifo p; cat p")), it.model.answer(text_message("assistant", "ok", id="m")))
        await it.call("turn/start", input=[{"type": "text", "text": "go"}])
        await it.told("item/started")
        for method in ("undo/preview", "undo/apply", "undo/redo"):
            assert "is still running: interrupt it first" in await it.fails(method)
        await it.call("turn/interrupt", turnId=(await it.turns())[-1])
        await it.told("turn/completed")
