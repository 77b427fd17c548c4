"""Archive, put back, rename, delete."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from codex_plugin_sdk import UserError, is_uuid

from .home import Home, names, shown_name
from .wording import one_line, plain

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation, ThreadSummary

_LONGEST_NAME = 200


def archive_session(invocation: Invocation, session: str) -> int:
    """Put a session aside; 0. Raises `UserError` for one that is not among the active ones, `StoreError` for one
    that is open."""
    home = Home(invocation)
    found = home.require_here(session, archived=False)
    home.archive(found.thread_id)
    click.echo(f"Archived session {_told(found)}.")
    return 0


def unarchive_session(invocation: Invocation, session: str) -> int:
    """Put it back; 0. Raises `UserError`, `StoreError`."""
    home = Home(invocation)
    found = home.require_here(session, archived=True)
    home.unarchive(found.thread_id)
    click.echo(f"Unarchived session {_told(found)}.")
    return 0


def rename_session(invocation: Invocation, session: str, name: str) -> int:
    """Give a session a name; 0. Raises `UserError` for a name that could not be typed or told from an id."""
    home = Home(invocation)
    name = name.strip()
    if not name or plain(name) != name or "\n" in name or "\t" in name or len(name) > _LONGEST_NAME:
        raise UserError(f"{one_line(name, 60)!r} cannot be a name", hint=f"1 to {_LONGEST_NAME} characters on one line")
    if is_uuid(name):
        raise UserError(f"{name} looks like an id, and ids are found before names", hint="choose another name")
    found = home.require_here(session)
    home.library.rename(found.thread_id, name)
    click.echo(f"Renamed session {found.thread_id} to {name}.")
    return 0


def require_whole_id(session: str) -> None:
    """Raise `UserError` unless it is an id: a name may mean another session tomorrow."""
    if not is_uuid(session):
        raise UserError("--force requires a session UUID; names must be confirmed interactively")


def delete_session(invocation: Invocation, session: str, *, sure: bool, flag: str) -> int:
    """Delete a session, asking first unless it is `sure`; 0, also when the answer is no. Raises `UserError` where
    nobody can be asked or others go on from the session, `StoreError` for one that is open."""
    home = Home(invocation)
    found = home.require_here(session)
    forks = list(home.forks_of(found))
    if forks:
        raise UserError(
            f"session {shown_name(found)} holds the beginning of {names(forks)}",
            hint="delete those first, or archive this one",
        )
    if not sure and not confirmed(
        f"Delete session {_told(found)} for good?\n{_about(found)}",
        f"cannot confirm session deletion without an interactive terminal; rerun with {flag}",
    ):
        click.echo("Delete cancelled.")
        return 0
    home.delete(found.thread_id)
    click.echo(f"Deleted session {_told(found)}.")
    return 0


def confirmed(question: str, nobody: str) -> bool:
    """Ask on the terminal; no is the default. Raises `UserError` with the text `nobody` where there is none."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UserError(nobody)
    return click.confirm(question + "\nContinue?", default=False, err=True)


def _told(found: ThreadSummary) -> str:
    return one_line(shown_name(found))


def _about(found: ThreadSummary) -> str:
    return "  " + "  ".join(part for part in (one_line(found.preview, 60), one_line(found.cwd)) if part)
