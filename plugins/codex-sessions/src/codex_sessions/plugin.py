"""Offers the commands `sessions`, `resume`, `fork`, `archive`, `unarchive`, `delete`, and the table `[sessions]`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import CommandSpec, ConfigSectionSpec, hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def codex_commands() -> Iterable[CommandSpec]:
    """One group, and the commands that Codex has at the top."""
    yield CommandSpec(name="sessions", help="List, show, search, export and tidy recorded sessions", load=_sessions)
    yield CommandSpec(name="resume", help="Go on with a recorded session", load=_resume, remote=True)
    yield CommandSpec(name="fork", help="Begin a session with what was said in another one", load=_fork, remote=True)
    yield CommandSpec(name="archive", help="Put a recorded session aside", load=_archive)
    yield CommandSpec(name="unarchive", help="Put an archived session back", load=_unarchive)
    yield CommandSpec(name="delete", help="Delete a recorded session for good", load=_delete)


@hookimpl
def codex_config_sections() -> Iterable[ConfigSectionSpec]:
    """The table `[sessions]`: how much is kept."""
    from .section import SessionsSection

    yield ConfigSectionSpec(name="sessions", section=SessionsSection)


def _sessions() -> click.Command:
    from .command import sessions

    return sessions


def _resume() -> click.Command:
    from .going_on_commands import resume

    return resume


def _fork() -> click.Command:
    from .going_on_commands import fork

    return fork


def _archive() -> click.Command:
    from .top_commands import archive

    return archive


def _unarchive() -> click.Command:
    from .top_commands import unarchive

    return unarchive


def _delete() -> click.Command:
    from .top_commands import delete

    return delete
