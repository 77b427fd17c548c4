"""The help of `codex exec review`."""

from __future__ import annotations

import click

HELP = """Review code changes, and say what is wrong with them.

Say what to review with one of --uncommitted, --base and --commit, or in words: PROMPT, or - for stdin. The reviewer
reads and changes nothing. Progress goes to stderr, the review to stdout.
"""
_TARGET = ("uncommitted", "base", "commit", "title")
_SHARED = frozenset(
    {
        *("model", "sandbox", "cwd", "overrides", "profile", "oss", "local_provider", "as_json", "color", "ephemeral"),
        *(
            "output_last_message",
            "skip_git_repo_check",
            "ignore_user_config",
            "ignore_rules",
            "strict_config",
            "bypass",
        ),
        "require_trust",
    }
)


def review_help(command: click.Command) -> str:
    """Of the options of `exec`: those that name what to review, then those that a review shares."""
    options = {param.name: param for param in command.params if isinstance(param, click.Option)}
    names = [*_TARGET, *(name for name in options if name in _SHARED)]
    words = click.Argument(["words"], metavar="[PROMPT | -]", required=False)
    review = click.Command("review", params=[words, *(_shown(options[name]) for name in names)], help=HELP)
    names_of_help = ["-h", "--help"]
    ctx = click.Context(review, info_name="codex exec review", max_content_width=100, help_option_names=names_of_help)
    return review.get_help(ctx)


def _shown(option: click.Option) -> click.Option:
    return click.Option([*option.opts], help=option.help, metavar=option.metavar, is_flag=option.is_flag)
