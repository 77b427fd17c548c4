"""The command lines of `codex resume` and `codex fork`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from .command import SETTINGS

_RESUME_EPILOG = """\b
Examples:
  codex resume                          pick a session
  codex resume 01a1fea2                 go on with it in the terminal UI
  codex resume --last "and now the docs"
  codex resume "the blue one" "go on" -s workspace-write"""
_FORK_EPILOG = """\b
Examples:
  codex fork --last "try it another way"
  codex fork 01a1fea2 --turn 3 "and from here on differently\""""
_OPTIONS = (
    click.option("--last", is_flag=True, help="The newest session of this folder."),
    click.option("--all", "all_folders", is_flag=True, help="Sessions of every folder."),
    click.option("-m", "--model", metavar="NAME", help="The model to use."),
    click.option("-s", "--sandbox", metavar="MODE", help="read-only, workspace-write or danger-full-access."),
    click.option(
        "-a", "--ask-for-approval", "approval", metavar="POLICY", help="untrusted, on-failure, on-request or never."
    ),
    click.option("-C", "--cd", "cwd", metavar="DIR", help="Work in this folder."),
    click.option("--add-dir", multiple=True, metavar="DIR", help="Another writable folder."),
    click.option("-i", "--image", multiple=True, metavar="FILE", help="Attach an image to the prompt."),
    click.option("-c", "--config", multiple=True, metavar="KEY=VALUE", help="Set a configuration value (TOML)."),
    click.option("-p", "--profile", metavar="NAME", help="Layer $CODEX_HOME/NAME.config.toml over the configuration."),
    click.option("--oss", is_flag=True, help="Use a local model server."),
    click.option("--local-provider", metavar="ID", help="Which one: ollama, lmstudio, llamacpp or vllm."),
    click.option("--json", is_flag=True, help="Print events to stdout, one JSON object a line."),
    click.option("-o", "--output-last-message", metavar="FILE", help="Write the last message to this file."),
    click.option("--output-schema", metavar="FILE", help="A JSON Schema that the last message has to follow."),
    click.option("--skip-git-repo-check", is_flag=True, help="Also work outside a Git repository."),
    click.option("--strict-config", is_flag=True, help="Unknown configuration keys are errors."),
    click.option("--require-trust", is_flag=True, help="Do not start if the project is not trusted as it is."),
    click.option("--dangerously-bypass-approvals-and-sandbox", "--yolo", is_flag=True, help="Confine nothing."),
    click.option("--search", is_flag=True, help="Let the model search the web."),
    click.option("--no-alt-screen", is_flag=True, help="In the terminal UI: keep the terminal's scrollback."),
    click.option("--alt-screen", is_flag=True, hidden=True),
    click.option("--screen-reader", is_flag=True, hidden=True),
    click.option("--remote", metavar="ADDR", help="Work in a running server: unix://, unix://PATH or ws://HOST:PORT."),
    click.option("--remote-auth-token-env", metavar="VAR", help="The variable that holds that server's token."),
    click.option("--enable", multiple=True, hidden=True),
    click.option("--disable", multiple=True, hidden=True),
    # Sessions of `codex exec` are sessions like others here.
    click.option("--include-non-interactive", is_flag=True, hidden=True),
)
_WORDS = click.argument("words", nargs=-1, metavar="[SESSION] [PROMPT]")


def _with_options(command: Callable[..., int]) -> Callable[..., int]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command("resume", context_settings=SETTINGS, epilog=_RESUME_EPILOG)
@_WORDS
@_with_options
@click.pass_context
def resume(ctx: click.Context, /, **_: Any) -> int:
    """Go on with a recorded session.

    SESSION is an id, at least six characters of its beginning, or a name. With PROMPT (or with one on stdin) it works
    as `codex exec resume` does. Without one, it goes on in the terminal UI; where that is not installed, what was said
    last is shown.
    """
    from .going_on import go_on

    return go_on(ctx, "resume")


@click.command("fork", context_settings=SETTINGS, epilog=_FORK_EPILOG)
@_WORDS
@_with_options
@click.option("--turn", type=click.IntRange(1), metavar="N", help="Leave out what came after this turn.")
@click.option(
    "--before-compaction", type=click.IntRange(1), metavar="N", help="Leave out this compaction and what came after it."
)
@click.pass_context
def fork(ctx: click.Context, /, **_: Any) -> int:
    """Begin a new session with what was said in another one, which stays as it is.

    SESSION is an id, at least six characters of its beginning, or a name. With PROMPT the new one goes on at once, as
    with `codex exec fork`; without one, in the terminal UI.
    """
    from .going_on import go_on

    return go_on(ctx, "fork")
