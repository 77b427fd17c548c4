"""The command line of `codex exec`."""

from __future__ import annotations

from typing import Any

import click

EPILOG = """\b
Examples:
  codex exec "make the failing test pass" -s workspace-write
  git diff | codex exec "review this"
  codex exec --json "list the TODOs" | jq .
  codex exec resume --last "and now the docs"
  codex exec fork 01a1fea2 --turn 3 "try it another way"
  codex exec --remote unix:// "fix the test"      in the server of: codex app-server daemon start

\b
Exit codes:
  0 done   1 failed   2 usage   3 config   4 plugin   5 login   6 model server
  7 sandbox   8 disk   9 limit   10 untrusted   130 interrupted   141 output closed   143 terminated"""


class _ExecCommand(click.Command):
    """`exec`, whose first word may be `review`: that has a help of its own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "review" in args and not {"-h", "--help"}.isdisjoint(args):
            given, _, _ = self.make_parser(ctx).parse_args(args=list(args))
            if given.get("words", ())[:1] == ("review",):
                from .review_help import review_help

                click.echo(review_help(self))
                ctx.exit()
        return super().parse_args(ctx, args)


@click.command(
    "exec",
    cls=_ExecCommand,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.argument("words", nargs=-1, metavar="[PROMPT | - | resume [ID] [PROMPT] | fork [ID] [PROMPT] | review [PROMPT]]")
@click.option("-m", "--model", metavar="NAME", help="The model to use.")
@click.option("-s", "--sandbox", metavar="MODE", help="read-only (default), workspace-write or danger-full-access.")
@click.option("-C", "--cd", "cwd", metavar="DIR", help="Work in this folder.")
@click.option("--add-dir", multiple=True, metavar="DIR", help="Another writable folder.")
@click.option("-i", "--image", "images", multiple=True, metavar="FILE", help="Attach an image to the prompt.")
@click.option(
    "-c", "--config", "overrides", multiple=True, metavar="KEY=VALUE", help="Set a configuration value (TOML)."
)
@click.option("-p", "--profile", metavar="NAME", help="Layer $CODEX_HOME/NAME.config.toml over the configuration.")
@click.option("--oss", is_flag=True, default=None, help="Use a local model server.")
@click.option("--local-provider", metavar="ID", help="Which one: ollama, lmstudio, llamacpp or vllm.")
@click.option(
    "--json", "--experimental-json", "as_json", is_flag=True, help="Print events to stdout, one JSON object a line."
)
@click.option("-o", "--output-last-message", metavar="FILE", help="Write the agent's last message to this file.")
@click.option("--output-schema", metavar="FILE", help="A JSON Schema that the last message has to follow.")
@click.option("--color", type=click.Choice(["always", "never", "auto"]), default="auto", help="Colours on stderr.")
@click.option("--remote", metavar="ADDR", help="Work in a running server: unix://, unix://PATH or ws://HOST:PORT.")
@click.option("--remote-auth-token-env", metavar="VAR", help="The variable that holds that server's token.")
@click.option("--ephemeral", is_flag=True, help="Keep no record of the session.")
@click.option("--thread-source", metavar="LABEL", help="Where a new session comes from; kept with it.")
@click.option("--skip-git-repo-check", is_flag=True, help="Also work outside a Git repository.")
@click.option("--ignore-user-config", is_flag=True, help="Do not read $CODEX_HOME/config.toml.")
@click.option("--strict-config", is_flag=True, default=None, help="Unknown configuration keys are errors.")
@click.option("--require-trust", is_flag=True, help="Do not start if the project is not trusted as it is (exit 10).")
@click.option("--ignore-rules", is_flag=True, help="Do not read .rules files of the user and the project.")
@click.option(
    "--dangerously-bypass-approvals-and-sandbox",
    "--yolo",
    "bypass",
    is_flag=True,
    default=None,
    help="Confine nothing. Only for machines that are confined themselves.",
)
@click.option("--last", is_flag=True, help="resume, fork: the newest session of this folder.")
@click.option("--all", "all_folders", is_flag=True, help="resume --last, fork --last: of any folder.")
@click.option("--turn", type=click.IntRange(1), metavar="N", help="fork: leave out what came after this turn.")
@click.option(
    "--before-compaction",
    type=click.IntRange(1),
    metavar="N",
    help="fork: leave out this compaction and what came after it.",
)
@click.option("--uncommitted", is_flag=True, hidden=True, help="Review staged, unstaged and untracked changes.")
@click.option("--base", metavar="BRANCH", hidden=True, help="Review what HEAD and the files have beyond a branch.")
@click.option("--commit", metavar="SHA", hidden=True, help="Review what one commit changes.")
@click.option("--title", metavar="TITLE", hidden=True, help="The commit's title, to be shown with --commit.")
@click.option("--renderer", metavar="NAME", hidden=True)
@click.option("--enable", multiple=True, hidden=True)
@click.option("--disable", multiple=True, hidden=True)
@click.option("--full-auto", is_flag=True, default=None, hidden=True)
@click.pass_obj
def exec_command(invocation: Any, /, **given: Any) -> int:
    """Run the agent on one prompt, without a terminal UI.

    Progress goes to stderr, the final message to stdout. Without PROMPT, or with -, it is read from stdin;
    with both, stdin is appended. Nobody is asked anything: what is not permitted is refused, and the model
    is told.

    `codex exec resume ID PROMPT` continues a recorded session by id, unique prefix or name;
    `codex exec fork ID [PROMPT]` begins a new one with what was said there;
    `codex exec review --uncommitted` reviews changes (codex exec review --help).
    """
    from .session import run_exec

    return run_exec(invocation, given)
