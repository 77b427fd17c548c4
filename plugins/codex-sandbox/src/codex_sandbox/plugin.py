"""Offers the command `sandbox`, the check of the same name and a method of the app server. Hookimpls only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import AppMethodSpec, CheckSpec, CommandSpec, hookimpl

if TYPE_CHECKING:
    import click

    from codex_plugin_sdk import AppMethod, AppMethodSetup, Check, CheckSetup


@hookimpl
def codex_commands() -> Iterable[CommandSpec]:
    """One command, which programs may also call as `codex-linux-sandbox`."""
    yield CommandSpec(name="sandbox", help="Run a command confined", load=_command, argv0=("codex-linux-sandbox",))


@hookimpl
def codex_checks() -> Iterable[CheckSpec]:
    """What confines commands here, and what it does not enforce."""
    yield CheckSpec(name="sandbox", factory=_check, order=40)


@hookimpl
def codex_app_methods() -> Iterable[AppMethodSpec]:
    """What `codex sandbox status` tells, for frontends."""
    yield AppMethodSpec(
        name="sandbox/status", help="What confines commands, and what it does not enforce", factory=_status
    )


def _status(setup: AppMethodSetup) -> AppMethod:
    from .app_methods import status

    return status(setup)


def _command() -> click.Command:
    from .command import sandbox

    return sandbox


def _check(setup: CheckSetup) -> Check:
    from .check import SandboxCheck

    return SandboxCheck(setup)
