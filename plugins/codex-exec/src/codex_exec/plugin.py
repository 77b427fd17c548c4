"""Offers the command `exec` and the renderers `text` and `jsonl`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import CommandSpec, RendererSpec, hookimpl

if TYPE_CHECKING:
    import click

    from codex_plugin_sdk import Renderer, RenderSetup


@hookimpl
def codex_commands() -> Iterable[CommandSpec]:
    """One command, which programs may also call as `codex-exec`."""
    yield CommandSpec(
        name="exec",
        help="Run the agent on one prompt, without a terminal UI",
        load=_command,
        argv0=("codex-exec",),
        remote=True,
    )


@hookimpl
def codex_renderers() -> Iterable[RendererSpec]:
    """Progress for a person, and events for a program."""
    yield RendererSpec(name="text", factory=_text)
    yield RendererSpec(name="jsonl", factory=_jsonl)


def _command() -> click.Command:
    from .command import exec_command

    return exec_command


def _text(setup: RenderSetup) -> Renderer:
    from .text import TextRenderer

    return TextRenderer(setup)


def _jsonl(setup: RenderSetup) -> Renderer:
    from .jsonl import JsonlRenderer

    return JsonlRenderer(setup)
