"""The command lines of `codex managed`."""

from __future__ import annotations

from typing import Any

import click

EPILOG = """\b
Examples:
  codex managed status                         which bundle counts here, and what it sets
  codex managed refresh                        ask its server now
  codex managed keygen bundle.key              for the administrator: a pair of keys
  codex managed sign bundle.toml --key bundle.key

\b
Exit codes:
  0 done, or nothing is managed   1 a file cannot be written   2 usage   3 the bundle cannot be used

\b
Files:
  /etc/codex/managed.toml        where the bundle comes from; an administrator writes it
  $CODEX_HOME/kernel/managed/    the last good copy"""
SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object to stdout.")
_system_dir = click.option(
    "--system-dir", metavar="DIR", help="Look at DIR/managed.toml instead of the system's, to try a set-up out."
)


@click.group("managed", epilog=EPILOG, context_settings=SETTINGS)
def managed() -> None:
    """Show, refresh or sign the organisation's configuration.

    An administrator says in managed.toml where a bundle of configuration and requirements comes from. It is stronger
    than what users and projects set, and nothing starts where it cannot be had.
    """


@managed.command("status", context_settings=SETTINGS, short_help="Show which bundle counts and what it sets.")
@_json
@_system_dir
@click.pass_obj
def status(invocation: Any, /, **given: Any) -> int:
    """Show what a start here gets: the bundle, its signature, the keys that it sets and what it requires."""
    from .status import run_status

    return run_status(invocation, given)


@managed.command("refresh", context_settings=SETTINGS, short_help="Ask the bundle's source now.")
@_json
@_system_dir
@click.pass_obj
def refresh(invocation: Any, /, **given: Any) -> int:
    """Ask the bundle's source now, whether the copy is fresh or not. A running codex takes the new one over."""
    from .status import run_refresh

    return run_refresh(invocation, given)


@managed.command("keygen", context_settings=SETTINGS, short_help="Make a pair of keys.")
@click.argument("file", type=click.Path())
def keygen(file: str) -> int:
    """Make a pair of keys: the private one is written to FILE, the public one printed as managed.toml wants it."""
    from .admin import run_keygen

    return run_keygen(file)


@managed.command("sign", context_settings=SETTINGS, short_help="Check a bundle and sign it.")
@click.argument("file", type=click.Path())
@click.option("--key", required=True, type=click.Path(), metavar="KEY", help="The private key's file.")
@click.pass_obj
def sign(invocation: Any, /, file: str, key: str) -> int:
    """Check the bundle FILE as a start would, and write its signature to FILE.sig.

    A bundle that could not be used is not signed. Publish both files side by side.
    """
    from .admin import run_sign

    return run_sign(invocation, file, key)
