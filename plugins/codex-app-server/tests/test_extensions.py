"""The server as a contract: connections in this process, methods of plugins, and threads that are set free."""

import os
from contextlib import asynccontextmanager

import anyio
import pytest

from codex_app_server import plugin as ours
from codex_app_server.methods import EXTRA, METHODS, load_all
from codex_app_server.names import NAMES
from codex_kernel.discovery import Candidate
from codex_kernel.plugins import PluginManager
from codex_plugin_sdk import (
    AppMethodSpec,
    ConnectionLost,
    FunctionCall,
    Invocation,
    ProtocolError,
    SandboxBackendSpec,
    ToolSourceSpec,
    UnconfinedBackend,
    UserError,
)
from codex_plugin_sdk.testing.harness import QuietSource, manager, plugin
from codex_plugin_sdk.testing.model import ScriptedModel, say
from codex_rollout_jsonl import plugin as store

pytestmark = pytest.mark.anyio
LIMIT_S = 30
UNKNOWN = "019a0000-0000-7000-8000-000000000009"
HELLO = {"clientInfo": {"name": "inside", "version": "1"}, "capabilities": {"experimentalApi": True}}


def go(text="go"):
    return [{"type": "text", "text": text}]


class Prompts(QuietSource):
    """A source of tools that knows the prompts of a server."""

    asked: list

    async def inquire(self, method, params):
        if method == "slashCommands/list":
            argument = {"name": "topic", "description": "of what", "required": True}
            more = {"name": "/mcp__demo__sum", "server": "demo", "description": "sums up", "hint": "TOPIC"}
            return {"data": [{**more, "arguments": [argument]}]}
        return {"input": [{"type": "text", "text": "sum up " + params["text"].split()[-1]}]}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """`place(*plugins, answers=…)` is an invocation over a scripted model; nothing but what a turn needs is loaded."""
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    monkeypatch.chdir(work)
    made = []

    def make(*plugins, answers=(), config=""):
        model = ScriptedModel(*answers)
        (home / "config.toml").write_text('model = "m"\nmodel_provider = "scripted"\n' + config)
        jail = SandboxBackendSpec(name="none", factory=lambda _: UnconfinedBackend(), confines=False)
        kit = plugin(codex_model_providers=[model.spec()], codex_sandbox_backends=[jail])
        loaded = manager(ours, store, kit, *plugins)
        made.append(loaded)
        make.model = model
        return Invocation(plugins=loaded, environ={"CODEX_HOME": str(home), "HOME": str(home), "PATH": "/usr/bin:/bin"})

    make.home, make.work = home, work
    yield make
    for plugins in made:
        plugins.close()


@asynccontextmanager
async def greeted(invocation):
    """A server, found as frontends find it, and one client."""
    spec = invocation.plugins.app_server()
    with anyio.fail_after(LIMIT_S):
        async with spec.factory(invocation) as server, server.connect() as client:
            await client.request("initialize", HELLO)
            yield server, client


async def until(client, method):
    while (message := await client.next_message())["method"] != method:
        pass
    return message["params"]


async def turn(client, thread, text="go", **params):
    await client.request("turn/start", {"threadId": thread, "input": go(text), **params})
    return (await until(client, "turn/completed"))["turn"]


async def started(client, **params):
    return (await client.request("thread/start", params))["thread"]["id"]


async def refusal(client, method, **params):
    with pytest.raises(ProtocolError) as caught:
        await client.request(method, params)
    return caught.value


def test_the_names_that_are_taken_are_those_of_the_table():
    assert set(NAMES) == {*load_all(), *EXTRA}
    assert not METHODS.keys() & EXTRA.keys()


async def test_a_connection_does_what_its_contract_says(place):
    invocation = place(answers=[[say("done")]])
    async with greeted(invocation) as (server, client):
        await client.notify("initialized")
        thread = await started(client)
        await client.request("turn/start", {"threadId": thread, "input": go()})
        async with server.connect() as other:
            await other.request("initialize", HELLO)
            assert (await other.request("thread/loaded/list"))["data"] == [thread]
            error = await refusal(client, "thread/resume", threadId="nope")
            assert error.code == -32600
        with pytest.raises(ConnectionLost):
            await other.request("thread/loaded/list")
        assert (await until(client, "turn/completed"))["turn"]["status"] == "completed"
        while client.waiting():
            await client.next_message()
    with pytest.raises(ConnectionLost):
        await client.next_message()
    with pytest.raises(ConnectionLost):
        await client.answer(1, {})
    assert client.waiting() == 0


