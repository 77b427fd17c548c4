"""The command line of `codex trust`."""

from __future__ import annotations

from typing import Any

import click

EPILOG = """\b
Examples:
  codex trust                    what this project would have the agent do; asks, and allows it
  codex trust --show ../other    only shows it
  codex trust --revoke           takes it back
  codex trust list --json        all projects (a folder of that name: ./list)

\b
Exit codes:
  0 done   1 not allowed (the answer was no)   2 usage   3 the project cannot be trusted   8 disk"""


@click.command(
    "trust",
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.argument("folder", required=False, metavar="[DIR | list]")
@click.option("--show", is_flag=True, help="Show it and change nothing.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object to stdout; needs --show, --yes or --revoke."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--revoke", is_flag=True, help="Do not trust the project any more.")
@click.pass_obj
def trust(invocation: Any, /, **given: Any) -> int:
    """Show what a project would have the agent do, and allow it.

    A project says things in `.codex` and `.agents`, from its root down to the folder where one works: settings,
    handlers of lifecycle events, MCP servers, rules about commands, skills, prompts. None of it counts before you
    agree, and what changes afterwards does not count before you agree again.
    """
    from .approve import run_trust

    return run_trust(invocation, given)
