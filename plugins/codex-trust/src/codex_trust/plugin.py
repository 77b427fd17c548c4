"""Offers the configuration source `trust` and the command of the same name. Hookimpls only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import CommandSpec, ConfigSourceSpec, hookimpl

if TYPE_CHECKING:
    import click

    from codex_plugin_sdk import ConfigSource


@hookimpl
def codex_config_sources() -> Iterable[ConfigSourceSpec]:
    """The layers of a trusted project, before sources that look at all layers."""
    yield ConfigSourceSpec(name="trust", factory=_source, order=10)


@hookimpl
def codex_commands() -> Iterable[CommandSpec]:
    """One command."""
    yield CommandSpec(name="trust", help="Show what a project would have the agent do, and allow it", load=_command)


def _source() -> ConfigSource:
    from .source import TrustSource

    return TrustSource()


def _command() -> click.Command:
    from .command import trust

    return trust
