"""The commands that Codex has at the top: `archive`, `unarchive`, `delete`."""

from __future__ import annotations

from typing import Any

import click

from .command import SETTINGS

_SESSION = click.argument("session", metavar="SESSION")
_WHICH = "SESSION is an id, at least six characters of its beginning, or a name; an id goes before a name."


@click.command("archive", context_settings=SETTINGS, epilog=_WHICH)
@_SESSION
@click.pass_obj
def archive(invocation: Any, /, session: str) -> int:
    """Put a recorded session aside: it is listed no more and can be put back."""
    from .order import archive_session

    return archive_session(invocation, session)


@click.command("unarchive", context_settings=SETTINGS, epilog=_WHICH)
@_SESSION
@click.pass_obj
def unarchive(invocation: Any, /, session: str) -> int:
    """Put an archived session back."""
    from .order import unarchive_session

    return unarchive_session(invocation, session)


@click.command("delete", context_settings=SETTINGS, epilog=_WHICH)
@_SESSION
@click.option("--force", is_flag=True, help="Do not ask. SESSION has to be a whole id then.")
@click.pass_obj
def delete(invocation: Any, /, session: str, *, force: bool) -> int:
    """Delete a recorded session for good."""
    from .order import delete_session, require_whole_id

    if force:
        require_whole_id(session)
    return delete_session(invocation, session, sure=force, flag="--force and a session UUID")
