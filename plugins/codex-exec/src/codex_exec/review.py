"""`codex exec review`: what to review, from the command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from codex_plugin_sdk import Engine, ThreadOptions, UserError

from .options import ExecOptions
from .prompt import read_prompt

if TYPE_CHECKING:
    from codex_plugin_sdk.review.session import ReviewSession
    from codex_plugin_sdk.review.target import ReviewTarget

NO_TARGET = "Specify --uncommitted, --base, --commit, or provide custom review instructions"


def open_review_session(engine: Engine, options: ExecOptions) -> ReviewSession:
    """The review, begun. Raises `UsageError` for options that do not go together, `UserError` for a target that is not
    there."""
    from codex_plugin_sdk.review.session import ReviewSession

    target = read_target(options)
    for name in ("last", "all_folders"):
        if options.flag(name):
            raise click.UsageError("--last and --all belong to `codex exec resume`")
    if options.images:
        raise click.UsageError("--image does not go with `codex exec review`")
    if options.flag("output_schema"):  # Codex takes it and makes nothing of it
        sys.stderr.write("warning: --output-schema is left out: a review has a form of its own\n")
    opened = ThreadOptions(cwd=options.cwd, ephemeral=bool(options.flag("ephemeral")))
    return ReviewSession(engine, opened, target)


def read_target(options: ExecOptions) -> ReviewTarget:
    """What to review. Raises `UsageError`, `UserError`."""
    from codex_plugin_sdk.review.target import BaseBranch, Commit, CustomReview, UncommittedChanges

    words = options.words[1:]
    if len(words) > 1:
        raise click.UsageError(f"unexpected argument {words[1]!r} found; quote the instructions")
    base, commit, title = options.flag("base"), options.flag("commit"), options.flag("title")
    given = {"--uncommitted": options.flag("uncommitted"), "--base": base is not None, "--commit": commit is not None}
    named = [name for name, is_given in {**given, "PROMPT": bool(words)}.items() if is_given]
    if len(named) > 1:
        raise click.UsageError(f"{named[0]} cannot be used with {named[1]}: one review has one subject")
    if title is not None and commit is None:
        raise click.UsageError("--title belongs to --commit SHA")
    if base is not None:
        return BaseBranch(branch=base)
    if commit is not None:
        return Commit(sha=commit, title=title)
    if words:
        return CustomReview(instructions=read_prompt("-") if words[0] == "-" else words[0])
    if not given["--uncommitted"]:
        raise UserError(NO_TARGET, hint="codex exec review --uncommitted")
    return UncommittedChanges()
