"""Registers `exec_command` and `write_stdin`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import ToolSpec, hookimpl

if TYPE_CHECKING:
    from codex_plugin_sdk import Tool, ToolSetup

SETTINGS = frozenset(
    {
        "allow_login_shell",
        "background_terminal_max_timeout",
        "shell_environment_policy",
        "tool_output_token_limit",
    }
)
"""The keys of the configuration that the tools read."""


@hookimpl
def codex_tools() -> Iterable[ToolSpec]:
    """The two tools; both share the sessions of their thread."""
    yield ToolSpec(name="exec_command", factory=_exec_command)
    yield ToolSpec(name="write_stdin", factory=_write_stdin)


def _exec_command(setup: ToolSetup) -> Tool:
    def make() -> Tool:
        from .exec_command import ExecCommandTool
        from .sessions import sessions_of

        return ExecCommandTool(setup, sessions_of(setup))

    if setup.config.keys() & SETTINGS:
        return make()  # so that settings that do not fit are told at once
    from codex_plugin_sdk import LateTool

    from .definitions import EXEC_COMMAND

    return LateTool(EXEC_COMMAND, make, parallel_safe=True)


def _write_stdin(setup: ToolSetup) -> Tool:
    def make() -> Tool:
        from .sessions import sessions_of
        from .write_stdin import WriteStdinTool

        return WriteStdinTool(sessions_of(setup))

    from codex_plugin_sdk import LateTool

    from .definitions import WRITE_STDIN

    return LateTool(WRITE_STDIN, make, parallel_safe=True)
