"""The tool keeps to the contract, counts, and tells the model what was wrong with a call."""

from __future__ import annotations

from typing import Any

import pytest

from codex_mcp_server import plugin
from codex_mcp_server.tool import McpServerTool
from codex_plugin_sdk import ToolCall, ToolFailed
from codex_plugin_sdk.testing.fake_context import FakeToolContext
from codex_plugin_sdk.testing.tool_kit import ToolCase, ToolConformance

(SPEC,) = plugin.codex_tools()


class TestMcpServerTool(ToolConformance):
    """What every tool owes the kernel. Give a `hanging_call` as soon as yours can wait for something."""

    @pytest.fixture
    def tool_case(self) -> ToolCase:
        return ToolCase(open=SPEC.factory, good_calls=({"text": "one two\nthree"}, {"text": ""}))


def call(**arguments: Any) -> ToolCall:
    return ToolCall(call_id="call_1", name="mcp_server", input="", arguments=arguments)


def test_tool_is_offered_under_the_name_that_its_definition_has() -> None:
    assert SPEC.name == McpServerTool().definition.name == "mcp_server"


@pytest.mark.anyio
async def test_text_is_counted(tmp_path: Any) -> None:
    output = await McpServerTool().run(call(text="one two\nthree"), FakeToolContext(str(tmp_path)))
    assert output.output == "2 lines, 3 words, 13 characters"
    assert output.success


@pytest.mark.anyio
async def test_argument_of_another_type_is_told_to_the_model(tmp_path: Any) -> None:
    with pytest.raises(ToolFailed, match="`text` must be a string"):
        await McpServerTool().run(call(text=7), FakeToolContext(str(tmp_path)))
