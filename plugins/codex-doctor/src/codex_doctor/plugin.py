"""Offers the command `doctor` and the checks that belong to no other plugin. Hookimpls only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import CheckSpec, CommandSpec, hookimpl

if TYPE_CHECKING:
    import click

    from codex_plugin_sdk import Check, CheckSetup


@hookimpl
def codex_commands() -> Iterable[CommandSpec]:
    """One command."""
    yield CommandSpec(name="doctor", help="Check this installation, and say what to do about it", load=_command)


@hookimpl
def codex_checks() -> Iterable[CheckSpec]:
    """What every installation has: programs, a home, a configuration."""
    yield CheckSpec(name="installation", factory=_installation, order=10)
    yield CheckSpec(name="home", factory=_home, order=20)
    yield CheckSpec(name="config", factory=_config, order=30)


def _command() -> click.Command:
    from .command import doctor

    return doctor


def _installation(setup: CheckSetup) -> Check:
    from .checks import InstallationCheck

    return InstallationCheck(setup)


def _home(setup: CheckSetup) -> Check:
    from .checks import HomeCheck

    return HomeCheck(setup)


def _config(setup: CheckSetup) -> Check:
    from .checks import ConfigCheck

    return ConfigCheck(setup)
