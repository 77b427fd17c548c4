"""The command lines of `codex undo`, `codex redo` and `codex quarantine`."""

from __future__ import annotations

from typing import Any

import click

SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_DRY = click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
_PARTIAL = click.option("--partial", is_flag=True, help="Leave conflicts alone and do the rest.")
_LAST = click.option("--last", is_flag=True, help="The session of this folder that changed files last (the default).")
_SESSION = click.argument("session", required=False, metavar="[ID]")
_EPILOG = """\b
Examples:
  codex undo --dry-run                what would be done
  codex undo                          the last turn; once more for the one before
  codex undo 01a1fea2 --turn 3        turn 3 and all after it
  codex undo --rewind                 files and conversation, to before the last turn"""


@click.command("undo", context_settings=SETTINGS, epilog=_EPILOG)
@_SESSION
@_LAST
@click.option("--turn", type=click.IntRange(1), metavar="N", help="Back to before turn N of the session.")
@click.option("--rewind", "--conversation", "rewind", is_flag=True, help="Take back the conversation too.")
@_PARTIAL
@_DRY
@_JSON
@click.pass_obj
def undo(invocation: Any, /, **given: Any) -> int:
    """Take back what a session's last turn changed in files: bytes, permissions and links.

    ID is a session's id, at least six characters of its beginning, or its name. A file that was changed since is a
    conflict: then nothing is done, and the exit code is 1, unless --partial says to do the rest.
    """
    from .run import undo_files

    return undo_files(invocation, given)


@click.command("redo", context_settings=SETTINGS)
@_SESSION
@_LAST
@_PARTIAL
@_DRY
@_JSON
@click.pass_obj
def redo(invocation: Any, /, **given: Any) -> int:
    """Bring back what the last `codex undo` took back. A conversation that was rewound stays so."""
    from .run import redo_files

    return redo_files(invocation, given)


@click.group("quarantine", context_settings=SETTINGS)
def quarantine() -> None:
    """What commands deleted in large numbers, or outside of the workspace, was put aside: here it is."""


@quarantine.command("list", context_settings=SETTINGS)
@_JSON
@click.pass_obj
def list_(invocation: Any, /, **given: Any) -> int:
    """List what was put aside, the newest first."""
    from .run import list_held

    return list_held(invocation, given)


@quarantine.command("restore", context_settings=SETTINGS)
@click.argument("entry", required=False, default="")
@click.option("--list", "only_list", is_flag=True, help="List what there is, and restore nothing.")
@_JSON
@click.pass_obj
def restore(invocation: Any, /, **given: Any) -> int:
    """Bring ENTRY back to where it was: its id, the beginning of one, or its path; the newest if none is given."""
    from .run import list_held, restore_held

    return list_held(invocation, given) if given["only_list"] else restore_held(invocation, given)


@quarantine.command("gc", context_settings=SETTINGS)
@click.option("--days", type=click.IntRange(0), metavar="N", help="Else `undo.quarantine_days`.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def gc(invocation: Any, /, **given: Any) -> int:
    """Delete for good what was put aside long ago."""
    from .run import drop_held

    return drop_held(invocation, given)
