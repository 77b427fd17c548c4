"""Offers the configuration source `managed`, the command and the check of the same name. Hookimpls only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import CheckSpec, CommandSpec, ConfigSourceSpec, hookimpl

if TYPE_CHECKING:
    import click

    from codex_plugin_sdk import Check, CheckSetup, ConfigSource


@hookimpl
def codex_config_sources() -> Iterable[ConfigSourceSpec]:
    """The bundle's layer and requirements, before sources that look at what it says."""
    yield ConfigSourceSpec(name="managed", factory=_source, order=5)


@hookimpl
def codex_commands() -> Iterable[CommandSpec]:
    """One command."""
    yield CommandSpec(name="managed", help="Show, refresh or sign the organisation's configuration", load=_command)


@hookimpl
def codex_checks() -> Iterable[CheckSpec]:
    """One check."""
    yield CheckSpec(name="managed", factory=_check, order=35)


def _source() -> ConfigSource:
    from .source import ManagedSource

    return ManagedSource()


def _command() -> click.Command:
    from .command import managed

    return managed


def _check(setup: CheckSetup) -> Check:
    from .check import ManagedCheck

    return ManagedCheck(setup)
