"""The tool counts, and tells the model what was wrong with a call."""

from __future__ import annotations

from typing import Any, cast

import pytest

from codex_plugin_sdk import ToolCall, ToolContext, ToolFailed, ToolSetup, new_thread_id
from codex_tool_sample import plugin

# This tool asks nothing of the kernel. `codex_plugin_sdk.testing` runs one that does inside a thread.
NO_CONTEXT = cast("ToolContext", None)


@pytest.fixture
def tool(tmp_path: Any) -> Any:
    (spec,) = plugin.codex_tools()
    setup = ToolSetup(thread_id=new_thread_id(), codex_home=str(tmp_path), spill_dir=str(tmp_path), environ={})
    return spec.factory(setup)


def call(**arguments: Any) -> ToolCall:
    return ToolCall(call_id="call_1", name="sample", input="", arguments=arguments)


def test_tool_is_offered_under_the_name_that_its_definition_has(tool: Any) -> None:
    (spec,) = plugin.codex_tools()
    assert spec.name == tool.definition.name == "sample"


@pytest.mark.anyio
async def test_text_is_counted(tool: Any) -> None:
    output = await tool.run(call(text="one two\nthree"), NO_CONTEXT)
    assert output.output == "2 lines, 3 words, 13 characters"
    assert output.success


@pytest.mark.anyio
async def test_argument_of_another_type_is_told_to_the_model(tool: Any) -> None:
    with pytest.raises(ToolFailed, match="`text` must be a string"):
        await tool.run(call(text=7), NO_CONTEXT)
