"""When there are tools for sub-agents at all, and what `[agents]` may say."""

import subprocess
import sys

import pytest

from codex_agent_graph import plugin
from codex_agent_graph.limits import Limits, read_limits
from codex_agent_graph.tree import NAMES, Tree
from codex_plugin_sdk import ConfigError, ToolSetup, ToolSourceSetup, new_thread_id

(SPEC,) = plugin.codex_tool_sources()


def made(config, depth=0, **more):
    tools = ToolSetup(thread_id=new_thread_id(), codex_home="/none", spill_dir="/none", environ={}, config=config)
    given = {"open_child": lambda options: None, **more}
    return SPEC.factory(ToolSourceSetup(tools=tools, cwd="/", tell=lambda _: None, spawn=None, depth=depth, **given))


def test_the_tools_are_offered_from_the_start_unless_they_are_switched_off_or_would_be_too_deep():
    assert next(tool.definition.name for tool in made({}).tools()) == "spawn_agent"
    assert made({"features": {"multi_agent": False}}) is None
    assert made({}, depth=1) is None
    assert made({"agents": {"max_depth": 2}}, depth=1) is not None
    assert made({"agents": {"max_depth": 0}}) is None
    assert made({"agents": {"max_threads": 0}}) is None
    assert made({}, open_child=None) is None


def test_limits_are_codexs_unless_they_are_set():
    table = {
        "max_threads": 2,
        "max_depth": 3,
        "default_subagent_model": "m",
        "default_subagent_reasoning_effort": "low",
    }
    assert read_limits({}) == Limits(max_threads=6, max_depth=1)
    assert read_limits({"agents": table}) == Limits(max_threads=2, max_depth=3, model="m", effort="low")


@pytest.mark.parametrize(
    "table",
    [3, {"max_threads": -1}, {"max_depth": "deep"}, {"max_threads": True}, {"default_subagent_model": 4}],
)
def test_what_is_no_limit_is_refused(table):
    with pytest.raises(ConfigError, match="agents"):
        read_limits({"agents": table})


def test_names_are_never_given_twice():
    tree = Tree("root", 6)
    names = [tree.name() for _ in range(3 * len(NAMES))]
    assert len(set(names)) == len(names)


def test_the_source_is_made_without_an_event_loop():
    script = "import sys, codex_agent_graph.source; print(sorted({'anyio', 'asyncio'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
