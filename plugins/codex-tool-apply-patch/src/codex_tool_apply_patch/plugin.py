"""What this distribution offers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from codex_plugin_sdk import CommandSpec, FeatureSpec, ToolSpec, hookimpl

if TYPE_CHECKING:
    import click

    from codex_plugin_sdk import Tool, ToolSetup

STREAMING = "apply_patch_streaming_events"


@hookimpl
def codex_tools() -> Iterable[ToolSpec]:
    """The tool `apply_patch`."""
    yield ToolSpec(name="apply_patch", factory=_open_tool)


@hookimpl
def codex_features() -> Iterable[FeatureSpec]:
    """Codex's own flag for it."""
    yield FeatureSpec(
        name=STREAMING, stage="under development", help="Show clients of the app server a patch while it is written"
    )


@hookimpl
def codex_commands() -> Iterable[CommandSpec]:
    """The command `apply_patch`, also under its old name."""
    yield CommandSpec(
        name="apply_patch",
        load=_load_command,
        help="Apply a V4A patch given as argument or on stdin",
        argv0=("apply_patch", "applypatch"),
    )


def _open_tool(setup: ToolSetup) -> Tool:
    from .tool import ApplyPatchTool

    features = setup.config.get("features")
    followed = isinstance(features, Mapping) and features.get(STREAMING) is True
    return ApplyPatchTool(followed=followed)


def _load_command() -> click.Command:
    from .cli import apply_patch

    return apply_patch
