"""Offers the command `app-server`. Hookimpls only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import CommandSpec, ConfigSectionSpec, hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def codex_commands() -> Iterable[CommandSpec]:
    """One command."""
    yield CommandSpec(name="app-server", help="Serve editors and SDKs over JSON-RPC", load=_command)


@hookimpl
def codex_config_sections() -> Iterable[ConfigSectionSpec]:
    """The table `[app_server]`."""
    from .section import AppServerSection

    yield ConfigSectionSpec(name="app_server", section=AppServerSection)


def _command() -> click.Command:
    from .command import app_server

    return app_server
