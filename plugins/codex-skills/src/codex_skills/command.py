"""The command line of `codex skills`."""

from __future__ import annotations

from typing import Any

import click

_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
LIST_EPILOG = """\b
Examples:
  codex skills list
  codex skills list --json | jq -r '.skills[] | select(.enabled) | .name'

\b
Exit codes:
  0 listed, faulty skills or not   2 usage   3 a bad configuration"""
VALIDATE_EPILOG = """\b
Examples:
  codex skills validate ~/.codex/skills
  codex skills validate .codex/skills/release/SKILL.md

\b
Exit codes:
  0 no error (warnings may remain)   2 usage   3 something would be left out"""


@click.group("skills", context_settings=_SETTINGS)
def skills() -> None:
    """List the skills that the agent can use, and check them.

    A skill is a folder with a SKILL.md: front matter with a name and a description, then instructions. It lives
    in .codex/skills or .agents/skills of a trusted project, in $CODEX_HOME/skills, ~/.agents/skills,
    /etc/codex/skills, or comes with a plugin. The model is told names and descriptions, and reads the rest when
    it is needed, or when you write $name.
    """


@skills.command("list", epilog=LIST_EPILOG, context_settings=_SETTINGS)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object to stdout.")
@click.option("-C", "--cd", "cwd", metavar="DIR", help="List as if started in this folder.")
@click.option(
    "-c", "--config", "overrides", multiple=True, metavar="KEY=VALUE", help="Set a configuration value (TOML)."
)
@click.option("-p", "--profile", metavar="NAME", help="Layer $CODEX_HOME/NAME.config.toml over the configuration.")
@click.pass_obj
def list_command(invocation: Any, /, **given: Any) -> int:
    """List all skills: name, scope, whether enabled, path, description. What is wrong with others goes to stderr."""
    from .listing import run_list

    return run_list(invocation, given)


@skills.command("validate", epilog=VALIDATE_EPILOG, context_settings=_SETTINGS)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
def validate_command(paths: tuple[str, ...]) -> int:
    """Check skills: SKILL.md files, folders of a skill, or folders of skills.

    Prints every problem with file and line and what to do. An error keeps a skill from being used; a warning is
    what other programs may refuse.
    """
    from .validation import run_validate

    return run_validate(paths)