async def test_waiting_counts_what_lies_unread_and_a_reader_is_woken_by_the_end(place):
    lost = anyio.Event()
    async with greeted(place()) as (server, client), server.connect() as other, anyio.create_task_group() as tasks:
        await other.request("initialize", HELLO)
        while other.waiting():
            await other.next_message()

        async def read():
            with pytest.raises(ConnectionLost):
                await anext(forever)
            lost.set()

        async def each():
            while True:
                message = await other.next_message()
                if message["method"] == "nothing is called so":
                    yield message

        forever = each()
        tasks.start_soon(read)
        await client.request("thread/loaded/list")
        other._connection.leave()  # as the server does with a client that it gives up
        await lost.wait()


# -- methods of plugins --------------------------------------------------------------------------


def methods(**factories):
    """A plugin with these methods; `w_NAME` is one that writes."""
    specs = [
        AppMethodSpec(name=f"acme/{name.removeprefix('w_')}", factory=factory, writes=name.startswith("w_"))
        for name, factory in factories.items()
    ]
    return plugin(codex_app_methods=specs)


async def test_a_method_of_a_plugin_gets_what_it_needs_and_its_errors_are_answers(place):
    made = []

    def look(setup):
        made.append(setup)

        async def run(params):
            facts, config = await setup.thread(params["threadId"]), await setup.config(params["threadId"])
            return {"cwd": facts.cwd, "loaded": facts.loaded, "path": facts.rollout_path, "model": config.data["model"]}

        return run

    def fail(setup):
        async def run(params):
            raise {
                "protocol": ProtocolError("no way", code=-7, data=[1]),
                "both": ProtocolError("no way", code=-7, data=[1], hint="another"),
                "user": UserError("not so", hint="but so"),
                "bug": ValueError("oops"),
            }[params["how"]]

        return run

    def broken(setup):
        made.append("broken")
        raise UserError("cannot be made")

    invocation = place(methods(look=look, fail=fail, broken=broken), answers=[[say("done")]], config='effort = "low"\n')
    async with greeted(invocation) as (server, client):
        thread = await started(client, model="other")
        found = await client.request("acme/look", {"threadId": thread})
        assert found["cwd"] == str(place.work)
        assert (found["loaded"], found["model"]) == (True, "other")
        assert found["path"].endswith(f"{thread}.jsonl")
        await client.request("acme/look", {"threadId": thread})
        assert len(made) == 1
        assert made[0].codex_home == str(place.home)
        assert "invalid thread id" in (await refusal(client, "acme/look", threadId="nope")).message
        error = await refusal(client, "acme/fail", how="protocol")
        assert (error.message, error.code, error.data) == ("no way", -7, [1])
        error = await refusal(client, "acme/fail", how="user")
        assert (error.message, error.hint, str(error)) == ("not so", "but so", "not so (but so)")
        assert error.as_dict() == {"code": -32600, "message": "not so (but so)", "data": {"hint": "but so"}}
        error = await refusal(client, "acme/fail", how="both")
        assert error.as_dict() == {"code": -7, "message": "no way (another)", "data": [1]}
        assert (await refusal(client, "acme/fail", how="bug")).message == "internal error: ValueError: oops"
        for _ in range(2):
            assert (await refusal(client, "acme/broken")).message == "cannot be made"
        assert made.count("broken") == 2
        assert "unknown variant `acme/nothing`" in (await refusal(client, "acme/nothing")).message
        with pytest.raises(ProtocolError, match="expected a map"):
            await client.request("acme/look", [thread])
        async with server.connect() as plain:
            await plain.request("initialize", {"clientInfo": HELLO["clientInfo"]})
            error = await refusal(plain, "acme/look", threadId=thread)
            assert error.message == "acme/look requires experimentalApi capability"


