"""Registers `exec_command` and `write_stdin`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import ToolSpec, hookimpl

if TYPE_CHECKING:
    from codex_plugin_sdk import Tool, ToolSetup


@hookimpl
def codex_tools() -> Iterable[ToolSpec]:
    """The two tools; both share the sessions of their thread."""
    yield ToolSpec(name="exec_command", factory=_exec_command)
    yield ToolSpec(name="write_stdin", factory=_write_stdin)


def _exec_command(setup: ToolSetup) -> Tool:
    from .exec_command import ExecCommandTool
    from .sessions import sessions_of

    return ExecCommandTool(setup, sessions_of(setup))


def _write_stdin(setup: ToolSetup) -> Tool:
    from .sessions import sessions_of
    from .write_stdin import WriteStdinTool

    return WriteStdinTool(sessions_of(setup))
