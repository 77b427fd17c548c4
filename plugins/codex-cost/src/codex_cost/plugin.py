"""Offers the commands `cost` and `budget`, their tables, the guard of budgets, and `cost/read`. Hookimpls only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import AppMethodSpec, CommandSpec, ConfigSectionSpec, TurnGuardSpec, hookimpl

if TYPE_CHECKING:
    import click

    from codex_plugin_sdk import AppMethod, AppMethodSetup, GuardSetup, TurnGuard


@hookimpl
def codex_commands() -> Iterable[CommandSpec]:
    """The commands `cost` and `budget`."""
    yield CommandSpec(name="cost", help="What recorded sessions cost, in USD", load=_command)
    yield CommandSpec(name="budget", help="What budgets have left", load=_budget_command)


@hookimpl
def codex_config_sections() -> Iterable[ConfigSectionSpec]:
    """The tables `[cost]` and `[budget]`."""
    from .section import BudgetSection, CostSection

    yield ConfigSectionSpec(name="cost", section=CostSection)
    yield ConfigSectionSpec(name="budget", section=BudgetSection)


@hookimpl
def codex_turn_guards() -> Iterable[TurnGuardSpec]:
    """The guard `budget`."""
    yield TurnGuardSpec(name="budget", factory=_guard)


@hookimpl
def codex_app_methods() -> Iterable[AppMethodSpec]:
    """What a thread has cost, for clients of the app server."""
    yield AppMethodSpec(name="cost/read", help="What a thread has cost, and what its budget has left", factory=_read)


def _read(setup: AppMethodSetup) -> AppMethod:
    from .app_methods import read_cost

    return read_cost(setup)


def _guard(setup: GuardSetup) -> TurnGuard | None:
    if not setup.config.get("budget"):
        return None
    from .guard import open_guard

    return open_guard(setup)


def _command() -> click.Command:
    from .command import cost

    return cost


def _budget_command() -> click.Command:
    from .budget_command import budget

    return budget
