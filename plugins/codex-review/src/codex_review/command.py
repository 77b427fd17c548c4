"""The command line of `codex review`."""

from __future__ import annotations

from typing import Any

import click

from codex_plugin_sdk import Invocation, PluginMissing

EPILOG = """\b
Examples:
  codex review --uncommitted
  codex review --base main
  codex review --commit HEAD~1 --json | jq '.findings[] | select(.priority <= 1)'
  codex review "only the error handling of src/net.py"

\b
Exit codes are those of codex exec: 0 reviewed, whatever was found; 1 nothing to review, or no such
branch or commit; 2 the command line; others by what failed."""


@click.command(
    "review",
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.argument("words", nargs=-1, metavar="[PROMPT | -]")
@click.option("--uncommitted", is_flag=True, help="Review staged, unstaged and untracked changes.")
@click.option("--base", metavar="BRANCH", help="Review what HEAD and the files have beyond a branch.")
@click.option("--commit", metavar="SHA", help="Review what one commit changes.")
@click.option("--title", metavar="TITLE", help="The commit's title, to be shown with --commit.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings to stdout, as one JSON object.")
@click.option(
    "-c", "--config", "overrides", multiple=True, metavar="KEY=VALUE", help="Set a configuration value (TOML)."
)
@click.option("--strict-config", is_flag=True, default=None, help="Unknown configuration keys are errors.")
@click.option("--enable", multiple=True, metavar="FEATURE", help="Same as -c features.FEATURE=true.")
@click.option("--disable", multiple=True, metavar="FEATURE", help="Same as -c features.FEATURE=false.")
@click.pass_context
def review(ctx: click.Context, /, words: tuple[str, ...], as_json: bool, **given: Any) -> int:
    """Review code changes, and say what is wrong with them.

    Say what to review with one of --uncommitted, --base and --commit, or in words: PROMPT, or - for stdin. The
    reviewer reads and changes nothing. Progress goes to stderr, the review to stdout.

    `codex exec review` does the same with the options of `codex exec`.
    """
    invocation: Invocation = ctx.obj
    offer = invocation.plugins.commands().get("exec")
    if offer is None:
        raise PluginMissing(
            "`codex review` needs the command `exec`, which is not installed", hint="pip install codex-exec"
        )
    # What a default would say, a root option may have said already.
    given = {name: found for name, found in given.items() if found not in (None, ())}
    renderer = "findings" if as_json else None
    code: int = ctx.invoke(offer.spec.load(), words=("review", *words), renderer=renderer, **given)
    return code
