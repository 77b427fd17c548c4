"""Offers the commands `login` and `logout` and the check `auth`. Hookimpls only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import CheckSpec, CommandSpec, hookimpl

if TYPE_CHECKING:
    import click

    from codex_plugin_sdk import Check, CheckSetup


@hookimpl
def codex_commands() -> Iterable[CommandSpec]:
    """Two commands."""
    yield CommandSpec(name="login", help="Store an API key, or show which one counts", load=_login)
    yield CommandSpec(name="logout", help="Remove what is stored of logins", load=_logout)


@hookimpl
def codex_checks() -> Iterable[CheckSpec]:
    """One check."""
    yield CheckSpec(name="auth", factory=_check, order=40)


def _login() -> click.Command:
    from .command import login

    return login


def _logout() -> click.Command:
    from .command import logout

    return logout


def _check(setup: CheckSetup) -> Check:
    from .check import AuthCheck

    return AuthCheck(setup)
