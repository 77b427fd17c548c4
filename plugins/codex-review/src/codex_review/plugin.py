"""Offers the command `review` and the renderer `findings`. Hookimpls only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import CommandSpec, RendererSpec, hookimpl

if TYPE_CHECKING:
    import click

    from codex_plugin_sdk import Renderer, RenderSetup


@hookimpl
def codex_commands() -> Iterable[CommandSpec]:
    """One command."""
    yield CommandSpec(name="review", help="Review code changes", load=_command)


@hookimpl
def codex_renderers() -> Iterable[RendererSpec]:
    """A review as one JSON object."""
    yield RendererSpec(name="findings", factory=_findings)


def _command() -> click.Command:
    from .command import review

    return review


def _findings(setup: RenderSetup) -> Renderer:
    from .findings import FindingsRenderer

    return FindingsRenderer(setup)