async def test_a_thread_that_is_not_loaded_is_known_by_its_record(place):
    def look(setup):
        async def run(params):
            facts, config = await setup.thread(params["threadId"]), await setup.config(params["threadId"])
            return [facts.cwd, facts.loaded, facts.active_turn, config.data["model"]]

        return run

    invocation = place(methods(look=look), answers=[[say("done")]])
    async with greeted(invocation) as (_, client):
        thread = await started(client, model="other")
        await turn(client, thread)
    async with greeted(invocation) as (_, client):
        assert await client.request("acme/look", {"threadId": thread}) == [str(place.work), False, None, "m"]
        assert "no rollout found" in (await refusal(client, "acme/look", threadId=UNKNOWN)).message


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The server's plugin and one of a stranger's, who takes a name of the server's, as they are found installed."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "acme_taker.py").write_text(
        "from codex_plugin_sdk import AppMethodSpec, hookimpl\n\n\n@hookimpl\ndef codex_app_methods():\n"
        "    yield AppMethodSpec(name='thread/start', factory=lambda setup: None)\n"
    )
    server = Candidate(name="app-server", module="codex_app_server.plugin", dist="codex-app-server", version="1.0")
    stranger = Candidate(name="taker", module="acme_taker", dist="acme-taker", version="1.0")
    plugins = PluginManager([stranger, server], bundled=frozenset({"codex-app-server"}))
    yield plugins
    plugins.close()


def test_a_name_of_the_server_itself_is_a_conflict_that_is_reported(installed):
    assert installed.app_methods()["thread/start"].dist == "codex-app-server"
    report = next(one for one in installed.reports() if one.name == "taker")
    assert report.status == "conflict"
    assert "app method 'thread/start' is already offered by app-server (codex-app-server 1.0)" in report.reason


async def test_requests_that_write_have_the_thread_for_themselves_and_others_share_it(place):
    inside, gate = [], anyio.Event()

    def share(setup):
        async def run(params):
            inside.append("share")
            if inside.count("share") == 2:
                gate.set()  # both are in at once
            await gate.wait()

        return run

    def write(setup):
        async def run(params):
            assert gate.is_set()
            inside.append("write")

        return run

    async with greeted(place(methods(share=share, w_write=write))) as (_, client):
        thread = await started(client)
        async with anyio.create_task_group() as tasks:
            for name in ("share", "share", "write"):
                tasks.start_soon(client.request, f"acme/{name}", {"threadId": thread})
    assert inside == ["share", "share", "write"]


# -- released --------------------------------------------------------------------------------------


def cutting(setup):
    """A method that works while the thread is free: appends a line to the rollout, or what `how` says."""

    async def run(params):
        async with setup.released(params["threadId"]) as cut:
            facts = await setup.thread(params["threadId"])
            if params.get("how") == "fail":
                raise UserError("on purpose")
            if params.get("how") == "break":
                os.unlink(facts.rollout_path)
            if params.get("how") == "cut":
                cut()
        return {"loadedMeanwhile": facts.loaded}

    return run


async def test_a_released_thread_is_free_and_opened_again_for_those_who_listen(place):
    answers = [[say("one")], [say("two")], [say("three")]]
    async with greeted(place(methods(w_cut=cutting, read=cutting), answers=answers)) as (server, client):
        thread = await started(client)
        await turn(client, thread, model="other")
        async with server.connect() as stranger:
            await stranger.request("initialize", HELLO)
            assert await client.request("acme/cut", {"threadId": thread, "how": "cut"}) == {"loadedMeanwhile": False}
            assert (await until(stranger, "thread/reverted"))["threadId"] == thread
            assert (await until(client, "thread/reverted"))["threadId"] == thread
            assert (await refusal(client, "acme/cut", threadId=thread, how="fail")).message == "on purpose"
            done = await turn(client, thread, "again")
        assert done["status"] == "completed"
        assert place.model.requests[-1].model == "other"
        assert "does not say that it writes" in (await refusal(client, "acme/read", threadId=thread)).message
        quiet = await started(client, ephemeral=True)
        assert "nothing of it is recorded" in (await refusal(client, "acme/cut", threadId=quiet)).message
        assert "no rollout found" in (await refusal(client, "acme/cut", threadId=UNKNOWN)).message


