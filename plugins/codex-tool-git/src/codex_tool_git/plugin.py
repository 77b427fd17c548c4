"""What the plugin offers. Nothing here does the work: a process that never uses the tool must not pay for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import ToolSpec, hookimpl

if TYPE_CHECKING:
    from codex_plugin_sdk import Tool, ToolSetup


@hookimpl
def codex_tools() -> Iterable[ToolSpec]:
    """The tool `git`, of which the model is not told: it only takes over shell commands."""
    yield ToolSpec(name="git", factory=_open, offered=False)


def _open(setup: ToolSetup) -> Tool:
    from .tool import GitTool

    return GitTool(setup)
