"""The command line of `codex completion`."""

from __future__ import annotations

import sys
from typing import Any

import click

from .shells import SHELLS

EPILOG = """\b
Examples:
  source <(codex completion bash)                        in ~/.bashrc
  source <(codex completion zsh)                         in ~/.zshrc, after compinit
  codex completion fish > ~/.config/fish/completions/codex.fish
  codex completion powershell | Out-String | Invoke-Expression      in $PROFILE
  eval (codex completion elvish | slurp)                 in rc.elv

\b
The script asks this program while you type. To see what it is told:
  _CODEX_COMPLETE=bash_complete COMP_WORDS="codex exec --co" COMP_CWORD=2 codex"""


@click.command(
    "completion",
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.argument("shell", type=click.Choice(sorted(SHELLS)), default="bash")
@click.option("--answer", metavar="SHELL_complete", hidden=True)
@click.pass_context
def completion(ctx: click.Context, /, shell: str, answer: str | None) -> int:
    """Print a script that completes codex in your shell: bash (the default), elvish, fish, powershell or zsh.

    Commands of installed plugins are completed with their options, choices, files and folders; a plugin that is
    installed later needs no new script.
    """
    text = SHELLS[shell].script if answer is None else _answer(ctx, answer)
    # As bytes: a console that writes CRLF would put the CR into the last word of each line.
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()
    return 0


def _answer(ctx: click.Context, instruction: str) -> str:
    """What a shell asks for: `SHELL_complete`, or `SHELL_source` for its script. Raises `UsageError`."""
    name, _, wanted = instruction.partition("_")
    shell = SHELLS.get(name)
    if shell is None or wanted not in ("complete", "source"):
        known = ", ".join(f"{name}_complete" for name in sorted(SHELLS))
        raise click.UsageError(f"{instruction!r} is none of {known}", ctx)
    if wanted == "source":
        return shell.script
    from .candidates import Completer

    invocation: Any = ctx.obj
    words, current, shown_from = shell.read(invocation.environ)
    found = Completer(ctx.find_root().command, invocation).candidates(words, current)
    return shell.write(found, shown_from)
