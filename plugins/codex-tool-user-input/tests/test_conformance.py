"""The tools keep the contract, as the kit sees it."""

import pytest

from codex_plugin_sdk.testing.tool_kit import ToolCase, ToolConformance
from codex_tool_user_input import plugin

QUESTION = {"id": "q", "header": "Colour", "question": "Which?", "options": [{"label": "red", "description": "r"}]}


class TestRequestUserInput(ToolConformance):
    @pytest.fixture
    def tool_case(self):
        spec, _ = plugin.codex_tools()
        return ToolCase(open=spec.factory, good_calls=({"questions": [QUESTION]},), answers={"q": "red"})


class TestRequestPermissions(ToolConformance):
    @pytest.fixture
    def tool_case(self):
        _, spec = plugin.codex_tools()
        return ToolCase(open=spec.factory, good_calls=({"permissions": {"network": {"enabled": True}}},))