async def test_while_a_turn_runs_nothing_is_released(place):
    asked, go_on = anyio.Event(), anyio.Event()

    async def slowly(request):
        asked.set()
        await go_on.wait()
        return [say("done")]

    async with greeted(place(methods(w_cut=cutting), answers=[slowly])) as (_, client):
        thread = await started(client)
        await client.request("turn/start", {"threadId": thread, "input": go()})
        await asked.wait()
        assert "is still running: interrupt it first" in (await refusal(client, "acme/cut", threadId=thread)).message
        go_on.set()
        assert (await until(client, "turn/completed"))["turn"]["status"] == "completed"


async def test_those_who_listen_are_told_when_a_thread_does_not_open_again(place):
    async with greeted(place(methods(w_cut=cutting), answers=[[say("one")]])) as (_, client):
        thread = await started(client)
        await turn(client, thread)
        with pytest.raises(ProtocolError):
            await client.request("acme/cut", {"threadId": thread, "how": "break"})
        assert (await until(client, "thread/closed"))["threadId"] == thread
        assert (await client.request("thread/loaded/list"))["data"] == []


# -- our own ---------------------------------------------------------------------------------------


async def test_slash_commands_are_custom_prompts_and_prompts_of_servers(place):
    (place.home / "prompts").mkdir()
    (place.home / "prompts" / "ship.md").write_text("---\ndescription: ship it\n---\nShip $1 now.\n")
    source = plugin(codex_tool_sources=[ToolSourceSpec(name="mcp", factory=lambda setup: Prompts())])
    async with greeted(place(source, config='[mcp_servers.demo]\ncommand = "x"\n')) as (_, client):
        thread = await started(client)
        found = (await client.request("slashCommands/list", {"threadId": thread}))["data"]
        assert [one["name"] for one in found] == ["/prompts:ship", "/mcp__demo__sum"]
        assert found[0]["description"] == "ship it"
        assert found[1]["arguments"] == [{"name": "topic", "description": "of what", "required": True}]
        own = (await client.request("slashCommands/list", {"threadId": thread, "servers": False}))["data"]
        assert own == found[:1]

        async def expanded(text):
            return await client.request("slashCommands/expand", {"threadId": thread, "text": text})

        assert await expanded("/prompts:ship it") == {"input": go("Ship it now.\n"), "expanded": True}
        assert await expanded("/mcp__demo__sum birds") == {"input": go("sum up birds"), "expanded": True}
        assert await expanded("plain words") == {"input": go("plain words"), "expanded": False}
        assert "nope" in (await refusal(client, "slashCommands/expand", threadId=thread, text="/prompts:nope")).message


async def test_what_fills_the_context_is_told_by_kind(place):
    asked = FunctionCall(call_id="c1", name="nothing", arguments="{}", id="f1")
    async with greeted(place(answers=[[asked], [say("four words of mine")]])) as (_, client):
        thread = await started(client)
        await turn(client, thread, "what the user says")
        found = await client.request("context/read", {"threadId": thread})
        parts = {part["kind"]: part for part in found["parts"]}
        assert {"instructions", "context", "user", "agent", "calls", "outputs"} <= set(parts)
        assert (parts["user"]["items"], parts["calls"]["items"], parts["outputs"]["items"]) == (1, 1, 1)
        assert found["windowTokens"] == 272_000
        assert abs(sum(part["tokens"] for part in found["parts"]) - found["usedTokens"]) <= len(parts)
        assert "thread not found" in (await refusal(client, "context/read", threadId=UNKNOWN)).message


async def test_the_report_of_plugins_is_that_of_the_command(installed, place):
    async with greeted(place().replace(plugins=installed)) as (_, client):
        found = {one["name"]: one for one in (await client.request("plugins/report", {}))["data"]}
    assert found["app-server"]["status"] == "ok"
    assert {"app method", "app server", "command"} <= set(found["app-server"]["kinds"])
    assert found["taker"]["status"] == "conflict"
    assert set(found["taker"]) == {*("name", "dist", "version", "kinds", "status", "reason", "cure", "import_ms")}
