"""Offers the commands `completion` and `debug`. Hookimpls only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import CommandSpec, hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def codex_commands() -> Iterable[CommandSpec]:
    """Two commands that share nothing but their distribution."""
    yield CommandSpec(name="completion", help="Print a script that completes codex in your shell", load=_completion)
    yield CommandSpec(name="debug", help="See what the model is told, and which models there are", load=_debug)


def _completion() -> click.Command:
    from .completion_command import completion

    return completion


def _debug() -> click.Command:
    from .debug_command import debug

    return debug
