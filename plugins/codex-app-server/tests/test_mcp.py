"""MCP servers as clients see them, over a source of tools that does what the test says."""

from contextlib import asynccontextmanager

import anyio
import pytest

from codex_app_server.elicitations import elicited_approval
from codex_app_server.inprocess import connected, open_server
from codex_app_server.method_mcp import LONE
from codex_app_server.notifications import NOTIFICATIONS
from codex_app_server.results import RESULTS
from codex_app_server.server_requests import SERVER_REQUESTS
from codex_app_server.shapes import fault
from codex_app_server.wire import RpcError
from codex_plugin_sdk import (
    Invocation,
    ItemStatus,
    McpServerStatus,
    McpToolCallItem,
    PolicyDenied,
    SandboxBackendSpec,
    ToolDefinition,
    ToolFailed,
    ToolIntent,
    ToolOutput,
    ToolSourceSpec,
    UnconfinedBackend,
    UserError,
)
from codex_plugin_sdk.testing.harness import manager, plugin
from codex_plugin_sdk.testing.model import ScriptedModel, call, say

pytestmark = pytest.mark.anyio
HELLO = {"clientInfo": {"name": "inside", "version": "1"}, "capabilities": {"experimentalApi": True}}
GO = [{"type": "text", "text": "go"}]
FORM = {"type": "object", "title": "Who", "properties": {"name": {"type": "string"}}, "required": ["name"]}
NAME = "mcp__demo__add"
NAMES = {"first": "a", "second": "b", "third": "c"}


class Add:
    """A tool of the server `demo`; `ask` is what it asks for in a call."""

    parallel_safe = True
    definition = ToolDefinition(name=NAME, description="adds", parameters={"type": "object", "properties": {}})

    def __init__(self, source):
        self.source = source

    async def run(self, call, ctx):
        item = McpToolCallItem(
            id=call.call_id, server="demo", tool="add", arguments=call.arguments, status=ItemStatus.IN_PROGRESS
        )
        await ctx.item_started(item)
        try:
            text = await self.source.ask(ctx, call)
        except (PolicyDenied, ToolFailed) as error:
            await ctx.item_completed(item.replace(status=ItemStatus.FAILED, error=str(error)))
            raise
        result = {"content": [{"type": "text", "text": text}], "isError": False}
        await ctx.item_completed(item.replace(status=ItemStatus.COMPLETED, result=result, duration_ms=3))
        return ToolOutput(output=text)

    async def aclose(self):
        pass


class Source:
    """Implements the `ToolSource` contract. `made` are all of a test."""

    made: list

    def __init__(self, setup, made, ask):
        self.setup, self.ask = setup, ask
        self.asked, self.over = [], anyio.Event()
        self.login = anyio.Event()
        made.append(self)

    async def run(self):
        try:
            self.setup.tell(McpServerStatus(server="demo", status="starting"))
            self.setup.tell(McpServerStatus(server="demo", status="failed", error="no such program"))
            await anyio.sleep_forever()
        finally:
            self.over.set()

    async def ready(self):
        pass

    def tools(self):
        return [Add(self)]

    async def inquire(self, method, params):
        self.asked.append((method, params))
        match method:
            case "mcpServerStatus/list":
                return {"data": [{"name": name, "authStatus": "unsupported"} for name in NAMES]}
            case "mcpServer/tool/call" | "mcpServer/resource/read" if params["server"] == "hangs":
                await anyio.sleep_forever()
            case "mcpServer/tool/call" if params["server"] == "demo":
                return {"content": [{"type": "text", "text": str(params["arguments"])}], "isError": False}
            case "mcpServer/resource/read" if params["server"] == "demo":
                return {"contents": [{"uri": params["uri"], "text": "what it holds"}]}
            case "mcpServer/oauth/login" if params["name"] == "web":
                return {"authorizationUrl": "https://example.org/login", "loginId": "l1"}
            case "mcpServer/oauthLogin/completed":
                await self.login.wait()
                return {"success": False, "error": "denied"}
            case "config/mcpServer/reload":
                return {}
            case "slashCommands/expand" if params["text"].startswith("/demo:greet"):
                parts = [{"type": "text", "text": "Greet Bo"}, {"type": "image", "url": "data:image/png;base64,AA=="}]
                return {"input": parts}
            case "slashCommands/expand":
                raise UserError("the MCP server demo has no prompt 'gret'", hint="did you mean greet?")
        raise UserError(f"unknown MCP server '{params.get('server') or params.get('name')}'")


