import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_mcp_bridge.deferral import Ranking, threshold_of, words_of
from codex_plugin_sdk import ConfigError, ToolFailed


def test_words_are_split_and_lowered():
    assert words_of("createIssue_in JIRA-projects 42") == ["create", "issue", "in", "jira", "project", "42"]


TEXTS = [
    ("jira__create_issue", "Opens a ticket in a project."),
    ("calendar__list_events", "Shows the meetings of a day."),
    ("mail__send", "Sends a message to people, about an issue or an event."),
]


@pytest.mark.parametrize(
    ("query", "found"),
    [("create an issue", 0), ("events", 1), ("send mail", 2), ("calend", 1), ("ticket", 0)],
)
def test_the_best_tool_comes_first(query, found):
    assert Ranking(TEXTS).best(query, 3)[0] == found


def test_nothing_is_found_for_foreign_words():
    assert Ranking(TEXTS).best("zzz", 3) == []


@given(
    st.lists(st.tuples(st.text(max_size=20), st.text(max_size=40)), max_size=10),
    st.text(max_size=30),
    st.integers(1, 5),
)
def test_a_ranking_is_a_choice_without_repetition(texts, query, limit):
    found = Ranking(texts).best(query, limit)
    assert len(found) == len(set(found)) <= limit
    assert set(found) <= set(range(len(texts)))


def test_the_threshold_comes_from_config_or_the_window():
    assert threshold_of({"mcp": {"defer_tools_above_tokens": 5}}).tokens == 5
    assert threshold_of({}, 200_000).tokens == 20_000
    assert threshold_of({}).tokens == 12_800
    with pytest.raises(ConfigError, match="defer_tools_above_tokens"):
        threshold_of({"mcp": {"defer_tools_above_tokens": "many"}})


def many(bench, make_tool, count=150):
    bench.serve("jira", *(make_tool(f"get_field_{i}", description=f"Gets field number {i}.") for i in range(count)))
    bench.serve("mail", make_tool("send_letter", description="Sends a letter to somebody."))


def test_few_tools_are_offered_as_they_are(bench, make_tool):
    many(bench, make_tool, 20)
    assert "tool_search" not in bench.names
    assert len(bench.names) == 21
    assert bench.told == []


@pytest.mark.anyio
async def test_found_tools_are_offered_from_the_next_request_on_and_the_saving_is_told(bench, make_tool):
    many(bench, make_tool)
    assert bench.names == ["tool_search"]
    assert "151 MCP tools" in bench.told[0].message
    assert bench.told[0].level == "info"
    output = await bench.call("tool_search", bench.context(), query="write a letter")
    assert "mcp__mail__send_letter: Sends a letter" in output.output
    assert bench.names == ["tool_search", "mcp__mail__send_letter"]
    assert len(bench.told) == 1


@pytest.mark.anyio
async def test_the_search_says_which_servers_there_are(bench, make_tool):
    many(bench, make_tool)
    bench.servers["jira"].instructions = "Tickets of the team\x1b.\nMore."
    described = bench.named("tool_search").definition.description
    assert "- jira (150 tools): Tickets of the team\\x1b." in described
    assert "More" not in described


@pytest.mark.anyio
async def test_what_was_found_longest_ago_makes_room(bench, make_tool):
    bench.config["mcp"] = {"defer_tools_above_tokens": 2_000}
    bench.serve("s", *(make_tool(f"t{i}", description=f"word{i} " + "x" * 1_900) for i in range(30)))
    for i in range(8):
        await bench.call("tool_search", bench.context(), query=f"word{i}", limit=1)
    offered = bench.names
    assert "mcp__s__t7" in offered
    assert "mcp__s__t0" not in offered
    assert 2 <= len(offered) <= 6


@pytest.mark.anyio
@pytest.mark.parametrize(
    "arguments", [{"query": " "}, {"query": 1}, {"query": "x", "limit": 0}, {"query": "x", "limit": True}]
)
async def test_a_bad_search_is_told_to_the_model(bench, make_tool, arguments):
    many(bench, make_tool)
    with pytest.raises(ToolFailed):
        await bench.call("tool_search", bench.context(), **arguments)


@pytest.mark.anyio
async def test_a_search_without_result_says_so(bench, make_tool):
    many(bench, make_tool)
    output = await bench.call("tool_search", bench.context(), query="zzz")
    assert "No tool matches" in output.output
