import json

import anyio
import mcp.types as t
import pytest

from codex_plugin_sdk import ItemStatus, ToolFailed

pytestmark = pytest.mark.anyio


def page(*uris, following=None):
    return t.ListResourcesResult(resources=[t.Resource(uri=uri, name=uri[-1]) for uri in uris], next_cursor=following)


def stock(bench, name, pages):
    server = bench.serve(name)
    server.capabilities = t.ServerCapabilities(resources={})
    server.pages = pages
    return server


def body(output):
    return json.loads(output.output.partition("Output:\n")[2])


async def test_all_pages_of_all_servers_are_listed_with_their_server(bench):
    stock(bench, "b", {None: page("b:1", following="2"), "2": page("b:2")})
    stock(bench, "a", {None: page("a:1")})
    ctx = bench.context()
    found = body(await bench.call("list_mcp_resources", ctx))
    assert found == {
        "resources": [
            {"server": "a", "name": "1", "uri": "a:1"},
            {"server": "b", "name": "1", "uri": "b:1"},
            {"server": "b", "name": "2", "uri": "b:2"},
        ]
    }
    assert (ctx.completed[0].server, ctx.completed[0].status) == ("codex", ItemStatus.COMPLETED)


async def test_servers_are_asked_at_the_same_time(bench):
    arrived = []
    both = anyio.Event()
    for name in "ab":
        server = stock(bench, name, {})

        async def wait(cursor=None, name=name):
            arrived.append(name)
            if len(arrived) == 2:
                both.set()
            await both.wait()
            return page()

        server.list_resources = wait
    with anyio.fail_after(5):
        assert body(await bench.call("list_mcp_resources", bench.context())) == {"resources": []}


async def test_one_page_of_one_server_with_its_cursor(bench):
    stock(bench, "b", {"2": page("b:2", following="3")})
    found = body(await bench.call("list_mcp_resources", bench.context(), server="b", cursor="2"))
    assert found == {"server": "b", "resources": [{"server": "b", "name": "2", "uri": "b:2"}], "nextCursor": "3"}


async def test_a_server_that_turns_pages_for_ever_is_stopped(bench):
    stock(bench, "b", {None: page("b:1", following="x"), "x": page("b:1", following="x")})
    assert len(body(await bench.call("list_mcp_resources", bench.context()))["resources"]) == 2


async def test_a_server_that_fails_is_named_beside_the_others(bench):
    stock(bench, "a", {None: page("a:1")})
    broken = stock(bench, "b", {})

    async def fail(cursor=None):
        raise ToolFailed("gone\x1b")

    broken.list_resources = fail
    found = body(await bench.call("list_mcp_resources", bench.context()))
    assert len(found["resources"]) == 1
    assert found["errors"] == {"b": "gone\\x1b"}


async def test_a_resource_is_read_and_shown_as_the_servers_call(bench):
    server = stock(bench, "a", {})

    async def read(uri):
        return t.ReadResourceResult(
            contents=[t.TextResourceContents(uri=uri, text="inside\x1b", mime_type="text/plain")]
        )

    server.read_resource = read
    ctx = bench.context()
    output = await bench.call("read_mcp_resource", ctx, server="a", uri="demo://x")
    assert output.output.endswith("Output:\n[resource demo://x (text/plain)]\ninside\\x1b")
    assert (ctx.completed[0].server, ctx.completed[0].tool) == ("a", "read_mcp_resource")


@pytest.mark.parametrize(
    ("name", "arguments", "why"),
    [
        ("list_mcp_resources", {"server": "nobody"}, "those that do: a"),
        ("list_mcp_resources", {"cursor": "2"}, "belongs to one server"),
        ("list_mcp_resources", {"server": 1}, "must be a string"),
        ("read_mcp_resource", {"server": "", "uri": "x"}, "must not be empty"),
    ],
)
async def test_bad_requests_say_what_is_wrong(bench, name, arguments, why):
    stock(bench, "a", {None: page()})
    with pytest.raises(ToolFailed, match=why):
        await bench.call(name, bench.context(), **arguments)
