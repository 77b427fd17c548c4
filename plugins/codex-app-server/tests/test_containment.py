"""A fault of ours stays where it is: one request, one thread, one client."""

import anyio
import pytest

from codex_app_server.inprocess import connected, open_server
from codex_app_server.methods import METHODS, Method
from codex_app_server.server import Reply
from codex_app_server.shapes import record
from codex_app_server.wire import RpcError
from codex_plugin_sdk import Invocation
from codex_plugin_sdk.testing.harness import manager
from codex_plugin_sdk.testing.model import say

pytestmark = pytest.mark.anyio
HELLO = {"clientInfo": {"name": "inside", "version": "1"}}


@pytest.fixture
def invocation(host):
    """A command line with all plugins that are installed."""
    plugins = type(manager()).from_environment(host.env)
    yield Invocation(plugins=plugins, environ=host.env)
    plugins.close()


async def next_of(client, method):
    async for message in client.messages():
        if message["method"] == method:
            return message["params"]
    return None


async def test_what_fails_behind_an_answer_is_a_warning_and_no_second_answer(invocation, monkeypatch):
    async def late(server, client, params):
        async def then():
            raise RpcError("too late")

        return Reply({"fine": True}, then)

    async def broken(server, client, params):
        raise KeyError("a fault")

    async def aside(server, client, params):
        async def run():
            raise KeyError("a fault")

        server.start(run)
        return {}

    with anyio.fail_after(20):
        async with open_server(invocation) as server, connected(server) as client:
            for run in (late, broken, aside):
                monkeypatch.setitem(
                    METHODS, run.__name__, Method(run.__name__, record(), None, run, experimental=False)
                )
            answers = []
            settle = client._settle
            client._settle = lambda message: (answers.append(message), settle(message))
            await client.request("initialize", HELLO)
            assert await client.request("late") == {"fine": True}
            assert await next_of(client, "warning") == {"threadId": None, "message": "late: too late"}
            with pytest.raises(RpcError, match="internal error: KeyError: 'a fault'") as caught:
                await client.request("broken")
            assert caught.value.code == -32603
            assert await client.request("aside") == {}
            assert (await client.request("thread/loaded/list"))["data"] == []
            assert len({answer["id"] for answer in answers}) == len(answers) == 5


async def test_a_thread_that_breaks_in_mid_turn_ends_its_turn_and_leaves_the_others(host, invocation, monkeypatch):
    host.script([say("never told")], [say("told")])
    with anyio.fail_after(30):
        async with open_server(invocation) as server, connected(server) as client:
            await client.request("initialize", HELLO)
            cwd = {"cwd": str(host.root / "work")}
            one = (await client.request("thread/start", cwd))["thread"]["id"]
            two = (await client.request("thread/start", cwd))["thread"]["id"]
            hear = server.threads[one]._hear

            def break_at_an_item(event, tasks):
                if type(event.msg).__name__ == "ItemCompleted":
                    raise ValueError("a fault")
                hear(event, tasks)

            monkeypatch.setattr(server.threads[one], "_hear", break_at_an_item)
            go = [{"type": "text", "text": "go"}]
            await client.request("turn/start", {"threadId": one, "input": go})
            turn = (await next_of(client, "turn/completed"))["turn"]
            assert turn["status"] == "failed"
            assert turn["error"]["message"] == "the thread broke, resume it to go on: ValueError: a fault"
            assert (await next_of(client, "thread/closed"))["threadId"] == one
            assert (await client.request("thread/loaded/list"))["data"] == [two]
            host.script([say("told")])
            await client.request("turn/start", {"threadId": two, "input": go})
            assert (await next_of(client, "turn/completed"))["turn"]["status"] == "completed"
            await client.request("thread/resume", {"threadId": one})
