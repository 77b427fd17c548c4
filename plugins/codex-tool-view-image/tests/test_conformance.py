"""The tool keeps the contract, as the kit sees it."""

import base64
from pathlib import Path

import pytest

from codex_plugin_sdk.testing.tool_kit import ToolCase, ToolConformance
from codex_tool_view_image import plugin

DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


class TestViewImage(ToolConformance):
    @pytest.fixture
    def tool_case(self, workspace):
        (spec,) = plugin.codex_tools()
        (Path(workspace) / "dot.png").write_bytes(base64.b64decode(DOT))
        return ToolCase(open=spec.factory, good_calls=({"path": "dot.png"},))
