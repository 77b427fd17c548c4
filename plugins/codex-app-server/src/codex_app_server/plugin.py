"""Offers the command `app-server`, the server in this process, the names of its methods, and a guard that watches
sub-agents for it. Hookimpls only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import AppMethodSpec, AppServerSpec, CommandSpec, ConfigSectionSpec, TurnGuardSpec, hookimpl

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    import click

    from codex_plugin_sdk import AppMethod, AppMethodSetup, AppServer, GuardSetup, Invocation, TurnGuard


@hookimpl
def codex_commands() -> Iterable[CommandSpec]:
    """One command."""
    yield CommandSpec(name="app-server", help="Serve editors and SDKs over JSON-RPC", load=_command)


@hookimpl
def codex_config_sections() -> Iterable[ConfigSectionSpec]:
    """The table `[app_server]`."""
    from .section import AppServerSection

    yield ConfigSectionSpec(name="app_server", section=AppServerSection)


@hookimpl
def codex_app_servers() -> Iterable[AppServerSpec]:
    """The server for frontends in this process."""
    yield AppServerSpec(name="app-server", factory=_server)


@hookimpl
def codex_app_methods() -> Iterable[AppMethodSpec]:
    """What the server has itself, so that nobody else takes these names."""
    from .names import NAMES

    for name in NAMES:
        yield AppMethodSpec(name=name, factory=_own)


@hookimpl
def codex_turn_guards() -> Iterable[TurnGuardSpec]:
    """Tells clients of the turns of sub-agents."""
    yield TurnGuardSpec(name="app-server-agents", factory=_agent_turns, observes=True)


def _agent_turns(setup: GuardSetup) -> TurnGuard | None:
    import sys

    if setup.parent_id is None or "codex_app_server.loaded" not in sys.modules:
        return None  # no agent, or no server in this process
    from .agent_turns import AgentTurns

    return AgentTurns(setup)


def _server(invocation: Invocation) -> AbstractAsyncContextManager[AppServer]:
    from .inprocess import app_server

    return app_server(invocation)


def _own(setup: AppMethodSetup) -> AppMethod:
    from codex_plugin_sdk import PluginError

    raise PluginError("the server carries out its own methods itself", plugin="app-server")


def _command() -> click.Command:
    from .command import app_server

    return app_server
