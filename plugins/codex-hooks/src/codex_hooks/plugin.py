"""Offers the lifecycle handlers `hooks` and the command of the same name. Hookimpls only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import CommandSpec, LifecycleSpec, hookimpl

if TYPE_CHECKING:
    import click

    from codex_plugin_sdk import LifecycleHooks, LifecycleSetup


@hookimpl
def codex_lifecycle_hooks() -> Iterable[LifecycleSpec]:
    """What `[hooks]` and `notify` set."""
    yield LifecycleSpec(name="hooks", tables=("hooks", "notify"), factory=_hooks)


@hookimpl
def codex_commands() -> Iterable[CommandSpec]:
    """A listing for people."""
    yield CommandSpec(name="hooks", help="Show which lifecycle hooks are set, and where", load=_command)


def _hooks(setup: LifecycleSetup) -> LifecycleHooks:
    from .hooks import CommandHooks

    return CommandHooks(setup)


def _command() -> click.Command:
    from .command import hooks

    return hooks
