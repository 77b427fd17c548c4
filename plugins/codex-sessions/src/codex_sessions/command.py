"""The command line of `codex sessions`."""

from __future__ import annotations

from typing import Any

import click

SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_YES = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
_LIST_EPILOG = """\b
Examples:
  codex sessions list                        those of this folder
  codex sessions list --all --limit 100
  codex sessions list --all --json | jq -r '.sessions[].id'"""
_SEARCH_EPILOG = """\b
Examples:
  codex sessions search "connection reset"
  codex sessions search --messages "the plan"     what you and the agent said, from the index
  codex sessions search Flask --cwd ~/src/app --json | jq -r 'select(.type=="match").session'"""
_TREE_EPILOG = """\b
Examples:
  codex sessions tree
  codex sessions tree 01a1fea2 --json | jq -r '.sessions[].id'"""
_EXPORT_EPILOG = """\b
Examples:
  codex sessions export 01a1fea2 --format html -o session.html
  codex sessions export "the blue one" > session.md"""
_GC_EPILOG = """\b
The limits are those of the configuration, unless they are given here:
  [sessions]
  max_age_days = 90
  max_count = 500
  max_bytes = 2000000000"""


@click.group("sessions", context_settings=SETTINGS)
def sessions() -> None:
    """Look through recorded sessions, take them along, put them in order.

    A session is named by its id, at least six characters of its beginning, or its name.
    """


