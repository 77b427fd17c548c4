"""The command line of `codex config`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
EPILOG = """\b
Examples:
  codex config explain sandbox_mode                 each layer's value, who won, by file and line
  codex config set model gpt-5.5                    in $CODEX_HOME/config.toml, comments kept
  codex config set --profile work model o9          in $CODEX_HOME/work.config.toml
  codex config set 'tui.theme' '"dark"'             values are TOML, else text
  codex config unset mcp_servers.docs"""


@click.group("config", epilog=EPILOG, context_settings=CONTEXT)
def config() -> None:
    """See, explain and change settings.

    Settings come in layers: defaults, the system's file, yours, a profile, trusted projects, a managed bundle, -c and
    flags; docs/configuration.md lists the keys.
    """


_cwd = click.option("-C", "--cd", "cwd", metavar="DIR", help="As seen from this folder.")
_json = click.option("--json", "as_json", is_flag=True, help="As JSON.")


@config.command("list", context_settings=CONTEXT)
@_cwd
@_json
@click.pass_obj
def list_values(invocation: Invocation, /, cwd: str | None, *, as_json: bool) -> None:
    """Everything that is set, with its place."""
    from .show import listing

    sys.stdout.write(listing(invocation, cwd, as_json=as_json))


@config.command("get", context_settings=CONTEXT)
@click.argument("key")
@_cwd
@_json
@click.pass_obj
def get_value(invocation: Invocation, /, key: str, cwd: str | None, *, as_json: bool) -> None:
    """The value of KEY as it holds; exit code 1 if it is not set and has no default."""
    from .show import value_text

    text = value_text(invocation, key, cwd, as_json=as_json)
    if text is None:
        raise click.exceptions.Exit(1)
    sys.stdout.write(text)


@config.command("explain", context_settings=CONTEXT)
@click.argument("key")
@_cwd
@_json
@click.pass_obj
def explain(invocation: Invocation, /, key: str, cwd: str | None, *, as_json: bool) -> None:
    """Each layer's value of KEY, who won, and which constraint touches it."""
    from .show import explanation

    sys.stdout.write(explanation(invocation, key, cwd, as_json=as_json))


_profile = click.option("--profile", metavar="NAME", help="In $CODEX_HOME/NAME.config.toml.")
_project = click.option("--project", is_flag=True, help="In .codex/config.toml of this project.")


@config.command("set", context_settings={**CONTEXT, "ignore_unknown_options": True})
@click.argument("key")
@click.argument("value")
@_profile
@_project
@_cwd
@click.pass_obj
def set_value(
    invocation: Invocation, /, key: str, value: str, profile: str | None, cwd: str | None, *, project: bool
) -> None:
    """Set KEY to VALUE: TOML, or else text."""
    from .change import change

    sys.stderr.write(change(invocation, key, value, profile, cwd, project=project))


@config.command("unset", context_settings=CONTEXT)
@click.argument("key")
@_profile
@_project
@_cwd
@click.pass_obj
def unset_value(invocation: Invocation, /, key: str, profile: str | None, cwd: str | None, *, project: bool) -> None:
    """Remove KEY, so that weaker layers or the default hold."""
    from .change import change

    sys.stderr.write(change(invocation, key, None, profile, cwd, project=project))


@config.command("schema", context_settings=CONTEXT)
@click.pass_obj
def schema(invocation: Invocation, /) -> None:
    """The JSON Schema of config.toml, with the sections of all plugins."""
    from .schema import schema_text

    sys.stdout.write(schema_text(invocation.plugins.config_sections()))


@config.command("check", context_settings=CONTEXT)
@_cwd
@_json
@click.pass_obj
def check(invocation: Invocation, /, cwd: str | None, *, as_json: bool) -> int:
    """Everything that is wrong, by file, line and column. Exit code 3 if something keeps codex from starting."""
    from .show import findings

    text, code = findings(invocation, cwd, as_json=as_json)
    sys.stdout.write(text)
    return code
