"""The command line of `codex budget`."""

from __future__ import annotations

from typing import Any

import click

_EPILOG = """\b
Examples:
  codex budget                            the last session, and today
  codex budget "tax return" --json | jq '.caps[] | select(.left < 0)'
  codex budget -c budget.usd=3            as if the cap were this

Caps are set in [budget] of config.toml, or with -c; docs/cost.md tells how they are counted.

Exit codes: 0 done, 2 usage, 3 a cap in the configuration, 8 a ledger that cannot be read."""


@click.command(
    "budget", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, epilog=_EPILOG
)
@click.argument("session", required=False, metavar="[ID|NAME]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; USD are texts, and exact.")
@click.option("-c", "--config", "overrides", multiple=True, metavar="KEY=VALUE", help="Set a configuration value.")
@click.option("-p", "--profile", metavar="NAME", help="Layer $CODEX_HOME/NAME.config.toml over it.")
@click.pass_obj
def budget(invocation: Any, /, **given: Any) -> None:
    """What budgets allow, what is spent and reserved of it, and what is left.

    For a session and its tree of sub-agents, the last one if none is named, and for this day.
    """
    from .budget_run import run_budget

    run_budget(invocation, given)
