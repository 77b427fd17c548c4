"""Offers the configuration source `trust`, the command of the same name and methods of the app server. Hookimpls
only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import AppMethodSpec, CommandSpec, ConfigSourceSpec, hookimpl

if TYPE_CHECKING:
    import click

    from codex_plugin_sdk import AppMethod, AppMethodSetup, ConfigSource


@hookimpl
def codex_config_sources() -> Iterable[ConfigSourceSpec]:
    """The layers of a trusted project, before sources that look at all layers."""
    yield ConfigSourceSpec(name="trust", factory=_source, order=10)


@hookimpl
def codex_commands() -> Iterable[CommandSpec]:
    """One command."""
    yield CommandSpec(name="trust", help="Show what a project would have the agent do, and allow it", load=_command)


@hookimpl
def codex_app_methods() -> Iterable[AppMethodSpec]:
    """What `codex trust` does, for frontends."""
    yield AppMethodSpec(name="trust/show", help="What a project would have the agent do", factory=_show)
    yield AppMethodSpec(name="trust/set", help="Trust a project as it was shown, or no more", factory=_set)


def _show(setup: AppMethodSetup) -> AppMethod:
    from .app_methods import show

    return show(setup)


def _set(setup: AppMethodSetup) -> AppMethod:
    from .app_methods import agree_or_revoke

    return agree_or_revoke(setup)


def _source() -> ConfigSource:
    from .source import TrustSource

    return TrustSource()


def _command() -> click.Command:
    from .command import trust

    return trust
