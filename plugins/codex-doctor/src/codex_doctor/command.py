"""The command line of `codex doctor`."""

from __future__ import annotations

from typing import Any

import click

EPILOG = """\b
Examples:
  codex doctor                       all checks, what is wrong with its cure
  codex doctor --summary             one line, and what is not right
  codex doctor --verbose             with all details
  codex doctor --offline -C ~/src    ask no server; as if started in that folder
  codex doctor --json | jq '.findings[] | select(.health != "ok")'

\b
Exit codes:
  0 nothing failed (warnings may remain)   1 something failed   2 usage   3 a bad -c or -p

\b
Environment:
  NO_COLOR=1 prints without colours; a pipe or file gets none anyway."""


@click.command(
    "doctor",
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object to stdout.")
@click.option("--summary", is_flag=True, help="Print one line and the findings that are not ok.")
@click.option("--offline", is_flag=True, help="Do not ask the model provider whether it can be reached.")
@click.option("--verbose", is_flag=True, help="Show the details of every finding.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long each check may take.",
)
@click.option(
    "-c", "--config", "overrides", multiple=True, metavar="KEY=VALUE", help="Set a configuration value (TOML)."
)
@click.option("-p", "--profile", metavar="NAME", help="Layer $CODEX_HOME/NAME.config.toml over the configuration.")
@click.option("-C", "--cd", "cwd", metavar="DIR", help="Look at things as if started in this folder.")
@click.pass_obj
def doctor(invocation: Any, /, **given: Any) -> int:
    """Check this installation, and say what to do about what is wrong.

    Every installed plugin may add checks; they run at the same time, none longer than the timeout, and none of
    them changes anything. The model provider gets one request that costs nothing, unless --offline. Each finding
    is `ok`, `warning` (it works, with a limit that you should know of) or `failed` (something will not work), and
    what is not ok comes with its cure.
    """
    if given["as_json"] and given["summary"]:
        raise click.UsageError("--json and --summary exclude each other")
    from .examination import run_doctor

    return run_doctor(invocation, given)
