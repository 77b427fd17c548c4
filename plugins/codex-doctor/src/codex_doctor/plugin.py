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
    """What every installation has: programs, plugins, a home, a configuration, a model server, a terminal."""
    yield CheckSpec(name="installation", factory=_installation, order=10)
    yield CheckSpec(name="plugins", factory=_plugins, order=15)
    yield CheckSpec(name="home", factory=_home, order=20)
    yield CheckSpec(name="state", factory=_state, order=25)
    yield CheckSpec(name="config", factory=_config, order=30)
    yield CheckSpec(name="provider", factory=_provider, order=50)
    yield CheckSpec(name="git", factory=_git, order=60)
    yield CheckSpec(name="terminal", factory=_terminal, order=70)


def _command() -> click.Command:
    from .command import doctor

    return doctor


def _installation(setup: CheckSetup) -> Check:
    from .checks.installation import InstallationCheck

    return InstallationCheck(setup)


def _plugins(setup: CheckSetup) -> Check:
    from .checks.plugins import PluginsCheck

    return PluginsCheck(setup)


def _home(setup: CheckSetup) -> Check:
    from .checks.home import HomeCheck

    return HomeCheck(setup)


def _state(setup: CheckSetup) -> Check:
    from .checks.state import StateCheck

    return StateCheck(setup)


def _config(setup: CheckSetup) -> Check:
    from .checks.configuration import ConfigCheck

    return ConfigCheck(setup)


def _provider(setup: CheckSetup) -> Check:
    from .checks.provider import ProviderCheck

    return ProviderCheck(setup)


def _git(setup: CheckSetup) -> Check:
    from .checks.git import GitCheck

    return GitCheck(setup)


def _terminal(setup: CheckSetup) -> Check:
    from .checks.terminal import TerminalCheck

    return TerminalCheck(setup)
