"""The command line of `codex hooks`."""

from __future__ import annotations

from typing import Any

import click

EPILOG = """\b
Examples:
  codex hooks list
  codex hooks list --json | jq '.hooks[] | select(.event == "PreToolUse")'

\b
Exit codes:
  0 listed   2 usage   3 the configuration is wrong: every problem is named with its line"""

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group("hooks", context_settings=SETTINGS)
def hooks() -> None:
    """Show which lifecycle hooks are set, and where."""


@hooks.command("list", epilog=EPILOG, context_settings=SETTINGS)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object to stdout.")
@click.option(
    "-c", "--config", "overrides", multiple=True, metavar="KEY=VALUE", help="Set a configuration value (TOML)."
)
@click.option("-p", "--profile", metavar="NAME", help="Layer $CODEX_HOME/NAME.config.toml over the configuration.")
@click.option("-C", "--cd", "cwd", metavar="DIR", help="List what holds in this folder.")
@click.pass_obj
def list_hooks(invocation: Any, /, **given: Any) -> None:
    """List the hooks that would run here, in their order, each with the line that sets it.

    Hooks of a project count only where the project is trusted.
    """
    from .listing import run_list

    run_list(invocation, given)
