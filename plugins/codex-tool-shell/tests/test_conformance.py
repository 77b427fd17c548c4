"""The tool keeps the contract, as the kit sees it."""

import pytest

from codex_plugin_sdk.testing.tool_kit import ToolCase, ToolConformance
from codex_tool_shell import plugin


class TestExecCommand(ToolConformance):
    @pytest.fixture
    def tool_case(self):
        spec = next(spec for spec in plugin.codex_tools() if spec.name == "exec_command")
        calls = ({"cmd": "echo hello", "login": False}, {"cmd": "pwd", "login": False})
        hanging = {"cmd": "echo up; sleep 600", "login": False, "yield_time_ms": 30_000}
        return ToolCase(open=spec.factory, good_calls=calls, hanging_call=hanging)
