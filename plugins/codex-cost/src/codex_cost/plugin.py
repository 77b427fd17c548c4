"""Offers the command `cost` and the configuration table of the same name. Hookimpls only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import CommandSpec, ConfigSectionSpec, hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def codex_commands() -> Iterable[CommandSpec]:
    """The command `cost`."""
    yield CommandSpec(name="cost", help="What recorded sessions cost, in USD", load=_command)


@hookimpl
def codex_config_sections() -> Iterable[ConfigSectionSpec]:
    """The table `[cost]`."""
    from .section import CostSection

    yield ConfigSectionSpec(name="cost", section=CostSection)


def _command() -> click.Command:
    from .command import cost

    return cost
