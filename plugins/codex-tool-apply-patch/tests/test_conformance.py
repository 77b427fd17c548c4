"""The tool keeps the contract, as the kit sees it."""

import pytest

from codex_plugin_sdk.testing.tool_kit import ToolCase, ToolConformance
from codex_tool_apply_patch import plugin


class TestApplyPatch(ToolConformance):
    @pytest.fixture
    def tool_case(self):
        (spec,) = plugin.codex_tools()
        add = "*** Begin Patch\n*** Add File: new.txt\n+hello\n*** End Patch\n"
        change = "*** Begin Patch\n*** Update File: new.txt\n@@\n-hello\n+world\n*** End Patch\n"
        return ToolCase(open=spec.factory, good_calls=(add, change))
