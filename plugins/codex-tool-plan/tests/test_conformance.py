"""The tool keeps the contract, as the kit sees it."""

import pytest

from codex_plugin_sdk.testing.tool_kit import ToolCase, ToolConformance
from codex_tool_plan import plugin


class TestUpdatePlan(ToolConformance):
    @pytest.fixture
    def tool_case(self):
        (spec,) = plugin.codex_tools()
        steps = [{"step": "look", "status": "completed"}, {"step": "act", "status": "in_progress"}]
        return ToolCase(open=spec.factory, good_calls=({"plan": steps}, {"plan": steps, "explanation": "why"}))
