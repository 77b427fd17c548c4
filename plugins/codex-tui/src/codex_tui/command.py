"""The command line of the terminal UI: `codex`, `codex "PROMPT"`, and what `codex resume` hands over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_EPILOG = """\b
Examples:
  codex                                 begin a session
  codex "explain this repository"       begin with a prompt
  codex resume                          pick one to go on with
  codex --no-alt-screen                 never leave the terminal's own scrollback

In the session, /help lists commands and keys. Documentation: docs/tui.md."""


@click.command("tui", context_settings=SETTINGS, epilog=_EPILOG)
@click.argument("prompt", required=False)
@click.option("--resume", metavar="SESSION", help="Go on with a recorded session: an id or a name.")
@click.option("--fork", metavar="SESSION", help="Begin with what was said in another session.")
@click.option("--last", is_flag=True, help="With --resume-picker or --fork-picker: take the newest session.")
@click.option("--resume-picker", is_flag=True, help="Pick the session to go on with.")
@click.option("--fork-picker", is_flag=True, help="Pick the session to fork.")
@click.option("--all", "all_folders", is_flag=True, help="Sessions of every folder.")
@click.option("--alt-screen", is_flag=True, help="Use the whole screen, with a transcript that scrolls in it.")
@click.option("--no-alt-screen", is_flag=True, help="Never use the alternate screen, not even for overlays.")
@click.option("--screen-reader", is_flag=True, help="Plain lines of text, one after another.")
@click.pass_obj
def tui(invocation: Invocation, /, **options: Any) -> int:
    """The terminal UI."""
    from .run import run

    return run(invocation, options)
