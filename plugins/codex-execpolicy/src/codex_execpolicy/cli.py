"""The command line of `codex execpolicy`."""

from __future__ import annotations

from typing import Any

import click

_CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_MODES = ("read-only", "workspace-write", "danger-full-access")


@click.group(
    "execpolicy",
    context_settings=_CONTEXT,
    epilog="Exit codes: 0 done, 2 usage, 3 a rules file or the configuration, 8 a session that cannot be read.",
)
def execpolicy() -> None:
    """Rules about commands: what they decide, and what they would have decided."""


@execpolicy.command(context_settings={**_CONTEXT, "allow_interspersed_args": False})
@click.option("-r", "--rules", multiple=True, required=True, metavar="FILE", help="A rules file; may be repeated.")
@click.option("--pretty", is_flag=True, help="Indent the JSON.")
@click.option("--resolve-host-executables", "resolve", is_flag=True, help="Also look a path up by its last component.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
@click.pass_obj
def check(invocation: Any, /, **given: Any) -> None:
    """Print as JSON which rules match COMMAND, and what they decide.

    The tokens are compared as they are: no shell is involved, and nothing but the given files counts.
    """
    from .commands import run_check

    run_check(invocation, given)


@execpolicy.command(context_settings=_CONTEXT)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.argument("sessions", nargs=-1, metavar="[SESSIONS]...")
@click.pass_obj
def suggest(invocation: Any, /, **given: Any) -> None:
    """Propose rules that would have ended repeated questions.

    SESSIONS are rollout files, folders of them, or thread ids; without any, all recorded sessions. The output is
    a rules file: review it, and add what you agree with to a file in $CODEX_HOME/rules.
    """
    from .commands import run_suggest

    run_suggest(invocation, given)


@execpolicy.command(context_settings=_CONTEXT)
@click.option("-r", "--rules", multiple=True, required=True, metavar="FILE", help="The new rules; may be repeated.")
@click.option("-s", "--sandbox", type=click.Choice(_MODES), help="Take it that the new sessions run like this.")
@click.option("--all", "everything", is_flag=True, help="Also list what stays the same.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.argument("sessions", nargs=-1, required=True, metavar="SESSIONS...")
@click.pass_obj
def simulate(invocation: Any, /, **given: Any) -> None:
    """Run the commands of old sessions through new rules.

    The new rules stand in for those of the user and the project; managed rules hold in both cases. Nothing is
    executed. SESSIONS are rollout files, folders of them, or thread ids.
    """
    from .commands import run_simulate

    run_simulate(invocation, given)
