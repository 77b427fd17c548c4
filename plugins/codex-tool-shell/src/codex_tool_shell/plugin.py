"""Registers `exec_command`, `write_stdin` and a feature flag."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from codex_plugin_sdk import FeatureSpec, ToolSpec, hookimpl

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
PERMISSIONS = "exec_permission_approvals"


@hookimpl
def codex_tools() -> Iterable[ToolSpec]:
    """The two tools; both share the sessions of their thread."""
    yield ToolSpec(name="exec_command", factory=_exec_command)
    yield ToolSpec(name="write_stdin", factory=_write_stdin)


@hookimpl
def codex_features() -> Iterable[FeatureSpec]:
    """Codex's own flag for what a command may ask for."""
    yield FeatureSpec(
        name=PERMISSIONS, stage="under development", help="Let the model ask for more permissions for one command"
    )


def _exec_command(setup: ToolSetup) -> Tool:
    def make() -> Tool:
        from .exec_command import ExecCommandTool
        from .sessions import sessions_of

        return ExecCommandTool(setup, sessions_of(setup))

    features = setup.config.get("features")
    asks = isinstance(features, Mapping) and features.get(PERMISSIONS) is True
    if asks or setup.config.keys() & SETTINGS:
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
