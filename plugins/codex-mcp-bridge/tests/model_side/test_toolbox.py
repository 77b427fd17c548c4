import pytest
from mcp.types import ServerCapabilities


def test_tools_come_by_server_and_name_whatever_was_there_first(bench, make_tool):
    bench.serve("z", make_tool("b"), make_tool("a"))
    bench.serve("a", make_tool("c"))
    assert bench.names == ["mcp__a__c", "mcp__z__a", "mcp__z__b"]


def test_the_order_and_the_objects_stay_between_requests(bench, make_tool):
    bench.serve("s", make_tool("b"), make_tool("a"))
    assert list(bench.box.tools()) == list(bench.box.tools())


def test_a_late_server_joins_and_a_changed_list_is_seen(bench, make_tool):
    late = bench.serve("late", make_tool("x"))
    late.status, tools = "notStarted", late.tools
    assert bench.names == []
    late.status = "ready"
    assert bench.names == ["mcp__late__x"]
    late.tools = (*tools, make_tool("y"))
    bench.box.changed()
    assert bench.names == ["mcp__late__x", "mcp__late__y"]


def test_hidden_and_disabled_tools_are_not_offered(bench, make_tool):
    bench.serve(
        "s",
        make_tool("on"),
        make_tool("off"),
        make_tool("other"),
        make_tool("app", _meta={"ui": {"visibility": ["app"]}}),
        make_tool("both", _meta={"ui": {"visibility": ["app", "model"]}}),
        enabled_tools=frozenset({"on", "off", "app", "both"}),
        disabled_tools=frozenset({"off"}),
    )
    assert bench.names == ["mcp__s__both", "mcp__s__on"]


def test_a_tool_with_a_hopeless_schema_is_left_out_and_said_once(bench, make_tool):
    bench.serve("s", make_tool("bad\x1b", {"type": "string"}), make_tool("good"))
    assert bench.names == ["mcp__s__good"]
    bench.box.changed()
    assert bench.names == ["mcp__s__good"]
    assert [note.message for note in bench.told] == [
        "the tool bad\\x1b of s is left out: its input schema wants string, not an object"
    ]


def test_words_of_the_server_are_escaped_and_bounded(bench, make_tool):
    bench.serve("s", make_tool("a", description="\x1b[2J\u202e" + "x" * 5_000), make_tool("b"))
    bench.servers["s"].instructions = "Be quick.\x07"
    first, second = [tool.definition.description for tool in bench.box.tools()]
    assert first.startswith("\\x1b[2J\\u202exxx")
    assert len(first) < 2_200
    assert first.endswith("(The MCP server s says: Be quick.\\x07)")
    assert second == "Does b."


def test_resource_tools_are_there_only_for_servers_with_resources(bench, make_tool):
    server = bench.serve("s", make_tool("a"))
    assert bench.names == ["mcp__s__a"]
    server.capabilities = ServerCapabilities(resources={})
    assert bench.names == ["mcp__s__a", "list_mcp_resources", "list_mcp_resource_templates", "read_mcp_resource"]


@pytest.mark.anyio
async def test_the_root_is_the_workspace(bench):
    found = await bench.box.handlers("s").roots()
    assert [(str(root.uri), root.name) for root in found.roots] == [(bench.folder.as_uri(), bench.folder.name)]


def test_a_server_whose_schemas_multiply_in_every_tool_does_not_keep_us_busy(bench, make_tool):
    parts = {f"d{i}": {"properties": {c: {"$ref": f"#/$defs/d{i + 1}"} for c in "abcdefghij"}} for i in range(3)}
    schema = {"properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": {**parts, "d3": {}}}
    bench.config["mcp"] = {"defer_tools_above_tokens": 10**9}
    bench.serve("s", *(make_tool(f"t{i:03}", schema) for i in range(500)))
    bench.serve("z", make_tool("small"))
    assert len(bench.names) < 100
    assert bench.names[0] == "mcp__s__t000"
    assert bench.names[-1] == "mcp__z__small"
    assert ["further tools of s are left out" in note.message for note in bench.told] == [True]
