"""`codex apply_patch` as click sees it: everything after the name goes to `command.main` as it is."""

from __future__ import annotations

import io
import os
import sys

import click


@click.command(
    "apply_patch",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("patch", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def apply_patch(context: click.Context, patch: tuple[str, ...]) -> None:
    """Apply the V4A patch PATCH, or the one on stdin."""
    from .command import main

    nothing = io.BytesIO()  # a stream that the caller has closed is None
    stdin = sys.stdin.buffer if sys.stdin else nothing
    stdout = sys.stdout.buffer if sys.stdout else nothing
    stderr = sys.stderr.buffer if sys.stderr else nothing
    context.exit(main(patch, stdin, stdout, stderr, _working_folder()))


def _working_folder() -> str:
    try:
        return os.getcwd()
    except OSError as error:
        raise click.ClickException(f"the working directory cannot be used: {error.strerror}") from error
