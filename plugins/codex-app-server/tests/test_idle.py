"""Threads that nobody listens to are closed after a while; what runs goes on, and all of it can be taken up again."""

import gc
import json
import time
import weakref

import anyio
import pytest

from codex_app_server import idle
from codex_app_server.inprocess import connected, open_server
from codex_app_server.scopes import THREAD
from codex_app_server.section import AppServerSection
from codex_plugin_sdk import ConfigError, Invocation
from codex_plugin_sdk.testing.harness import manager
from codex_plugin_sdk.testing.model import call, say

pytestmark = pytest.mark.anyio
GO = [{"type": "text", "text": "go"}]
HELLO = {"clientInfo": {"name": "inside", "version": "1"}}
SOON = ("-c", "app_server.unload_after_s=0.05")


@pytest.fixture
def invocation(host):
    """A command line with all plugins that are installed."""
    plugins = type(manager()).from_environment(host.env)
    yield Invocation(plugins=plugins, environ=host.env)
    plugins.close()


def locked(host):
    """The threads that are locked for writing."""
    return {file.stem for file in (host.root / "codex-home" / "thread-writer-locks").glob("*-*.lock")}


async def test_thread_of_which_nobody_wants_to_hear_is_closed_and_taken_up_again(host):
    async with host.start(*SOON) as app:
        host.script([say("one")])
        thread = await app.thread()
        await app.turn(thread)
        assert locked(host) == {thread}
        assert await app.call("thread/unsubscribe", {"threadId": thread}) == {"status": "unsubscribed"}
        closed = await app.until("thread/closed", threadId=thread)
        before = app.heard[app.heard.index(closed) - 1]
        assert before["params"] == {"threadId": thread, "status": {"type": "notLoaded"}}
        assert (await app.call("thread/loaded/list", {}))["data"] == []
        assert locked(host) == set()
        with pytest.raises(Exception, match=f"thread not found: {thread}"):
            await app.call("turn/start", {"threadId": thread, "input": GO})
        host.script([say("two")])
        resumed = await app.call("thread/resume", {"threadId": thread})
        assert len(resumed["thread"]["turns"]) == 1
        assert (await app.turn(thread))["turn"]["status"] == "completed"
        told = json.dumps(host.model.requests[-1].json["input"])
        assert '"one"' in told


async def test_turn_that_runs_goes_on_when_its_client_leaves_and_its_thread_is_closed_behind_it(host, short_url):
    host.write_config("app_server.unload_after_s = 0.05")
    host.script([call("exec_command", "c1", cmd="echo on; while [ ! -e go ]; do sleep 0.02; done")], [say("done")])
    async with host.listen(short_url) as server, server.connect() as watcher:
        async with server.connect() as app:
            thread = await app.thread(sandbox="danger-full-access", approvalPolicy="never")
            await app.call("turn/start", {"threadId": thread, "input": GO})
            await app.until("item/commandExecution/outputDelta")
        left_s = time.monotonic()
        while time.monotonic() - left_s < 0.2:  # longer than an idle thread would be left
            assert (await watcher.call("thread/loaded/list", {}))["data"] == [thread]
        (host.root / "work" / "go").touch()
        await watcher.until("thread/closed", threadId=thread)
        turns = (await watcher.call("thread/read", {"threadId": thread, "includeTurns": True}))["thread"]["turns"]
        assert [turn["status"] for turn in turns] == ["completed"]
        assert locked(host) == set()


async def test_request_that_came_before_keeps_its_thread_open(host, invocation, monkeypatch):
    host.write_config("app_server.unload_after_s = 0.001")
    tried = []
    unload = idle.Idle._unload

    async def watched(self):
        tried.append(self)
        await unload(self)

    monkeypatch.setattr(idle.Idle, "_unload", watched)
    with anyio.fail_after(30):
        async with open_server(invocation) as server, connected(server) as client, connected(server) as second:
            await client.request("initialize", HELLO)
            await second.request("initialize", HELLO)
            thread = (await client.request("thread/start", {"cwd": str(host.root / "work")}))["thread"]["id"]
            loaded = server.threads[thread]
            async with server.turnstiles.ticket(THREAD, {"threadId": thread}):  # a request that takes its time
                (listener,) = loaded.listeners
                loaded.unsubscribe(listener)
                while not tried:
                    await anyio.sleep(0.001)
                loaded.subscribe(listener)
            assert (await second.request("thread/resume", {"threadId": thread}))["thread"]["id"] == thread
            assert server.threads[thread] is loaded
            assert len(loaded.listeners) == 2


async def test_closed_thread_leaves_nothing_in_memory(host, invocation):
    host.script([say("one")])
    host.write_config("app_server.unload_after_s = 0.01")
    with anyio.fail_after(30):
        async with open_server(invocation) as server, connected(server) as client:
            await client.request("initialize", HELLO)
            thread = (await client.request("thread/start", {"cwd": str(host.root / "work")}))["thread"]["id"]
            await client.request("turn/start", {"threadId": thread, "input": GO})
            async for message in client.messages():
                if message["method"] == "turn/completed":
                    break
            loaded, state = weakref.ref(server.threads[thread]), weakref.ref(server.threads[thread].state)
            await client.request("thread/unsubscribe", {"threadId": thread})
            async for message in client.messages():
                if message["method"] == "thread/closed":
                    break
            await client.request("thread/loaded/list")
            gc.collect()
            assert loaded() is None
            assert state() is None


async def test_zero_keeps_threads_until_the_server_ends(host, invocation):
    host.write_config("app_server.unload_after_s = 0")
    with anyio.fail_after(30):
        async with open_server(invocation) as server, connected(server) as client:
            await client.request("initialize", HELLO)
            thread = (await client.request("thread/start", {"cwd": str(host.root / "work")}))["thread"]["id"]
            await client.request("thread/unsubscribe", {"threadId": thread})
            assert server.threads[thread]._idle._timer is None
    with pytest.raises(ConfigError, match="unload_after_s"):
        AppServerSection(unload_after_s=-1).checked()
