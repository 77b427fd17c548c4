"""The command line of `codex cost`."""

from __future__ import annotations

from typing import Any

import click

_EPILOG = """\b
Examples:
  codex cost                              this month, by model
  codex cost --last --by tool             the last session, by what its answers called
  codex cost --all --by project --json | jq .total.cost_usd

Prices are those of the installed genai-prices, or of [cost.models."NAME"] in config.toml. A model without a price is
shown as unknown, and a sum that lacks one says so.

Exit codes: 0 done, 2 usage, 3 a price in the configuration, 8 sessions that cannot be read."""


@click.command(
    "cost", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, epilog=_EPILOG
)
@click.argument("session", required=False, metavar="[ID|NAME|FILE]")
@click.option("--last", is_flag=True, help="The session that changed last.")
@click.option("--today", is_flag=True, help="Since midnight.")
@click.option("--month", is_flag=True, help="Since the first of this month; so it is when nothing is said.")
@click.option("--since", metavar="DATE", help="Since a day or a moment, such as 2026-11-01 or 2026-11-01T12:00.")
@click.option("--all", "everything", is_flag=True, help="All that is recorded.")
@click.option(
    "--by", type=click.Choice(["model", "project", "subagent", "tool", "day"]), default="model", help="How to group it."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; amounts are texts, and exact.")
@click.option("-c", "--config", "overrides", multiple=True, metavar="KEY=VALUE", help="Set a configuration value.")
@click.option("-p", "--profile", metavar="NAME", help="Layer $CODEX_HOME/NAME.config.toml over it.")
@click.pass_obj
def cost(invocation: Any, /, **given: Any) -> None:
    """What recorded sessions cost, in USD.

    A session that is named is counted with its sub-agents. Times are local.
    """
    from .run import run_cost

    run_cost(invocation, given)