@sessions.command("list", context_settings=SETTINGS, epilog=_LIST_EPILOG)
@click.option("--all", "everywhere", is_flag=True, help="Sessions of every folder.")
@click.option("--cwd", metavar="DIR", help="Sessions that began in this folder, not in the present one.")
@click.option("--archived", is_flag=True, help="Archived sessions in place of the others.")
@click.option("--agents", is_flag=True, help="Those of sub-agents as well.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=25, show_default=True, help="So many at most.")
@click.option("--cursor", metavar="CURSOR", help="Go on where the last page ended.")
@_AS_JSON
@click.pass_obj
def list_(invocation: Any, /, **given: Any) -> int:
    """List the sessions of this folder, the newest first."""
    from .listing import print_list

    return print_list(invocation, given)


@sessions.command("show", context_settings=SETTINGS)
@click.argument("session")
@click.option("--turn", type=click.IntRange(1), metavar="N", help="This turn alone.")
@click.option("--full", is_flag=True, help="Outputs and changes whole.")
@_AS_JSON
@click.pass_obj
def show(invocation: Any, /, **given: Any) -> int:
    """Show a session: where it ran, its turns, commands, changes and tokens."""
    from .show import print_session

    return print_session(invocation, given)


@sessions.command("search", context_settings=SETTINGS, epilog=_SEARCH_EPILOG)
@click.argument("text")
@click.option("--cwd", metavar="DIR", help="Only sessions that began in this folder.")
@click.option("--archived", is_flag=True, help="Search archived sessions too.")
@click.option("--messages", is_flag=True, help="Only what you and the agent said: an index finds it at once.")
@click.option("--case-sensitive", is_flag=True, help="Capitals count. They do also where TEXT has some.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="End after so many matches.")
@_AS_JSON
@click.pass_obj
def search(invocation: Any, /, **given: Any) -> int:
    """Find TEXT in messages, commands, their outputs, and changes; the newest session first.

    With an index (codex-state-sqlite) sessions in which it was said come before the others. Matches are printed as they
    are found; with --json as one object a line. The exit code is 1 if there are none.
    """
    from .search import print_matches

    return print_matches(invocation, given)


@sessions.command("tree", context_settings=SETTINGS, epilog=_TREE_EPILOG)
@click.argument("session", required=False)
@click.option("--all", "everywhere", is_flag=True, help="Sessions of every folder.")
@click.option("--cwd", metavar="DIR", help="Sessions that began in this folder, not in the present one.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=25, show_default=True, help="So many trees at most.")
@_AS_JSON
@click.pass_obj
def tree(invocation: Any, /, **given: Any) -> int:
    """Show which sessions come from which: forks, and sub-agents with how their last turn ended.

    With SESSION the tree that it belongs to, else those of this folder, the newest first.
    """
    from .tree import print_tree

    return print_tree(invocation, given)


@sessions.command("index", context_settings=SETTINGS)
@click.option("--rebuild", is_flag=True, help="Forget the index and make it anew.")
@click.pass_obj
def index(invocation: Any, /, **given: Any) -> int:
    """Bring the index of sessions up to date now. It is otherwise done while agents wait for their models."""
    from .indexed import bring_up_to_date

    return bring_up_to_date(invocation, rebuild=given["rebuild"])


@sessions.command("export", context_settings=SETTINGS, epilog=_EXPORT_EPILOG)
@click.argument("session")
@click.option("--format", "form", type=click.Choice(["md", "html", "json"]), help="Else by the file's ending, or md.")
@click.option("-o", "--output", metavar="FILE", help="Write to a file that only you can read, not to stdout.")
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@click.pass_obj
def export(invocation: Any, /, **given: Any) -> int:
    """Write a session as Markdown, HTML or JSON, with what looks like a secret taken out."""
    from .export import export_session

    return export_session(invocation, given)


@sessions.command("import", context_settings=SETTINGS)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--dry-run", is_flag=True, help="Check the files and say what would be done.")
@_AS_JSON
@click.pass_obj
def import_(invocation: Any, /, **given: Any) -> int:
    """Take over rollout files (.jsonl) of another home or machine, Codex's or ours.

    Every line is checked first. A damaged file is refused, and so is one whose session is here already; the others
    are taken over, and the exit code is 1 then.
    """
    from .importing import import_files

    return import_files(invocation, given)


@sessions.command("rename", context_settings=SETTINGS)
@click.argument("session")
@click.argument("name")
@click.pass_obj
def rename(invocation: Any, /, **given: Any) -> int:
    """Give a session a name, by which it is found."""
    from .order import rename_session

    return rename_session(invocation, given["session"], given["name"])


@sessions.command("delete", context_settings=SETTINGS)
@click.argument("session")
@_YES
@click.pass_obj
def delete(invocation: Any, /, **given: Any) -> int:
    """Delete a session for good. One that is open is refused."""
    from .order import delete_session

    return delete_session(invocation, given["session"], sure=given["yes"], flag="--yes")


@sessions.command("restore", context_settings=SETTINGS)
@click.argument("entry", required=False, default="")
@click.option("--list", "only_list", is_flag=True, help="List what there is, and restore nothing.")
@_AS_JSON
@click.pass_obj
def restore(invocation: Any, /, **given: Any) -> int:
    """Bring back what a session's command deleted into the quarantine: ENTRY, or the newest.

    The same as `codex quarantine restore`.
    """
    from .restoring import restore_held

    return restore_held(invocation, given)


@sessions.command("gc", context_settings=SETTINGS, epilog=_GC_EPILOG)
@click.option("--dry-run", is_flag=True, help="Say what would go, and keep it.")
@click.option("--daily", is_flag=True, help="Only if no process of this home has done so within a day: for timers.")
@click.option("--max-age-days", type=click.IntRange(0), metavar="N", help="Delete what was not changed for N days.")
@click.option("--max-count", type=click.IntRange(0), metavar="N", help="Keep N sessions at most.")
@click.option("--max-bytes", type=click.IntRange(0), metavar="N", help="Keep N bytes at most.")
@_YES
@_AS_JSON
@click.pass_obj
def gc(invocation: Any, /, **given: Any) -> int:
    """Delete the sessions that are beyond the limits: archived ones first, then the oldest.

    An open session stays, and so does one that a kept session goes on from.
    """
    from .gc import collect

    return collect(invocation, given)
