"""Offers the command `tui`, which is what `codex` without a subcommand runs, and its table. Hookimpls only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import CommandSpec, ConfigSectionSpec, hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def codex_commands() -> Iterable[CommandSpec]:
    """One command; hidden, since `codex` alone runs it."""
    yield CommandSpec(name="tui", help="The terminal UI", load=_command, hidden=True, remote=True)


@hookimpl
def codex_config_sections() -> Iterable[ConfigSectionSpec]:
    """The table `[tui]`."""
    from .section import TuiSection

    yield ConfigSectionSpec(name="tui", section=TuiSection)


def _command() -> click.Command:
    from .command import tui

    return tui
