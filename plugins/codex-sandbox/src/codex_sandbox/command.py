"""The command line of `codex sandbox`."""

from __future__ import annotations

from typing import Any

import click

EPILOG = """\b
Examples:
  codex sandbox -- ls -l                          may read everything and write nothing
  codex sandbox -s workspace-write -- make test   may write in this folder, /tmp and $TMPDIR
  codex sandbox -P strict -C ~/src/app -- npm ci  with the profile [permissions.strict]
  codex sandbox -s workspace-write -c sandbox_workspace_write.network_access=true -- curl example.com
  codex sandbox status                            what confines commands here, and what it cannot do

\b
Exit codes:
  that of CMD; 128 + n when signal n ended it
  127 CMD was not found   126 CMD cannot be executed
  1 DIR is no folder   2 usage   3 a mode, profile or setting that is wrong   4 a plugin   7 no sandbox"""


class SandboxCommand(click.Command):
    """`status` as first word is a command of its own, unless `--` comes before it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does it, keeping where the words began."""
        given = list(args)
        rest = super().parse_args(ctx, args)
        words = ctx.params["words"]
        before = given[: len(given) - len(words)]
        ctx.params["wants_status"] = bool(words) and words[0] == "status" and before[-1:] != ["--"]
        return rest


def _options(function: Any) -> Any:
    for option in (
        click.option("--enable", multiple=True, hidden=True),
        click.option("--disable", multiple=True, hidden=True),
        click.option("-p", "--profile", metavar="NAME", help="Layer $CODEX_HOME/NAME.config.toml over it."),
        click.option(
            "-c", "--config", "overrides", multiple=True, metavar="KEY=VALUE", help="Set a configuration value (TOML)."
        ),
        click.option("--add-dir", multiple=True, metavar="DIR", help="Another writable folder (workspace-write)."),
        click.option("-C", "--cd", "cwd", metavar="DIR", help="Run it in this folder."),
        click.option(
            "-P", "--permission-profile", "permissions", metavar="PROFILE", help="Confine it by [permissions.PROFILE]."
        ),
        click.option(
            "-s", "--sandbox", metavar="MODE", help="read-only (default), workspace-write or danger-full-access."
        ),
    ):
        function = option(function)
    return function


@click.command(
    "sandbox",
    cls=SandboxCommand,
    epilog=EPILOG,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "allow_interspersed_args": False,
    },
)
@_options
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[--] CMD [ARG]... | status [--json]")
@click.pass_context
def sandbox(ctx: click.Context, /, **given: Any) -> int:
    """Run CMD confined, or tell what confines commands here.

    CMD gets this program's own stdin, stdout, stderr and terminal, its environment and its arguments byte by byte;
    what it may write, read and reach is settled by the mode or the permission profile, as for commands that the
    model runs. Write `--` before CMD, so that its options are not taken for ours.
    """
    words, wants_status = given.pop("words"), given.pop("wants_status")
    if wants_status:
        outcome: object = status.main(
            list(words[1:]), "codex sandbox status", standalone_mode=False, parent=ctx, obj=(ctx.obj, given)
        )
        return outcome if isinstance(outcome, int) else 0
    if not words:
        raise click.UsageError("which command? For instance: codex sandbox -- ls -l", ctx)
    from .run import run_confined

    return run_confined(ctx.obj, given, tuple(words))


@click.command("status", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object to stdout.")
@click.pass_obj
def status(obj: Any, /, as_json: bool, **given: Any) -> int:
    """Tell which sandbox engines there are, which one is chosen, and what each enforces here.

    Every engine has to prove itself: a small program tries to get out of it. What was proved is remembered until the
    kernel, the engine or the kind of policy changes. Exit code 0 if commands can be confined, else 7.
    """
    from .status import print_status

    invocation, before = obj
    merged = {**before, **{name: found for name, found in given.items() if found not in (None, ())}}
    merged["overrides"] = (*before["overrides"], *given["overrides"])
    return print_status(invocation, merged, as_json=as_json)