async def nothing(ctx, call):
    return "5"


class Place:
    """A server in this process with one client, and what it told."""

    def __init__(self, server, client, sources, model, work):
        self.server, self.client, self.sources, self.model, self.work = server, client, sources, model, work
        self.heard = []

    async def call(self, method, params=None):
        found = await self.client.request(method, params or {})
        assert not fault(RESULTS[method], found, closed=True)
        return found

    async def thread(self, **params):
        return (await self.call("thread/start", {"cwd": self.work, **params}))["thread"]["id"]

    async def until(self, method, **wanted):
        async for message in self.client.messages():
            self.heard.append(message)
            params = message["params"]
            shape = SERVER_REQUESTS[message["method"]][0] if "id" in message else NOTIFICATIONS[message["method"]]
            assert not fault(shape, params, closed=True), message
            if message["method"] == method and all(params.get(key) == found for key, found in wanted.items()):
                return message
        raise AssertionError("the server ended")

    def told(self, method):
        return [message["params"] for message in self.heard if message["method"] == method]


@pytest.fixture
def place(tmp_path):
    """`place(*steps, ask=…)`: a server whose model plays the steps."""
    for name in ("codex-home", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / "codex-home" / "config.toml").write_text(
        'model = "m"\nmodel_provider = "scripted"\n[mcp_servers.demo]\ncommand = "x"\n'
    )

    @asynccontextmanager
    async def opened(*steps, ask=nothing, bridge=True, configured=True):
        made, model = [], ScriptedModel(*steps)
        unconfined = SandboxBackendSpec(name="none", factory=lambda _: UnconfinedBackend(), confines=False)
        own = plugin(codex_model_providers=[model.spec()], codex_sandbox_backends=[unconfined])
        factory = (lambda setup: Source(setup, made, ask)) if configured else (lambda setup: None)
        plugins = [plugin(codex_tool_sources=[ToolSourceSpec(name="mcp", factory=factory)])] if bridge else []
        environ = {"CODEX_HOME": str(tmp_path / "codex-home"), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
        invocation = Invocation(plugins=manager(*plugins, own), environ=environ)
        with anyio.fail_after(30):
            async with open_server(invocation) as server, connected(server) as client:
                await client.request("initialize", HELLO)
                client.notify_server("initialized")
                yield Place(server, client, made, model, str(tmp_path / "work"))

    return opened


async def test_without_the_plugin_the_methods_name_what_to_install(place):
    async with place(bridge=False) as app:
        for method, params in (
            ("mcpServerStatus/list", {}),
            ("mcpServer/resource/read", {"server": "demo", "uri": "a"}),
            ("mcpServer/oauth/login", {"name": "demo"}),
            ("config/mcpServer/reload", {}),
        ):
            with pytest.raises(RpcError, match="pip install codex-mcp-bridge") as caught:
                await app.call(method, params)
            assert (caught.value.code, caught.value.data["type"]) == (-32601, "notServed")


async def test_servers_are_listed_in_pages_and_by_name(place, fits):
    async with place() as app:
        first = fits("ListMcpServerStatusResponse", await app.call("mcpServerStatus/list", {"limit": 2}))
        rest = await app.call("mcpServerStatus/list", {"cursor": first["nextCursor"], "detail": "toolsAndAuthOnly"})
        one = await app.call("mcpServerStatus/list", {"serverName": "second"})
        assert [entry["name"] for entry in (*first["data"], *rest["data"])] == list(NAMES)
        assert rest["nextCursor"] is None
        assert [entry["name"] for entry in one["data"]] == ["second"]
        assert first["data"][0]["runtimeStatus"] is None
        (source,) = app.sources
        assert [params["detail"] for _, params in source.asked] == ["full", "toolsAndAuthOnly", "full"]
        with pytest.raises(RpcError, match="invalid cursor: 9"):
            await app.call("mcpServerStatus/list", {"cursor": "9"})


async def test_where_nothing_is_configured_there_are_no_servers_and_none_is_known(place):
    async with place(configured=False) as app:
        assert (await app.call("mcpServerStatus/list"))["data"] == []
        thread = await app.thread(ephemeral=True)
        assert (await app.call("mcpServerStatus/list", {"threadId": thread}))["data"] == []
        with pytest.raises(RpcError, match="unknown MCP server 'demo'") as caught:
            await app.call("mcpServer/tool/call", {"threadId": thread, "server": "demo", "tool": "add"})
        assert caught.value.code == -32603
        with pytest.raises(RpcError, match="No MCP server named 'demo' found"):
            await app.call("mcpServer/oauth/login", {"name": "demo"})


async def test_calls_go_to_the_source_of_the_thread_and_end_with_it(place):
    async with place() as app:
        thread = await app.thread(ephemeral=True)
        asked = {"threadId": thread, "server": "demo", "tool": "add", "arguments": {"a": 1}}
        found = await app.call("mcpServer/tool/call", asked)
        assert found["content"][0]["text"] == "{'a': 1}"
        read = {"threadId": thread, "server": "demo", "uri": "demo://a", "originCallId": "c"}
        assert await app.call("mcpServer/resource/read", read) == {
            "contents": [{"uri": "demo://a", "text": "what it holds"}],
            "originCallId": "c",
        }
        with pytest.raises(RpcError, match="unknown MCP server 'other'") as caught:
            await app.call("mcpServer/tool/call", {**asked, "server": "other"})
        assert caught.value.code == -32603
        with pytest.raises(RpcError, match="thread not found"):
            await app.call("mcpServer/tool/call", {**asked, "threadId": "01a1fe6f-6387-7be3-a1d4-26479b332144"})
        (source,) = app.sources
        assert source.setup.answers_questions
        async with anyio.create_task_group() as tasks:

            async def hang():
                with pytest.raises(RpcError, match="the MCP servers are gone"):
                    await app.call("mcpServer/tool/call", {**asked, "server": "hangs"})

            tasks.start_soon(hang)
            while not any(params.get("server") == "hangs" for _, params in source.asked):
                await anyio.lowlevel.checkpoint()
            app.server.loaded(thread).close()
        await source.over.wait()


async def test_what_needs_no_thread_has_a_source_that_goes_when_nobody_asks(place):
    async with place() as app:
        LONE.of(app.server)._idle_s = 0.0
        read = {"server": "demo", "uri": "demo://a"}
        await app.call("mcpServer/resource/read", read)
        await app.sources[0].over.wait()
        LONE.of(app.server)._idle_s = 60.0
        for _ in range(3):
            await app.call("mcpServer/resource/read", read)
        assert len(app.sources) == 2
        await app.call("config/mcpServer/reload")
        await app.sources[1].over.wait()
        await app.call("mcpServer/resource/read", read)
        assert len(app.sources) == 3
    assert app.sources[2].over.is_set()


async def test_a_source_that_cannot_work_is_told_to_who_asks(place, monkeypatch):
    async def broken(self):
        raise OSError("no room")

    monkeypatch.setattr(Source, "run", broken)
    async with place() as app:
        for _ in range(2):
            with pytest.raises(RpcError, match="cannot be asked: OSError: no room"):
                await app.call("mcpServer/resource/read", {"server": "hangs", "uri": "a"})
        assert len(app.sources) == 2


async def test_a_login_is_begun_and_its_end_is_told(place, fits):
    async with place() as app:
        begun = await app.call("mcpServer/oauth/login", {"name": "web", "scopes": ["read"]})
        assert begun == {"authorizationUrl": "https://example.org/login", "loginId": "l1"}
        app.sources[0].login.set()
        ended = fits(
            "McpServerOauthLoginCompletedNotification", (await app.until("mcpServer/oauthLogin/completed"))["params"]
        )
        assert ended == {"name": "web", "threadId": None, "loginId": "l1", "success": False, "error": "denied"}


async def test_a_reload_gives_each_thread_the_configuration_as_it_is_now(place, tmp_path):
    async with place() as app:
        thread = await app.thread(ephemeral=True)
        file = tmp_path / "codex-home" / "config.toml"
        file.write_text(file.read_text() + '[mcp_servers.more]\ncommand = "y"\n')
        assert await app.call("config/mcpServer/reload") == {}
        (source,) = app.sources
        ((method, params),) = source.asked
        assert method == "config/mcpServer/reload"
        assert set(params["config"]["mcp_servers"]) == {"demo", "more"}
        assert app.server.loaded(thread).state.config["mcp_servers"].keys() == {"demo"}, "settings hold during a turn"


async def test_the_start_of_servers_is_told(place, fits):
    async with place() as app:
        thread = await app.thread(ephemeral=True)
        told = (await app.until("mcpServer/startupStatus/updated", status="failed"))["params"]
        assert fits("McpServerStatusUpdatedNotification", told) == {
            "threadId": thread,
            "name": "demo",
            "status": "failed",
            "error": "no such program",
            "failureReason": None,
        }
        assert [entry["status"] for entry in app.told("mcpServer/startupStatus/updated")] == ["starting", "failed"]


async def test_a_call_is_shown_with_its_progress_and_result(place, fits):
    async def ask(ctx, call):
        await ctx.output_delta(call.call_id, b"half of it\n")
        return "5"

    async with place([call(NAME, "c1", a=2)], [say("done")], ask=ask) as app:
        thread = await app.thread(ephemeral=True)
        await app.call("turn/start", {"threadId": thread, "input": GO})
        await app.until("turn/completed")
        (progress,) = app.told("item/mcpToolCall/progress")
        assert (progress["itemId"], progress["message"]) == ("c1", "half of it")
        first, last = (next(p["item"] for p in app.told(kind) if p["item"]["id"] == "c1") for kind in ITEM)
        assert fits("ThreadItem", first)["status"] == "inProgress"
        assert fits("ThreadItem", last) == {
            "type": "mcpToolCall",
            "id": "c1",
            "server": "demo",
            "tool": "add",
            "arguments": {"a": 2},
            "status": "completed",
            "result": {"content": [{"type": "text", "text": "5"}]},
            "error": None,
            "durationMs": 3,
        }


ITEM = ("item/started", "item/completed")


@pytest.mark.parametrize(
    ("answer", "came"),
    [
        ({"action": "accept", "content": {"name": "Bo"}}, "accept {'name': 'Bo'}"),
        ({"action": "decline"}, "decline None"),
        ({"action": "cancel", "content": {"name": "Bo"}}, "cancel None"),
        ({"action": "accept", "content": "Bo"}, "cancel None"),
        ({"action": "perhaps"}, "cancel None"),
    ],
)
async def test_a_form_of_a_server_is_put_to_the_client(place, fits, answer, came):
    async def ask(ctx, call):
        found = await ctx.elicit("demo", "Who are you?", schema=FORM, raw={"_meta": {"a": 1}})
        return f"{found.action} {found.content}"

    async with place([call(NAME, "c1")], [say("done")], ask=ask) as app:
        thread = await app.thread(ephemeral=True)
        turn = (await app.call("turn/start", {"threadId": thread, "input": GO}))["turn"]["id"]
        request = await app.until("mcpServer/elicitation/request")
        assert fits("McpServerElicitationRequestParams", request["params"]) == {
            "threadId": thread,
            "turnId": turn,
            "serverName": "demo",
            "_meta": {"a": 1},
            "message": "Who are you?",
            "mode": "form",
            "requestedSchema": {key: found for key, found in FORM.items() if key != "title"},
        }
        app.client.respond(request, answer)
        done = await app.until("turn/completed")
        assert done["params"]["turn"]["status"] == "completed"
        (item,) = [p["item"] for p in app.told("item/completed") if p["item"]["id"] == "c1"]
        assert item["result"]["content"][0]["text"] == came
        flags = [p["status"].get("activeFlags") for p in app.told("thread/status/changed")]
        assert ["waitingOnUserInput"] in flags


async def test_a_page_that_a_server_wants_opened_is_put_to_the_client(place, fits):
    async def ask(ctx, call):
        return (await ctx.elicit("demo", "Log in", url="https://example.org/a", raw={"elicitationId": "e1"})).action

    async with place([call(NAME, "c1")], [say("done")], ask=ask) as app:
        await app.call("turn/start", {"threadId": await app.thread(ephemeral=True), "input": GO})
        request = await app.until("mcpServer/elicitation/request")
        params = fits("McpServerElicitationRequestParams", request["params"])
        assert (params["mode"], params["url"], params["elicitationId"]) == ("url", "https://example.org/a", "e1")
        app.client.respond(request, {"action": "accept", "content": None})
        await app.until("turn/completed")
        (item,) = [p["item"] for p in app.told("item/completed") if p["item"]["id"] == "c1"]
        assert item["result"]["content"][0]["text"] == "accept"


async def test_where_nobody_listens_a_form_is_cancelled(place):
    asked = anyio.Event()
    outcome = []

    async def ask(ctx, call):
        asked.set()
        outcome.append((await ctx.elicit("demo", "Who?", schema=FORM)).action)
        return "5"

    async with place([call(NAME, "c1")], [say("done")], ask=ask) as app:
        thread = await app.thread(ephemeral=True)
        await app.call("turn/start", {"threadId": thread, "input": GO})
        await app.until("mcpServer/elicitation/request")
        await app.call("thread/unsubscribe", {"threadId": thread})
        while not outcome:
            await anyio.lowlevel.checkpoint()
    assert outcome == ["cancel"]


@pytest.mark.parametrize(
    ("answer", "allowed", "questions"),
    [
        ({"action": "accept"}, True, 2),
        ({"action": "accept", "_meta": {"persist": "session"}}, True, 1),
        ({"action": "accept", "_meta": {"persist": "always"}}, True, 1),
        ({"action": "decline"}, False, 2),
        ({"action": "cancel"}, False, 2),
        ({"decision": "accept"}, False, 2),
    ],
)
async def test_whether_a_tool_may_run_is_asked_as_codex_asks_it(place, fits, answer, allowed, questions):
    async def ask(ctx, call):
        await ctx.authorize(ToolIntent(tool=NAME, arguments=call.arguments, summary="adds"))
        return "5"

    async with place([call(NAME, "c1", a=2)], [call(NAME, "c2", a=2)], [say("done")], ask=ask) as app:
        thread = await app.thread(ephemeral=True, approvalPolicy="untrusted")
        await app.call("turn/start", {"threadId": thread, "input": GO})
        for _ in range(questions):
            request = await app.until("mcpServer/elicitation/request")
            params = fits("McpServerElicitationRequestParams", request["params"])
            assert params["_meta"] == {
                "codex_approval_kind": "mcp_tool_call",
                "persist": ["session", "always"],
                "tool_name": "add",
                "tool_description": "adds",
                "tool_params": {"a": 2},
                "tool_params_display": [{"name": "a", "value": 2, "display_name": "a"}],
            }
            assert params["message"] == 'Allow the demo MCP server to run tool "add"?'
            app.client.respond(request, answer)
        done = await app.until("turn/completed")
        assert done["params"]["turn"]["status"] == "completed"
        ends = [p["item"]["status"] for p in app.told("item/completed") if p["item"]["type"] == "mcpToolCall"]
        assert ends == ["completed" if allowed else "failed"] * 2


async def test_tools_of_the_client_stay_beside_those_of_servers(place):
    tool = {"type": "function", "name": "mine", "description": "d", "inputSchema": {"type": "object", "properties": {}}}
    async with place([call("mine", "c1")], [say("done")]) as app:
        thread = await app.thread(ephemeral=True, dynamicTools=[tool])
        await app.call("turn/start", {"threadId": thread, "input": GO})
        request = await app.until("item/tool/call")
        app.client.respond(request, {"contentItems": [{"type": "inputText", "text": "hi"}], "success": True})
        await app.until("turn/completed")
        assert {NAME, "mine"} <= {tool.name for tool in app.model.requests[0].tools}


def test_a_reason_of_several_lines_stands_in_the_question():
    intent = ToolIntent(tool=NAME, arguments={}, summary="demo: add")
    changed = "the tool has changed since it was approved:\n- one\n+ two"
    params = elicited_approval(("demo", "add"), intent, changed)
    assert params["message"] == f'Allow the demo MCP server to run tool "add"?\n{changed}'
    assert elicited_approval(("demo", "add"), intent, "it may write")["message"].endswith('run tool "add"?')


def sent(app):
    """The parts of what the model was sent last."""
    return [part.text or part.image_url for part in app.model.requests[-1].input[-1].item.content]


async def test_a_prompt_of_a_server_takes_the_place_of_its_command(place):
    async with place([say("ok")], [say("ok")]) as app:
        thread = await app.thread(ephemeral=True)
        given = [{"type": "text", "text": "/demo:greet Bo"}, {"type": "text", "text": "more"}]
        await app.call("turn/start", {"threadId": thread, "input": given})
        await app.until("turn/completed")
        assert sent(app) == ["Greet Bo", "data:image/png;base64,AA==", "more"]
        with pytest.raises(RpcError, match="has no prompt 'gret'"):
            await app.call("turn/start", {"threadId": thread, "input": [{"type": "text", "text": "/demo:gret Bo"}]})
        await app.call("turn/start", {"threadId": thread, "input": [{"type": "text", "text": "/other:greet Bo"}]})
        await app.until("turn/completed")
        assert sent(app) == ["/other:greet Bo"]
