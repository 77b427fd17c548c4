"""What this distribution offers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import ToolSpec, hookimpl

if TYPE_CHECKING:
    from codex_plugin_sdk import Tool, ToolSetup


@hookimpl
def codex_tools() -> Iterable[ToolSpec]:
    """The tool `view_image`."""
    yield ToolSpec(name="view_image", factory=_open_tool, needs_images=True)


def _open_tool(setup: ToolSetup) -> Tool:
    from .tool import ViewImageTool

    return ViewImageTool()
